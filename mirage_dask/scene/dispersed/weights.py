r"""A spectrum as electrons per second at the nodes of a trace; on the client.

Light of wavelength lambda, S F d lambda, is given to the four nodes around it by the weights of Lagrange's cubic polynomial,

.. math:: w_k = \int S(\lambda)\, F_\lambda(\lambda)\, \ell_k(\lambda)\, d\lambda

so that the sum over nodes is the counted rate, and centroid, second and third moment of every piece of the spectrum are its
own, however narrow it is: a line keeps its flux, its place and its width. For an image that is smooth over a node's
distance h the error is h^4 / 43 times its fourth derivative at most: 1e-4 of the peak of an unresolved line for a sigma of
1.2 pixels. Weights may be slightly negative beside a line; light is not.

S and F are linear between their samples, so the integrand is a polynomial between samples and nodes, and Gauss' rule with
three points is exact. Lines are Gaussians apart from the samples: their light in each of many pieces follows from the error
function.

Weights are float32: sums of a few thousand of them are right to 1e-7. (Differences of a float32 cumulative would be right to
1e-4 only.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.scene.dispersed.traces import Segment

Floats = NDArray[np.float64]

ANGSTROMS = 1e4
"""Per micron."""
LINE_REACH = 6.0
"""Sigmas at which a line ends: 2e-9 of its light lies beyond."""
LINE_PIECES = 192
"""Least number of pieces of a line."""
_NODES = (-0.7745966692414834, 0.0, 0.7745966692414834)
_SHARES = (0.2777777777777778, 0.4444444444444444, 0.2777777777777778)


@inline
def _add_light(out, place, light):
    """Give light at a place, in nodes, to the four nodes around it."""
    k = min(max(int(np.floor(place)), 1), out.size - 3)
    f = place - k
    out[k - 1] -= light * f * (f - 1.0) * (f - 2.0) / 6.0
    out[k] += light * (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
    out[k + 1] -= light * (f + 1.0) * f * (f - 2.0) / 2.0
    out[k + 2] += light * (f + 1.0) * f * (f - 1.0) / 6.0


@kernel
def _add_continuum(out, start, step, low, high, sense_wave, sense, flux_wave, flux):
    """Add the integral of two functions that are linear between samples and 0 outside; wavelengths in micron."""
    begin = max(low, sense_wave[0], flux_wave[0])
    end = min(high, sense_wave[-1], flux_wave[-1])
    i = min(max(np.searchsorted(sense_wave, begin, side="right") - 1, 0), sense_wave.size - 2)
    j = min(max(np.searchsorted(flux_wave, begin, side="right") - 1, 0), flux_wave.size - 2)
    k = int(np.floor((begin - start) / step))
    at = begin
    while at < end:
        stop = min(end, sense_wave[i + 1], flux_wave[j + 1], start + (k + 1) * step)
        if stop > at:
            s0, s1 = sense[i], (sense[i + 1] - sense[i]) / (sense_wave[i + 1] - sense_wave[i])
            f0, f1 = flux[j], (flux[j + 1] - flux[j]) / (flux_wave[j + 1] - flux_wave[j])
            for p in range(3):
                wave = at + (stop - at) * 0.5 * (1.0 + _NODES[p])
                value = (s0 + s1 * (wave - sense_wave[i])) * (f0 + f1 * (wave - flux_wave[j]))
                _add_light(out, (wave - start) / step, value * (stop - at) * _SHARES[p])
            at = stop
        if i < sense_wave.size - 2 and sense_wave[i + 1] <= at:
            i += 1
        elif j < flux_wave.size - 2 and flux_wave[j + 1] <= at:
            j += 1
        elif start + (k + 1) * step <= at:
            k += 1


@kernel
def _add_pieces(out, start, step, wave, light):
    for m in range(wave.size):
        _add_light(out, (wave[m] - start) / step, light[m])


def node_weights(
    segment: Segment,
    wavelength: Floats,
    flux: Floats,
    lines: Sequence[tuple[float, float, float]] = (),
) -> NDArray[np.float32]:
    """Return the light of a spectrum at the nodes of a segment.

    Parameters
    ----------
    segment
        Range of an order; light outside of it is not counted.
    wavelength
        (n,) micron, rising; n may be 0.
    flux
        (n,) erg/s/cm2/Angstrom, linear between samples and 0 outside.
    lines
        Wavelength (micron), flux (erg/s/cm2) and sigma (micron; 0 for a sharp line) of emission lines that are added.

    Returns
    -------
    (segment.count,) e-/s.
    """
    out = np.zeros(segment.count)
    sense_wave, sense = segment.trace.wavelength, segment.trace.response
    if wavelength.size > 1:
        _add_continuum(
            out, f8(segment.start), f8(segment.step), f8(segment.low), f8(segment.high), sense_wave, sense,
            np.ascontiguousarray(wavelength, np.float64),
            np.ascontiguousarray(flux, np.float64) * ANGSTROMS,
        )  # fmt: skip
    for centre, total, sigma in lines:
        wave, share = _pieces(centre, sigma, 0.5 * segment.step)
        inside = (wave >= segment.low) & (wave <= segment.high)
        light = total * share[inside] * segment.trace.respond(wave[inside])
        _add_pieces(out, f8(segment.start), f8(segment.step), wave[inside], light)
    return out.astype(np.float32)


def _pieces(centre: float, sigma: float, longest: float) -> tuple[Floats, Floats]:
    """Cut a Gaussian of light 1 into pieces: their centroids and light."""
    if sigma <= 0.0:
        return np.array([centre]), np.ones(1)
    count = max(LINE_PIECES, math.ceil(2 * LINE_REACH * sigma / longest))
    edges = np.linspace(-LINE_REACH, LINE_REACH, count + 1)
    inside = np.array([0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) for z in edges])
    density = np.exp(-0.5 * edges * edges) / math.sqrt(2.0 * math.pi)
    light = np.diff(inside)
    mean = -np.diff(density) / light
    return centre + sigma * mean, light / light.sum()
