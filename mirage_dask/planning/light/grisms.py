"""Exposures behind a grism: configurations, light of sources and the sky, written into the plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.formatting import counted
from mirage_dask.instruments import (
    SOSS,
    blocking_filter,
    get_detector,
    grism_of,
)
from mirage_dask.planning.light.notes import Notes
from mirage_dask.planning.light.spectra import FLAT, check_spectra, flat_spectrum, read_given, source_light
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.sky import dispersed_sky
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene import Catalog
from mirage_dask.scene.dispersed.image_stamps import LARGEST
from mirage_dask.scene.dispersed.spectra import Spectrum, save_weights
from mirage_dask.scene.dispersed.tables import TABLES
from mirage_dask.scene.dispersed.traces import Segment, segments
from mirage_dask.scene.image_tables import Extended, read_part
from mirage_dask.scene.layers import DispersedSkyLayer
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.time_series.targets import KIND as TARGET_KIND
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.spectra import WHEEL_GRISMS, SpectraChoice, nominal_angle

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
FoundCatalog = tuple[str, str, Catalog]


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
    behind = rows[np.array([p == SOSS or bool(grism_of(f, p)) for f, p in optics_of], dtype=bool)]
    columns = ["grism_configurations", "detector", "filter", "pupil"]
    for folder, *optics in (
        behind.loc[behind["pupil"] != SOSS, columns].drop_duplicates().itertuples(index=False, name=None)
    ):
        try:
            read_grism(folder, *optics)
        except (InputError, ReferenceFileError) as error:
            problems += str(error).splitlines()
    kinds = (*TABLES, TARGET_KIND)
    known = {(kind, path): catalog for kind, path, catalog in catalogs if kind in kinds}
    for text, members in behind.groupby("spectra"):
        choice = read_spectra_choice(str(text))
        if choice is None or not (choice.file or choice.lines or choice.normalise):
            continue
        found = [
            known[kind, path]
            for kind in kinds
            for path in sorted(set(members.get(kind, ())))
            if (kind, path) in known
        ]
        optics = [tuple(one) for one in members[columns[1:]].drop_duplicates().itertuples(index=False)]
        problems += check_spectra(choice, found, optics)
    if problems:
        raise InputError(dict.fromkeys(problems))


@dataclass(frozen=True, eq=False)
class PlannedGrism:
    """A configuration of the plan."""

    key: str
    grism: GrismConfiguration
    segments: tuple[Segment, ...]
    flat: Spectrum
    """Flat in F_nu: one electron per second in the direct image."""


def image_light(table: Extended, url: str) -> Floats:
    """Return (n,) all light of sources that are images, e-/s in the direct image; 0 where pixels have no positive sum.

    Parameters
    ----------
    table
        Of the sources.
    url
        Folder of the source tables.
    """
    sums = [float(read_part(url, str(key)).sum(dtype=np.float64)) for key in table.parts]
    total = np.bincount(table.source, weights=sums, minlength=len(table)) * table.scale
    return np.maximum(total, 0.0)


def _turned(grism: GrismConfiguration, row: ExposureRow) -> GrismConfiguration:
    """Return a configuration for the angle of the filter wheel of an exposure, which `fwcpos_ref` says then."""
    name = grism_of(row.filter, row.pupil)
    if name not in WHEEL_GRISMS:
        return grism
    reference = nominal_angle(name) if grism.fwcpos_ref is None else grism.fwcpos_ref
    if row.filter_wheel_angle is None or row.filter_wheel_angle == reference:
        return grism if reference == nominal_angle(name) else replace(grism, fwcpos_ref=reference)
    return replace(grism.turned(reference - row.filter_wheel_angle), fwcpos_ref=row.filter_wheel_angle)


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
        self._notes = Notes("grisms")

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
        grism = self.grism(row, pack)
        layers = []
        if level:
            key = self._once(("sky", grism.key, level), lambda: self._sky(grism, level))
            layers.append((DispersedSkyLayer.kind, key))
        for kind, key in sources:
            if kind == Extended.kind:
                self._note_images(Extended.load(self._url, key), pack)
            if kind in TABLES:
                layers.append((TABLES[kind].kind, self._sources(row, pack, grism, kind, key)))
            else:
                self._notes.add(
                    f"catalogs of the type {kind} are not dispersed, and their sources are left out"
                )
        if row.scene_image is not None:
            self._notes.add("images of the scene (scene_image) are not dispersed, and are left out")
        if row.ghosts is not None and sources:
            self._notes.add("ghosts of dispersed sources are not simulated")
        return layers

    def _note_images(self, table: Extended, pack: ReferencePack) -> None:
        """Say which images of sources are cut, or have no light."""
        unit = np.where(table.in_pixels, 1.0, np.radians(np.sqrt(float(pack.meta["pixar_a2"])) / 3600.0))[
            :, None
        ]
        half = (
            0.5
            * table.size[:, ::-1]
            * np.stack(
                [np.sqrt((axis * axis).sum(axis=1)) for axis in (table.along_x, table.along_y)], axis=1
            )
        )
        large = int(((half / unit) > LARGEST).any(axis=1).sum())
        if large:
            self._notes.add(
                f"what lies farther than {LARGEST} pixels from the middle is cut from {counted(large, 'image')} of sources"
            )
        if dark := int((image_light(table, self._url) <= 0).sum()):
            self._notes.add(f"left out, without light: {counted(dark, 'image')} of sources")

    def wheel_angle(self, row: ExposureRow, pack: ReferencePack) -> float | None:
        """Return the angle of the filter wheel of an exposure, degrees; None for the nominal one, and without a grism."""
        grism = grism_of(row.filter, row.pupil)
        if grism not in WHEEL_GRISMS:
            return None
        angle = self.grism(row, pack).grism.fwcpos_ref
        return None if angle is None or angle == nominal_angle(grism) else angle

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        return self._notes.sentences

    def _once(self, name: Hashable, make: Any) -> Any:
        if name not in self._known:
            self._known[name] = make()
        return self._known[name]

    def grism(self, row: ExposureRow, pack: ReferencePack) -> PlannedGrism:
        """Return the configuration of an exposure behind a grism, written into the plan once.

        Raises
        ------
        InputError, ReferenceFileError
            If there is none that can be used.
        """

        def make() -> PlannedGrism:
            grism = read_grism(row.grism_configurations, *row.optics, gain=float(pack.meta["mean_gain"]))
            grism = _turned(grism, row)
            for note in grism.notes:
                self._notes.add(note.rstrip("."), 0)
            flat = flat_spectrum(FLAT, row.optics, pack.zeropoint)
            grism = replace(grism, notes=())
            return PlannedGrism(grism.save(self._url), grism, segments(grism), flat)

        found: PlannedGrism = self._once(
            ("grism", row.grism_configurations, *row.optics, row.filter_wheel_angle, pack.zeropoint), make
        )
        return found

    def _sky(self, found: PlannedGrism, level: float) -> str:
        sky = dispersed_sky(found.grism, found.flat.wavelength, level * found.flat.flux)
        return DispersedSkyLayer.save(self._url, sky)

    def _sources(
        self, row: ExposureRow, pack: ReferencePack, found: PlannedGrism, kind: str, key: str
    ) -> str:
        """Return the key of the table of dispersed sources."""
        choice = row.spectra or SpectraChoice()

        def make() -> str:
            catalog = self._catalogs[kind, row.catalogs[kind]]
            given = self._once(("given", choice.file, choice.lines), lambda: read_given(choice))
            images = kind == Extended.kind
            flux = (
                image_light(Extended.load(self._url, key), self._url)
                if images
                else count_rate(catalog.magnitude(*row.optics), catalog.system, pack.zeropoint)
            )
            light = source_light(
                row.optics, pack.zeropoint, found.segments, catalog, choice, given, flux, list_all=images
            )
            table = TABLES[kind](
                key, found.key, save_weights(self._url, light.light), pack.zeropoint.pivot, light.index, light.rows,
                light.amounts,
            )  # fmt: skip
            return table.save(self._url)

        return str(self._once(("sources", key, found.key, choice, pack.zeropoint), make))
