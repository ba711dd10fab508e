"""Orders of all dispersed sources of an exposure: of stars, galaxies, images, targets of time series, and of SOSS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.layers.dispersed.varying import DispersedCurveLayer
from mirage_dask.scene.layers.soss import SossCurveLayer, SossLayer
from mirage_dask.scene.layers.view import View
from mirage_dask.scene.soss.tables import SossCurves
from mirage_dask.scene.truth.dispersed import OrdersSeen, orders_seen
from mirage_dask.scene.truth.saturation import Wells
from mirage_dask.scene.truth.soss import soss_orders_seen
from mirage_dask.scene.truth.sources import SourcesSeen, dispersed_sources
from mirage_dask.scene.truth.time_series import (
    brightest,
    integration_means,
    mid_transit,
    soss_sources,
    soss_table,
    still_target,
    target_source,
)

Floats = NDArray[np.float64]
Light = NDArray[np.float32]
Found = Iterator[tuple[SourcesSeen, OrdersSeen, float]]
"""Sources of a layer, their orders, and the middle of a transit (nan where there is none)."""


def dispersed_orders(
    layers: Sequence[Any],
    view: View,
    wells: Callable[[], Wells],
    transmission: Callable[[], Light | None],
    edges: Floats,
) -> Found:
    """Yield the dispersed sources of an exposure, layer by layer.

    Parameters
    ----------
    layers
        All of the exposure, opened; those that disperse nothing are passed over.
    view
        The exposure.
    wells
        Returns its pixels, as saturation sees them.
    transmission
        Returns (ny, nx) of the optics; None for 1.
    edges
        Start and end of each integration one after the other, seconds since the start of the first.
    """
    grism = [layer for layer in layers if isinstance(layer, DispersedLayer | DispersedCurveLayer)]
    if grism:
        yield from _behind_grism(grism, view, wells(), transmission(), edges)
    soss = [layer for layer in layers if isinstance(layer, SossLayer | SossCurveLayer)]
    if soss:
        yield from _behind_soss(soss, view, wells(), transmission(), edges)


def _behind_grism(
    layers: Sequence[DispersedLayer | DispersedCurveLayer],
    view: View,
    wells: Wells,
    transmission: Light | None,
    edges: Floats,
) -> Found:
    means = {
        n: integration_means(layer.table, edges)
        for n, layer in enumerate(layers)
        if isinstance(layer, DispersedCurveLayer)
    }
    drawn = {
        n: still_target(layer, means[n].mean(axis=0)) if isinstance(layer, DispersedCurveLayer) else layer
        for n, layer in enumerate(layers)
    }
    shown = {n: layer for n, layer in drawn.items() if layer is not None}
    for n, orders in zip(shown, orders_seen(list(shown.values()), wells, transmission), strict=True):
        layer = layers[n]
        if isinstance(layer, DispersedLayer):
            yield dispersed_sources(layer, view), orders, np.nan
            continue
        most = still_target(layer, brightest(layer.table, means[n]))
        assert most is not None
        (at_most,) = orders_seen([most], wells, transmission)
        own = replace(orders, saturated=at_most.saturated)
        yield target_source(layer, view), own, mid_transit(layer.table, float(edges[-1]))


def _behind_soss(
    layers: Sequence[SossLayer | SossCurveLayer],
    view: View,
    wells: Wells,
    transmission: Light | None,
    edges: Floats,
) -> Found:
    tables = [soss_table(layer) for layer in layers]
    factors, most, middles = [], [], []
    for table in tables:
        mean = largest = np.zeros(len(table.planes) - 1)
        middle = np.nan
        if isinstance(table, SossCurves):
            means = integration_means(table, edges)
            mean, largest = means.mean(axis=0), brightest(table, means)
            middle = mid_transit(table, float(edges[-1]))
        factors.append(np.append(1.0, mean))
        most.append(np.append(1.0, largest))
        middles.append(middle)
    found = soss_orders_seen(tables, factors, most, wells, transmission)
    for layer, orders, middle in zip(layers, found, middles, strict=True):
        yield soss_sources(layer, view), orders, middle
