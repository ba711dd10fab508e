"""Spectra and emission lines of sources in files of any kind that is read.

A file of spectra is an HDF5 file (`mirage_dask.catalogs.spectra`), a table, or a folder of tables. Tables are those that
catalogs may be (`mirage_dask.scene.catalogs.formats`), of which ECSV, FITS, VOTable and Parquet files hold units:

    index         source that the row belongs to; in a folder it is the name of the file, 12.ecsv
    wavelength    rising for each source; with a unit of length
    flux          with a unit of a flux density, per wavelength or frequency
    shape         in place of flux: without a unit, for the catalog's magnitude gives the scale
    redshift      optional, the same in all rows of a source

A table of emission lines has a row for each line: index, wavelength, flux (with a unit such as erg / (s cm2)) and sigma, the
standard deviation of a Gaussian, with a unit of length or of velocity (sigma = wavelength v / c).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u

from mirage_dask.catalogs.hdf5 import INDEX, MOST_DATASETS
from mirage_dask.catalogs.spectra import (
    FLAM,
    FLUXES,
    LENGTHS,
    SourceSpectrum,
    Spectrum,
    checked,
    read_hdf5,
)
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs.columns import ColumnChecker
from mirage_dask.scene.catalogs.formats import read_table

Floats = npt.NDArray[np.float64]
Line = tuple[float, float, float]
"""Wavelength (micron), flux (erg/s/cm2), sigma (micron)."""

LIGHT = u.erg / (u.s * u.cm**2)
C = 299792.458
"""km/s."""
_HDF5 = b"\x89HDF"


def read_spectra(path: str | os.PathLike[str]) -> dict[int, Spectrum]:
    """Read the spectra of a file or folder.

    Returns
    -------
    dict
        {index of the source: (wavelengths in micron, flux densities in erg / (s cm2 Angstrom), or dimensionless for a shape
        without a scale)}, in the order of the indices.

    Raises
    ------
    InputError
        With every problem: a file that is missing, not valid or cut off, names that are no indices, units that are missing
        or not known, wavelengths that do not rise, fluxes that are negative or not finite.
    """
    return {index: (found.wavelength, found.flux) for index, found in read_source_spectra(path).items()}


def read_source_spectra(path: str | os.PathLike[str]) -> dict[int, SourceSpectrum]:
    """Read the spectra of a file or folder with their redshifts; errors as of `read_spectra`."""
    place = Path(path)
    if place.is_dir():
        return dict(sorted(_folder(place)))
    if place.suffix.lower() in (".hdf5", ".h5") or _begins(place, _HDF5):
        return read_hdf5(place)
    return dict(sorted(_table_of_spectra(place).items()))


def read_lines(path: str | os.PathLike[str]) -> dict[int, tuple[Line, ...]]:
    """Read a table of emission lines.

    Returns
    -------
    dict
        {index of the source: its lines, (wavelength in micron, flux in erg / (s cm2), sigma in micron) each}.

    Raises
    ------
    InputError
        With every problem: columns or units that are missing, numbers that are not finite, negative, or 0 for wavelengths.
    """
    place = Path(path)
    _begins(place, b"")
    table = read_table(place)
    problems = list(table.problems)
    check = ColumnChecker(table, problems)
    check.columns(("index", "wavelength", "flux", "sigma"))
    index = _indices(check)
    wave = check.numbers("wavelength", lambda v: v > 0, "must be above 0.")
    flux = check.numbers("flux", lambda v: v >= 0, "must be 0 or more: these are emission lines.")
    sigma = check.numbers("sigma", lambda v: v >= 0, "must be 0 or more.")
    wave = wave * _factor(check, "wavelength", ("um",), "a unit of length, such as um")[0]
    flux = (
        flux
        * _factor(check, "flux", (LIGHT.to_string(),), "a unit of light in a line, such as erg / (s cm2)")[0]
    )
    factor, kind = _factor(
        check, "sigma", ("um", "km / s"), "a unit of length or velocity, such as um or km / s"
    )
    sigma = sigma * factor * (wave / C if kind else 1.0)
    if problems:
        raise InputError(dict.fromkeys(problems))
    found: dict[int, list[Line]] = {}
    for i, line in zip(index.tolist(), np.stack([wave, flux, sigma], axis=1).tolist(), strict=True):
        found.setdefault(i, []).append((line[0], line[1], line[2]))
    return {i: tuple(found[i]) for i in sorted(found)}


def _begins(place: Path, first: bytes) -> bool:
    """Return whether a file begins with some bytes.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with place.open("rb") as file:
            return file.read(len(first)) == first
    except FileNotFoundError:
        raise InputError(f"{place}: the file does not exist; check the path.") from None
    except OSError as error:
        raise InputError(f"{place}: the file cannot be read: {error.strerror or error}.") from None


