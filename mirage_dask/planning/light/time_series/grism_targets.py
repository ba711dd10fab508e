"""Targets of grism time series and of SOSS: their light by wavelength and time, as tables of the plan.

Behind a grism the target is a layer of its own (`scene.layers.dispersed.varying`, `scene.layers.soss`). The short-wavelength
detectors of NIRCam, which image it meanwhile, see the same light through their filter: one light curve, the mean of the
relative light over the band by the photons of the star,

.. math:: f(t) = 1 - \\sum_k c_k(t) \\frac{\\langle F s_k \\rangle}{\\langle F \\rangle}

with the means of `scene.dispersed.spectra`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.instruments import grism_of
from mirage_dask.planning.light.grisms import GrismTables
from mirage_dask.planning.light.soss import SossTables, direct_row, places
from mirage_dask.planning.light.spectra import read_given, target_spectrum
from mirage_dask.planning.light.time_series.soss_target import soss_target_table
from mirage_dask.planning.light.time_series.target import PlannedTarget, products
from mirage_dask.pointing import SkyProjection, aperture, attitude_matrix
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene import Catalog
from mirage_dask.scene.dispersed.spectra import Spectrum
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.layers import LightCurves
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.sky.bands import band_of
from mirage_dask.scene.soss.tables import SossCurves
from mirage_dask.scene.sources import ARCSEC, PointSources, positions
from mirage_dask.scene.time_series.decomposition import RelativeLight, decompose, decompose_function
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.scene.time_series.targets import KIND, SAME_PLACE, Target, files_of, read_target
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.spectra import SpectraChoice

Floats = NDArray[np.float64]

PPM = 1e6
MISPLACED = 3.0
"""Pixels along the dispersion from which a note is made; APT's own place is 1 pixel off."""


def check_target(catalog: Catalog) -> None:
    """Read what a catalog says of its target, and the files that it names.

    Raises
    ------
    InputError
        With every problem.
    """
    missing = [path for path in files_of(catalog) if not Path(path).is_file()]
    if missing:
        raise InputError(
            [f"{catalog.path}: there is no file {path}; correct the column." for path in missing]
        )
    target = read_target(catalog)
    if target.transit is not None:
        target.transit.light(np.zeros(1), np.zeros(1, np.intp))  # that batman is there, and takes it
    else:
        from mirage_dask.catalogs.spectral_light_curves import read_light_curves  # astropy's units, and h5py

        read_light_curves(target.curves)


def relative_light(target: Target, seconds: float) -> RelativeLight:
    """Return the light of a target during an exposure, over that where nothing happens.

    Parameters
    ----------
    seconds
        From the start of the first integration to the end of the last.

    Raises
    ------
    InputError
        If light curves cannot be read, or batman is missing.
    """
    if target.transit is not None:
        return decompose_function(target.transit.wavelength, target.transit.light, seconds)
    from mirage_dask.catalogs.spectral_light_curves import read_light_curves  # astropy's units, and h5py

    return decompose(*read_light_curves(target.curves))


