"""Dragon's breath of exposures: which stars of their catalogs stand where it comes from, and where it falls."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
from mirage_dask.pointing import SkyProjection
from mirage_dask.pointing.apertures import corner_units, full_frame
from mirage_dask.pointing.attitude import unit_to_v2v3
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.scattered import dragons_breath as model
from mirage_dask.scene.scattered.streaks import Streaks
from mirage_dask.scene.sources import PointSources
from mirage_dask.settings import ExposureRow

Floats = NDArray[np.float64]
FAINTEST = 1.0
"""e-/s in all below which light of a star is left out."""
STEP = 0.25
"""Steps along a glint at which its ends are looked for, arcsec."""
_FAR = 300.0
"""Beyond the longest glint, arcsec."""


def breath_of(
    row: ExposureRow, pack: ReferencePack, attitude: Floats, stars: PointSources, factor: float
) -> list[Streaks]:
    """Return the streaks of an exposure, of both types, in the order of the catalog.

    Parameters
    ----------
    row, pack
        The exposure and its reference data.
    attitude
        (3, 3) from ICRS to the V frame.
    stars
        With positions on the sky.
    factor
        Of the settings.
    """
    ny, nx = pack.array.science_shape
    bright = stars.flux * factor * max(*model.LIGHT.values(), model.GLINT_LIGHT) >= FAINTEST
    units, flux = stars.position[bright], stars.flux[bright] * factor
    v2, v3 = unit_to_v2v3(units @ attitude.T)
    near = full_frame(row.detector)
    # Polynomials of a detector hold near it only.
    close = np.hypot(v2 - near.v2_ref, v3 - near.v3_ref) < _FAR
    units, flux, v2, v3 = units[close], flux[close], v2[close], v3[close]
    if not flux.size:
        return []
    found = _near_edges(row, SkyProjection.of(attitude, pack.distortion).pixels(units), flux, (ny, nx))
    for lit_from, behind in model.SOURCES.items():
        if row.detector in (lit_from, behind):
            found += _glints(row.detector, lit_from, v2, v3, flux)
    return found


def _near_edges(row: ExposureRow, places: Floats, flux: Floats, shape: tuple[int, int]) -> list[Streaks]:
    """Return the streaks of type I of stars at some pixels of the full frame."""
    ny, nx = shape
    scale, part = _frame(row.detector)[2], model.LIGHT[get_detector(row.detector).channel]
    found = []
    for (x, y), light in zip(places, flux, strict=True):
        beside = {"left": -0.5 - x, "right": x - (nx - 0.5), "below": -0.5 - y, "above": y - (ny - 0.5)}
        edge, distance = max(beside.items(), key=lambda item: item[1])
        along, size = (y, ny) if edge in ("left", "right") else (x, nx)
        rate = light * part * model.weight(distance * scale, model.DISTANCE, model.DISTANCE)
        if distance <= 0 or not -0.5 <= along <= size - 0.5 or rate < FAINTEST:
            continue
        inward = {"left": (1.0, 0.0), "right": (-1.0, 0.0), "below": (0.0, 1.0), "above": (0.0, -1.0)}[edge]
        x, y = np.clip(x, -0.5, nx - 0.5), np.clip(y, -0.5, ny - 0.5)
        found.append(model.breath(float(x), float(y), inward, float(rate)))
    return found


def _glints(detector: str, lit_from: str, v2: Floats, v3: Floats, flux: Floats) -> list[Streaks]:
    """Return the glints of type II on a detector, of stars outside of `lit_from` at some places of the V frame."""
    to_pixels, _, scale = _frame(detector)
    outer, corners, _ = _frame(lit_from)
    away = float(np.sign(corners[:, 0].mean() - _frame(model.SOURCES[lit_from])[1][:, 0].mean()))
    first, second = model.GLINT_LENGTHS
    length = first if detector == lit_from else second
    part = model.GLINT_LIGHT * length / (first + second)
    along = np.arange(0.0, _FAR, STEP)
    found = []
    for a, b, light in zip(v2, v3, flux, strict=True):
        # Into the detectors, along V2 but for 3 degrees.
        line = np.stack([a - away * model.GLINT_COS * along, b - model.GLINT_SIN * along])
        near = np.flatnonzero(_inside(outer(line)))
        rate = light * part
        if not near.size or near[0] == 0:
            continue
        rate *= model.weight(along[near[0]], model.OUTSIDE, model.OUTSIDE_RANGE)
        on = np.flatnonzero(_inside(to_pixels(line)))
        if rate < FAINTEST or not on.size:
            continue
        # On the detector next to the star, its end that is far from the star; on the other the one that is near.
        start = along[on[-1]] - length if detector == lit_from else along[on[0]]
        ends = np.array([start, start + length])
        (x0, x1), (y0, y1) = to_pixels(
            np.stack([a - away * model.GLINT_COS * ends, b - model.GLINT_SIN * ends])
        )
        found.append(model.glint((x0, y0), (x1, y1), model.GLINT_WIDTH / scale, float(rate)))
    return found


def _inside(pixels: Floats) -> NDArray[np.bool_]:
    """Return which pixels (2, n) lie on a full frame."""
    return np.asarray(((pixels >= -0.5) & (pixels <= 2047.5)).all(axis=0))


@cache
def _frame(detector: str) -> tuple[_Linear, Floats, float]:
    """Return how V2, V3 become pixels of a detector, linearly, its corners (4, 2) in V2, V3, and arcsec in a pixel."""
    v2, v3 = unit_to_v2v3(corner_units(full_frame(detector)))
    ny, nx = get_detector(detector).array.science_shape
    pixels = np.array([[-0.5, -0.5], [nx - 0.5, -0.5], [nx - 0.5, ny - 0.5], [-0.5, ny - 0.5]])
    solved = np.linalg.lstsq(np.stack([np.ones(4), v2, v3], axis=1), pixels, rcond=None)[0]
    scale = float(1.0 / np.sqrt(abs(np.linalg.det(solved[1:]))))
    return _Linear(solved), np.stack([v2, v3], axis=1), scale


class _Linear:
    """A linear map of (2, n) to (2, n)."""

    def __init__(self, terms: Floats):
        self._terms = terms

    def __call__(self, places: Floats) -> Floats:
        found: Floats = self._terms[0][:, None] + self._terms[1:].T @ places
        return found
