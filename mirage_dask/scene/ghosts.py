"""Ghosts of NIRISS: where they lie, how bright and how wide they are.

Light that the detector reflects comes back from a filter in the parallel beam. A source at (x, y) has a ghost at

    (2 gx - x, 2 gy - y),   with the light   fraction x that of the source,

where the ghost axis point (gx, gy) and the fraction belong to the filter (`ghosts.ecsv` in `mirage_dask/instruments/data`).
The image of a ghost is that of its source, turned by 180 degrees, seen through the ghost of a point, which takes the place
of the PSF. That is, of light 1, the `CORE` part in a Gaussian of the width `CORE_FWHM`, and the rest in a disk of the
diameter `DISK`, blurred by the same Gaussian: after the picture of the stamp of Mirage in spacetelescope/niriss_ghost
(figure/demo.png: a spot, and around it what is out of focus, lopsided and faint). A catalog or a setting may name a stamp.

The light of a ghost is *added*: zero points are measured with what a source has left, so nothing is taken from it. Sources
beside the detector have ghosts, too, as far as the pick-off mirror sends light into the instrument (`FIELD`).

NOT modelled: ghosts of scene images, of what moves or trails, of dispersed light; the change of position, fraction and shape
over the detector; second families of ghosts (F480M has two axis points); the detectors' distortion between a source and its
ghost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.instruments.tables import read_table
from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import WINGS_PADDING, PsfLibrary
from mirage_dask.scene.sources import SourceTable
from mirage_dask.untrusted.names import REMEDY, is_valid

CORE = 0.5
"""Part of a ghost's light in its spot."""
CORE_FWHM = 4.0
"""Full width at half maximum of the spot, pixels."""
DISK = 26.0
"""Diameter of the light around it, pixels."""
FIELD = (-137.5, 2184.5)
"""Science pixels between which light enters the instrument, along both axes: its pick-off mirror sees 2322 x 2322."""
PADDING = 4
"""Empty pixels around a stamp, in which the spline of a PSF fades."""
LARGEST = 512
"""Pixels along the side of a stamp."""
SUBPIXELS = 16
"""Points along the side of a pixel, for the share of the disk in each."""
INSTRUMENT = "NIRISS"
SOURCE_KINDS = ("point_source", "galaxy", "extended")
"""Kinds of the tables of sources that have ghosts."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GhostAxis:
    """The ghosts of one filter."""

    x: float
    """Ghost axis point, full-frame science pixels."""
    y: float
    fraction: float
    """Light of a ghost over that of its source."""


@dataclass(frozen=True, eq=False)
class GhostShape(SourceTable):
    """The ghost of a point: coefficients of a `PsfLibrary` of one place, without wings."""

    kind: ClassVar[str] = "ghost_shape"
    core: NDArray[np.float32]
    """(1, 1, 1, Y, X)."""
    profile: NDArray[np.float32]
    enclosed: NDArray[np.float32]
    centre: float
    half_width: float

    @classmethod
    def of(cls, stamp: Floats) -> GhostShape:
        """Return the shape of a stamp, (ny, nx) detector pixels, centred on its middle; its sum becomes 1."""
        side = max(stamp.shape) + 2 * PADDING
        square = np.zeros((side, side))
        # Both sides grow evenly: the middle of an odd side in an even square would not be the middle.
        ny, nx = stamp.shape
        if (side - ny) % 2 or (side - nx) % 2:
            stamp = _shifted(stamp, (side - ny) % 2, (side - nx) % 2)
            ny, nx = stamp.shape
        low, left = (side - ny) // 2, (side - nx) // 2
        square[low : low + ny, left : left + nx] = stamp / stamp.sum()
        found = PsfLibrary.from_samples(CoreFile(square[None], 1, (0.0,), (0.0,)))
        return cls(found.core, found.profile, found.enclosed, found.core_centre, found.core_half_width)

    def library(self) -> PsfLibrary:
        """Return the shape as what kernels draw sources with.

        Raises
        ------
        StoreError
            If the table does not hold what a spline needs: kernels do not look whether an address is inside.
        """
        rows, columns = self.core.shape[-2:] if self.core.ndim == 5 else (0, 0)
        room = min(self.centre, rows - 1 - self.centre) - 3.0
        square = rows == columns and self.core.size == rows * columns
        if not (square and 0.0 <= self.half_width <= room and self.profile.ndim == self.enclosed.ndim == 1):
            raise StoreError(f"The shape of a ghost is not valid; {REMEDY}.")
        half = int(np.floor(self.half_width))
        if not self.profile.size == self.enclosed.size == half + 1:
            raise StoreError(f"The shape of a ghost is not valid; {REMEDY}.")
        side = 2 * (half + WINGS_PADDING) + 1
        return PsfLibrary(
            core=np.ascontiguousarray(self.core, np.float32),
            wings=np.zeros((side, side), np.float32),
            profile=self.profile,
            enclosed=self.enclosed,
            grid_x=(0.0,),
            grid_y=(0.0,),
            oversampling=1,
            core_centre=self.centre,
            core_half_width=self.half_width,
            wings_centre=float(half + WINGS_PADDING),
            wings_inner=float(half),
            wings_half_width=half,
        )


@dataclass(frozen=True, eq=False)
class Ghosts(SourceTable):
    """Ghosts of the sources of one table."""

    kind: ClassVar[str] = "ghost"
    source_kind: str
    """'point_source', 'galaxy' or 'extended'."""
    source: str
    """Key of the table of the sources."""
    shape: str
    """Key of the `GhostShape`."""
    axis_x: float
    axis_y: float
    fraction: float

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield (kind, key) of the tables that this one names.

        Raises
        ------
        StoreError
            If the table cannot be true: paths are made of its names.
        """
        numbers = np.isfinite([self.axis_x, self.axis_y, self.fraction]).all() and 0.0 <= self.fraction <= 1.0
        names = is_valid("digest", self.source) and is_valid("digest", self.shape)
        if not (numbers and names and self.source_kind in SOURCE_KINDS):
            raise StoreError(f"The table of the ghosts of an exposure is not valid; {REMEDY}.")
        yield self.source_kind, self.source
        yield GhostShape.kind, self.shape


