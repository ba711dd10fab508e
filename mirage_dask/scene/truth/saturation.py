"""In how many pixels the light of a source alone saturates the detector.

A pixel counts where the electrons of this source that it holds in the last group of an integration, behind the transmission
of the optics, with its quantum efficiency and the inter-pixel capacitance, reach the level from which the calibration
pipeline calls it saturated. It is the expected light, without noise; sky, dark current and neighbours are not added, so a
pixel near the level may saturate without being counted. Only sources that may be bright enough are drawn, and only as far
as they may.

NOT modelled: that inter-pixel capacitance differs along rows and columns (the mean of both is taken).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import image_of
from mirage_dask.scene.layers import (
    ExtendedLayer,
    GalaxyLayer,
    LightCurveLayer,
    OccultedStarLayer,
    StarLayer,
)
from mirage_dask.scene.layers.moving import GalaxyTrails, PointTrails
from mirage_dask.scene.layers.moving_images import ImageTrails
from mirage_dask.scene.stars import draw_points
from mirage_dask.scene.trails.images import image_half

Floats = NDArray[np.float32]
Counts = NDArray[np.int32]

MOST_INTEGRATIONS = 16
"""Integrations, evenly spread, in which moving sources are drawn: the largest number of pixels counts."""


@dataclass(frozen=True, eq=False)
class Wells:
    """The pixels of an exposure's array."""

    seen: Floats
    """(ny, nx) fraction of the light that becomes charge."""
    limit: Floats
    """(ny, nx) charge/s after coupling, e-/s, from which a pixel saturates; infinite where it never does."""
    x0: int
    """Full-frame science pixel of the first."""
    y0: int
    coupling: tuple[float, float, float]
    """Part of its charge that a pixel measures itself, that each neighbour at a side, and at a corner, measures."""
    starts: tuple[float, ...]
    """When integrations begin, seconds since the start of the first."""
    seconds: float
    """How long a pixel collects light up to the last group of an integration."""

    @cached_property
    def least(self) -> float:
        """The least light, e-/s in a pixel, that may saturate any."""
        most = float(self.seen.max(initial=0.0))
        return float(self.limit.min(initial=np.inf)) / most if most > 0 else np.inf

    def count(self, light: Floats, x0: int, y0: int) -> int:
        """Return how many pixels saturate; `light` (rows, columns) e-/s begins at the full-frame pixel (x0, y0)."""
        ny, nx = self.limit.shape
        left, low = max(x0, self.x0), max(y0, self.y0)
        right, high = min(x0 + light.shape[1], self.x0 + nx), min(y0 + light.shape[0], self.y0 + ny)
        if left >= right or low >= high:
            return 0
        part = np.ascontiguousarray(light[low - y0 : high - y0, left - x0 : right - x0])
        return int(_count(part, self.seen, self.limit, left - self.x0, low - self.y0, *self.coupling))


def saturated_pixels(layer: Any, wells: Wells) -> Counts:
    """Return in how many pixels each source of a layer saturates, in the order in which the layer draws them."""
    return _COUNTERS[next(kind for kind in _COUNTERS if isinstance(layer, kind))](layer, wells)


def _stars(layer: StarLayer, wells: Wells) -> Counts:
    s = layer.stars
    return _count_stars(s.x, s.y, s.flux, s.half_width, layer.psf, wells)


def _occulted(layer: OccultedStarLayer, wells: Wells) -> Counts:
    return np.concatenate([_stars(star, wells) for star in layer.stars] or [np.zeros(0, np.int32)])


def _light_curves(layer: LightCurveLayer, wells: Wells) -> Counts:
    s = layer.stars
    brightest: NDArray[Any] = np.ones(s.x.size)
    if wells.starts:
        brightest = np.max([layer.mean_factor(t, t + wells.seconds) for t in wells.starts], axis=0)
    return _count_stars(s.x, s.y, (s.flux * brightest).astype(np.float32), s.half_width, layer.psf, wells)


def _count_stars(
    x: NDArray[np.float64], y: NDArray[np.float64], flux: Floats, half: Counts, psf: PsfLibrary, wells: Wells
) -> Counts:
    out, least = np.zeros(x.size, np.int32), wells.least
    rows = np.flatnonzero(flux * psf.profile[0] >= least)
    if rows.size:
        reach = np.minimum(psf.half_width(flux[rows], least) + 2, half[rows]).astype(np.int32)
        out[rows] = _star_counts(
            x[rows], y[rows], flux[rows], reach, wells.seen, wells.limit, wells.x0, wells.y0, wells.coupling,
            psf.core, psf.wings, np.array(psf.grid_x), np.array(psf.grid_y), psf.oversampling,
            psf.core_centre, psf.core_half_width, psf.wings_centre, psf.wings_inner,
        )  # fmt: skip
    return out


def brightest_pixel(galaxies: PlacedGalaxies, psf: PsfLibrary) -> NDArray[np.float64]:
    """Return an upper bound of the light in any pixel of galaxies, e-/s: that of a star, and that before the PSF."""
    xx, xy, yy = galaxies.form.T
    area = 2.0 * np.pi * galaxies.variances * np.sqrt(np.maximum(xx * yy - xy * xy, 1e-300))[:, None]
    density = (np.maximum(galaxies.weights, 0.0) / area).sum(axis=1)
    return np.asarray(galaxies.flux * np.minimum(density, float(psf.profile[0])))


