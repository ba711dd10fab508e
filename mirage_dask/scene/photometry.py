"""Magnitudes to electrons per second.

A source of magnitude m gives, in an infinite aperture,

    AB      10^(-0.4 (m + 48.599934378)) / PHOTFNU        ST      10^(-0.4 (m + 21.099934378)) / PHOTFLAM
    Vega    10^(0.4 (VEGAMAG - m))

with PHOTFNU (erg/s/cm2/Hz), PHOTFLAM (erg/s/cm2/Angstrom) and VEGAMAG of one electron per second in that detector and
filter: those of one DN per second, which is what is measured, and the gain (`mirage_dask.instruments.ZeroPoint`).
Source: the constants are Mirage's, 48.599934378 = -2.5 log10(3631e-23) to the digits given there.

NOT modelled: colour terms. The magnitude is that in the filter's own band; no spectrum is integrated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import ZeroPoint

AB_ZERO = 48.599934378
ST_ZERO = 21.099934378


def count_rate(magnitude: NDArray[np.float64], system: str, zeropoint: ZeroPoint) -> NDArray[np.float64]:
    """Turn magnitudes into electrons per second.

    Parameters
    ----------
    magnitude
        Any shape; very faint ones underflow to 0 quietly.
    system
        'abmag', 'stmag' or 'vegamag'.

    Raises
    ------
    InputError
        If the system is unknown.
    """
    m = np.asarray(magnitude, dtype=np.float64)
    with np.errstate(under="ignore"):
        if system == "abmag":
            return 10.0 ** (-0.4 * (m + AB_ZERO)) / zeropoint.photfnu_e
        if system == "stmag":
            return 10.0 ** (-0.4 * (m + ST_ZERO)) / zeropoint.photflam_e
        if system == "vegamag":
            return 10.0 ** (0.4 * (zeropoint.vegamag_e - m))
    known = ("abmag", "stmag", "vegamag")
    raise InputError(
        f"There is no magnitude system {system!r}{nearest(system, known)} Known: {', '.join(known)}."
    )


def magnitude_of(rate: NDArray[np.float64], system: str, zeropoint: ZeroPoint) -> NDArray[np.float64]:
    """Inverse of `count_rate`; NaN for what gives no electrons.

    Raises
    ------
    InputError
        If the system is unknown.
    """
    one = count_rate(np.zeros(1), system, zeropoint)[0]
    rate = np.asarray(rate, dtype=np.float64)
    return -2.5 * np.log10(np.divide(rate, one, out=np.full(rate.shape, np.nan), where=rate > 0))
