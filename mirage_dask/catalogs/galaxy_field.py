"""Galaxies of an empty field: how many of each magnitude, how large, how flat, how concentrated.

Counts. Galaxies per magnitude and square degree in K (AB), Weaver et al. 2022, ApJS 258, 11 (COSMOS2020), table 2, `COUNTS`:
the whole field up to 23.25, its ultradeep stripes beyond. Between, before and beyond its bins log N is linear. Integrated
over all magnitudes the counts give 9.5 nW/m2/sr at 2.15 micron, where the light of all galaxies is 10.0 (Keenan et al. 2010,
arXiv 1102.2428).

Sizes. The median scale length of discs along the major axis, Miller et al. 2013, MNRAS 429, 2858,

    ln(r_d / arcsec) = -1.145 - 0.269 (i - 23),    half-light radius = 1.678 r_d,    i = m + 1

with a scatter of 0.2 dex. i - K is 0.5 to 1.3 between galaxies of equal counts in that catalog.

Shapes. Of the same paper: one galaxy in ten is a bulge, and e = (a - b) / (a + b) has up to 0.804 the distribution

    p(e) ~ e (1 - exp((e - 0.804) / 0.2539)) / ((1 + e) sqrt(e^2 + 0.0256^2))

Sersic indices are 1 for discs and 4 for bulges, with a scatter of 0.15 dex.

The figures of Weaver et al. and of Miller et al. were not checked against the papers. NOT modelled: clusters and large-scale
structure; that size, shape and concentration depend on each other; colours, unless they are given.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FIRST, STEP = 19.25, 0.5
"""Middle of the first bin of the counts, and the width of one, K (AB)."""
COUNTS = (3.64, 3.85, 4.03, 4.18, 4.29, 4.42, 4.56, 4.68, 4.79, 4.88, 4.97, 5.07, 5.18)
"""log10 of galaxies per magnitude and square degree."""
BRIGHT_SLOPE = 0.55
"""Of log N before the first bin, per magnitude: between that of the first bins, 0.4, and that of empty space, 0.6."""
FAINT_SLOPE = 0.20
"""The same beyond the last bin: that of the last bins."""
SIZE = (-1.145, -0.269, 23.0)
"""ln of the median scale length of discs, arcsec, at an i magnitude; its slope; that magnitude."""
I_LESS_K = 1.0
"""i magnitude less the magnitude that is drawn."""
HALF_LIGHT = 1.678
"""Half-light radius of an exponential disc over its scale length."""
SIZE_SCATTER, INDEX_SCATTER = 0.2, 0.15
"""Standard deviations, dex."""
ELLIPTICITY = (0.804, 0.2539, 0.0256)
"""Largest (a - b) / (a + b), and the two scales of its distribution."""
BULGES = 0.1
"""Share of galaxies with Sersic indices around `INDEX[1]`."""
INDEX = (1.0, 4.0)
MOST_SIGMA = 2.5
"""Scatter is cut there."""
_SAMPLES = 4001


def draw_magnitudes(bright: float, faint: float, uniform: Floats) -> Floats:
    """Return magnitudes between two limits that follow the counts: uniform numbers from 0 to 1 become magnitudes."""
    grid, total = _cumulative(bright, faint)
    if not total[-1] > 0:
        return np.full(uniform.shape, bright)
    return np.interp(uniform * total[-1], total, grid)


def density(bright: float, faint: float) -> float:
    """Return the galaxies between two magnitudes on a square arcmin."""
    return float(_cumulative(bright, faint)[1][-1]) / 3600.0


def log_counts(magnitude: Floats) -> Floats:
    """Return log10 of the galaxies per magnitude and square degree."""
    bins = FIRST + STEP * np.arange(len(COUNTS))
    inside = np.interp(magnitude, bins, COUNTS)
    brighter, fainter = np.minimum(magnitude - bins[0], 0.0), np.maximum(magnitude - bins[-1], 0.0)
    return np.asarray(inside + BRIGHT_SLOPE * brighter + FAINT_SLOPE * fainter)


def radii(magnitude: Floats, uniform: Floats) -> Floats:
    """Return half-light radii along the major axis, arcsec, of galaxies."""
    zero, slope, pivot = SIZE
    median = HALF_LIGHT * np.exp(zero + slope * (magnitude + I_LESS_K - pivot))
    return np.asarray(median * 10 ** (SIZE_SCATTER * _normal(uniform)))


def ellipticities(uniform: Floats) -> Floats:
    """Return 1 - b/a of galaxies."""
    most, scale, core = ELLIPTICITY
    e = np.linspace(0.0, most, _SAMPLES)
    p = e * (1.0 - np.exp((e - most) / scale)) / ((1.0 + e) * np.sqrt(e**2 + core**2))
    total = np.concatenate([[0.0], np.cumsum(0.5 * (p[1:] + p[:-1]))])
    drawn = np.interp(uniform * total[-1], total, e)
    return np.asarray(2.0 * drawn / (1.0 + drawn))


def sersic_indices(uniform: Floats) -> Floats:
    """Return Sersic indices of galaxies."""
    bulge = uniform < BULGES
    rank = np.where(bulge, uniform / BULGES, (uniform - BULGES) / (1.0 - BULGES))
    return np.asarray(np.where(bulge, INDEX[1], INDEX[0]) * 10 ** (INDEX_SCATTER * _normal(rank)))


def _normal(uniform: Floats) -> Floats:
    from scipy.special import ndtri

    return np.clip(ndtri(uniform), -MOST_SIGMA, MOST_SIGMA)


def _cumulative(bright: float, faint: float) -> tuple[Floats, Floats]:
    """Return magnitudes, and the galaxies per square degree between the first of them and each."""
    grid = np.linspace(bright, faint, _SAMPLES)
    counts = 10 ** log_counts(grid)
    steps = 0.5 * (counts[1:] + counts[:-1]) * np.diff(grid)
    return grid, np.concatenate([[0.0], np.cumsum(steps)])
