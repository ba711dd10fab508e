r"""How much of a galaxy's light falls on the array of an exposure, to 1e-3, without drawing it.

A galaxy is a sum of Gaussians (`mirage_dask.scene.galaxies.sersic`). With V(x, y) the fraction of a point's light that
falls on the array (`energy.visible`), a Gaussian of covariance C at m leaves

.. math:: f = \int V(r)\, N(r - m; C)\, d^2 r .

V is nearly the product of what the edges of x and those of y let through, each a sum over the marginal of the PSF of normal
distribution functions, U(x) W(y); so f = E[U W] + E[V - U W]. The first mean is exact along an axis whose edges are far,
and otherwise a sum over strips of y with the conditional distribution of x, which follows the correlation of both. The
second one, of a small and smooth function, is a sum over a few places.

NOT modelled: the change of the PSF across a galaxy, as where it is drawn. The Gaussians' cut at 4.5 sigma is (4e-5).
"""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

import numpy as np
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.truth.energy import psf_sums, star_fractions, visible

Floats = NDArray[np.float64]

STRIPS = 96
"""Strips of y across a Gaussian."""
TAILS = 4.5
"""Sigma at which Gaussians end."""
WIDE = 3.0
"""Pixels: sigma from which E[V - U W] is left out where only one edge is near."""
NARROW = 0.12
"""Pixels: sigma up to which a Gaussian is a point for E[V - U W]."""
SMOOTH = 1.0
"""Pixels: sigma up to which 4 x 4 places are enough for E[V - U W] at a corner; ..."""
POINTS = 12
"""... and how many there are on a side above it."""
REST_TAILS = 3.0
"""Sigma out to which these places lie."""
CELLS = ((8.0, 0.5), (16.0, 1.0), (32.0, 2.0), (64.0, 4.0))
"""Up to which offset, pixels, the marginal of the PSF has cells of which width; further out they have 16."""

_known: WeakKeyDictionary[PsfLibrary, tuple[Floats, Floats]] = WeakKeyDictionary()


def galaxy_fractions(galaxies: PlacedGalaxies, psf: PsfLibrary, bounds: Bounds) -> Floats:
    """Return the fraction of the light of galaxies that falls on an array.

    Parameters
    ----------
    galaxies
        On the detector.
    psf
        Library of the detector and filter.
    bounds
        (x0, x1, y0, y1), half open, full-frame science pixels.

    Returns
    -------
    (n,) of the light that is integrated to infinity.
    """
    g, (along_x, along_y) = galaxies, marginals(psf)
    return _fractions(g.x, g.y, g.form, g.variances, g.weights, *bounds, along_x, along_y, psf_sums(psf))


def marginals(psf: PsfLibrary) -> tuple[Floats, Floats]:
    """Return the marginals of the PSF along x and y as cells: (cells, 3) offset, variance of the cell, part of the light."""
    if psf not in _known:
        whole = psf.wings_half_width + 1
        edges = [0.0]
        for end, width in (*CELLS, (math.inf, 16.0)):
            while edges[-1] < min(end, whole):
                edges.append(edges[-1] + width)
        offsets = np.array([*(-e for e in edges[:0:-1]), *edges])
        _known[psf] = (_marginal(psf, offsets, along=0), _marginal(psf, offsets, along=1))
    return _known[psf]


def _marginal(psf: PsfLibrary, offsets: Floats, *, along: int) -> Floats:
    # The light up to an offset is what falls left of an edge that lies there.
    far, edge = 1 << 14, 1024
    middle = np.full(offsets.size, 1024.0)
    x, y = (edge - 0.5 - offsets, middle) if along == 0 else (middle, edge - 0.5 - offsets)
    bounds: Bounds = (-far, edge, -far, far) if along == 0 else (-far, far, -far, edge)
    half = np.full(offsets.size, psf.wings_half_width, np.int32)
    parts = np.diff(star_fractions(psf, x, y, half, bounds))
    width = np.diff(offsets)
    return np.stack([(offsets[1:] + offsets[:-1]) / 2.0, width * width / 12.0, parts / parts.sum()], axis=1)


@inline
def _normal(z):
    """Distribution function of the normal distribution."""
    if z > 6.0:
        return f8(1)
    return 0.5 * math.erfc(-0.7071067811865476 * z) if z > -6.0 else f8(0)


@inline
def _through(place, variance, low, high, reach, cells):
    """U: what the edges low and high of an axis let through of light at `place`, widened by a variance."""
    tail = reach + TAILS * np.sqrt(variance)
    if place - tail >= low and place + tail <= high:
        return f8(1)
    if place + tail < low or place - tail > high:
        return f8(0)
    total = f8(0)
    for k in range(cells.shape[0]):
        sigma = np.sqrt(variance + cells[k, 1])
        total += cells[k, 2] * (
            _normal((high - place - cells[k, 0]) / sigma) - _normal((low - place - cells[k, 0]) / sigma)
        )
    return total


