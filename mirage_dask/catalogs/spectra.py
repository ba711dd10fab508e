"""Spectra of sources in HDF5 files, in Mirage's format.

One dataset for each source, named by its index, of shape (2, n): wavelengths, rising, and flux densities. Its attributes
`wavelength_units` (default micron) and `flux_units` (default flam) are names of Mirage or units of astropy:

    flam, flam_cgs    erg / (s cm2 Angstrom)        flam_mks    W / (m2 um)
    fnu, fnu_cgs      erg / (s cm2 Hz)              fnu_mks     W / (m2 Hz)
    normalized        a shape without a scale: the catalog's magnitude gives it

An attribute `redshift`, which Mirage does not have, is that of the source. Other files of spectra: `spectra_files`.

h5py is the extra `spectra`; it is imported by the functions that need it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy import units as u

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import replacing

Floats = npt.NDArray[np.float64]
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


MOST_POINTS = 10_000_000
"""Of a spectrum: 80 MB for each of its rows."""
MOST_SPECTRA = 1_000_000
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
INDEX = re.compile(r"[0-9]{1,19}")
"""The index of a source as the name of its spectrum."""


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
    h5py, place = _h5py(), Path(path)
    found: dict[int, SourceSpectrum] = {}
    problems: list[str] = []
    if not place.is_file():
        raise InputError(f"{place}: the file does not exist; check the path.")
    try:
        with h5py.File(place, "r") as file:
            if len(file) > MOST_SPECTRA:
                raise InputError(
                    f"{place}: {len(file):,} datasets; {MOST_SPECTRA:,} are the most that are read."
                )
            for name in file:
                try:
                    index = _index(name, found)
                    found[index] = _read(file, name, h5py)
                except InputError as error:
                    problems += [f"{place}: dataset {name!r}: {text}" for text in error.problems]
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{place}: not a valid HDF5 file, or one that is cut off ({_reason(error)}); copy or write it again."
        ) from None
    if not found and not problems:
        problems.append(f"{place}: no spectra; write one dataset for each source, named by its index.")
    if problems:
        raise InputError(problems)
    return dict(sorted(found.items()))


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
    h5py, place = _h5py(), Path(path)
    problems: list[str] = []
    rows: dict[int, tuple[Floats, str]] = {}
    for index, (wavelength, flux) in spectra.items():
        what = f"spectrum {index}"
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < 2**63:
            problems.append(f"{what}: the index of a source is a whole number of 0 or more.")
            continue
        try:
            rows[int(index)] = np.stack(checked(what, wavelength, flux, shape=True)), _kind(flux)
        except InputError as error:
            problems += error.problems
    shifts = dict(redshifts or {})
    for index, z in shifts.items():
        if index not in rows:
            problems.append(f"redshift of {index}: there is no spectrum of that index; give one, too.")
        elif _redshift(z) is None:
            problems.append(f"redshift of {index}: {z!r} is not a number above -1; give one, or none.")
    if not spectra:
        problems.append(f"{place}: there are no spectra; give one at least.")
    if problems:
        raise InputError(problems)
    try:
        with replacing(place) as temporary, h5py.File(temporary, "w") as file:
            for index, (values, kind) in sorted(rows.items()):
                data = file.create_dataset(str(index), data=values, compression="gzip", compression_opts=9)
                data.attrs["wavelength_units"], data.attrs["flux_units"] = "micron", kind
                if index in shifts:
                    data.attrs["redshift"] = float(shifts[index])
    except OSError as error:
        raise InputError(f"{place}: the file cannot be written: {error.strerror or error}.") from None
    return place


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
            first, more = int(np.flatnonzero(bad)[0]), int(bad.sum()) - 1
            shown = (x if name == "wavelength" else y)[first]
            others = f" and {more} more" if more else ""
            problems.append(f"{what}: {name} {first} ({shown:g}){others} {remedy}.")
    if problems:
        raise InputError(problems)
    return x, y


def _read(file: Any, name: str, h5py: Any) -> SourceSpectrum:
    # A link may lead into another file, and a dataset may have its values in one.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InputError("is a link; copy the values into the file.")
    data = file[name]
    if (
        not isinstance(data, h5py.Dataset)
        or data.ndim != 2
        or data.shape[0] != 2
        or data.dtype.kind not in "fiu"
    ):
        raise InputError("is not an array of numbers of shape (2, n): wavelengths and fluxes.")
    if data.external or data.is_virtual:
        raise InputError("has its values in another file; copy them into this one.")
    if data.shape[1] > MOST_POINTS:
        raise InputError(f"has {data.shape[1]:,} points; {MOST_POINTS:,} are the most that are read.")
    length = named_unit(data.attrs.get("wavelength_units", "micron"), LENGTHS, "wavelength_units")
    density = named_unit(data.attrs.get("flux_units", "flam"), FLUXES, "flux_units")
    shift = None
    if "redshift" in data.attrs:
        shift = _redshift(data.attrs["redshift"])
        if shift is None:
            raise InputError(
                f"redshift {str(data.attrs['redshift'])[:40]} is not a number above -1; correct it or remove it."
            )
    values = np.asarray(data[...], dtype=np.float64)
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


def named_unit(text: Any, known: Mapping[str, Any], attribute: str) -> Any:
    """Return the unit of an attribute: a name of Mirage, or what astropy understands."""
    word = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    if word.strip().lower() in known:
        return known[word.strip().lower()]
    try:
        return u.Unit(word[:100])
    except (ValueError, TypeError):
        raise InputError(
            f"{attribute} {word[:40]!r} is not a known unit; write {', '.join(known)}, or one of astropy."
        ) from None


def _index(name: str, found: Mapping[int, Any]) -> int:
    if not INDEX.fullmatch(name) or not int(name) < 2**63:
        raise InputError("is not the index of a source; name it by a whole number of 0 or more.")
    if int(name) in found:
        raise InputError("is the index of another dataset, too; keep one.")
    return int(name)


def _kind(flux: Any) -> str:
    return "normalized" if u.Quantity(flux).unit == u.dimensionless_unscaled else "flam"


def _unit(values: u.Quantity) -> str:
    return values.unit.to_string() or "numbers without a unit"


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120].rstrip(".")


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError("Files of spectra need h5py: pip install 'mirage_dask[spectra]'.") from None
    return h5py