def ghost_axis(instrument: str, filter: str, pupil: str) -> GhostAxis | None:
    """Return where the ghosts behind a filter are; None where no ghosts are known."""
    return _axes().get((filter, pupil)) if instrument == INSTRUMENT else None


@cache
def _axes() -> dict[tuple[str, str], GhostAxis]:
    return {
        (row["filter"], row["pupil"]): GhostAxis(*(float(row[n]) for n in ("axis_x", "axis_y", "fraction")))
        for row in read_table("ghosts")
    }


def usual_stamp() -> Floats:
    """Return the ghost of a point, (n, n) parts of its light; on the client."""
    from scipy.ndimage import gaussian_filter

    sigma = CORE_FWHM / np.sqrt(8.0 * np.log(2.0))
    half = int(np.ceil(DISK / 2.0 + 4.0 * sigma))
    side = 2 * half + 1
    fine = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - side / 2.0
    disk = (fine[:, None] ** 2 + fine**2 <= (DISK / 2.0) ** 2).reshape(side, SUBPIXELS, side, SUBPIXELS)
    light = (1.0 - CORE) * disk.mean(axis=(1, 3)) / (np.pi * (DISK / 2.0) ** 2)
    light[half, half] += CORE
    return np.round(gaussian_filter(light, sigma, mode="constant", truncate=4.5), 9)


def _shifted(stamp: Floats, half_y: int, half_x: int) -> Floats:
    """Return a stamp with another row or column, half a pixel towards each side: between two pixels is their mean."""
    for axis, half in ((0, half_y), (1, half_x)):
        if half:
            wide = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
            padded = np.pad(stamp, wide)
            low, high = np.delete(padded, -1, axis), np.delete(padded, 0, axis)
            stamp = (low + high) / 2.0
    return stamp
