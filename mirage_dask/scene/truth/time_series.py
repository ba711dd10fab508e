"""Targets of time series for truth: their mean light in an exposure as that of stars which do not change.

    S(x, y) = S_0(x, y) + sum of <c_k> S_k(x, y)

with the means of c_k from the start of each integration to its last read, over all integrations.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.dispersed.sources import SourceSpectra
from mirage_dask.scene.layers.dispersed.sources import Dispersed, DispersedStarLayer
from mirage_dask.scene.layers.dispersed.varying import DispersedCurveLayer
from mirage_dask.scene.layers.soss import SossCurveLayer, SossLayer
from mirage_dask.scene.layers.view import View
from mirage_dask.scene.soss.tables import SossCurves, SossLight
from mirage_dask.scene.time_series.means import frame_means
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.scene.truth.sources import SourcesSeen, at_rest, units_of

Floats = NDArray[np.float64]
Curves = DispersedCurves | SossCurves


class StillTarget(DispersedStarLayer):
    """A target behind a grism as one star that does not change."""

    kind: ClassVar[str] = DispersedCurves.kind


def still_target(layer: DispersedCurveLayer, factors: Floats) -> StillTarget | None:
    """Return a target with the light S_0 and (K,) `factors` of its products; None where it is not on the sky seen."""
    if not (np.isfinite(layer.x).all() and np.isfinite(layer.y).all()):
        return None
    amounts = np.append(1.0, factors)
    weights = tuple((amounts @ part).astype(np.float32)[None] for part in layer.weights)
    spectra = SourceSpectra(weights, np.zeros(1, np.int64), np.ones(1))
    found = Dispersed(
        layer.segments, spectra, layer.x, layer.y, layer.table.index, layer.half_width, layer.boxes,
        layer.table.pivot,
    )  # fmt: skip
    return StillTarget(layer.key, found, layer.psf, layer.bounds)


def integration_means(table: Curves, edges: Floats) -> Floats:
    """Return the means of c_k in each integration, (integrations, K).

    Parameters
    ----------
    edges
        Start and end of each integration one after the other, seconds since the start of the first.
    """
    return frame_means(table.times, table.courses, edges)[::2]  # those between are resets


def brightest(table: Curves, means: Floats) -> Floats:
    """Return the means of c_k, (K,), in the integration with most light, of means in all of them, (integrations, K)."""
    totals = (table.weights if isinstance(table, DispersedCurves) else table.light).sum(
        axis=1, dtype=np.float64
    )
    return np.asarray(means[int(np.argmax(means @ totals[1:]))])


def mid_transit(table: Curves, seconds: float) -> float:
    """Return the middle of the transit that is nearest to the middle of an exposure, so many seconds long; nan for none."""
    middles = table.middles
    return float(middles[np.argmin(np.abs(middles - 0.5 * seconds))]) if middles.size else np.nan


def target_source(layer: DispersedCurveLayer, view: View) -> SourcesSeen:
    """Return the target behind a grism, with its place and light in the direct image where nothing happens."""
    table, xy = layer.table, at_rest(np.stack([layer.x, layer.y], axis=1))
    unit = units_of(table, np.zeros(1, np.intp), xy, view)
    return SourcesSeen(layer.kind, table.index, unit, xy, table.flux, np.ones(1))


def soss_table(layer: SossLayer | SossCurveLayer) -> SossLight:
    """Return the table of a layer behind GR700XD."""
    return layer.table if isinstance(layer, SossCurveLayer) else layer


def soss_sources(layer: SossLayer | SossCurveLayer, view: View) -> SourcesSeen:
    """Return the stars of a layer behind GR700XD, with their places and light in the direct image."""
    table = soss_table(layer)
    xy = at_rest(table.xy)
    unit = units_of(table, np.arange(table.index.size), xy, view)
    return SourcesSeen(layer.kind, table.index, unit, xy, table.flux, np.ones(table.index.size))