def _galaxies(layer: GalaxyLayer, wells: Wells) -> Counts:
    g, out, least = layer.galaxies, np.zeros(len(layer.galaxies), np.int32), wells.least
    for i in np.flatnonzero(brightest_pixel(g, layer.psf) >= least).tolist():
        one = g.take(np.array([i]))
        half = int(image_half(one, layer.psf, threshold=least, energy=0.0)[0])
        x0, y0 = int(np.floor(one.x[0])) - half, int(np.floor(one.y[0])) - half
        out[i] = wells.count(image_of(one, layer.psf, x0=x0, y0=y0, points=2 * half + 1), x0, y0)
    return out


def brightest_of_trails(layer: PointTrails | GalaxyTrails | ImageTrails) -> NDArray[np.float64]:
    """Return an upper bound, (n,) e-/s, of the light in any pixel of sources that move; infinite for images."""
    if isinstance(layer, ImageTrails):
        return np.full(layer.index.size, np.inf)
    if isinstance(layer, PointTrails):
        return np.asarray(layer.flux * layer.psf.profile[0], np.float64)
    return brightest_pixel(layer.galaxies, layer.psf)


def _trails(layer: PointTrails | GalaxyTrails | ImageTrails, wells: Wells) -> Counts:
    out, least = np.zeros(layer.index.size, np.int32), wells.least
    if not np.isfinite(least):
        return out
    bright = brightest_of_trails(layer)
    chosen = np.unique(np.linspace(0, len(wells.starts) - 1, MOST_INTEGRATIONS).astype(int))
    ny, nx = wells.limit.shape
    for i in np.flatnonzero(bright >= least).tolist():
        one, reach = layer.take(np.array([i])), layer.paths.half[i] + 2.0
        (left, low), (right, high) = layer.paths.xy[i].min(axis=0), layer.paths.xy[i].max(axis=0)
        x0, x1 = max(int(left - reach), wells.x0), min(int(right + reach) + 1, wells.x0 + nx)
        y0, y1 = max(int(low - reach), wells.y0), min(int(high + reach) + 1, wells.y0 + ny)
        if x0 >= x1 or y0 >= y1:
            continue
        for k in chosen.tolist():
            light = np.zeros((1, y1 - y0, x1 - x0), np.float32)
            start = wells.starts[k]
            one.add(light, x0=x0, y0=y0, edges=np.array([start, start + wells.seconds]))
            out[i] = max(int(out[i]), wells.count(light[0], x0, y0))
    return out


def _extended(layer: ExtendedLayer, wells: Wells) -> Counts:
    ny, nx = wells.limit.shape
    out = np.zeros(len(layer.sources), np.int32)
    if not np.isfinite(wells.least):
        return out
    for i, source in enumerate(layer.sources):
        light = np.zeros((ny, nx), np.float32)
        source.light.add(light, x0=wells.x0, y0=wells.y0)
        out[i] = wells.count(light, wells.x0, wells.y0)
    return out


_COUNTERS: dict[type, Callable[[Any, Wells], Counts]] = {
    StarLayer: _stars,
    OccultedStarLayer: _occulted,
    GalaxyLayer: _galaxies,
    ExtendedLayer: _extended,
    LightCurveLayer: _light_curves,
    PointTrails: _trails,
    GalaxyTrails: _trails,
    ImageTrails: _trails,
}


@kernel
def _count(light, seen, limit, x0, y0, own, side, corner):
    """Pixels of `light` (ny, nx), which begins at (x0, y0) of the planes, that saturate after coupling."""
    ny, nx = light.shape
    charge = np.zeros((ny + 2, nx + 2), np.float32)
    for j in range(ny):
        for i in range(nx):
            charge[j + 1, i + 1] = light[j, i] * seen[y0 + j, x0 + i]
    count = 0
    for j in range(1, ny + 1):
        for i in range(1, nx + 1):
            sides = charge[j - 1, i] + charge[j + 1, i] + charge[j, i - 1] + charge[j, i + 1]
            corners = (
                charge[j - 1, i - 1] + charge[j - 1, i + 1] + charge[j + 1, i - 1] + charge[j + 1, i + 1]
            )
            if own * charge[j, i] + side * sides + corner * corners >= limit[y0 + j - 1, x0 + i - 1]:
                count += 1
    return count


@kernel
def _star_counts(
    x, y, flux, reach, seen, limit, x0, y0, coupling, core, wings, grid_x, grid_y, oversampling,
    core_centre, core_half, wings_centre, wings_inner,
):  # fmt: skip
    ny, nx = limit.shape
    out = np.zeros(x.size, np.int32)
    for i in range(x.size):
        r = int(reach[i])
        left, right = max(int(np.floor(x[i])) - r, x0), min(int(np.floor(x[i])) + r + 2, x0 + nx)
        low, high = max(int(np.floor(y[i])) - r, y0), min(int(np.floor(y[i])) + r + 2, y0 + ny)
        if left >= right or low >= high:
            continue
        stamp = np.zeros((high - low, right - left), np.float32)
        draw_points(
            stamp, left, low, x[i : i + 1], y[i : i + 1], flux[i : i + 1], reach[i : i + 1], core, wings,
            grid_x, grid_y, oversampling, core_centre, core_half, wings_centre, wings_inner,
        )  # fmt: skip
        out[i] = _count(stamp, seen, limit, left - x0, low - y0, coupling[0], coupling[1], coupling[2])
    return out
