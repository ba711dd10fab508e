"""The traces of sources behind a grism, and the boxes around them.

The *box* of an order holds the pixels whose centres are at most `HALF_BOX` rows (of dispersion along y: columns) from the
middle of its trace, between its shortest and its longest wavelength. Traces are described at `LOOKS` wavelengths of each
segment, straight between them: right to 0.01 pixel.

NOT modelled: boxes of traces that turn back; there are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.layers.dispersed.sources import Dispersed

Floats = NDArray[np.float64]
Light = NDArray[np.float32]

HALF_BOX = 5
"""Rows on each side of a trace that its box holds: 11 in all, as many as the pipeline extracts of a point source."""
LOOKS = 33
"""Wavelengths of a segment at which its trace is described."""


@dataclass(frozen=True, eq=False)
class Strip:
    """Light on a part of the detector, whose first pixel is (x0, y0) of the full frame."""

    light: Light
    x0: int
    y0: int

    def part(self, other: Strip) -> tuple[slice, slice]:
        """Return where another strip lies in this one."""
        ny, nx = other.light.shape
        x, y = other.x0 - self.x0, other.y0 - self.y0
        return slice(y, y + ny), slice(x, x + nx)


@dataclass(frozen=True, eq=False)
class Track:
    """The traces of one segment of n sources, as their boxes need them."""

    segment: Segment
    wavelength: Floats
    """(LOOKS,) micron, from one end of the traces to the other."""
    u: Floats
    """(n, LOOKS) full-frame science pixels along the dispersion, rising."""
    v: Floats
    """(n, LOOKS) across it."""
    valid: NDArray[np.bool_]
    """(n,) of the sources that have a trace that does not turn back: others have no box."""

    @classmethod
    def of(cls, segment: Segment, x: Floats, y: Floats) -> Track:
        """Return the traces of sources at (x, y) of the direct image."""
        wave = np.linspace(segment.low, segment.high, LOOKS)
        trace = segment.trace
        _, px, py = trace.trace(x[:, None], y[:, None], trace.parameter(x[:, None], y[:, None], wave))
        u, v = (py, px) if segment.along_y else (px, py)
        if np.nanmean(u[:, -1] - u[:, 0]) < 0 if u.size else False:
            u, v, wave = u[:, ::-1], v[:, ::-1], wave[::-1]
        with np.errstate(invalid="ignore"):
            valid = (np.diff(u, axis=1) > 0).all(axis=1) & np.isfinite(v).all(axis=1)
        wave, u, v = (np.ascontiguousarray(values) for values in (wave, u, v))
        return cls(segment, wave, u, v, np.asarray(valid))

    def turned(self, strip: Strip) -> tuple[Light, int, int]:
        """Return the light of a strip with the dispersion along its second axis, and where it begins: along, across."""
        return (
            (strip.light.T, strip.y0, strip.x0) if self.segment.along_y else (strip.light, strip.x0, strip.y0)
        )

    def box_sum(self, strip: Strip, source: int) -> float:
        """Return the light of a strip in the box of a source."""
        if not self.valid[source]:
            return 0.0
        return float(_box_sum(*self.turned(strip), self.u[source], self.v[source], HALF_BOX))


def orders_of(segments: Sequence[Segment]) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the segments of each order."""
    for _, members in groupby(range(len(segments)), key=lambda k: segments[k].order):
        yield tuple(members)


def totals_of(found: Dispersed, segments: tuple[int, ...]) -> Floats:
    """Return (n,) the electrons/s of an order of each source."""
    spectra = found.spectra
    sums = sum(spectra.weights[k].sum(axis=1, dtype=np.float64) for k in segments)
    each = np.asarray(sums)[spectra.index] * spectra.amount
    return each if each.ndim == 1 else each.sum(axis=1)


