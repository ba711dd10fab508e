r"""The uniform sky behind a grism: what every pixel counts of it.

With b(lambda) the light of the sky in a pixel of the direct image, a pixel at (X, Y) counts

.. math:: B(X, Y) = \sum_o \int \frac{S_o(\lambda)\, b(\lambda)}{J(\lambda)}\,
          \left[(x_0, y_0)\ \mathrm{inside\ the\ margins}\right] d\lambda

where (x0, y0) is the place in the direct image from which light of lambda lands at (X, Y), and J how much the trace's change
over the field spreads areas (a few percent; taken at the mean wavelength of what the pixel counts). The margins of an order
(`GrismOrder.xrange`, `yrange`) are the edges of the field. Along the dispersion B is the difference of two cumulative sums:
of the light that has landed up to the pixel from the field's first edge, less that from its last. It is made whole on strips
across the dispersion, and linear between them. Source: the definition of a trace (`configuration`); the sum was compared
with that of a grid of sources.

NOT modelled: the change of the pixels' solid angle over the field (1 %); the pick-off mirror's shape; the PSF, which
would smooth the ramps; stray light.

Strips are made on the client; a window of them is + - * / in a fixed order, so that any window has the bits of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_dask.errors import StoreError
from mirage_dask.reference.grisms.configuration import GrismConfiguration, GrismOrder

Floats = NDArray[np.float64]

KIND = "dispersed sky"
STRIPS = 17
"""Across the dispersion."""
STEP = 0.5
"""Pixels along the trace, about, between wavelengths of the integral."""
ANGSTROMS = 1e4
"""Per micron."""
_TURNS = 4
"""Of the search for the place that light comes from: each is 50 times nearer."""
_REACH = 8.0
"""Pixels: half the distance over which the change of a trace is measured."""


@dataclass(frozen=True, eq=False)
class DispersedSky:
    """The light of a uniform sky on a detector with a grism."""

    along_y: bool
    """Whether light is dispersed along y."""
    profiles: NDArray[np.float32]
    """(strips, pixels along the dispersion) electrons/s per pixel; strips lie evenly from the first pixel to the last."""
    across: int
    """Pixels of the detector across the dispersion."""

    def window(self, *, x0: int = 0, y0: int = 0, nx: int, ny: int) -> NDArray[np.float32]:
        """Return (ny, nx) electrons/s of a window whose first pixel is the full-frame science pixel (x0, y0)."""
        along, across = ((y0, ny), (x0, nx)) if self.along_y else ((x0, nx), (y0, ny))
        place = np.arange(across[0], across[0] + across[1], dtype=np.float64)
        place = place * (len(self.profiles) - 1) / (self.across - 1)
        below = np.minimum(place.astype(np.int64), len(self.profiles) - 2)
        part = (place - below).astype(np.float32)[:, None]
        kept = self.profiles[:, along[0] : along[0] + along[1]]
        plane = kept[below] + part * (kept[below + 1] - kept[below])
        return np.ascontiguousarray(plane.T) if self.along_y else plane

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return it as arrays by name, for `io.tables.save_table` under `KIND`; `from_arrays` is the inverse."""
        return {
            "along_y": np.array([self.along_y]),
            "profiles": self.profiles,
            "across": np.array([self.across], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild it from the result of `to_arrays`.

        Raises
        ------
        StoreError
            If something is missing or has another shape.
        """
        try:
            profiles = np.ascontiguousarray(arrays["profiles"], np.float32)
            across = int(arrays["across"][0])
            if profiles.ndim != 2 or len(profiles) < 2 or across < 2:
                raise ValueError(f"profiles of shape {profiles.shape} across {across} pixels")
            return cls(bool(arrays["along_y"][0]), profiles, across)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise StoreError(
                f"A dispersed sky of the plan is damaged ({error}); plan the simulation again."
            ) from error


def dispersed_sky(configuration: GrismConfiguration, wavelength: ArrayLike, flux: ArrayLike) -> DispersedSky:
    """Return what the pixels behind a grism count of a uniform sky; on the client, about 0.1 CPU seconds an order.

    Parameters
    ----------
    configuration
        Traces, sensitivities and margins of the grism.
    wavelength
        (n,) micron, rising.
    flux
        (n,) erg/s/cm2/Angstrom of the sky in one pixel of the direct image; linear between samples and 0 outside.
    """
    wave, light = (np.asarray(v, dtype=np.float64) for v in (wavelength, flux))
    nx, ny = configuration.size
    ranges = [(o, low, high) for o in configuration.orders for low, high in o.segments]
    along_y = is_along_y(configuration)
    along, across = (ny, nx) if along_y else (nx, ny)
    total = np.zeros((STRIPS, along))
    strips = np.linspace(0.0, across - 1.0, STRIPS)
    for order, low, high in ranges:
        total += _profiles(order, configuration.size, (low, high), (wave, light), strips, along, along_y)
    return DispersedSky(along_y, total.astype(np.float32), across)


def is_along_y(configuration: GrismConfiguration) -> bool:
    """Return whether most light is dispersed along y: along x otherwise."""
    best = max(configuration.orders, key=lambda o: float(np.trapezoid(o.response, o.wavelength)))
    x0, y0 = (0.5 * (side - 1) for side in configuration.size)
    ends = np.array([best.segments[0][0], best.segments[-1][1]])
    _, x, y = best.trace(x0, y0, best.parameter(x0, y0, ends))
    return bool(abs(y[1] - y[0]) > abs(x[1] - x[0]))


def _profiles(
    order: GrismOrder,
    size: tuple[int, int],
    limits: tuple[float, float],
    sky: tuple[Floats, Floats],
    strips: Floats,
    along: int,
    along_y: bool,
) -> Floats:
    """Return (strips, along) electrons/s of one range of wavelengths of an order."""
    trace = _Trace(order, along_y)
    edges = [(m[0], side + m[1]) for m, side in zip((order.xrange, order.yrange), size, strict=True)]
    first, last = edges[1] if along_y else edges[0]
    low, high = edges[0] if along_y else edges[1]
    middle = 0.5 * (first + last)
    ends = trace.land(np.array([middle]), np.array([0.5 * (low + high)]), np.array(limits))[0]
    count = max(int(abs(ends[1] - ends[0]) / STEP), 64)
    width = (limits[1] - limits[0]) / count
    wave: Floats = limits[0] + width * (np.arange(count, dtype=np.float64) + 0.5)
    counted = order.respond(wave) * np.interp(wave, *sky, left=0.0, right=0.0) * width * ANGSTROMS
    pixels = np.arange(along, dtype=np.float64)
    found = np.zeros((strips.size, along))
    for row, strip in zip(found, strips, strict=True):
        # Margins across the dispersion, for the middle of the field: the same at both edges along it.
        source = trace.across_from(middle, strip, wave)
        light = counted * (np.clip(source - low + 0.5, 0.0, 1.0) - np.clip(source - high + 0.5, 0.0, 1.0))
        sums = []
        for edge in (first, last):
            place, _ = trace.land(edge, trace.across_from(edge, strip, wave), wave)
            rank = np.argsort(place, kind="stable")
            for values in (light, light * wave):
                cumulative = np.cumsum(values[rank])
                sums.append(
                    np.interp(pixels, place[rank], cumulative - 0.5 * values[rank], 0.0, cumulative[-1])
                )
        inside, moment = sums[0] - sums[2], sums[1] - sums[3]
        inside = np.where(inside > 1e-9 * max(float(light.sum()), 1e-300), inside, 0.0)
        mean = np.divide(moment, inside, out=np.full(along, 0.5 * sum(limits)), where=inside > 0)
        row[:] = inside / trace.spread(pixels, strip, np.clip(mean, *limits))
    return found


class _Trace:
    """A trace with its axes named by the dispersion: (along, across) instead of (x, y)."""

    def __init__(self, order: GrismOrder, along_y: bool):
        self.order, self.along_y = order, along_y

    def land(self, along: ArrayLike, across: ArrayLike, wave: Floats) -> tuple[Floats, Floats]:
        """Where light of a source lands: along, across."""
        x, y = (across, along) if self.along_y else (along, across)
        _, px, py = self.order.trace(x, y, self.order.parameter(x, y, wave))
        return (py, px) if self.along_y else (px, py)

    def across_from(self, along: float, strip: float, wave: Floats) -> Floats:
        """From which place across, of a place along, light of wavelengths lands in a strip."""
        across = np.full(wave.shape, strip)
        for _ in range(_TURNS):
            across = across + (strip - self.land(along, across, wave)[1])
        return across

    def spread(self, along: Floats, across: float, wave: Floats) -> Floats:
        """The area that light which lands at places has been spread into, over its area in the direct image."""
        a, b = along, np.full(along.shape, across)
        for _ in range(_TURNS):
            at, beside = self.land(a, b, wave)
            a, b = a + (along - at), b + (across - beside)
        right, left = self.land(a + _REACH, b, wave), self.land(a - _REACH, b, wave)
        up, down = self.land(a, b + _REACH, wave), self.land(a, b - _REACH, wave)
        area = (right[0] - left[0]) * (up[1] - down[1]) - (up[0] - down[0]) * (right[1] - left[1])
        return np.abs(area) / (2.0 * _REACH) ** 2
