r"""A quick look at a spectrum behind a grism: the light in the box along its trace, as a flux density.

.. math:: F_\lambda = \frac{\sum_{box} light - n\, sky}{A\, S(\lambda)\, |d\lambda / du|}

in each column u along the dispersion, with the `n` pixels of the box there, `sky` the median of the pixels that are `SKY`
from the trace, S the mean sensitivity in the column, and A what of the light of the source along the trace is found so if
there is nothing else.

NOT modelled: what the calibration pipeline does: it has its own sky, weights and aperture corrections. Light of neighbours
in the box counts as that of the source. At the ends of an order, where the sensitivity rises within a few pixels, the image
mixes wavelengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import effects_on
from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.planes import read_planes
from mirage_dask.exposure.references import References
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.dispersed.weights import ANGSTROMS
from mirage_dask.scene.layers.dispersed.sources import DispersedLayer
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.truth.dispersed import light_of
from mirage_dask.scene.truth.trace_boxes import HALF_BOX, Strip, Track
from mirage_dask.spec import ExposureSpec, Window

Floats = NDArray[np.float64]

SKY = (9, 22)
"""Rows on each side of the trace whose median is the sky."""
LEAST_RESPONSE = 0.03
"""Of the highest sensitivity: where it is lower no flux is given."""


@dataclass(frozen=True, eq=False)
class TraceView:
    """The columns of an array that the brightest segment of an order of a source crosses."""

    segment: Segment
    column: NDArray[np.int64]
    """(n,) along the dispersion, full-frame science pixels."""
    middle: NDArray[np.int64]
    """(n,) row in the middle of the box."""
    wavelength: Floats
    """(n,) micron, at the centres of columns."""
    width: Floats
    """(n,) micron in a column."""
    response: Floats
    """(n,) mean sensitivity; nan where it is below `LEAST_RESPONSE` of the highest."""
    aperture: Floats
    """(n,) part of the light along the trace that is found in the box; a parabola in wavelength."""

    @classmethod
    def of(cls, layer: DispersedLayer, source: int, order: int, bounds: Bounds) -> Self | None:
        """Return what a source has on an array, (x0, x1, y0, y1); None if its trace does not cross that."""
        found = layer.found
        light = [
            (float(found.spectra.of(k, source)[0].sum()), k)
            for k, segment in enumerate(found.segments)
            if segment.order == order
        ]
        if not light:
            return None
        number = max(light)[1]
        segment = found.segments[number]
        x, y, wave = float(found.x[source]), float(found.y[source]), segment.wavelength
        _, px, py = segment.trace.trace(x, y, segment.trace.parameter(x, y, wave))
        u, v = (py, px) if segment.along_y else (px, py)
        track = Track.of(segment, found.x[[source]], found.y[[source]])
        strip = light_of(layer, source, order, bounds)
        if strip is None or not track.valid[0]:
            return None
        weights, amount = found.spectra.of(number, source)
        if u[-1] < u[0]:
            u, v, wave, weights = u[::-1], v[::-1], wave[::-1], weights[::-1]
        x0, x1, y0, y1 = bounds
        first, last, low, high = (y0, y1, x0, x1) if segment.along_y else (x0, x1, y0, y1)
        column = np.arange(max(int(np.ceil(u[0])), first), min(int(np.floor(u[-1])), last - 1) + 1)
        middle = np.floor(np.interp(column, u, v) + 0.5).astype(np.int64)
        at = np.interp(column, u, wave)
        seen = (middle >= low) & (middle < high) & (at >= segment.low) & (at <= segment.high)
        if seen.sum() < 2:
            return None
        column, middle, at = column[seen], middle[seen], at[seen]
        edges = [np.interp(column + side, u, wave) for side in (-0.5, -0.25, 0.0, 0.25, 0.5)]
        response = np.mean([segment.trace.respond(edge) for edge in edges], axis=0)
        response[response < LEAST_RESPONSE * segment.trace.response.max()] = np.nan
        width = np.abs(edges[-1] - edges[0])
        along = np.interp(column, u, weights) * (amount / segment.step) * width
        aperture = _parts(_above_sky(strip, segment, column, middle)[0], along, at, response)
        return cls(segment, column, middle, at, width, response, aperture)

    def extract(self, strip: Strip) -> tuple[Floats, Floats]:
        """Return the flux density, (n,) erg/s/cm2/Angstrom, and the sky, e-/s in a pixel, in the light of a part of it."""
        total, sky = _above_sky(strip, self.segment, self.column, self.middle)
        with np.errstate(invalid="ignore"):
            return total / (self.aperture * self.response * self.width * ANGSTROMS), sky


def _parts(light: Floats, along: Floats, wavelength: Floats, response: Floats) -> Floats:
    """Return the part of the light along a trace that is found, smooth in wavelength."""
    good = np.isfinite(response) & (along > 0)
    if not good.any():
        return np.full(wavelength.shape, np.nan)
    middle, half = wavelength.mean(), max(float(np.ptp(wavelength)), 1e-9)
    degree = 2 if good.sum() > 20 else 0
    terms = np.polyfit(
        (wavelength[good] - middle) / half, light[good] / along[good], degree, w=np.sqrt(along[good])
    )
    return np.asarray(np.polyval(terms, (wavelength - middle) / half), np.float64)


def _above_sky(
    strip: Strip, segment: Segment, column: NDArray[np.int64], middle: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return the light in the box in each column above the sky beside it, and that, e-/s and e-/s in a pixel."""
    along_y = segment.along_y
    light, u0, v0 = (strip.light.T, strip.y0, strip.x0) if along_y else (strip.light, strip.x0, strip.y0)
    offsets = np.arange(-SKY[1], SKY[1] + 1)
    rows, columns = middle[:, None] + offsets - v0, column[:, None] - u0
    there = (rows >= 0) & (rows < light.shape[0]) & (columns >= 0) & (columns < light.shape[1])
    values = np.where(there, light[np.where(there, rows, 0), np.where(there, columns, 0)], np.nan)
    box, beside = np.abs(offsets) <= HALF_BOX, np.abs(offsets) >= SKY[0]
    values[~np.isfinite(values[:, beside]).any(axis=1)] = 0.0
    sky = np.nanmedian(values[:, beside], axis=1)
    return np.nansum(values[:, box] - sky[:, None], axis=1), sky


def flat_of(spec: ExposureSpec, references: References, window: Window) -> NDArray[np.float32]:
    """Return what the detector makes of light in a window, 1 in the mean: its response, with its gain over the mean gain."""
    pack, on = references.pack, effects_on(spec.switched)
    frame = Frame(spec, pack.array)
    box = frame.box(window.rows, window.columns)
    flat = np.array(
        frame.science(read_planes(pack, on, ("light",), box, frame.array)["response"]), np.float32
    )
    if "gain_map" in on:
        flat *= frame.science(pack.plane("inverse_gain", *as_slices(box))) * np.float32(
            pack.meta["mean_gain"]
        )
    return flat


def rate_of(exposure: Any, gain: float, **where: slice) -> NDArray[np.float32]:
    """Return electrons/s of the first integration of an exposure: the median of the steps between its groups."""
    groups = np.asarray(exposure["linear"].isel(integration=0, **where).values, np.float64)
    times = np.asarray(exposure["group_time"].values, np.float64)
    if len(groups) == 1:
        return (gain * groups[0] / times[0]).astype(np.float32)
    steps = np.diff(groups, axis=0) / np.diff(times)[:, None, None]
    return (gain * np.median(steps, axis=0)).astype(np.float32)
