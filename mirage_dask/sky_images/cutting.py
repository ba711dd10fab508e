"""A large image -> what of it reaches each exposure, kept in a plan.

The image is divided into parts of `PART` x `PART` pixels. A part is read when the first exposure needs it and written
into the plan as a table under the hash of its pixels; the next exposure names the same one. So the plan holds what
exposures see, once, and a store that takes it over stands alone; reading takes the memory of `RUN` parts, whatever the
image's size. Parts without light are left out: an exposure beside the image has no layer.

An exposure needs a part if the box around the part on the detector comes within the reach of the PSF. Parts far away are
told by the angle between centres, the others by projecting the part's mesh.

Pixels that are not finite count as 0, and so does everything outside of the image. Negative ones are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.pointing import SkyProjection
from mirage_dask.scene.image_tables import ImagePart, SkyMesh
from mirage_dask.scene.images.meshes import PART, STEP, box_of, project
from mirage_dask.scene.placement import Bounds
from mirage_dask.sky_images.scenes import SkyImage
from mirage_dask.sky_images.wcs import sky_mesh

RUN = 8
"""Parts beside one another that are read together."""
Place = tuple[int, int]
"""Row and column among the parts."""
Floats = NDArray[np.float64]


@dataclass(eq=False)
class SceneCutter:
    """Cuts one image into a folder of tables."""

    image: SkyImage
    url: str
    brightness: bool
    """Whether values are a surface brightness, which is multiplied by the solid angle of its pixel."""
    not_finite: int = 0
    """Pixels that count as 0 in the parts that were read."""
    negative: int = 0
    _keys: dict[Place, str] = field(default_factory=dict)
    """Of the parts that were read; empty for those without light."""

    def __post_init__(self) -> None:
        self.units = sky_mesh(self.image.path, self.image.to_sky, self.image.shape)
        self.mesh = SkyMesh(self.units).save(self.url)
        self._areas = _solid_angles(self.units) if self.brightness else None
        self._centres, self._radii = self._circles()

    def parts(
        self, projection: SkyProjection, bounds: Bounds, margin: float
    ) -> list[tuple[str, Place, tuple[int, int]]]:
        """Return (key, origin, shape) of the parts with light that reach an exposure, by rows; they are written.

        Parameters
        ----------
        projection, bounds
            Of the exposure.
        margin
            How far beyond its array light may come from, pixels.
        """
        needed = [
            place
            for place in self._near(projection, bounds, margin)
            if self._reaches(place, projection, bounds, margin)
        ]
        for run in _runs([place for place in needed if place not in self._keys]):
            self._read(run)
        found = []
        for place in needed:
            if key := self._keys[place]:
                rows, columns = self._slices(place)
                shape = rows.stop - rows.start, columns.stop - columns.start
                found.append((key, (rows.start, columns.start), shape))
        return found

    def axes(self, origins: list[Place], projection: SkyProjection, middle: tuple[float, float]) -> Floats:
        """Return (2, 2) detector pixels x, y along one pixel of the image in x, and in y, near a place of the detector.

        Parameters
        ----------
        origins
            First rows and columns of parts that reach the exposure.
        projection
            Of the exposure.
        middle
            The place, full-frame science pixels.
        """
        best, found = np.inf, np.full((2, 2), np.nan)
        for row, column in origins:
            nodes = projection.pixels(self._part_mesh((row // PART, column // PART)).reshape(-1, 3))
            nodes = nodes.reshape(*self._part_mesh((row // PART, column // PART)).shape[:2], 2)
            corner = nodes[:-1, :-1]
            along = np.stack([nodes[:-1, 1:] - corner, nodes[1:, :-1] - corner], axis=2) / STEP
            away = ((corner - np.array(middle)) ** 2).sum(axis=2)
            away = np.where(np.isfinite(along).all(axis=(2, 3)), away, np.inf)
            at = np.unravel_index(int(np.argmin(away)), away.shape)
            if away[at] < best:
                best, found = float(away[at]), along[at]
        return found

    def _slices(self, place: Place) -> tuple[slice, slice]:
        ny, nx = self.image.shape
        y, x = place[0] * PART, place[1] * PART
        return slice(y, min(y + PART, ny)), slice(x, min(x + PART, nx))

    def _part_mesh(self, place: Place) -> Floats:
        (y, x), n = (p * PART // STEP for p in place), PART // STEP + 1
        return self.units[y : y + n, x : x + n]

    def _circles(self) -> tuple[Floats, Floats]:
        """(py, px, 3) middles and (py, px) chords around the parts; those off the sky are far from everything."""
        ny, nx = (-(-n // PART) for n in self.image.shape)
        centres, radii = np.full((ny, nx, 3), 1e3), np.zeros((ny, nx))
        for place in np.ndindex(ny, nx):
            mesh = self._part_mesh(place).reshape(-1, 3)
            mesh = mesh[np.isfinite(mesh).all(axis=1)]
            if len(mesh):
                middle = mesh.mean(axis=0)
                centres[place] = middle / np.sqrt((middle**2).sum())
                radii[place] = np.sqrt(((mesh - centres[place]) ** 2).sum(axis=1)).max()
        return centres, radii

    def _near(self, projection: SkyProjection, bounds: Bounds, margin: float) -> list[Place]:
        """Parts whose circle meets that of the exposure, generous by a tenth."""
        x0, x1, y0, y1 = bounds
        middle = ((x0 + x1) / 2.0, (y0 + y1) / 2.0)
        corners = [(x, y) for x in (x0, x1) for y in (y0, y1)]
        centre, *around = projection.units([middle, *corners])
        radius = max(float(np.sqrt(((u - centre) ** 2).sum())) for u in around)
        radius *= 1.1 * (1.0 + 2.0 * margin / max(x1 - x0, y1 - y0))
        distance = np.sqrt(((self._centres - centre) ** 2).sum(axis=2))
        return [(int(y), int(x)) for y, x in np.argwhere(distance < 1.1 * self._radii + radius)]

    def _reaches(self, place: Place, projection: SkyProjection, bounds: Bounds, margin: float) -> bool:
        box = box_of(project(self._part_mesh(place), projection)[0])
        if box is None:
            return False
        x0, x1, y0, y1 = bounds
        return box[1] > x0 - margin and box[0] < x1 + margin and box[3] > y0 - margin and box[2] < y1 + margin

    def _read(self, run: list[Place]) -> None:
        """Read parts beside one another, and write them."""
        rows, first = self._slices(run[0])
        last = self._slices(run[-1])[1]
        values = self.image.read(rows, slice(first.start, last.stop))
        if values.dtype.kind not in "iuf" or values.shape != (
            rows.stop - rows.start,
            last.stop - first.start,
        ):
            raise InputError(f"{self.image.path}: its pixels are {values.dtype}; write real numbers.")
        for place in run:
            columns = self._slices(place)[1]
            part = values[:, columns.start - first.start : columns.stop - first.start].astype(np.float64)
            bad = ~np.isfinite(part)
            part[bad] = 0.0
            self.not_finite += int(bad.sum())
            self.negative += int((part < 0).sum())
            if self._areas is not None:
                part *= self._area(rows, columns)
            with np.errstate(over="ignore", under="ignore"):
                pixels = np.nan_to_num(part.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
            self._keys[place] = ImagePart(pixels).save(self.url) if pixels.any() else ""

    def _area(self, rows: slice, columns: slice) -> Floats:
        """Solid angles of pixels, sr: even within a cell of the mesh."""
        assert self._areas is not None
        y, x = np.arange(rows.start, rows.stop) // STEP, np.arange(columns.start, columns.stop) // STEP
        return self._areas[np.ix_(y, x)]


def _runs(places: list[Place]) -> Iterator[list[Place]]:
    """Yield places beside one another in a row, at most `RUN` of them."""
    run: list[Place] = []
    for place in sorted(places):
        if run and (place != (run[-1][0], run[-1][1] + 1) or len(run) == RUN):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _solid_angles(units: Floats) -> Floats:
    """(my - 1, mx - 1) steradians of a pixel in each cell of a mesh; 0 off the sky."""
    a, b = units[1:, 1:] - units[:-1, :-1], units[1:, :-1] - units[:-1, 1:]
    cross = np.cross(a, b)
    area = 0.5 * np.sqrt((cross * cross).sum(axis=2)) / STEP**2
    return np.where(np.isfinite(area), area, 0.0)
