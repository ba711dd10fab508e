"""Exposures behind a grism: configurations, spectra of sources and the sky, written into the plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import (
    ZeroPoint,
    blocking_filter,
    detectors_of,
    get_detector,
    get_zeropoint,
    grism_of,
    has_optics,
    optical_elements,
)
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.sky import dispersed_sky
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene import Catalog, magnitude_columns
from mirage_dask.scene.dispersed.magnitudes import filled, hats
from mirage_dask.scene.dispersed.spectra import Spectrum, save_weights, spectrum_weights
from mirage_dask.scene.dispersed.tables import TABLES
from mirage_dask.scene.dispersed.traces import Segment, segments
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.layers import DispersedSkyLayer
from mirage_dask.scene.photometry import count_rate
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.spectra import CONTINUA, SpectraChoice

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
FoundCatalog = tuple[str, str, Catalog]

MOST_BYTES = 2**29
"""Of the light of spectra at the nodes of a grism."""
_NO_FILTERS = ("WL", "MASK", "GRISM", "GDHS", "GR700")
"""Beginnings of the names of pupil elements whose magnitudes are not those of a filter."""


def configuration_file(folder: str, detector: str, filter: str, pupil: str) -> Path:
    """Return the file of a configuration, as the instrument teams name it."""
    spec, grism, blocking = get_detector(detector), grism_of(filter, pupil), blocking_filter(filter, pupil)
    if spec.instrument == "NIRCAM":
        return Path(folder) / f"NIRCAM_{blocking}_mod{spec.module}_{grism[-1]}.conf"
    return Path(folder) / f"{spec.instrument}_{blocking}_{grism}.conf"


def read_grism(
    folder: str, detector: str, filter: str, pupil: str, *, gain: float | None = None
) -> GrismConfiguration:
    """Return the configuration of a detector and its optics, with the orders whose light may fall on the detector.

    Positions are those of the direct image through the same filter (`GrismConfiguration.shifted`); the filter wheel of
    NIRISS is where the configuration has it.

    Parameters
    ----------
    folder
        Where the instrument teams' files are; empty for the built-in ones.
    gain
        e-/DN; default the detector's nominal one.

    Raises
    ------
    InputError
        If there is no configuration, or none of its orders reaches the detector.
    ReferenceFileError
        If a file is damaged.
    """
    blocking = blocking_filter(filter, pupil)
    if folder:
        path = configuration_file(folder, detector, filter, pupil)
        if not path.is_file():
            raise InputError(
                f"grism_configurations: there is no file {path.name} in {folder}, which exposures of {detector} with "
                f"{filter}/{pupil} need; add it, or leave the key out for the built-in configurations."
            )
        from mirage_dask.reference.grisms.text_files import read_configuration  # most proposals need none

        nominal = get_detector(detector).gain
        found = read_configuration(path, gain=nominal if gain is None else gain)
    else:
        found = builtin_configuration(detector, blocking, grism_of(filter, pupil))
    found = found.shifted(blocking)
    found = replace(found, orders=tuple(o for o in found.orders if segments(replace(found, orders=(o,)))))
    if not found.orders:
        raise InputError(f"{found.name}: none of its orders has light on the detector.")
    return found


def check_grisms(rows: pd.DataFrame, catalogs: Iterable[FoundCatalog]) -> None:
    """Read the configurations and spectra that exposures behind grisms need.

    Parameters
    ----------
    rows
        Of the exposure table, with the columns of the settings.
    catalogs
        (kind, path, catalog) of those that they look at.

    Raises
    ------
    InputError
        With every problem: a file that is missing or damaged, a spectrum of a source that no catalog has.
    """
    from mirage_dask.settings.row import read_spectra_choice

    problems: list[str] = []
    optics_of = zip(rows["filter"], rows["pupil"], strict=True)
    behind = rows[np.array([bool(grism_of(f, p)) for f, p in optics_of], dtype=bool)]
    columns = ["grism_configurations", "detector", "filter", "pupil"]
    for folder, *optics in behind[columns].drop_duplicates().itertuples(index=False, name=None):
        try:
            read_grism(folder, *optics)
        except (InputError, ReferenceFileError) as error:
            problems += str(error).splitlines()
    known = {(kind, path): catalog for kind, path, catalog in catalogs if kind in TABLES}
    for text, members in behind.groupby("spectra"):
        choice = read_spectra_choice(str(text))
        if choice is None or not choice.file:
            continue
        try:
            given = _read_spectra(choice.file)
        except InputError as error:
            problems += error.problems
            continue
        indices = [
            known[kind, path].index for kind in TABLES for path in set(members[kind]) if (kind, path) in known
        ]
        have = np.concatenate(indices) if indices else np.zeros(0, np.int64)
        missing = sorted(set(given) - set(have.tolist()))
        if missing:
            problems.append(
                f"{choice.file}: {len(missing)} spectra are of sources that no catalog has, such as index {missing[0]}; "
                "name datasets by the column index of the catalogs."
            )
    if problems:
        raise InputError(dict.fromkeys(problems))


def _read_spectra(file: str) -> dict[int, tuple[Spectrum, bool]]:
    """Return {index: (spectrum, whether it is a shape without a scale)} of an HDF5 file."""
    from mirage_dask.catalogs.spectra import (
        read_spectra,  # astropy's units, and h5py: most proposals need none
    )

    found, problems = {}, []
    for index, (wave, flux) in read_spectra(file).items():
        try:
            spectrum = Spectrum.of(wave.value, flux.value, name=f"{file}: the spectrum of source {index}")
            found[index] = spectrum, flux.unit.physical_type == "dimensionless"
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


@dataclass(frozen=True, eq=False)
class _Grism:
    """A configuration of the plan."""

    key: str
    grism: GrismConfiguration
    segments: tuple[Segment, ...]
    flat: Spectrum
    """Flat in F_nu: one electron per second in the direct image."""


class GrismTables:
    """Writes what exposures of a plan that are behind a grism need.

    Parameters
    ----------
    url
        Folder of the source tables.
    catalogs
        (kind, path, catalog) of those that exposures look at.
    """

    def __init__(self, url: str, catalogs: Iterable[FoundCatalog]):
        self._url = url
        self._catalogs = {(kind, path): c for kind, path, c in catalogs if kind in TABLES}
        self._known: dict[Hashable, Any] = {}
        self._notes: dict[str, int] = {}

    def layers(
        self, row: ExposureRow, pack: ReferencePack, sources: Iterable[tuple[str, str]], level: float
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layers of an exposure behind a grism.

        Parameters
        ----------
        sources
            (kind, key) of the tables of sources of its direct image.
        level
            Of the sky in the direct image, e-/s in a pixel of mean area.

        Raises
        ------
        InputError, ReferenceFileError
            If a configuration or a spectrum cannot be used.
        """
        grism = self._grism(row, pack)
        layers = []
        if level:
            key = self._once(("sky", grism.key, level), lambda: self._sky(grism, level))
            layers.append((DispersedSkyLayer.kind, key))
        for kind, key in sources:
            if kind in TABLES:
                layers.append((TABLES[kind].kind, self._sources(row, pack, grism, kind, key)))
            else:
                self._note(f"catalogs of the type {kind} are not dispersed, and their sources are left out")
        if row.scene_image is not None:
            self._note("images of the scene (scene_image) are not dispersed, and are left out")
        if row.ghosts is not None and sources:
            self._note("ghosts of dispersed sources are not simulated")
        return layers

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        return tuple(
            f"grisms: {text}{f' ({count} exposures)' if count else ''}."
            for text, count in self._notes.items()
        )

    def _note(self, text: str) -> None:
        self._notes[text] = self._notes.get(text, 0) + 1

    def _once(self, name: Hashable, make: Any) -> Any:
        if name not in self._known:
            self._known[name] = make()
        return self._known[name]

    def _grism(self, row: ExposureRow, pack: ReferencePack) -> _Grism:
        def make() -> _Grism:
            grism = read_grism(row.grism_configurations, *row.optics, gain=float(pack.meta["mean_gain"]))
            for note in grism.notes:
                self._notes.setdefault(note.rstrip("."), 0)
            flat = Spectrum.flat_fnu(20.0)
            flat = flat.scaled(pack.zeropoint.photflam_e / flat.mean(*row.optics))
            grism = replace(grism, notes=())
            return _Grism(grism.save(self._url), grism, segments(grism), flat)

        found: _Grism = self._once(("grism", row.grism_configurations, *row.optics, pack.zeropoint), make)
        return found

    def _sky(self, found: _Grism, level: float) -> str:
        sky = dispersed_sky(found.grism, found.flat.wavelength, level * found.flat.flux)
        return DispersedSkyLayer.save(self._url, sky)

    def _sources(self, row: ExposureRow, pack: ReferencePack, found: _Grism, kind: str, key: str) -> str:
        """Return the key of the table of dispersed sources."""
        choice = row.spectra or SpectraChoice()

        def make() -> str:
            catalog = self._catalogs[kind, row.catalogs[kind]]
            rows, listed, amounts, weights = self._spectra(row, pack.zeropoint, found, catalog, choice)
            table = TABLES[kind](
                key, found.key, save_weights(self._url, weights), pack.zeropoint.pivot, listed, rows, amounts
            )
            return table.save(self._url)

        return str(self._once(("sources", key, found.key, choice, pack.zeropoint), make))

    def _spectra(
        self, row: ExposureRow, zeropoint: ZeroPoint, found: _Grism, catalog: Catalog, choice: SpectraChoice
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, tuple[NDArray[np.float32], ...]]:
        """Return rows (m, k), indices (m,), amounts (m, k), and the light of all rows at the nodes."""
        light = [spectrum_weights([found.flat], found.segments)]
        order = np.argsort(catalog.index, kind="stable")
        index = catalog.index[order]
        flux = count_rate(catalog.magnitude(*row.optics), catalog.system, zeropoint)[order]
        rows, amounts = np.zeros((index.size, 1), np.int64), flux[:, None].copy()
        listed = np.zeros(index.size, bool)
        if choice.continuum == CONTINUA[0]:
            pivots, values = _through(catalog, row.optics, zeropoint)
            if len(pivots) > 1:
                shapes = [_light(hat, found.segments) for hat in hats(pivots)]
                seen = [k for k, parts in enumerate(shapes) if any(part.any() for part in parts)]
                light.append(tuple(np.stack(parts) for parts in zip(*(shapes[k] for k in seen), strict=True)))
                rows = np.tile(1 + np.arange(len(seen)), (index.size, 1))
                amounts, listed[:] = values[order][:, seen], True
        if choice.file:
            given = self._once(("file", choice.file), lambda: _read_spectra(choice.file))
            own = [int(i) for i in np.flatnonzero(np.isin(index, list(given)))]
            if own:
                first = sum(len(parts[0]) for parts in light)
                _check_size(choice.file, len(own), found.segments)
                spectra, shape = zip(*(given[int(index[i])] for i in own), strict=True)
                scaled = [
                    one.scaled(found.flat.mean(*row.optics) / _mean(one, row)) if bare else one
                    for one, bare in zip(spectra, shape, strict=True)
                ]
                light.append(spectrum_weights(scaled, found.segments))
                rows[own], amounts[own], listed[own] = 0, 0.0, True
                rows[own, 0] = first + np.arange(len(own))
                amounts[own, 0] = np.where(shape, flux[own], 1.0)
        weights = tuple(np.concatenate(parts) for parts in zip(*light, strict=True))
        return rows[listed], index[listed], amounts[listed], weights