@inline
def _product(x, y, cxx, cxy, cyy, x0, x1, y0, y1, reach, along_x, along_y):
    """E[U W] of a Gaussian; the edges are those of pixels."""
    low_x, high_x, low_y, high_y = x0 - 0.5, x1 - 0.5, y0 - 0.5, y1 - 0.5
    tail_x, tail_y = reach + TAILS * np.sqrt(cxx), reach + TAILS * np.sqrt(cyy)
    if (x - tail_x >= low_x and x + tail_x <= high_x) or cxy * cxy <= 1e-8 * cxx * cyy:
        return _through(x, cxx, low_x, high_x, reach, along_x) * _through(
            y, cyy, low_y, high_y, reach, along_y
        )
    if y - tail_y >= low_y and y + tail_y <= high_y:
        return _through(x, cxx, low_x, high_x, reach, along_x)
    sigma, slope = np.sqrt(cyy), cxy / cyy
    left = cxx - slope * cxy
    width = 2.0 * TAILS / STRIPS
    total, before = f8(0), _normal(f8(-TAILS))
    for n in range(STRIPS):
        z = -TAILS + (n + 0.5) * width
        after = _normal(z + 0.5 * width)
        share, before = after - before, after
        dy = z * sigma
        along = _through(y + dy, cyy * width * width / 12.0, low_y, high_y, reach, along_y)
        if along != 0.0:
            total += share * along * _through(x + slope * dy, left, low_x, high_x, reach, along_x)
    return total


@inline
def _rest(x, y, cxx, cxy, cyy, count, energy, x0, x1, y0, y1, reach, along_x, along_y, sums):
    """E[V - U W] of a Gaussian from count x count places: along x and, given those, along y; each stands for a cell."""
    sx, slope = np.sqrt(cxx), cxy / cxx
    sy = np.sqrt(max(cyy - slope * cxy, 0.0))
    width = 2.0 * REST_TAILS / count
    total = f8(0)
    for a in range(count):
        u = -REST_TAILS + (a + 0.5) * width
        for b in range(count):
            v = -REST_TAILS + (b + 0.5) * width
            share = f8(1)
            if count > 1:
                share = (_normal(u + 0.5 * width) - _normal(u - 0.5 * width)) * (
                    _normal(v + 0.5 * width) - _normal(v - 0.5 * width)
                )
            px, py = x + u * sx, y + slope * u * sx + v * sy
            exact = visible(px, py, reach - 1.0, x0, x1, y0, y1, sums)
            through = _product(px, py, f8(0), f8(0), f8(0), x0, x1, y0, y1, reach, along_x, along_y)
            total += share * (exact - energy * through)
    return total


@kernel
def _fractions(x, y, form, variances, weights, x0, x1, y0, y1, along_x, along_y, sums):
    out = np.empty(x.size)
    reach = f8(sums.wings_half + 1)
    far = 1 << 14
    for i in range(x.size):
        # The light in the PSF, without an edge.
        energy = visible(x[i], y[i], reach - 1.0, x0 - far, x1 + far, y0 - far, y1 + far, sums)
        whole = f8(0)
        total = f8(0)
        for k in range(weights.shape[1]):
            weight, variance = f8(weights[i, k]), f8(variances[i, k])
            if weight == 0.0:
                continue
            whole += weight
            cxx, cxy, cyy = variance * form[i, 0], variance * form[i, 1], variance * form[i, 2]
            tail_x, tail_y = reach + TAILS * np.sqrt(cxx), reach + TAILS * np.sqrt(cyy)
            in_x = x[i] - tail_x >= x0 - 0.5 and x[i] + tail_x <= x1 - 0.5
            in_y = y[i] - tail_y >= y0 - 0.5 and y[i] + tail_y <= y1 - 0.5
            if in_x and in_y:
                total += weight * energy
                continue
            if (
                x[i] + tail_x < x0 - 0.5
                or x[i] - tail_x > x1 - 0.5
                or y[i] + tail_y < y0 - 0.5
                or y[i] - tail_y > y1 - 0.5
            ):
                continue
            part = energy * _product(x[i], y[i], cxx, cxy, cyy, x0, x1, y0, y1, reach, along_x, along_y)
            corner = not (in_x or in_y)
            if corner or min(cxx, cyy) <= WIDE * WIDE:
                size = np.sqrt(max(cxx, cyy))
                count = 1 if size < NARROW else POINTS if corner and size > SMOOTH else 4
                part += _rest(
                    x[i], y[i], cxx, cxy, cyy, count, energy, x0, x1, y0, y1, reach, along_x, along_y, sums
                )
            total += weight * part
        out[i] = total / whole if whole != 0.0 else f8(0)
    return out
