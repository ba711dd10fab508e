"""The area of the sky that exposures cover, and random positions in it.

Each exposure's region is a quadrilateral of great circles, which are straight lines in the gnomonic projection about the
centre of its field. Positions are uniform in the union of the regions: drawn in the box around a field, kept where some
region contains them. Exposures more than `APART` from each other are different fields, each with a projection of its own.
Areas are those of the plane, which exceed those of the sky by 1 in 10,000 half a degree from the centre.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError
from mirage_dask.pointing import radec_to_unit, unit_to_radec

Floats = npt.NDArray[np.float64]

APART = 0.25
"""Degrees between the centres of regions of one field; a longer chain of regions is one field, too."""
ARCMIN = np.pi / 180.0 / 60.0
BATCH = 20_000
"""Positions drawn at a time."""


@dataclass(frozen=True, eq=False)
class Field:
    """Regions that lie near each other, in one projection."""

    basis: Floats
    """(3, 3): unit vectors of the centre, east and north."""
    corners: Floats
    """(n, 4, 2) corners in the plane, radians east and north."""

    @classmethod
    def of(cls, units: Floats) -> Field:
        """Return the field of regions whose corners are (n, 4, 3) unit vectors."""
        centre = units.mean(axis=(0, 1))
        centre /= np.linalg.norm(centre)
        pole = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        east = np.cross(pole, centre)
        east /= np.linalg.norm(east)
        basis = np.stack([centre, east, np.cross(centre, east)])
        along = units @ basis.T
        return cls(basis, along[..., 1:] / along[..., :1])

    @property
    def box(self) -> tuple[Floats, Floats]:
        """Lowest and highest corner of the box around the field."""
        return self.corners.min(axis=(0, 1)), self.corners.max(axis=(0, 1))

    @property
    def box_area(self) -> float:
        """Area of the box, square arcmin."""
        low, high = self.box
        return float(np.prod(high - low)) / ARCMIN**2

    def contains(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Return which of (n, 2) points in the plane lie in some region."""
        found = np.zeros(len(points), bool)
        for corners in self.corners:
            rest = np.flatnonzero(~found)
            if not rest.size:
                break
            offsets = points[rest, None, :] - corners
            sides = np.roll(corners, -1, axis=0) - corners
            turns = sides[:, 0] * offsets[..., 1] - sides[:, 1] * offsets[..., 0]
            found[rest[(turns >= 0).all(axis=1) | (turns <= 0).all(axis=1)]] = True
        return found

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Return (m, 3) unit vectors of those of `count` positions in the box that lie in a region."""
        low, high = self.box
        points = low + (high - low) * rng.random((count, 2))
        points = points[self.contains(points)]
        vectors = np.concatenate([np.ones((len(points), 1)), points], axis=1) @ self.basis
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def fields_of(regions: Iterable[str]) -> list[Field]:
    """Return the fields of S_REGION strings.

    Raises
    ------
    InputError
        If there are none.
    """
    texts = sorted({text for text in regions if text})
    if not texts:
        raise InputError(
            "No exposure of the proposal has a position on the sky; there is nowhere to put sources."
        )
    numbers = np.array([[float(word) for word in text.split()[2:]] for text in texts]).reshape(-1, 4, 2)
    units = radec_to_unit(numbers[..., 0], numbers[..., 1])
    units = units[np.sort(np.unique(np.round(units, 9), axis=0, return_index=True)[1])]
    return [Field.of(units[members]) for members in linked(units.mean(axis=1), apart=APART)]


def linked(centres: Floats, *, apart: float) -> list[npt.NDArray[np.int64]]:
    """Return the rows of (n, 3) unit vectors in groups that are linked by neighbours within `apart` degrees."""
    nearest = 2.0 * np.sin(np.radians(apart) / 2.0)
    label = np.full(len(centres), -1)
    for start in range(len(centres)):
        if label[start] >= 0:
            continue
        waiting = [start]
        label[start] = start
        while waiting:
            near = np.linalg.norm(centres - centres[waiting.pop()], axis=1) < nearest
            new = np.flatnonzero(near & (label < 0))
            label[new] = start
            waiting += new.tolist()
    return [np.flatnonzero(label == start) for start in np.unique(label)]


def random_positions(
    regions: Iterable[str],
    rng: np.random.Generator,
    *,
    number: int | None = None,
    density: float | None = None,
) -> tuple[Floats, Floats]:
    """Return (ra, dec), degrees, of positions that are uniform in the union of regions.

    Parameters
    ----------
    regions
        S_REGION strings.
    rng
        Generator that they are drawn from.
    number
        How many.
    density
        Instead: how many on a square arcmin.

    Raises
    ------
    InputError
        If there are no regions.
    """
    fields = fields_of(regions)
    areas = np.array([field.box_area for field in fields])
    if density is not None:
        found = [field.draw(round(density * area), rng) for field, area in zip(fields, areas, strict=True)]
        return unit_to_radec(np.concatenate(found))
    found, missing = [], number or 0
    while missing:
        shares = rng.multinomial(max(BATCH, 2 * missing), areas / areas.sum())
        batch = np.concatenate([f.draw(int(n), rng) for f, n in zip(fields, shares, strict=True)])
        # A field is a run of the batch: taking the first ones would fill the first field only.
        found.append(batch[rng.permutation(len(batch))[:missing]])
        missing -= len(found[-1])
    return unit_to_radec(np.concatenate(found)) if found else (np.empty(0), np.empty(0))