def _mean(spectrum: Spectrum, row: ExposureRow) -> float:
    found = spectrum.mean(*row.optics)
    if not found > 0:
        raise InputError(
            f"{spectrum.name}: it is a shape without a scale and has no light in {blocking_filter(row.filter, row.pupil)}, "
            "whose magnitude gives the scale; give it in erg/s/cm2/Angstrom."
        )
    return found


def _check_size(file: str, count: int, found: Sequence[Segment]) -> None:
    size = 4 * count * sum(one.count for one in found)
    if size > MOST_BYTES:
        raise InputError(
            f"{file}: {count:,} spectra of one catalog take {size / 1e6:,.0f} MB behind this grism, more than "
            f"{MOST_BYTES / 1e6:,.0f}; give those of fewer sources, or catalogs of parts of the field."
        )


def _light(spectrum: Spectrum, found: Sequence[Segment]) -> tuple[NDArray[np.float32], ...]:
    return tuple(node_weights(one, spectrum.wavelength, spectrum.flux, spectrum.lines) for one in found)


def _through(
    catalog: Catalog, optics: tuple[str, str, str], zeropoint: ZeroPoint
) -> tuple[list[float], Floats]:
    """Return the pivot wavelengths of the filters of an instrument that a catalog has magnitudes of, and flux densities.

    The filter of the exposure is always one of them. A magnitude that is not a number is left out.

    Returns
    -------
    pivots, flux
        (k,) micron, rising; (n, k) erg/s/cm2/Angstrom.
    """
    columns: dict[float, Floats] = {}
    for name, point in _filters(optics[0]).items():
        if name in catalog.magnitudes:
            values = count_rate(catalog.magnitudes[name], catalog.system, point) * point.photflam_e
            columns.setdefault(point.pivot, values)
    own = count_rate(catalog.magnitude(*optics), catalog.system, zeropoint) * zeropoint.photflam_e
    columns[zeropoint.pivot] = own
    pivots = sorted(columns)
    flux = np.stack([columns[pivot] for pivot in pivots], axis=1)
    return pivots, filled(flux, pivots) if not np.isfinite(flux).all() else flux


def _filters(detector: str) -> Mapping[str, ZeroPoint]:
    """Return the zero points of the filters of the instrument of a detector, by the columns of their magnitudes."""
    spec = get_detector(detector)
    module = [d.name for d in detectors_of(spec.instrument) if d.module == spec.module]
    wheels = optical_elements(spec.instrument)
    found: dict[str, ZeroPoint] = {}
    for filter_ in (e.name for e in wheels if e.wheel == "filter"):
        for pupil in (e.name for e in wheels if e.wheel == "pupil" and not e.name.startswith(_NO_FILTERS)):
            for name in module:
                if has_optics(name, filter_, pupil) and not grism_of(filter_, pupil):
                    for column in magnitude_columns(name, filter_, pupil)[:-1]:
                        found.setdefault(column, get_zeropoint(name, filter_, pupil))
                    break
    return found
