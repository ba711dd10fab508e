"""The traces of one grism as workers use them: wavelengths at fixed nodes, and what a source may touch.

The spectrum of a source is light at nodes that lie evenly in wavelength, at most `SPACING` pixels apart anywhere in the
field (`mirage_dask.scene.dispersed.weights`). A *segment* is a range of wavelengths with light: an order has several where
its sensitivity has gaps, red leaks far from the band, so that nothing is computed between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mirage_dask.reference.grisms.configuration import GrismConfiguration, GrismOrder

Floats = NDArray[np.float64]

SPACING = 0.25
"""Largest distance of nodes along the trace, pixels."""
FAR = 600.0
"""Pixels that an image may reach at most from its trace."""
LEAST_NODES = 8
BEYOND = 2
"""Nodes beyond each end of the light: the projection onto nodes takes the four nearest."""
_PLACES = 7
"""Places per axis at which the dispersion is measured."""
_LOOKS = 9
"""Wavelengths at which the course of a trace is measured."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One range of wavelengths of one order."""

    trace: GrismOrder
    start: float
    """Wavelength of the first node, micron."""
    step: float
    """Micron."""
    count: int
    """Number of nodes."""
    low: float
    """First wavelength with light, micron."""
    high: float
    along_y: bool
    """Whether light is dispersed along y: along x otherwise."""

    @property
    def order(self) -> int:
        """Number of the order."""
        return self.trace.order

    @cached_property
    def wavelength(self) -> Floats:
        """(count,) of the nodes, micron."""
        return self.start + self.step * np.arange(self.count, dtype=np.float64)

    def boxes(self, x: Floats, y: Floats) -> Floats:
        """Return (4, n) boxes around the traces of sources: least and greatest x, least and greatest y, pixels.

        They hold the places of all nodes; the image of the source adds its half width.
        """
        wave = np.linspace(self.start, self.start + self.step * (self.count - 1), _LOOKS)[:, None]
        t = self.trace.parameter(x[None], y[None], wave)
        _, px, py = self.trace.trace(x[None], y[None], t)
        limits = []
        for places in (px, py):
            bent = np.abs(np.diff(places, n=2, axis=0)).max(axis=0)
            limits += [places.min(axis=0) - bent, places.max(axis=0) + bent]
        return np.stack(limits)


def reaches(boxes: Floats, half: Floats, *, x0: int, y0: int, nx: int, ny: int) -> NDArray[np.bool_]:
    """Return which sources may send light into a window.

    Parameters
    ----------
    boxes
        (..., 4, n) around their traces, `Segment.boxes`; where they are nan, nothing is sent.
    half
        (n,) half widths of their images, pixels.
    x0, y0, nx, ny
        The window.
    """
    left, right, low, high = np.moveaxis(boxes, -2, 0)
    margin = half + 2.0
    with np.errstate(invalid="ignore"):
        return (
            (right + margin >= x0)
            & (left - margin <= x0 + nx)
            & (high + margin >= y0)
            & (low - margin <= y0 + ny)
        )


def segments(configuration: GrismConfiguration) -> tuple[Segment, ...]:
    """Return the segments of all orders of a grism, in the order of the configuration and of wavelength.

    Those that come nowhere near the detector, whatever place within the margins the source has, are left out.
    """
    found = (
        segment(order, configuration.size, low, high)
        for order in configuration.orders
        for low, high in order.segments
    )
    return tuple(one for one in found if _meets(one, configuration.size))


def _meets(one: Segment, size: tuple[int, int]) -> bool:
    x, y = (v.ravel() for v in np.meshgrid(*_field(one.trace, size)))
    nx, ny = size
    return bool(reaches(one.boxes(x, y), np.full(x.size, FAR), x0=0, y0=0, nx=nx, ny=ny).any())


def _field(order: GrismOrder, size: tuple[int, int]) -> list[Floats]:
    """Places in x and in y that span all that an order accepts."""
    return [
        np.linspace(margins[0], side + margins[1], _PLACES, dtype=np.float64)
        for margins, side in ((order.xrange, size[0]), (order.yrange, size[1]))
    ]


def segment(order: GrismOrder, size: tuple[int, int], low: float, high: float) -> Segment:
    """Return one range of an order with its nodes.

    Parameters
    ----------
    order
        Traces.
    size
        (nx, ny) of the detector.
    low, high
        The range of wavelengths with light, micron.
    """
    x, y = _field(order, size)
    px, py, wave = (v.ravel() for v in np.meshgrid(x, y, np.linspace(low, high, _LOOKS)))
    near = wave + 1e-3 * (high - low)
    ends = [order.trace(px, py, order.parameter(px, py, w)) for w in (wave, near)]
    moved = [np.abs(ends[1][axis] - ends[0][axis]) / (near - wave) for axis in (1, 2)]
    along_y = bool(np.median(moved[1]) > np.median(moved[0]))
    fastest = float(np.maximum(*moved).max())
    step = min(SPACING / fastest, (high - low) / LEAST_NODES)
    inside = int(np.ceil((high - low) / step)) + 1
    start = 0.5 * (low + high) - step * 0.5 * (inside - 1 + 2 * BEYOND)
    return Segment(order, start, step, inside + 2 * BEYOND, low, high, along_y)