def _folder(folder: Path) -> Iterator[tuple[int, SourceSpectrum]]:
    """Yield index and spectrum of each file of a folder."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    problems: list[str] = []
    found: dict[int, SourceSpectrum] = {}
    if len(files) > MOST_DATASETS:
        raise InputError(f"{folder}: {len(files):,} files; {MOST_DATASETS:,} are the most that are read.")
    for path in files:
        if not path.is_file() or not INDEX.fullmatch(path.stem) or not int(path.stem) < 2**63:
            problems.append(
                f"{path}: its name is not the index of a source; name each file by that, such as 12.ecsv, or move it."
            )
            continue
        if int(path.stem) in found:
            problems.append(f"{path}: another file is of the same source; keep one.")
            continue
        try:
            found |= _table_of_spectra(path, int(path.stem))
        except InputError as error:
            problems += error.problems
    if not files:
        problems.append(
            f"{folder}: the folder has no spectra; write a table for each source, named by its index, such as 12.ecsv."
        )
    if problems:
        raise InputError(problems)
    yield from found.items()


def _table_of_spectra(path: Path, of: int | None = None) -> dict[int, SourceSpectrum]:
    """Return the spectra of a table; all of it is that of one source where `of` is its index."""
    table = read_table(path)
    problems = list(table.problems)
    check = ColumnChecker(table, problems)
    bare = "flux" not in table.columns and "shape" in table.columns
    values = "shape" if bare else "flux"
    check.columns((*(() if of is not None else ("index",)), "wavelength", values))
    index = np.full(len(table), of, np.int64) if of is not None else _indices(check)
    wave = check.numbers("wavelength", lambda v: v > 0, "must be above 0.")
    flux = check.numbers(values, lambda v: v >= 0, "must be 0 or more; give 0 where there is no light.")
    wave_unit = _unit(check, "wavelength", LENGTHS, "a unit of length, such as um")
    unit = u.dimensionless_unscaled if bare else _unit(check, "flux", FLUXES, _DENSITY)
    if bare and "shape" in table.units and table.units["shape"] != u.dimensionless_unscaled:
        problems.append(f"{path}: column 'shape' has a unit, {table.units['shape']}; call the column flux.")
    shifts = _redshifts(check)
    if problems or wave_unit is None or unit is None:
        raise InputError(dict.fromkeys(problems))
    order = np.argsort(index, kind="stable")
    firsts = np.flatnonzero(np.diff(index[order], prepend=-1))
    found: dict[int, SourceSpectrum] = {}
    for rows in np.split(order, firsts[1:]):
        source = int(index[rows[0]])
        what = f"{path}: source {source}, from {table.place(int(rows[0]))} on"
        own = np.unique(shifts[rows])
        if own.size > 1 and not np.isnan(own).all():
            problems.append(f"{what}: it has several redshifts, such as {own[0]:g} and {own[1]:g}; keep one.")
        try:
            x, y = checked(what, wave[rows] * wave_unit, flux[rows] * unit, shape=True)
        except InputError as error:
            problems += error.problems
            continue
        shift = None if np.isnan(own[0]) else float(own[0])
        found[source] = SourceSpectrum(x * u.um, y * (u.dimensionless_unscaled if bare else FLAM), shift)
    if problems:
        raise InputError(dict.fromkeys(problems))
    return found


_DENSITY = "a unit of a flux density, such as erg / (s cm2 Angstrom), or call the column shape"


def _redshifts(check: ColumnChecker) -> Floats:
    """Return the column redshift; NaN without one."""
    if "redshift" not in check.table.columns:
        return np.full(len(check.table), np.nan)
    return check.numbers("redshift", lambda z: z > -1.0, "must be above -1.")


def _indices(check: ColumnChecker) -> npt.NDArray[np.int64]:
    """Return the column index, whose values may repeat; -1 for an invalid one, which is recorded."""
    if "index" not in check.table.columns:
        return np.full(len(check.table), -1, np.int64)
    values = check.table.columns["index"]
    if values.dtype.kind in "iu":
        valid = np.asarray((values >= 0) & (values < 2**63))
        found = np.where(valid, values, 0).astype(np.int64)
    else:
        texts = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values.tolist()]
        valid = np.array([bool(INDEX.fullmatch(text)) and int(text) < 2**63 for text in texts])
        found = np.array([int(t) if ok else -1 for t, ok in zip(texts, valid, strict=True)], np.int64)
    check.fail("index", ~valid, "must be the index of a source, an integer of 0 or more.")
    return np.where(valid, found, -1)


def _unit(check: ColumnChecker, column: str, known: dict[str, Any], wanted: str) -> Any:
    """Return the unit of a column: one of astropy, or a name of Mirage; None after a problem."""
    if column not in check.table.columns:
        return None
    unit = check.table.units.get(column)
    unit = None if unit == u.dimensionless_unscaled else unit
    named = known.get("" if unit is None else unit.to_string().strip().lower())
    if named is not None:
        return named
    if unit is None or not _is_known(unit):
        said = "no unit" if unit is None else f"the unit {unit.to_string()[:40]!r}, which is not known"
        check.problems.append(f"{check.table.path}: column {column!r} has {said}; give it {wanted}.")
        return None
    return unit


def _is_known(unit: Any) -> bool:
    return not isinstance(unit, u.UnrecognizedUnit)


def _factor(check: ColumnChecker, column: str, wanted: tuple[str, ...], words: str) -> tuple[float, int]:
    """Return what turns a column into the first of some units that it can be, and which; (nan, 0) after a problem."""
    table = check.table
    unit = table.units.get(column)
    for number, name in enumerate(wanted):
        try:
            if unit is not None:
                return float(unit.to(u.Unit(name))), number
        except (u.UnitsError, TypeError, ValueError):
            continue
    if column in table.columns:
        said = "no unit" if unit is None else f"the unit {unit.to_string()[:40]!r}"
        check.problems.append(f"{table.path}: column {column!r} has {said}; give it {words}.")
    return float("nan"), 0
