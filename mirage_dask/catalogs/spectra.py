"""Spectra of sources in HDF5 files, in Mirage's format.

One dataset for each source, named by its index, of shape (2, n): wavelengths, rising, and flux densities. Its attributes
`wavelength_units` (default micron) and `flux_units` (default flam) are names of Mirage or units of astropy:

    flam, flam_cgs    erg / (s cm2 Angstrom)        flam_mks    W / (m2 um)
    fnu, fnu_cgs      erg / (s cm2 Hz)              fnu_mks     W / (m2 Hz)
    normalized        a shape without a scale: the catalog's magnitude gives it

An attribute `redshift`, which Mirage does not have, is that of the source. Other files of spectra: `spectra_files`.

h5py is the extra `spectra`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u

from mirage_dask.catalogs.hdf5 import (
    Floats,
    is_index,
    named_unit,
    numbered_problem,
    read_datasets,
    write_datasets,
)
from mirage_dask.errors import InputError

Spectrum = tuple[u.Quantity, u.Quantity]
"""(wavelengths, flux densities); dimensionless fluxes are a shape without a scale."""


class SourceSpectrum(NamedTuple):
    """The spectrum of a source in a file."""

    wavelength: u.Quantity
    """(n,) micron, rising."""
    flux: u.Quantity
    """(n,) erg / (s cm2 Angstrom), or dimensionless for a shape without a scale."""
    redshift: float | None = None
    """That the file says."""


FLAM = u.erg / (u.s * u.cm**2 * u.AA)
FNU = u.erg / (u.s * u.cm**2 * u.Hz)

FLUXES = {
    "flam": FLAM,
    "flam_cgs": FLAM,
    "flam_mks": u.W / (u.m**2 * u.um),
    "fnu": FNU,
    "fnu_cgs": FNU,
    "fnu_mks": u.W / (u.m**2 * u.Hz),
    "normalized": u.dimensionless_unscaled,
}
LENGTHS = {"microns": u.um, "angstroms": u.AA, "nanometers": u.nm}


def read_hdf5(path: str | os.PathLike[str]) -> dict[int, SourceSpectrum]:
    """Read the spectra of an HDF5 file.

    Returns
    -------
    dict
        {index of the source: its spectrum}, in the order of the indices.

    Raises
    ------
    InputError
        With every problem: a file that is not HDF5 or cut off, names that are no indices, units that are not known,
        wavelengths that do not rise, fluxes that are negative or not finite.
    """
    return read_datasets(path, _spectrum, what="spectra", rows="wavelengths and fluxes")


def write_spectra(
    path: str | os.PathLike[str],
    spectra: Mapping[int, tuple[Any, Any]],
    *,
    redshifts: Mapping[int, float] | None = None,
) -> Path:
    """Write spectra into an HDF5 file in Mirage's format; return its path.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    spectra
        {index of the source: (wavelengths, flux densities)}, (n,) Quantities each, per wavelength or frequency;
        dimensionless fluxes are a shape without a scale. They are written as micron and erg / (s cm2 Angstrom), float64.
    redshifts
        {index of the source: redshift}, written as the attribute `redshift` of its spectrum.

    Raises
    ------
    InputError
        With every problem, as for `read_spectra`; or if the file cannot be written.
    """
    problems: list[str] = []
    datasets: dict[int, tuple[Floats, dict[str, str | float]]] = {}
    for index, (wavelength, flux) in spectra.items():
        what = f"spectrum {index}"
        if not is_index(index):
            problems.append(f"{what}: the index of a source is a whole number of 0 or more.")
            continue
        try:
            values = np.stack(checked(what, wavelength, flux, shape=True))
            datasets[int(index)] = values, {"wavelength_units": "micron", "flux_units": _kind(flux)}
        except InputError as error:
            problems += error.problems
    shifts = dict(redshifts or {})
    for index, z in shifts.items():
        if index not in datasets:
            problems.append(f"redshift of {index}: there is no spectrum of that index; give one, too.")
        elif _redshift(z) is None:
            problems.append(f"redshift of {index}: {z!r} is not a number above -1; give one, or none.")
        else:
            datasets[index][1]["redshift"] = float(z)
    if not spectra:
        problems.append(f"{path}: there are no spectra; give one at least.")
    if problems:
        raise InputError(problems)
    return write_datasets(path, datasets, what="spectra")


def checked(what: str, wavelength: Any, flux: Any, *, shape: bool = False) -> tuple[Floats, Floats]:
    """Return a spectrum as (micron, erg / (s cm2 Angstrom)), or (micron, numbers) of a shape without a scale.

    Parameters
    ----------
    what
        For messages.
    wavelength, flux
        (n,) Quantities, n of 2 or more.
    shape
        Whether dimensionless fluxes are allowed.

    Raises
    ------
    InputError
        With every problem.
    """
    problems: list[str] = []
    waves, values = u.Quantity(wavelength), u.Quantity(flux)
    if waves.ndim != 1 or waves.shape != values.shape or waves.size < 2:
        raise InputError(
            f"{what}: {waves.shape} wavelengths and {values.shape} fluxes; two numbers of each are needed at least, "
            "as many of one as of the other."
        )
    try:
        micron = waves.to(u.um, equivalencies=u.spectral())
    except u.UnitsError:
        raise InputError(f"{what}: wavelengths in {_unit(waves)}; a unit of length is needed.") from None
    if shape and values.unit == u.dimensionless_unscaled:
        density = values
    else:
        try:
            density = values.to(FLAM, equivalencies=u.spectral_density(micron))
        except u.UnitsError:
            raise InputError(
                f"{what}: fluxes in {_unit(values)}; a flux density per wavelength or frequency is needed."
            ) from None
    x, y = np.asarray(micron.value, dtype=np.float64), np.asarray(density.value, dtype=np.float64)
    if x.size and x[0] > x[-1] and waves.unit.physical_type == "frequency":
        x, y = x[::-1], y[::-1]
    for name, bad, remedy in (
        ("wavelength", ~(np.isfinite(x) & (x > 0)), "must be above 0"),
        ("wavelength", np.append(False, np.diff(x) <= 0), "does not rise; sort the spectrum"),
        ("flux", ~np.isfinite(y), "is not finite; give a number"),
        ("flux", y < 0, "is negative; give 0 where there is no light"),
    ):
        if bad.any():
            shown = x if name == "wavelength" else y
            problems.append(numbered_problem(what, name, shown, bad, remedy))
    if problems:
        raise InputError(problems)
    return x, y


def _spectrum(values: Floats, attributes: Mapping[str, Any]) -> SourceSpectrum:
    length = named_unit(attributes.get("wavelength_units", "micron"), LENGTHS, "wavelength_units")
    density = named_unit(attributes.get("flux_units", "flam"), FLUXES, "flux_units")
    shift = None
    if "redshift" in attributes:
        shift = _redshift(attributes["redshift"])
        if shift is None:
            raise InputError(
                f"redshift {str(attributes['redshift'])[:40]} is not a number above -1; correct it or remove it."
            )
    try:
        x, y = checked("", values[0] * length, values[1] * density, shape=True)
    except InputError as error:
        raise InputError([problem.removeprefix(": ") for problem in error.problems]) from None
    unit = u.dimensionless_unscaled if density == u.dimensionless_unscaled else FLAM
    return SourceSpectrum(x * u.um, y * unit, shift)


def _redshift(value: Any) -> float | None:
    """Return a redshift; None for what is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) and found > -1.0 else None


def _kind(flux: Any) -> str:
    return "normalized" if u.Quantity(flux).unit == u.dimensionless_unscaled else "flam"


def _unit(values: u.Quantity) -> str:
    return values.unit.to_string() or "numbers without a unit"
