"""Layers `extended` and `scene_image`: sources that are images, and an image of the whole scene.

Both are images that are shared among the pixels of the detector with its distortion, flux conserved, and seen through the
PSF unless they have it already; see `mirage_dask.scene.images`. An image is projected once per exposure, and its pixels are
read when a window needs them. Light is counted in electrons, whatever the area of the pixels is: a pixel that is larger
collects more of an even image, as it does of the sky.

The middle of a source's image, (nx - 1) / 2 and (ny - 1) / 2 from 0, lies at the position in the catalog. Between the middle
and a point of the image lie p steps along its x axis a, q along its y axis b: on the sky the point is the direction of
c + p a + q b, the tangent plane. Only + - * / and sqrt, but for positions in pixels: their direction on the sky needs
library trigonometry, as that of galaxies does (`mirage_dask.scene.placement`).

Images that move: `mirage_dask.scene.layers.moving_images`.

NOT modelled: what `sharing` and `blurring` name; the image of a source does not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.scene.image_tables import (
    Extended,
    MatchingKernel,
    SceneImage,
    SkyMesh,
    TrackedExtended,
    named_tables,
    read_part,
)
from mirage_dask.scene.images.blocks import ImageLight
from mirage_dask.scene.images.blurring import BLOCK, OVERSAMPLING, Matching, reach
from mirage_dask.scene.images.meshes import STEP, Raster, box_of, mesh_size, project
from mirage_dask.scene.layers.view import View
from mirage_dask.scene.placement import Bounds, compass, derivative, pixels_of
from mirage_dask.scene.sources import load_once

Floats = NDArray[np.float64]
Tables = SceneImage | Extended


@dataclass(frozen=True, eq=False)
class SceneImageLayer:
    """An image of the scene."""

    kind: ClassVar[str] = "scene_image"
    varying: ClassVar[bool] = False
    light: ImageLight

    @classmethod
    def of(cls, table: SceneImage, view: View) -> SceneImageLayer:
        """Project the parts that reach an exposure."""
        _check(table)
        mesh = load_once(SkyMesh, view.tables, table.mesh).units
        rasters: list[Raster] = []
        for key, origin, shape in zip(table.parts.tolist(), table.origin, table.shape, strict=True):
            units = _slice(mesh, origin, shape)
            nodes, step = project(units, view.projection)
            rasters += _rasters(view, key, nodes, step, table.scale)
        return cls(_light(rasters, view, table.convolved, table.sigma, _matching(table, view)))

    @classmethod
    def open(cls, key: str, view: View) -> SceneImageLayer:
        """Read and project the layer's table."""
        return cls.of(load_once(SceneImage, view.tables, key), view)

    def add(self, out: NDArray[np.float32], *, x0: int, y0: int, area: NDArray[np.float32] | None) -> None:
        """Add it to a window."""
        self.light.add(out, x0=x0, y0=y0)


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One source that is an image, on the detector."""

    row: int
    """Its row in the table."""
    index: int
    """Catalog index."""
    x: float
    """Its middle, full-frame science pixels."""
    y: float
    light: ImageLight
    """Its own light alone."""


@dataclass(frozen=True, eq=False)
class ExtendedLayer:
    """Sources that are images."""

    kind: ClassVar[str] = "extended"
    table: ClassVar[type[Extended]] = Extended
    varying: ClassVar[bool] = False
    light: ImageLight
    sources: tuple[SourceImage, ...] = ()
    """Those that reach the exposure, in the order in which they are in the light."""

    @classmethod
    def of(cls, table: Extended, view: View) -> Self:
        """Project the sources that reach an exposure."""
        around = 2.0
        if table.convolved:
            psf = view.psf("")
            around = margin(True, float(reach(psf)), psf.wings_half_width)
        middle = pixels_of(table.position, view.projection, view.bounds)
        rasters: list[Raster] = []
        sources: list[SourceImage] = []
        rows = np.arange(len(table))
        for n, own in source_rasters(table, middle, view, rows, bounds=view.bounds, around=around):
            rasters += own
            alone = _light(own, view, table.convolved, 0.0)
            x, y = middle[n].tolist()
            sources.append(SourceImage(n, int(table.index[n]), x, y, alone))
        return cls(_light(rasters, view, table.convolved, 0.0), tuple(sources))

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project the layer's table."""
        return cls.of(load_once(cls.table, view.tables, key), view)

    def add(self, out: NDArray[np.float32], *, x0: int, y0: int, area: NDArray[np.float32] | None) -> None:
        """Add it to a window."""
        self.light.add(out, x0=x0, y0=y0)


class TrackedExtendedLayer(ExtendedLayer):
    """An image that the telescope tracks."""

    kind: ClassVar[str] = TrackedExtended.kind
    table: ClassVar[type[Extended]] = TrackedExtended


def source_rasters(
    table: Extended,
    middle: Floats,
    view: View,
    rows: NDArray[np.intp],
    *,
    bounds: Bounds | None = None,
    around: float = 0.0,
) -> Iterator[tuple[int, list[Raster]]]:
    """Yield the row and the parts of each source that can be seen.

    Parameters
    ----------
    table
        Of the sources.
    middle
        (n, 2) full-frame science pixels of their positions.
    view
        The exposure.
    rows
        Which of them.
    bounds, around
        What does not come within `around` pixels of this box is left out; by default nothing is.
    """
    _check(table)
    for n in rows[np.isfinite(middle[rows]).all(axis=1)].tolist():
        nodes, step = _source_nodes(table, n, middle[n], view)
        if not _reaches(box_of(nodes), bounds, around):
            continue
        own: list[Raster] = []
        for m in range(*np.searchsorted(table.source, [n, n + 1]).tolist()):
            part = _slice(nodes, table.origin[m], table.shape[m], step)
            own += _rasters(view, str(table.parts[m]), part, step, float(table.scale[n]))
        yield n, own


