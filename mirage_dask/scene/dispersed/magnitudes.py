r"""The spectrum through the magnitudes of a source in several filters, as a sum of spectra that all sources share.

F_nu is linear in wavelength between the pivots of the filters, and beyond the outermost constant:

.. math:: F_\lambda = \sum_k F_k\, h_k(\lambda)\, (\lambda_k / \lambda)^2

with F_k, the flux density F_lambda at the pivot of filter k, and the hat h_k, 1 there and 0 at the others. Electrons at the
nodes of a grism are linear in F_lambda, so that a million sources need the light of a few hats and a number each for every
filter. Equal AB magnitudes are the flat spectrum. With the extrapolation `zero`, hats end at the outermost pivots. With
`power_law` the power s of the outermost two filters goes on from there,

.. math:: F_\lambda = F_K (\lambda / \lambda_K)^s, \qquad s = \frac{\ln F_K / F_{K-1}}{\ln \lambda_K / \lambda_{K-1}}

which is linear in F_K for a given s: light of all s between `STEEPEST` is that of the two nearest of a grid of powers
`POWER_STEP` apart, weighted (1e-3 of the light where lambda is twice lambda_K; less nearer to it).

Mirage interpolates F_lambda, 7 % more in F150W for such a source between F090W and F200W, and goes on in a line beyond the
outermost filters, which is negative for blue sources, and set to 0 there.

NOT modelled: the width of filters: a magnitude is F_lambda at the pivot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.dispersed.spectra import EXTRAPOLATIONS, RANGE, SAMPLES, Spectrum

Floats = NDArray[np.float64]

CONSTANT, POWER_LAW, ZERO = EXTRAPOLATIONS
POWER_STEP = 0.125
"""Of the grid of powers."""
STEEPEST = (-12.0, 12.0)
"""Powers of wavelength beyond which none goes on: breaks between two filters are no power laws."""


def hats(pivots: Sequence[float], extrapolation: str = CONSTANT) -> list[Spectrum]:
    """Return the spectra whose sum, each times the flux density at a pivot wavelength, is that of a source.

    Parameters
    ----------
    pivots
        Micron, rising.
    extrapolation
        One of `EXTRAPOLATIONS`; with `power_law`, what lies beyond the outermost pivots is `power_laws`.

    Returns
    -------
    list of Spectrum
        For each pivot, with the value 1 there.
    """
    at = np.asarray(pivots, np.float64)
    wave = np.unique(np.concatenate([np.geomspace(*RANGE, SAMPLES), at]))
    if extrapolation != CONSTANT:
        wave = wave[(wave >= at[0]) & (wave <= at[-1])]
    found = []
    for k in range(at.size):
        height = np.interp(wave, at, np.eye(at.size)[k]) * (at[k] / wave) ** 2
        found.append(Spectrum(wave, height, name=f"the filter of {at[k]:.3f} micron"))
    return found


def powers(flux: Floats, pivots: Sequence[float]) -> Floats:
    """Return the powers of wavelength that go on beyond the outermost pivots.

    Parameters
    ----------
    flux
        (n, k) flux densities, k of 2 or more, 0 or more.
    pivots
        (k,) micron, rising.

    Returns
    -------
    (n, 2)
        Below the first and above the last, within `STEEPEST`; that of constant F_nu where there is no light.
    """
    at, out = np.log(np.asarray(pivots, np.float64)), np.empty((len(flux), 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(flux)
        for end, (low, high) in enumerate(((0, 1), (-2, -1))):
            out[:, end] = (logs[:, high] - logs[:, low]) / (at[high] - at[low])
    return np.clip(np.where(np.isnan(out), -2.0, out), *STEEPEST)


def power_laws(pivot: float, power: Sequence[float], *, above: bool) -> list[Spectrum]:
    """Return spectra (lambda / pivot)^power beyond a pivot, micron: `above` it or below, 0 on its other side."""
    wave = np.unique(np.concatenate([np.geomspace(*RANGE, SAMPLES), [pivot]]))
    wave = wave[wave >= pivot] if above else wave[wave <= pivot]
    return [
        Spectrum(wave, (wave / pivot) ** s, name=f"the power {s:g} beyond {pivot:.3f} micron") for s in power
    ]


def filled(flux: Floats, pivots: Sequence[float], extrapolation: str = CONSTANT) -> Floats:
    """Return flux densities whose missing values (nan) lie on the spectrum through the others.

    Parameters
    ----------
    flux
        (n, k); one value of each row is finite.
    pivots
        (k,) micron, rising.
    extrapolation
        One of `EXTRAPOLATIONS`: of missing values beyond the outermost others; a power law needs two of them, and with one
        F_nu is constant.
    """
    at, out = np.asarray(pivots, np.float64), np.array(flux)
    finite = np.isfinite(out)
    gaps = ~finite.all(axis=1)
    for known in np.unique(finite[gaps], axis=0):
        rows = np.flatnonzero(gaps & (finite == known).all(axis=1))
        inside, values = at[known], out[np.ix_(rows, np.flatnonzero(known))]
        alone = extrapolation if inside.size > 1 else CONSTANT
        total = np.zeros((rows.size, at.size))
        for k, one in enumerate(hats(inside, alone)):
            share = np.interp(at, one.wavelength, one.flux, left=0.0, right=0.0)
            total += values[:, k, None] * share
        if alone == POWER_LAW:
            slopes = powers(values, inside)
            for end, beyond in ((0, at < inside[0]), (-1, at > inside[-1])):
                total[:, beyond] = values[:, end, None] * (at[beyond] / inside[end]) ** slopes[:, end, None]
        out[rows] = total
    return out