class TimeSeriesTables:
    """Writes the tables of the targets of grism time series and of SOSS.

    Parameters
    ----------
    url
        Folder of the source tables.
    catalogs
        (kind, path, catalog) of those that exposures look at.
    """

    def __init__(self, url: str, catalogs: Iterable[tuple[str, str, Catalog]]):
        self._url = url
        self._catalogs = {path: catalog for kind, path, catalog in catalogs if kind == KIND}
        self._known: dict[Hashable, Any] = {}
        self._notes: dict[str, None] = {}

    def without_target(self, row: ExposureRow, sources: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the tables of sources of an exposure without its target, which shines once.

        Acquisition images of the same target need it in a catalog of point sources.

        Parameters
        ----------
        sources
            (kind, key)
        """
        path = row.catalogs.get(KIND)
        if not path:
            return list(sources)
        return [
            (kind, self._once(("without", path, key), lambda key=key: self._without(path, key)))
            if kind == PointSources.kind
            else (kind, key)
            for kind, key in sources
        ]

    def _without(self, path: str, key: str) -> str:
        """Return the key of a table of point sources that lacks the target of a catalog."""
        place, table = positions(self._catalogs[path]), PointSources.load(self._url, key)
        if table.pixels != (place.shape[1] == 2):
            return key
        limit = 1.0 if table.pixels else SAME_PLACE * ARCSEC
        away = np.sqrt(((table.position - place) ** 2).sum(axis=1)) >= limit
        if away.all():
            return key
        indices = ", ".join(map(str, table.index[~away]))
        self._notes[
            f"{path}: its target is the source {indices} of the catalog of point sources, too, and that one is left out of "
            "the exposures of the time series"
        ] = None
        return replace(
            table, index=table.index[away], position=table.position[away], flux=table.flux[away]
        ).save(self._url)

    def layers(
        self, row: ExposureRow, pack: ReferencePack, grisms: GrismTables, seconds: float
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layer of the target of an exposure of NIRCam; none where it has no such catalog.

        Parameters
        ----------
        grisms
            Those of the plan.
        seconds
            From the start of the first integration to the end of the last.

        Raises
        ------
        InputError
            If the target cannot be used.
        """
        target = self._target(row, pack, row.optics, seconds)
        if target is None:
            return []
        catalog, light, spectrum = target.catalog, target.light, target.spectrum
        if not grism_of(row.filter, row.pupil):
            band = [_mean(product, row) / _mean(spectrum, row) for product in products(spectrum, light)]
            factor = np.ones((1, light.times.size))
            for share, course in zip(band, light.courses, strict=True):
                factor -= share * course
            curve = LightCurves(
                catalog.index, target.position, target.flux, light.times, np.maximum(factor, 0.0)
            )
            self._beyond(catalog, light, *band_of(*row.optics), row.filter)
            return [(LightCurves.kind, curve.save(self._url))]
        found = grisms.grism(row, pack)
        self._misplaced(row, pack, target.position)
        self._beyond(catalog, light, *_range(found.segments), found.grism.name)
        table = DispersedCurves(
            catalog.index, target.position, target.flux, found.key, pack.zeropoint.pivot,
            np.concatenate(target.weights(found.segments), axis=1), light.times, light.courses,
            light.wavelength, light.shapes, light.error, spectrum.wavelength, spectrum.flux, target.middles,
        )  # fmt: skip
        return [(DispersedCurves.kind, table.save(self._url))]

    def soss_layers(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        soss: SossTables,
        attitude: Iterable[float],
        seconds: float,
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layer of the target of an exposure behind GR700XD; none where it has no such catalog.

        Parameters
        ----------
        soss
            That of the plan.
        attitude
            Nine numbers.
        seconds
            From the start of the first integration to the end of the last.

        Raises
        ------
        InputError
            If the target cannot be used.
        """
        target = self._target(row, pack, direct_row(row).optics, seconds)
        if target is None:
            return []
        traces, where = soss.traces(row, pack), places(row, pack, attitude, target.position)
        self._beyond(target.catalog, target.light, *_range(traces.segments), row.pupil)
        name = f"{target.catalog.path}: the target falls"
        table = soss_target_table(row, traces, soss.images, target, *where)
        if table is None:
            self._notes[
                f"{name} so far from the reference point of {row.aperture} that none of its light is seen"
            ] = None
            return []
        across, along = where[1][0][1], where[1][0][0]
        if max(abs(across), abs(along)) > MISPLACED:
            self._notes[
                f"{name} {along:+.0f} columns and {across:+.0f} rows from the reference point of {row.aperture}, where the "
                "pipeline takes it to be, and its traces and wavelengths as far from theirs: its position is another "
                "one than that of the pointing, or the observation has an offset"
            ] = None
        return [(SossCurves.kind, table.save(self._url))]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        return tuple(f"time series: {text}." for text in self._notes)

    def _target(
        self, row: ExposureRow, pack: ReferencePack, optics: tuple[str, str, str], seconds: float
    ) -> PlannedTarget | None:
        """Return the target of an exposure, whose magnitudes are those in some optics; None where it has no catalog."""
        path = row.catalogs.get(KIND)
        if not path:
            return None
        catalog = self._catalogs[path]
        light: RelativeLight = self._once(("light", path, seconds), lambda: self._light(catalog, seconds))
        flux = count_rate(catalog.magnitude(*optics), catalog.system, pack.zeropoint)
        choice = row.spectra or SpectraChoice()
        given = self._once(("given", choice.file, choice.lines), lambda: read_given(choice))
        spectrum = target_spectrum(optics, pack.zeropoint, catalog, choice, given)
        transit = read_target(catalog).transit
        middles = np.zeros(0) if transit is None else transit.middles(seconds)
        return PlannedTarget(catalog, light, spectrum, flux, positions(catalog), middles)

    def _light(self, catalog: Catalog, seconds: float) -> RelativeLight:
        target = read_target(catalog)
        found = relative_light(target, seconds)
        self._notes[
            f"{catalog.path}: light curves at {found.wavelength.size} wavelengths are "
            f"{counted(len(found.shapes), 'product')} of a function of wavelength and one of time, right to "
            f"{found.error * PPM:.2g} ppm"
        ] = None
        if target.transit is not None and not target.transit.middles(seconds).size:
            self._notes[
                f"{catalog.path}: no middle of a transit lies in the {seconds:,.0f} s of an exposure that looks at it"
            ] = None
        return found

    def _misplaced(self, row: ExposureRow, pack: ReferencePack, place: Floats) -> None:
        """Note a target that is not where the pipeline takes it to be along the dispersion."""
        if not row.aperture or place.shape[1] != 3:
            return
        where = aperture(row.aperture)
        attitude = attitude_matrix(row.ra_pointing, row.dec_pointing, row.v2, row.v3, row.pa_v3)
        projection = SkyProjection.of(tuple(attitude.ravel()), pack.distortion)
        x = float(projection.pixels(place)[0, 0])
        off = x - (where.x0 + where.x_sci_ref - 1.0)
        if not abs(off) <= MISPLACED:
            self._notes[
                f"the target falls {off:+.0f} pixels from the column where the pipeline takes it to be in {where.name} "
                "(XREF_SCI), and its wavelengths will be off by as many: the pointing report was made with another SIAF, or "
                "the observation has an offset"
            ] = None

    def _beyond(self, catalog: Catalog, light: RelativeLight, low: float, high: float, what: str) -> None:
        wave = light.wavelength
        if wave.size > 1 and (wave[0] > low or wave[-1] < high):
            self._notes[
                f"{catalog.path}: light curves are given for {wave[0]:.2f} to {wave[-1]:.2f} micron, and {what} counts "
                f"light from {low:.2f} to {high:.2f}: beyond, those of the nearest wavelength hold"
            ] = None

    def _once(self, name: Hashable, make: Any) -> Any:
        if name not in self._known:
            self._known[name] = make()
        return self._known[name]


def _range(segments: Iterable[Segment]) -> tuple[float, float]:
    """Return the shortest and the longest wavelength of some segments."""
    ends = [(one.low, one.high) for one in segments]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _mean(spectrum: Spectrum, row: ExposureRow) -> float:
    return spectrum.mean(*row.optics)
