"""What files say of the spectra of sources: read, checked against catalogs, shifted by redshifts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.formatting import counted
from mirage_dask.instruments import (
    ZeroPoint,
    detectors_of,
    get_detector,
    get_zeropoint,
    grism_of,
    has_optics,
    instruments,
    optical_elements,
)
from mirage_dask.scene import Catalog, magnitude_columns
from mirage_dask.scene.catalogs.columns import optional_numbers
from mirage_dask.scene.catalogs.magnitudes import ANY
from mirage_dask.scene.catalogs.table import name_rows
from mirage_dask.scene.dispersed.spectra import RANGE, Line, Spectrum
from mirage_dask.settings.spectra import FRAMES, SpectraChoice

Floats = NDArray[np.float64]
Optics = tuple[str, str, str]
"""Detector, filter, pupil."""

REST = FRAMES[1]
REDSHIFT = "redshift"
"""Column of catalogs."""
_NO_FILTERS = ("WL", "MASK", "GRISM", "GDHS", "GR700")
"""Beginnings of the names of pupil elements whose magnitudes are not those of a filter."""


@dataclass(frozen=True, eq=False)
class GivenSpectra:
    """What the files of a choice hold, by the index of sources, in the frame that they are in."""

    spectra: Mapping[int, Spectrum] = field(default_factory=dict)
    shapes: frozenset[int] = frozenset()
    """Which of these have no scale."""
    redshifts: Mapping[int, float] = field(default_factory=dict)
    """Those that the file of spectra says."""
    lines: Mapping[int, tuple[Line, ...]] = field(default_factory=dict)

    @property
    def sources(self) -> set[int]:
        """Indices of all sources."""
        return {*self.spectra, *self.lines}


def read_given(choice: SpectraChoice) -> GivenSpectra:
    """Read the files that a choice names.

    Raises
    ------
    InputError
        With every problem of both.
    """
    # astropy's units, and h5py: most proposals need neither.
    from mirage_dask.catalogs.spectra_files import read_lines, read_source_spectra

    spectra, shapes, redshifts, problems = {}, set(), {}, []
    lines: Mapping[int, tuple[Line, ...]] = {}
    try:
        for index, (wave, flux, shift) in (read_source_spectra(choice.file) if choice.file else {}).items():
            name = f"{choice.file}: the spectrum of source {index}"
            spectra[index] = Spectrum.of(wave.value, flux.value, name=name)
            if flux.unit.physical_type == "dimensionless":
                shapes.add(index)
            if shift is not None:
                redshifts[index] = shift
    except InputError as error:
        problems += error.problems
    try:
        lines = read_lines(choice.lines) if choice.lines else {}
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    return GivenSpectra(spectra, frozenset(shapes), redshifts, lines)


@dataclass(frozen=True, eq=False)
class CatalogSpectra:
    """Spectra and lines of the sources of one catalog, as they arrive."""

    spectra: Mapping[int, Spectrum]
    shapes: frozenset[int]
    lines: Mapping[int, Spectrum]
    """Without a continuum."""


def arriving(given: GivenSpectra, choice: SpectraChoice, catalog: Catalog) -> CatalogSpectra:
    """Return the spectra of the sources of a catalog with the wavelengths that arrive.

    Raises
    ------
    InputError
        With every problem: a redshift that is missing or not above -1, a line far from what grisms let pass.
    """
    have = set(catalog.index[np.isin(catalog.index, list(given.sources))].tolist())
    problems: list[str] = []
    shifts: dict[int, float] = {}
    resting = (
        *(given.spectra if choice.frame == REST else ()),
        *(given.lines if choice.lines_frame == REST else ()),
    )
    wanted = have & set(resting)
    if wanted:
        shifts = _redshifts(given, choice, catalog, wanted, problems)
    spectra = {
        i: one.redshifted(shifts[i]) if choice.frame == REST and i in shifts else one
        for i, one in given.spectra.items()
        if i in have
    }
    lines = {}
    for i in sorted(have & set(given.lines)):
        z = shifts.get(i, 0.0) if choice.lines_frame == REST else 0.0
        nothing = np.zeros(0)
        name = f"{choice.lines}: source {i}"
        lines[i] = Spectrum(nothing, nothing, given.lines[i], name).redshifted(z)
        for (own, _, _), (wave, _, _) in zip(given.lines[i], lines[i].lines, strict=True):
            if not RANGE[0] <= wave <= RANGE[1] and (i not in wanted or i in shifts):
                problems.append(
                    f"{name}: its line of {own:g} micron arrives at {wave:g} micron, where no grism lets light pass "
                    f"({RANGE[0]:g} to {RANGE[1]:g}); check its unit, and spectra.lines_frame."
                )
    if problems:
        raise InputError(problems)
    return CatalogSpectra(spectra, given.shapes & have, lines)


def _redshifts(
    given: GivenSpectra, choice: SpectraChoice, catalog: Catalog, wanted: set[int], problems: list[str]
) -> dict[int, float]:
    """Return the redshifts of some sources: that of the file of spectra, else that of the catalog."""
    found = {i: z for i, z in given.redshifts.items() if i in wanted}
    file = choice.file if choice.frame == REST else choice.lines
    key = "frame" if choice.frame == REST else "lines_frame"
    column = catalog.table.columns.get(REDSHIFT)
    if column is not None:
        values, said = optional_numbers(column)
        with np.errstate(invalid="ignore"):
            bad = said & ~(values > -1.0) & np.isin(catalog.index, list(wanted))
        if bad.any():
            where = name_rows(catalog.table.counted, catalog.lines, bad, column)
            problems.append(f"{catalog.path}: column 'redshift' in {where}: must be a number above -1.")
        wanted = wanted - set(catalog.index[bad].tolist())
        usable = np.flatnonzero(said & np.isin(catalog.index, list(wanted - set(found))))
        found |= {int(catalog.index[n]): float(values[n]) for n in usable}
    if missing := sorted(wanted - set(found)):
        problems.append(
            f"{file}: no redshift for {counted(len(missing), 'source')}, such as index {missing[0]}, and spectra.{key} is "
            f"rest; give it in the file of spectra or in a column 'redshift' of {catalog.path}, or write {key}: observed."
        )
    return found


@dataclass(frozen=True, eq=False)
class Scale:
    """What spectra without a scale are normalised to."""

    optics: Optics
    zeropoint: ZeroPoint
    magnitude: Floats
    """(n,) of the sources of the catalog."""


def scale_of(choice: SpectraChoice, catalog: Catalog, optics: Optics, shapes: Iterable[int]) -> Scale | None:
    """Return what spectra without a scale are normalised to; None for the light in the filter in use.

    Parameters
    ----------
    optics
        Of the exposure.
    shapes
        Indices of the sources of the catalog that need a scale.

    Raises
    ------
    InputError
        If the column is not there, is of no filter, or lacks the magnitude of one of the sources.
    """
    name, wanted = choice.normalise, np.isin(catalog.index, list(shapes))
    if not name or name == ANY or not wanted.any():
        return None
    known = sorted(catalog.magnitudes)
    if name not in catalog.magnitudes:
        raise InputError(
            f"spectra.normalise: {catalog.path} has no column {name!r}{nearest(name, known).rstrip('?')}; it has "
            f"{', '.join(known) or 'no magnitudes'}."
        )
    module = get_detector(optics[0]).module
    detectors = tuple(
        d.name
        for instrument in instruments()
        if name.startswith(instrument.lower())
        for d in sorted(detectors_of(instrument), key=lambda d: d.module != module)
    )
    found = filter_columns(detectors).get(name)
    if found is None:
        raise InputError(f"spectra.normalise: {name!r} is not the magnitude of a filter; name one that is.")
    values = catalog.magnitudes[name]
    if (bad := wanted & ~np.isfinite(values)).any():
        raise InputError(
            f"{catalog.path}: column {name!r} is not a number in {name_rows(catalog.table.counted, catalog.lines, bad)}, "
            "whose spectra it gives the scale (spectra.normalise); write magnitudes."
        )
    return Scale(found, get_zeropoint(*found), values)


@cache
def filter_columns(detectors: tuple[str, ...]) -> dict[str, Optics]:
    """Return the filters of detectors by the columns of their magnitudes; the first detector that has one counts."""
    found: dict[str, Optics] = {}
    for detector in detectors:
        wheels = optical_elements(get_detector(detector).instrument)
        for filter_ in (e.name for e in wheels if e.wheel == "filter"):
            for pupil in (
                e.name for e in wheels if e.wheel == "pupil" and not e.name.startswith(_NO_FILTERS)
            ):
                if has_optics(detector, filter_, pupil) and not grism_of(filter_, pupil):
                    for column in magnitude_columns(detector, filter_, pupil)[:-1]:
                        found.setdefault(column, (detector, filter_, pupil))
    return found


def check_spectra(choice: SpectraChoice, catalogs: Sequence[Catalog], optics: Sequence[Optics]) -> list[str]:
    """Return every problem of a choice with the catalogs that exposures look at.

    Parameters
    ----------
    optics
        Of these exposures.
    """
    try:
        given = read_given(choice)
    except InputError as error:
        return list(error.problems)
    problems: list[str] = []
    have = np.concatenate([np.zeros(0, np.int64), *(catalog.index for catalog in catalogs)])
    for file, what, found in ((choice.file, "spectra", given.spectra), (choice.lines, "lines", given.lines)):
        missing = sorted(set(found) - set(have.tolist()))
        if missing and len(missing) == len(found):
            problems.append(
                f"{file}: it changes nothing, for no catalog has any of its sources ({len(missing)}, such as index "
                f"{missing[0]}); name {what} by the column index of the catalogs."
            )
        elif missing:
            problems.append(
                f"{file}: its {what} are also of sources that no catalog has ({len(missing)}, such as index {missing[0]}); "
                "name them by the column index of the catalogs."
            )
    if choice.normalise and not given.shapes:
        problems.append(
            f"spectra.normalise: {choice.normalise} changes nothing, for no spectrum is without a scale; leave it out."
        )
    for catalog in catalogs:
        checks: list[Any] = [
            lambda catalog=catalog: arriving(given, choice, catalog),
            *(
                lambda catalog=catalog, one=one: scale_of(choice, catalog, one, given.shapes)
                for one in optics[:1]
            ),
        ]
        for check in checks:
            try:
                check()
            except InputError as error:
                problems += error.problems
    return problems
