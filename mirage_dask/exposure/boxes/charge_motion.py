"""Effects that move collected charge between neighbouring pixels, one after the other, before the read-out.

Each is a stencil with a declared radius (`Effect.halo`) and needs that many more neighbours around a box; nothing is
recomputed in time. With all of them off a box has the neighbours that the read-out needs, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from mirage_dask.detector.charge.migration import migrate
from mirage_dask.detector.charge.spilling import spill
from mirage_dask.detector.context import ExposureContext, Floats, Place
from mirage_dask.detector.effects import EFFECTS
from mirage_dask.exposure.frame import DetectorBox, clipped
from mirage_dask.exposure.planes import read_planes
from mirage_dask.reference.packs.pack import ReferencePack

READ_OUT = 1
"""Neighbours on each side that the read-out kernel takes (inter-pixel capacitance)."""

MIGRATION, BLOOMING = MOVING = ("charge_migration", "blooming")
"""Names of the effects, in the order in which they act."""

_RADII = {effect.name: effect.halo for effect in EFFECTS if effect.name in MOVING}

Buffer = Callable[[str, tuple[int, ...], type[np.generic]], Floats]


def neighbours(on: Collection[str]) -> int:
    """Return the neighbours on each side of a box that is computed with these effects on."""
    return READ_OUT + sum(radius for name, radius in _RADII.items() if name in on)


class ChargeMotion:
    """The effects of a window that are on.

    Parameters
    ----------
    exposure, pack, on
        The exposure, its reference data, and the names of its effects that are on.
    rows, columns
        The window, rows and columns of the detector.
    """

    def __init__(
        self,
        exposure: ExposureContext,
        pack: ReferencePack,
        on: Collection[str],
        rows: tuple[int, int],
        columns: tuple[int, int],
    ):
        self.exposure = exposure
        self.names = [name for name in MOVING if name in on]
        if self.names:
            halo = neighbours(on)
            box = (rows[0] - halo, rows[1] + halo), (columns[0] - halo, columns[1] + halo)
            self.wells = _wells(exposure, pack, on, box)

    def apply(self, charge: Floats, place: Place, buffer: Buffer) -> Floats:
        """Return the charge of a box after all effects, with the neighbours that the read-out takes.

        Parameters
        ----------
        charge : float32, (integrations, groups, rows, columns)
            Electrons of a box with all its neighbours.
        place
            Of the box in the window.
        buffer
            Gives memory: called with a name, a shape and a type.
        """
        moved = 0
        for name in self.names:
            radius = _RADII[name]
            shape = *charge.shape[:2], charge.shape[2] - 2 * radius, charge.shape[3] - 2 * radius
            out = buffer(f"charge after {name}", shape, np.float32)
            here = Place(place.row + moved, place.column + moved)
            if name == MIGRATION:
                coefficient = self.exposure.parameter(MIGRATION, "coefficient")
                migrate(np.float32(coefficient * 1e-6), self.wells, here, charge, out)
            else:
                spill(self.wells, here, charge, out)
            charge, moved = out, moved + radius
        return charge


def _wells(exposure: ExposureContext, pack: ReferencePack, on: Collection[str], box: DetectorBox) -> Floats:
    """Return the full wells of a box, e-; 0 where no pixel is read, or collects no charge; very large without saturation."""
    (top, bottom), (left, right) = box
    rows, columns = inside = clipped(box, exposure.extent)
    planes = read_planes(pack, on, ("read-out",), inside, exposure.array)
    per_electron = planes["inverse_gain"]
    wells = np.zeros((bottom - top, right - left), np.float32)
    wells[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left] = np.divide(
        planes["full_well"], per_electron, out=np.zeros_like(per_electron), where=per_electron > 0
    )
    return wells