def margin(convolved: bool, core_half: float, wings_half: int) -> float:
    """Return how far beyond an exposure light may come from, pixels."""
    return max(core_half + 8.0, wings_half + 8.0) if convolved else 2.0


def _check(table: Tables) -> None:
    """Refuse a table that names what is no key, or whose parts are not where parts are."""
    arrays = {f.name: np.asarray(getattr(table, f.name)) for f in fields(table)}
    for _ in named_tables(table.kind, arrays):
        pass
    origin, shape = arrays["origin"], arrays["shape"]
    count = len(arrays["parts"])
    whole = origin.shape == shape.shape == (count, 2) and (origin >= 0).all() and (origin % STEP == 0).all()
    if not (whole and (shape > 0).all()):
        raise StoreError("The table of an image has parts that are not valid; plan the simulation again.")


def _light(
    rasters: list[Raster], view: View, convolved: bool, sigma: float, matching: Matching | None = None
) -> ImageLight:
    return ImageLight(tuple(rasters), view.psf("") if convolved else None, sigma, matching)


def _matching(table: SceneImage, view: View) -> Matching | None:
    """Read the kernel that takes out the PSF of an image, if it has one."""
    if not table.matching:
        return None
    samples = load_once(MatchingKernel, view.tables, table.matching).samples
    side = samples.shape[0]
    if samples.shape != (side, side) or side % 2 == 0 or side > OVERSAMPLING * BLOCK:
        raise StoreError(
            "The kernel that takes out the PSF of an image is not valid; plan the simulation again."
        )
    return Matching(table.matching, samples)


def _slice(nodes: Floats, origin: NDArray[np.int64], shape: NDArray[np.int64], step: int = STEP) -> Floats:
    """Return the nodes of a part."""
    (row, column), (ny, nx) = (int(v) // step for v in origin), (mesh_size(int(v), step) for v in shape)
    part = nodes[row : row + ny, column : column + nx]
    if part.shape[:2] != (ny, nx):
        raise StoreError("A part of an image lies beyond its mesh; plan the simulation again.")
    return np.ascontiguousarray(part)


def _rasters(view: View, key: str, nodes: Floats, step: int, scale: float) -> Iterator[Raster]:
    """Yield the part, if any of it can be seen."""
    box = box_of(nodes)
    if box is not None:
        yield Raster(partial(read_part, view.tables, key), nodes, step, scale, box)


def _reaches(box: tuple[float, float, float, float] | None, bounds: Bounds | None, around: float) -> bool:
    if box is None or bounds is None:
        return box is not None
    x0, x1, y0, y1 = bounds
    return box[1] > x0 - around and box[0] < x1 + around and box[3] > y0 - around and box[2] < y1 + around


def _source_nodes(table: Extended, n: int, middle: Floats, view: View) -> tuple[Floats, int]:
    """Return the mesh of a source on the detector, and its step."""
    ny, nx = (int(v) for v in table.size[n])
    q, p = np.meshgrid(
        np.arange(mesh_size(ny)) * float(STEP) - ny / 2.0,
        np.arange(mesh_size(nx)) * float(STEP) - nx / 2.0,
        indexing="ij",
    )
    a, b = table.along_x[n], table.along_y[n]
    if table.aligned[n] and table.in_pixels[n]:
        return _affine(middle, p, q, a[:2], b[:2])
    unit = view.projection.units(middle[None]) if table.pixels else table.position[n : n + 1]
    north, east = compass(unit)
    if table.aligned[n]:
        dn, de = (derivative(view.projection, unit, way)[0] for way in (north, east))
        scale = np.sqrt(np.abs(dn[0] * de[1] - dn[1] * de[0]))  # pixels per radian
        return _affine(middle, p, q, a[:2] * scale, b[:2] * scale)
    if table.pixels:
        a, b = (v[0] * north[0] + v[1] * east[0] for v in (a, b))
    if not table.in_pixels[n]:
        return project(unit[0] + p[..., None] * a + q[..., None] * b, view.projection)
    # The length of the axes is in pixels: the direction alone is projected, and the other axis is normal to it.
    size_x, size_y = (np.sqrt((v * v)[0] + (v * v)[1] + (v * v)[2]) for v in (a, b))
    up = derivative(view.projection, unit, (b / size_y)[None])[0]
    right = derivative(view.projection, unit, (a / size_x)[None])[0]
    up = up / np.sqrt(up[0] * up[0] + up[1] * up[1])
    across = np.array([up[1], -up[0]])
    side = 1.0 if across[0] * right[0] + across[1] * right[1] > 0 else -1.0
    return _affine(middle, p, q, across * (side * size_x), up * size_y)


def _affine(middle: Floats, p: Floats, q: Floats, a: Floats, b: Floats) -> tuple[Floats, int]:
    """Return a mesh without distortion; straight lines are exact."""
    return middle + p[..., None] * a + q[..., None] * b, STEP