def limits_of(tracks: Sequence[Track], i: int, whole: Strip) -> tuple[NDArray[np.int64], Floats]:
    """Return first and last column, first and last row of the box of an order, and the wavelengths on the array."""
    box, seen = _NOTHING.copy(), np.array([np.inf, -np.inf])
    for track in tracks:
        if track.valid[i]:
            light, u0, v0 = track.turned(whole)
            of_one = _NOTHING.copy()
            _course(
                track.u[i],
                track.v[i],
                track.wavelength,
                light.shape[1],
                light.shape[0],
                u0,
                v0,
                HALF_BOX,
                of_one,
                seen,
            )
            of_one = np.roll(of_one, 2) if track.segment.along_y else of_one
            box[::2], box[1::2] = np.minimum(box[::2], of_one[::2]), np.maximum(box[1::2], of_one[1::2])
    return box if box[0] <= box[1] else np.full(4, -1), seen if seen[0] <= seen[1] else np.full(2, np.nan)


_NOTHING = np.array([2**40, -(2**40), 2**40, -(2**40)], np.int64)


@kernel
def _box_sum(light, u0, v0, u, v, half):
    """Sum of light[v - v0, u - u0] in the pixels that are at most `half` from the middle of a trace, u rising."""
    nv, nu = light.shape
    total = 0.0
    k = 0
    for p in range(max(int(np.ceil(u[0])), u0), min(int(np.floor(u[-1])), u0 + nu - 1) + 1):
        while k < u.size - 2 and u[k + 1] < p:
            k += 1
        middle = int(np.floor(v[k] + (v[k + 1] - v[k]) * (p - u[k]) / (u[k + 1] - u[k]) + 0.5))
        for q in range(max(middle - half, v0), min(middle + half + 1, v0 + nv)):
            total += light[q - v0, p - u0]
    return total


@kernel
def _course(u, v, wave, nu, nv, u0, v0, half, box, seen):
    """Widen `box` by the pixels of a trace's box on an array, and `seen` by the wavelengths on it."""
    k = 0
    for p in range(max(int(np.ceil(u[0])), u0), min(int(np.floor(u[-1])), u0 + nu - 1) + 1):
        while k < u.size - 2 and u[k + 1] < p:
            k += 1
        middle = int(np.floor(v[k] + (v[k + 1] - v[k]) * (p - u[k]) / (u[k + 1] - u[k]) + 0.5))
        low, high = max(middle - half, v0), min(middle + half, v0 + nv - 1)
        if low <= high:
            box[0], box[1] = min(box[0], p), max(box[1], p)
            box[2], box[3] = min(box[2], low), max(box[3], high)
    for k in range(u.size - 1):
        # The part of a piece of the trace, in shares of its length, that is inside of the edges along and across.
        begin, end = 0.0, 1.0
        for axis in range(2):
            at, step = (u[k], u[k + 1] - u[k]) if axis == 0 else (v[k], v[k + 1] - v[k])
            low = (u0 if axis == 0 else v0) - 0.5
            high = low + (nu if axis == 0 else nv)
            if step == 0.0:
                if at < low or at >= high:
                    begin = 2.0
                continue
            one, other = (low - at) / step, (high - at) / step
            begin, end = max(begin, min(one, other)), min(end, max(one, other))
        if begin <= end:
            first, last = wave[k] + begin * (wave[k + 1] - wave[k]), wave[k] + end * (wave[k + 1] - wave[k])
            seen[0], seen[1] = min(seen[0], first, last), max(seen[1], first, last)


def brightest_orders(
    found: Dispersed, bounds: tuple[int, int, int, int]
) -> list[tuple[float, int, tuple[int, ...]]]:
    """Return (light, source, segments) of the orders of sources whose traces cross an array, (x0, x1, y0, y1).

    The light, e-/s, is that of the order times the part of its trace that is on the array: to say which are bright.
    """
    x0, x1, y0, y1 = bounds
    made = []
    for segments in orders_of(found.segments):
        tracks = [Track.of(found.segments[k], found.x, found.y) for k in segments]
        u, v = (np.concatenate([getattr(track, name) for track in tracks], axis=1) for name in "uv")
        x, y = (v, u) if tracks[0].segment.along_y else (u, v)
        accepted = np.isfinite(found.boxes[list(segments)]).all(axis=(0, 1))
        with np.errstate(invalid="ignore"):
            seen = ((x > x0 - 0.5) & (x < x1 - 0.5) & (y > y0 - 0.5) & (y < y1 - 0.5)).mean(axis=1)
        light = np.where(accepted, totals_of(found, segments) * seen, 0.0)
        made += [(float(light[i]), int(i), segments) for i in np.flatnonzero(light > 0.0)]
    return made
