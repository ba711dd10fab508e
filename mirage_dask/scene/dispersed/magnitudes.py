r"""The spectrum through the magnitudes of a source in several filters, as a sum of spectra that all sources share.

F_nu is linear in wavelength between the pivots of the filters, and constant beyond the outermost:

.. math:: F_\lambda = \sum_k F_k\, h_k(\lambda)\, (\lambda_k / \lambda)^2

with F_k, the flux density F_lambda at the pivot of filter k, and the hat h_k, 1 there and 0 at the others. Electrons at the
nodes of a grism are linear in F_lambda, so that a million sources need the light of a few hats and a number each for every
filter. Equal AB magnitudes are the flat spectrum.

Mirage interpolates F_lambda, 7 % more in F150W for such a source between F090W and F200W, and goes on in a line beyond the
outermost filters, which is negative for blue sources, and set to 0 there.

NOT modelled: the width of filters: a magnitude is F_lambda at the pivot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.dispersed.spectra import RANGE, SAMPLES, Spectrum

Floats = NDArray[np.float64]


def hats(pivots: Sequence[float]) -> list[Spectrum]:
    """Return the spectra whose sum, each times the flux density at a pivot wavelength, is that of a source.

    Parameters
    ----------
    pivots
        Micron, rising.

    Returns
    -------
    list of Spectrum
        For each pivot, with the value 1 there.
    """
    at = np.asarray(pivots, np.float64)
    wave = np.unique(np.concatenate([np.geomspace(*RANGE, SAMPLES), at]))
    found = []
    for k in range(at.size):
        height = np.interp(wave, at, np.eye(at.size)[k]) * (at[k] / wave) ** 2
        found.append(Spectrum(wave, height, name=f"the filter of {at[k]:.3f} micron"))
    return found


def filled(flux: Floats, pivots: Sequence[float]) -> Floats:
    """Return flux densities whose missing values (nan) lie on the spectrum through the others.

    Parameters
    ----------
    flux
        (n, k); one value of each row is finite.
    pivots
        (k,) micron, rising.
    """
    at, out = np.asarray(pivots, np.float64), np.array(flux)
    for row in np.flatnonzero(~np.isfinite(out).all(axis=1)):
        known = np.isfinite(out[row])
        parts = zip(hats(at[known]), out[row, known], strict=True)
        out[row] = sum(value * np.interp(at, one.wavelength, one.flux) for one, value in parts)
    return out
