"""Magnitudes in JWST filters: of a spectrum, and of stars whose magnitudes in other bands are known.

A spectrum. The AB magnitude of a photon-counting detector behind a throughput T (Bessell & Murphy 2012, PASP 124, 140) is

    m = -2.5 log10( integral f_nu T dnu / nu  /  integral T dnu / nu ) - 48.6

T is the box of the band, between the wavelengths of half of its greatest throughput (`scene.sky.bands`): right within
0.01 mag for spectra without lines or edges in the band.

A star. Its magnitudes become AB magnitudes (`AB_MINUS_VEGA`), each at one wavelength (`WAVELENGTH`). A black body,

    B_nu(T) ~ nu**3 / (exp(h nu / k T) - 1),

is fitted to them: the temperature of `TEMPERATURES` with the least rms, and a factor; it takes the reddening in. What the
bands differ from it is interpolated in log wavelength, and constant beyond the first and the last band: the magnitudes that
went in come out, and beyond 2.2 or 4.6 micron the black body leads on. With one band the temperature is `ALONE`. Mirage
interpolates the magnitudes of the bands linearly in wavelength.

NOT modelled: lines, bands of molecules and the least H- opacity at 1.6 micron between the bands that are given: for
4,504 stars of the Besançon model with K < 22, V, J and K give an H that is 0.09 mag too faint, with a scatter of 0.05 (see
tests); stars with warm dust.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.catalogs.filters import END, column_of
from mirage_dask.errors import InputError
from mirage_dask.instruments import detectors_of, has_optics, optical_elements, split_optics
from mirage_dask.scene.sky.bands import band_of, wavelengths

Floats = npt.NDArray[np.float64]

WAVELENGTH = {
    "gaia_bp": 0.5110, "gaia_g": 0.6218, "gaia_rp": 0.7769,
    "2mass_j": 1.235, "2mass_h": 1.662, "2mass_k": 2.159,
    "wise_w1": 3.3526, "wise_w2": 4.6028,
    "johnson_v": 0.545, "johnson_j": 1.22, "johnson_h": 1.63, "johnson_k": 2.19,
}  # fmt: skip
"""Micron. Gaia EDR3: pivot, Riello et al. 2021, A&A 649, A3. 2MASS: isophotal, Cohen et al. 2003, AJ 126, 1090. WISE:
isophotal, Jarrett et al. 2011, ApJ 735, 112. Johnson: effective, Bessell, Castelli & Plez 1998, A&A 333, 231, table A2."""
AB_MINUS_VEGA = {
    "gaia_bp": 0.0154, "gaia_g": 0.1137, "gaia_rp": 0.3561,
    "2mass_j": 0.894, "2mass_h": 1.374, "2mass_k": 1.840,
    "wise_w1": 2.673, "wise_w2": 3.313,
    "johnson_v": -0.001, "johnson_j": 0.897, "johnson_h": 1.378, "johnson_k": 1.885,
}  # fmt: skip
"""AB less Vega magnitude at these wavelengths, of the same papers; from fluxes of zero magnitude (1594, 1024, 666.7 Jy of
2MASS; 309.540, 171.787 Jy of WISE; 3636, 1589, 1021, 640 Jy of Johnson's bands) over 3631 Jy."""
TEMPERATURES = (1500.0, 40000.0, 200)
"""Lowest and highest temperature, K, and how many are tried, equally spaced in their logarithm."""
ALONE = 4500.0
"""Temperature, K, of a star of which one magnitude is known: a K dwarf, the usual star of a deep field."""
AB_ZERO = 48.6
"""Magnitude of 1 erg/s/cm2/Hz, Oke & Gunn 1983, ApJ 266, 713."""
HC_K = 14387.769
"""h c / k, micron K (CODATA 2018)."""
INVISIBLE = 99.0


def filter_band(name: str) -> tuple[float, float]:
    """Return the half-power band of a filter, micron: (shortest, longest) wavelength.

    Parameters
    ----------
    name
        As for `column_of`.

    Raises
    ------
    InputError
        If there is no such filter.
    """
    column = column_of(name)
    instrument, _, rest = column.removesuffix(END).partition("_")
    if instrument[:-1] == "fgs":
        return band_of(f"GUIDER{instrument[-1]}", "", "")
    if not rest or not optical_elements(instrument):
        raise InputError(f"{name!r} stands for no one filter; name the instrument and the filter.")
    optics = split_optics(rest.replace("_", "/").upper(), instrument=instrument)
    for detector in detectors_of(instrument):
        if has_optics(detector.name, *optics):
            return band_of(detector.name, *optics)
    raise InputError(f"{name!r}: no detector sees through {'/'.join(optics)}.")


def magnitudes_from_spectrum(wavelength: Any, flux: Any, filters: Iterable[str]) -> dict[str, float]:
    """Return the AB magnitudes of a spectrum.

    Parameters
    ----------
    wavelength
        (n,) Quantity: lengths, rising.
    flux
        (n,) Quantity: flux density per wavelength or frequency, 0 or more.
    filters
        'NIRCam F356W', or names of columns.

    Returns
    -------
    dict
        {name of the column: AB magnitude}, as `point_sources` takes it; 99 where there is no flux. Between its points the
        spectrum is linear in f_nu.

    Raises
    ------
    InputError
        If a value is missing, negative or out of order, a unit is not one, or the spectrum does not cover a filter.
    """
    from mirage_dask.catalogs.spectra import checked

    micron, density = checked("spectrum", wavelength, flux)
    f_nu = density * (micron * 1e4) ** 2 / 2.99792458e18  # erg/s/cm2/Angstrom to erg/s/cm2/Hz
    found: dict[str, float] = {}
    problems: list[str] = []
    for name in filters:
        low, high = filter_band(name)
        if micron[0] > low or micron[-1] < high:
            problems.append(
                f"{name}: the spectrum covers {micron[0]:g} to {micron[-1]:g} micron, the filter {low:g} to {high:g}; "
                "extend it, with zeros if there is no light."
            )
            continue
        inside = micron[(micron > low) & (micron < high)]
        # Finer than the spectrum: f_nu is linear, 1 / lambda is not.
        edges = np.unique(np.concatenate([[low], inside, [high], np.linspace(low, high, 1001)]))
        middle = 0.5 * (edges[1:] + edges[:-1])
        weight = np.diff(np.log(edges))
        mean = float((np.interp(middle, micron, f_nu) * weight).sum() / weight.sum())
        found[column_of(name)] = -2.5 * np.log10(mean) - AB_ZERO if mean > 0 else INVISIBLE
    if problems:
        raise InputError(problems)
    return found


def jwst_magnitudes(known: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Floats]:
    """Return AB magnitudes of n stars in JWST filters from their Vega magnitudes in other bands.

    Parameters
    ----------
    known
        {band of `WAVELENGTH`: (n,) magnitudes, NaN where there is none}.
    columns
        Filters, as for `filter_band`.

    Returns
    -------
    dict
        {name of the column: (n,) magnitudes}, 99 for a star without any magnitude.

    Raises
    ------
    InputError
        If there is no such filter.
    """
    names = sorted(known, key=WAVELENGTH.__getitem__)
    values = np.stack([np.asarray(known[n], dtype=np.float64) + AB_MINUS_VEGA[n] for n in names], axis=1)
    place = np.log([WAVELENGTH[name] for name in names])
    given = np.isfinite(values)
    bands = {column_of(name): np.log(wavelengths(filter_band(name))) for name in columns}
    temperature = _fit(values, given, place)
    grid = _grid()
    offset = values - _black_body(place[None, :], grid[temperature][:, None])
    found = {}
    for column, wave in bands.items():
        power = 10 ** (-0.4 * _black_body(wave[None, :], grid[:, None]))
        body = -2.5 * np.log10(power.mean(axis=1))[temperature]
        found[column] = np.where(
            given.any(axis=1), body + _between(float(wave.mean()), place, offset, given), INVISIBLE
        )
    return found


def _grid() -> Floats:
    low, high, count = TEMPERATURES
    return np.append(np.geomspace(low, high, int(count)), ALONE)


def _black_body(log_wavelength: Floats, temperature: Floats) -> Floats:
    """Return the magnitude of B_nu, but for a constant."""
    x = HC_K / (np.exp(log_wavelength) * temperature)
    return np.asarray(2.5 * (3.0 * log_wavelength + x + np.log1p(-np.exp(-x))) / np.log(10.0))


def _fit(values: Floats, given: npt.NDArray[np.bool_], place: Floats) -> npt.NDArray[np.intp]:
    """Return the number of the temperature with the least rms for each star; the last one where one band is given."""
    grid, count = _grid(), given.sum(axis=1)
    best = np.full(len(values), np.inf)
    found = np.full(len(values), grid.size - 1)
    weight = given / np.maximum(count, 1)[:, None]
    filled = np.where(given, values, 0.0)
    for number, temperature in enumerate(grid[:-1]):
        offset = filled - _black_body(place, np.asarray(temperature))
        rms = (weight * (offset - (weight * offset).sum(axis=1)[:, None]) ** 2).sum(axis=1)
        better = (rms < best) & (count > 1)
        best[better], found[better] = rms[better], number
    return found


def _between(wave: float, place: Floats, offset: Floats, given: npt.NDArray[np.bool_]) -> Floats:
    """Return each star's offset at a wavelength: linear between its neighbouring bands, constant beyond the last ones."""
    columns = np.arange(place.size)
    below = np.where(given & (place <= wave), columns, -1).max(axis=1)
    above = np.where(given & (place > wave), columns, place.size).min(axis=1)
    left = np.where(below >= 0, below, np.minimum(above, place.size - 1))
    right = np.where(above < place.size, above, np.maximum(below, 0))
    width = place[right] - place[left]
    share = np.where(width > 0, (wave - place[left]) / np.where(width > 0, width, 1.0), 0.0)
    rows = np.arange(len(offset))
    return np.asarray(offset[rows, left] * (1.0 - share) + offset[rows, right] * share)
