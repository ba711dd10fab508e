r"""Orders of sources behind a grism: where their light falls, how much of it, and what of other sources lies on it.

An order of a source is drawn alone, with the kernels of the layer, where its image reaches; all of them together are the
light of the sources in the exposure. In the box of an order (`mirage_dask.scene.truth.trace_boxes`),

.. math::

    c = \frac{O}{B + O}, \qquad O = \sum_{box} (all - own)

with the light B of the order itself in the box, the light `all` of all sources and `own` of all orders of this source: c is
its *contamination*. The sky, of which the pipeline takes out its own, is no part of it.

NOT modelled: light that a pixel's neighbours take up; a weight along the box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.dispersed.sources import add_segment
from mirage_dask.scene.dispersed.stamps import Stamp
from mirage_dask.scene.layers.dispersed.sources import Dispersed, DispersedLayer
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.truth.saturation import Wells
from mirage_dask.scene.truth.trace_boxes import Floats, Light, Strip, Track, limits_of, orders_of, totals_of


@dataclass(frozen=True, eq=False)
class OrdersSeen:
    """Orders of the sources of one layer whose light reaches an exposure: m of them, by source."""

    source: NDArray[np.intp]
    """(m,) which source of the layer."""
    order: NDArray[np.int16]
    """(m,)"""
    rate: Floats
    """(m,) electrons/s of the order, wherever they fall."""
    on_array: Floats
    """(m,) of these on the array."""
    measured: Floats
    """(m,) of these behind the transmission of the optics."""
    wavelength: Floats
    """(m, 3) micron: the shortest, the middle and the longest."""
    trace: Floats
    """(m, 3, 2) where these fall, full-frame science pixels."""
    seen: Floats
    """(m, 2) micron: the shortest and longest that fall on the array; nan if none does."""
    box: NDArray[np.int64]
    """(m, 4) first and last column, first and last row of its box on the array, full frame; -1 if none is."""
    box_rate: Floats
    """(m,) its own electrons/s in the box."""
    others: Floats
    """(m,) electrons/s of other sources in the box."""
    saturated: NDArray[np.int32]
    """(m,) in how many pixels it saturates alone."""


@dataclass(frozen=True, eq=False)
class _Order:
    """One order of the sources of a layer."""

    segments: tuple[int, ...]
    """Their numbers."""
    tracks: tuple[Track, ...]
    wavelength: Floats
    """(3,) the shortest, the middle and the longest."""
    trace: Floats
    """(n, 3, 2) where they fall."""
    reach: NDArray[np.int64]
    """(n, 4) left, right, low, high of the pixels of the array that it may touch, half open; none if left >= right or
    low >= high."""

    @classmethod
    def of(cls, found: Dispersed, segments: tuple[int, ...], whole: Strip) -> _Order:
        """Return an order of the sources of a layer."""
        tracks = tuple(Track.of(found.segments[k], found.x, found.y) for k in segments)
        low, high = tracks[0].segment.low, tracks[-1].segment.high
        wave, trace = np.array([low, 0.5 * (low + high), high]), tracks[0].segment.trace
        x, y = found.x[:, None], found.y[:, None]
        places = np.stack(trace.trace(x, y, trace.parameter(x, y, wave))[1:], axis=2)
        return cls(segments, tracks, wave, places, _reach(found, segments, whole))

    def box_sum(self, strip: Strip, source: int) -> float:
        """Return the light of a strip in the box of a source."""
        return sum(track.box_sum(strip, source) for track in self.tracks)


@dataclass(eq=False)
class _Rows:
    """What is known of the orders of the sources of one layer so far, row by row."""

    orders: tuple[_Order, ...]
    which: list[tuple[int, int]] = field(default_factory=list)
    """Order of the layer, and source."""
    lights: list[tuple[float, float, float, float]] = field(default_factory=list)
    """On the array, behind the transmission, in the box; that of all orders of the source in the box."""
    saturated: list[int] = field(default_factory=list)


def orders_seen(
    layers: Sequence[DispersedLayer], wells: Wells, transmission: Light | None = None
) -> list[OrdersSeen]:
    """Return the orders of all sources behind a grism, layer by layer.

    In memory are the light of one source and that of all, (ny, nx).

    Parameters
    ----------
    layers
        All layers of dispersed sources of an exposure, opened.
    wells
        Its pixels.
    transmission
        (ny, nx) of the optics; None for 1.
    """
    whole = Strip(np.zeros_like(wells.limit), wells.x0, wells.y0)
    drawn = [_draw(layer, whole, wells, transmission) for layer in layers]
    return [_finished(layer, rows, whole) for layer, rows in zip(layers, drawn, strict=True)]


def _draw(layer: DispersedLayer, whole: Strip, wells: Wells, transmission: Light | None) -> _Rows:
    """Draw the sources of a layer one after the other, add them to the light of all, and note what is theirs."""
    found = layer.found
    rows = _Rows(tuple(_Order.of(found, segments, whole) for segments in orders_of(found.segments)))
    draw, least = drawing(layer), 0.5 * wells.least
    for i in range(found.x.size):
        strips = draw(i, [(n, order.segments, order.reach[i]) for n, order in enumerate(rows.orders)])
        falling = {n: float(strip.light.sum(dtype=np.float64)) for n, strip in strips.items()}
        for strip in strips.values():
            part = whole.part(strip)
            if transmission is not None:
                np.multiply(strip.light, transmission[part], out=strip.light)
            whole.light[part] += strip.light
        for n, strip in strips.items():
            inside = {m: rows.orders[n].box_sum(other, i) for m, other in strips.items()}
            measured = falling[n] if transmission is None else float(strip.light.sum(dtype=np.float64))
            rows.which.append((n, i))
            rows.lights.append((falling[n], measured, inside[n], sum(inside.values())))
            bright = float(strip.light.max(initial=0.0)) >= least
            rows.saturated.append(wells.count(strip.light, strip.x0, strip.y0) if bright else 0)
    return rows


def _finished(layer: DispersedLayer, rows: _Rows, whole: Strip) -> OrdersSeen:
    """Return the rows of a layer with their boxes and the light of other sources in these."""
    n, i = np.array(rows.which, np.intp).reshape(-1, 2).T
    on_array, measured, box_rate, own = np.array(rows.lights, np.float64).reshape(-1, 4).T
    all_light = np.array([rows.orders[order].box_sum(whole, source) for order, source in rows.which])
    box, seen = np.full((n.size, 4), -1), np.full((n.size, 2), np.nan)
    for row, (order, source) in enumerate(rows.which):
        box[row], seen[row] = limits_of(rows.orders[order].tracks, source, whole)
    totals = np.array([totals_of(layer.found, order.segments) for order in rows.orders])
    numbers = np.array([order.tracks[0].segment.order for order in rows.orders], np.int16)
    return OrdersSeen(
        source=i,
        order=numbers[n],
        rate=totals[n, i],
        on_array=on_array,
        measured=measured,
        wavelength=np.array([order.wavelength for order in rows.orders])[n],
        trace=np.array([order.trace for order in rows.orders])[n, i],
        seen=seen,
        box=box,
        box_rate=box_rate,
        others=np.maximum(all_light - own, 0.0),
        saturated=np.array(rows.saturated, np.int32),
    )


Wanted = Sequence[tuple[int, tuple[int, ...], NDArray[np.int64]]]
"""Number of an order, its segments, and the pixels (left, right, low, high) that it may touch."""


def drawing(layer: DispersedLayer) -> Callable[[int, Wanted], dict[int, Strip]]:
    """Return what draws orders of one source, each on a strip of its own, with the images that the layer draws."""
    found, nodes, images, drawn = layer.found, layer.nodes, layer.images, _drawn(layer.found)
    widest = np.where(np.isfinite(found.boxes[:, 0]), found.half_width, 0).max(axis=0, initial=0)

    def draw(i: int, wanted: Wanted) -> dict[int, Strip]:
        strips: dict[int, Strip] = {}
        image: dict[bool, tuple[Stamp, ...]] = {}
        for n, segments, reach in wanted:
            left, right, low, high = reach.tolist()
            if left >= right or low >= high:
                continue
            strips[n] = Strip(np.zeros((high - low, right - left), np.float32), left, low)
            for k in segments:
                segment = found.segments[k]
                if not drawn[k, i]:
                    continue
                if segment.along_y not in image:
                    image[segment.along_y] = images(i, int(widest[i]), segment.along_y)
                add_segment(
                    strips[n].light, segment, image[segment.along_y], found.spectra.of(k, i), x=float(found.x[i]),
                    y=float(found.y[i]), nodes=nodes, reach=int(found.half_width[k, i]), x0=left, y0=low,
                )  # fmt: skip
        return strips

    return draw


def each_alone(layer: DispersedLayer, bounds: Bounds) -> Iterator[tuple[int, Strip]]:
    """Yield each source that reaches an array, (x0, x1, y0, y1), and its light there, that of all its orders."""
    x0, x1, y0, y1 = bounds
    whole, draw = Strip(np.empty((y1 - y0, x1 - x0), np.float32), x0, y0), drawing(layer)
    segments = tuple(range(len(layer.found.segments)))
    for source, reach in enumerate(_reach(layer.found, segments, whole)):
        yield from ((source, strip) for strip in draw(source, [(0, segments, reach)]).values())


def light_of(layer: DispersedLayer, source: int, order: int, bounds: Bounds) -> Strip | None:
    """Return the light of one order of one source on an array, (x0, x1, y0, y1); None if it does not reach that."""
    x0, x1, y0, y1 = bounds
    whole = Strip(np.empty((y1 - y0, x1 - x0), np.float32), x0, y0)
    found = layer.found
    segments = next(s for s in orders_of(found.segments) if found.segments[s[0]].order == order)
    return drawing(layer)(source, [(0, segments, _reach(found, segments, whole)[source])]).get(0)


def _drawn(found: Dispersed) -> NDArray[np.bool_]:
    """Return (segments, n) which are drawn: the source is inside of the margins of the order, and bright enough."""
    return np.asarray(np.isfinite(found.boxes).all(axis=1) & (found.half_width > 0))


def _reach(found: Dispersed, segments: tuple[int, ...], whole: Strip) -> NDArray[np.int64]:
    boxes, half = found.boxes[list(segments)], found.half_width[list(segments)]
    drawn = _drawn(found)[list(segments)]
    margin = half + 3.0
    ny, nx = whole.light.shape
    found_limits = []
    for axis, start, count in ((0, whole.x0, nx), (2, whole.y0, ny)):
        least = np.where(drawn, boxes[:, axis] - margin, np.inf).min(axis=0)
        most = np.where(drawn, boxes[:, axis + 1] + margin, -np.inf).max(axis=0)
        found_limits += [np.clip(np.floor(least), start, start + count)]
        found_limits += [np.clip(np.ceil(most) + 1, start, start + count)]
    return np.stack(found_limits, axis=1).astype(np.int64)
