"""Which source gives most light in each pixel: the segmentation map of a window.

    id(pixel) = index of the source whose own light there is greatest; of equal ones the lower index; 0 where there is none

Behind a grism the light of a source is that of all its orders: the map says whose spectrum a pixel shows. What changes with
time counts with its mean, too.

Each source is drawn alone, as far as it may exceed the level that counts, and compared pixel by pixel; sources that move
count with their mean over the exposure. What a source leaves in a pixel does not depend on the window, and the order of
comparing does not matter: any window has the values of the whole. Sky and images of the scene are no sources.

A galaxy costs a transform of its own, some milliseconds, where it may exceed the level; its image is kept. A source behind a
grism costs some milliseconds for each window that its light may reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.convolution import token
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import image_of, squares
from mirage_dask.scene.layers import (
    DispersedCurveLayer,
    ExtendedLayer,
    GalaxyLayer,
    LightCurveLayer,
    OccultedStarLayer,
    SossCurveLayer,
    SossLayer,
    StarLayer,
)
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.layers.moving import GalaxyTrails, PointTrails
from mirage_dask.scene.layers.moving_images import ImageTrails
from mirage_dask.scene.stars import draw_points
from mirage_dask.scene.time_series.means import frame_means
from mirage_dask.scene.trails.images import image_half
from mirage_dask.scene.truth.dispersed import each_alone
from mirage_dask.scene.truth.saturation import brightest_of_trails, brightest_pixel
from mirage_dask.scene.truth.soss import light_of_star
from mirage_dask.scene.truth.time_series import soss_table, still_target

Floats = NDArray[np.float32]

LARGEST_ID = 2**31 - 1
ROUNDED = 8
"""Pixels: images of galaxies reach a multiple of this, so that few sizes of transforms are needed."""


@dataclass(frozen=True, eq=False)
class Brightest:
    """What is known of a window so far."""

    light: Floats
    """(ny, nx) most light of any source, e-/s."""
    index: NDArray[np.int32]
    """(ny, nx) of that source; 0 for none."""
    x0: int
    """Full-frame science pixel of the first."""
    y0: int
    level: float
    """Light that does not reach this, e-/s in a pixel, need not be compared."""
    seconds: float
    """From the start of the first integration to the end of the last."""

    def take(self, light: Floats, x0: int, y0: int, index: int) -> None:
        """Compare the light of a source, whose first pixel is (x0, y0)."""
        if 0 < index <= LARGEST_ID:
            _take(self.light, self.index, self.x0, self.y0, light, x0, y0, index)

    def box(self, left: float, right: float, low: float, high: float) -> tuple[int, int, int, int] | None:
        """Return x0, x1, y0, y1 of the pixels of the window in a box; None for none."""
        ny, nx = self.light.shape
        x0, x1 = max(int(np.floor(left)), self.x0), min(int(np.ceil(right)) + 1, self.x0 + nx)
        y0, y1 = max(int(np.floor(low)), self.y0), min(int(np.ceil(high)) + 1, self.y0 + ny)
        return (x0, x1, y0, y1) if x0 < x1 and y0 < y1 else None


def find_brightest(
    layers: Iterable[Any],
    *,
    x: slice,
    y: slice,
    level: float,
    seconds: float,
) -> Brightest:
    """Return which source gives most light in each pixel of a window, and how much that is.

    Parameters
    ----------
    layers
        All layers of an exposure, opened.
    x, y
        Columns and rows, full-frame science pixels.
    level
        e-/s in a pixel, more than 0: sources are drawn as far as they may reach it. Where none does, the result may be any
        source below it, or none.
    seconds
        From the start of the first integration to the end of the last.
    """
    shape = y.stop - y.start, x.stop - x.start
    found = Brightest(
        np.zeros(shape, np.float32), np.zeros(shape, np.int32), x.start, y.start, level, seconds
    )
    for layer in layers:
        compare = next((c for kind, c in _COMPARE.items() if isinstance(layer, kind)), None)
        if compare is not None:
            compare(layer, found)
    return found


def indices_of(layers: Iterable[Any]) -> dict[str, NDArray[np.int64]]:
    """Return the catalog indices of the sources that each layer draws, by its kind."""
    found = {}
    for layer in layers:
        if isinstance(layer, StarLayer):
            found[layer.kind] = layer.stars.index
        elif isinstance(layer, OccultedStarLayer):
            found[layer.kind] = np.array([star.stars.index[0] for star in layer.stars], np.int64)
        elif isinstance(layer, ExtendedLayer):
            found[layer.kind] = np.array([source.index for source in layer.sources], np.int64)
        elif isinstance(layer, DispersedLayer):
            found[layer.kind] = layer.found.index
        elif isinstance(layer, DispersedCurveLayer | SossCurveLayer):
            found[layer.kind] = layer.table.index
        elif any(isinstance(layer, kind) for kind in _COMPARE):
            found[layer.kind] = layer.index
    return found


def _stars(layer: StarLayer, found: Brightest) -> None:
    s = layer.stars
    _take_stars(s.x, s.y, s.flux, s.half_width, s.index, layer.psf, found)


def _occulted(layer: OccultedStarLayer, found: Brightest) -> None:
    for star in layer.stars:
        _stars(star, found)


def _light_curves(layer: LightCurveLayer, found: Brightest) -> None:
    s = layer.stars
    flux = (s.flux * layer.mean_factor(0.0, found.seconds)).astype(np.float32)
    _take_stars(s.x, s.y, flux, s.half_width, layer.index, layer.psf, found)


def _take_stars(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: Floats,
    half: NDArray[np.int32],
    index: NDArray[np.int64],
    psf: PsfLibrary,
    found: Brightest,
) -> None:
    rows = np.flatnonzero((flux * psf.profile[0] >= found.level) & (index > 0) & (index <= LARGEST_ID))
    if rows.size:
        reach = np.minimum(psf.half_width(flux[rows], found.level) + 1, half[rows])
        _compare_stars(
            found.light, found.index, found.x0, found.y0, x[rows], y[rows], flux[rows], half[rows],
            reach.astype(np.int32), index[rows], psf.core, psf.wings, np.array(psf.grid_x), np.array(psf.grid_y),
            psf.oversampling, psf.core_centre, psf.core_half_width, psf.wings_centre, psf.wings_inner,
        )  # fmt: skip


def _galaxies(layer: GalaxyLayer, found: Brightest) -> None:
    g = layer.galaxies
    bright = np.flatnonzero(brightest_pixel(g, layer.psf) >= found.level)
    some = g.take(bright)
    half = image_half(some, layer.psf, threshold=found.level, energy=0.0)
    half = -(-half // ROUNDED) * ROUNDED
    ny, nx = found.light.shape
    near = (some.x + half + 1 >= found.x0) & (some.x - half - 1 < found.x0 + nx)
    near &= (some.y + half + 1 >= found.y0) & (some.y - half - 1 < found.y0 + ny)
    for i in np.flatnonzero(near).tolist():
        one, reach = some.take(np.array([i])), int(half[i])
        x0, y0 = int(np.floor(one.x[0])) - reach, int(np.floor(one.y[0])) - reach
        key = ("alone", token(layer.psf), one.digest, reach)
        image = squares.array(key, partial(_draw, one, layer.psf, x0, y0, 2 * reach + 1))
        found.take(image, x0, y0, int(layer.index[bright[i]]))


def _draw(one: PlacedGalaxies, psf: PsfLibrary, x0: int, y0: int, points: int) -> Floats:
    return image_of(one, psf, x0=x0, y0=y0, points=points)


def _extended(layer: ExtendedLayer, found: Brightest) -> None:
    ny, nx = found.light.shape
    for source in layer.sources:
        light = np.zeros((ny, nx), np.float32)
        source.light.add(light, x0=found.x0, y0=found.y0)
        found.take(light, found.x0, found.y0, source.index)


def _dispersed(layer: DispersedLayer, found: Brightest) -> None:
    ny, nx = found.light.shape
    for source, strip in each_alone(layer, (found.x0, found.x0 + nx, found.y0, found.y0 + ny)):
        found.take(strip.light, strip.x0, strip.y0, int(layer.found.index[source]))


def _target(layer: DispersedCurveLayer, found: Brightest) -> None:
    means = frame_means(layer.table.times, layer.table.courses, np.array([0.0, found.seconds]))
    still = still_target(layer, means[0])
    if still is not None:
        _dispersed(still, found)


def _soss(layer: SossLayer | SossCurveLayer, found: Brightest) -> None:
    table, factors = soss_table(layer), np.ones(1)
    if isinstance(layer, SossCurveLayer):
        factors = np.append(1.0, layer.means(np.array([0.0, found.seconds])))
    for star, index in enumerate(table.index.tolist()):
        found.take(light_of_star(table, star, factors), table.x0, table.y0, index)


def _trails(layer: PointTrails | GalaxyTrails | ImageTrails, found: Brightest) -> None:
    bright = brightest_of_trails(layer)
    edges = np.array([0.0, found.seconds])
    for i in np.flatnonzero(bright >= found.level).tolist():
        one = layer.take(np.array([i]))
        reach = 1.0 + one.paths.half[0] + 0.125 * np.ptp(one.paths.xy[0], axis=0)  # as `Paths.near` has it
        low, high = one.paths.xy[0].min(axis=0) - reach, one.paths.xy[0].max(axis=0) + reach
        box = found.box(low[0], high[0], low[1], high[1])
        if box is not None:
            light = np.zeros((1, box[3] - box[2], box[1] - box[0]), np.float32)
            one.add(light, x0=box[0], y0=box[2], edges=edges)
            found.take(light[0], box[0], box[2], int(layer.index[i]))


_COMPARE: dict[type, Callable[[Any, Brightest], None]] = {
    StarLayer: _stars,
    OccultedStarLayer: _occulted,
    GalaxyLayer: _galaxies,
    ExtendedLayer: _extended,
    LightCurveLayer: _light_curves,
    PointTrails: _trails,
    GalaxyTrails: _trails,
    ImageTrails: _trails,
    DispersedLayer: _dispersed,
    DispersedCurveLayer: _target,
    SossLayer: _soss,
    SossCurveLayer: _soss,
}
"""What compares the sources of a layer; others have no sources."""


@kernel
def _take(best, index, x0, y0, light, left, low, own):
    ny, nx = best.shape
    for j in range(max(low, y0), min(low + light.shape[0], y0 + ny)):
        for i in range(max(left, x0), min(left + light.shape[1], x0 + nx)):
            value = light[j - low, i - left]
            most = best[j - y0, i - x0]
            if value > most or (value == most and value > 0 and own < index[j - y0, i - x0]):
                best[j - y0, i - x0] = value
                index[j - y0, i - x0] = own


@kernel
def _compare_stars(
    best, index, x0, y0, x, y, flux, half, reach, own, core, wings, grid_x, grid_y, oversampling,
    core_centre, core_half, wings_centre, wings_inner,
):  # fmt: skip
    ny, nx = best.shape
    for i in range(x.size):
        r = int(reach[i])
        left, right = max(int(np.floor(x[i])) - r, x0), min(int(np.floor(x[i])) + r + 2, x0 + nx)
        low, high = max(int(np.floor(y[i])) - r, y0), min(int(np.floor(y[i])) + r + 2, y0 + ny)
        if left >= right or low >= high:
            continue
        stamp = np.zeros((high - low, right - left), np.float32)
        draw_points(
            stamp, left, low, x[i : i + 1], y[i : i + 1], flux[i : i + 1], half[i : i + 1], core, wings,
            grid_x, grid_y, oversampling, core_centre, core_half, wings_centre, wings_inner,
        )  # fmt: skip
        _take(best, index, x0, y0, stamp, left, low, own[i])
