"""Targets of grism time series: their light by wavelength and time, as tables of the plan.

Behind the grism the target is a layer of its own (`scene.layers.dispersed.varying`). The short-wavelength detectors, which
image it meanwhile, see the same light through their filter: one light curve, the mean of the relative light over the band
by the photons of the star,

.. math:: f(t) = 1 - \\sum_k c_k(t) \\frac{\\langle F s_k \\rangle}{\\langle F \\rangle}

with the means of `scene.dispersed.spectra`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import grism_of
from mirage_dask.planning.light.grisms import GrismTables
from mirage_dask.planning.light.spectra import read_given, target_spectrum
from mirage_dask.pointing import SkyProjection, aperture, attitude_matrix
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene import Catalog
from mirage_dask.scene.dispersed.spectra import Spectrum
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.layers import LightCurves
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.sky.bands import band_of
from mirage_dask.scene.sources import positions
from mirage_dask.scene.time_series.decomposition import RelativeLight, decompose, decompose_function
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.scene.time_series.targets import KIND, Target, files_of, read_target
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.spectra import SpectraChoice

Floats = NDArray[np.float64]

PARTS = 4
"""Pieces of each interval of wavelength in which the product of a spectrum and a shape is taken as straight."""
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
    """Writes the tables of the targets of grism time series.

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

    def layers(
        self, row: ExposureRow, pack: ReferencePack, grisms: GrismTables, seconds: float
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layer of the target of an exposure; none where it has no such catalog.

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
        path = row.catalogs.get(KIND)
        if not path:
            return []
        catalog = self._catalogs[path]
        light: RelativeLight = self._once(("light", path, seconds), lambda: self._light(catalog, seconds))
        flux = count_rate(catalog.magnitude(*row.optics), catalog.system, pack.zeropoint)
        choice = row.spectra or SpectraChoice()
        given = self._once(("given", choice.file, choice.lines), lambda: read_given(choice))
        spectrum = target_spectrum(row.optics, pack.zeropoint, catalog, choice, given)
        place = positions(catalog)
        if not grism_of(row.filter, row.pupil):
            band = [_mean(product, row) / _mean(spectrum, row) for product in products(spectrum, light)]
            factor = np.ones((1, light.times.size))
            for share, course in zip(band, light.courses, strict=True):
                factor -= share * course
            curve = LightCurves(catalog.index, place, flux, light.times, np.maximum(factor, 0.0))
            self._beyond(catalog, light, *band_of(*row.optics), row.filter)
            return [(LightCurves.kind, curve.save(self._url))]
        found = grisms.grism(row, pack)
        self._misplaced(row, pack, place)
        self._beyond(
            catalog,
            light,
            min(s.low for s in found.segments),
            max(s.high for s in found.segments),
            found.grism.name,
        )
        rows = [spectrum, *(product.scaled(-1.0) for product in products(spectrum, light))]
        weights = np.concatenate(
            [
                np.stack([node_weights(one, r.wavelength, r.flux, r.lines) for r in rows])
                for one in found.segments
            ],
            axis=1,
        )
        table = DispersedCurves(
            catalog.index, place, flux, found.key, pack.zeropoint.pivot, weights, light.times, light.courses,
            light.wavelength, light.shapes, light.error, spectrum.wavelength, spectrum.flux, self._middles(catalog, seconds),
        )  # fmt: skip
        return [(DispersedCurves.kind, table.save(self._url))]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        return tuple(f"time series: {text}." for text in self._notes)

    @staticmethod
    def _middles(catalog: Catalog, seconds: float) -> Floats:
        transit = read_target(catalog).transit
        return np.zeros(0) if transit is None else transit.middles(seconds)

    def _light(self, catalog: Catalog, seconds: float) -> RelativeLight:
        target = read_target(catalog)
        found = relative_light(target, seconds)
        self._notes[
            f"{catalog.path}: light curves at {found.wavelength.size} wavelengths are {len(found.shapes)} products of a "
            f"function of wavelength and one of time, right to {found.error * PPM:.2g} ppm"
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


def products(spectrum: Spectrum, light: RelativeLight) -> list[Spectrum]:
    """Return a spectrum times each of the shapes of its light; they may be negative."""
    ends = np.unique(np.concatenate([spectrum.wavelength, light.wavelength]))
    steps = np.arange(PARTS) / PARTS
    wave = np.append((ends[:-1, None] + np.diff(ends)[:, None] * steps).ravel(), ends[-1:])
    wave = wave[(wave >= spectrum.wavelength[0]) & (wave <= spectrum.wavelength[-1])]
    flux = np.interp(wave, spectrum.wavelength, spectrum.flux)
    at_lines = light.at(np.array([line[0] for line in spectrum.lines]))
    return [
        Spectrum(
            wave,
            flux * shape,
            tuple((at, total * s, sigma) for (at, total, sigma), s in zip(spectrum.lines, own, strict=True)),
            spectrum.name,
        )
        for shape, own in zip(light.at(wave), at_lines, strict=True)
    ]


def _mean(spectrum: Spectrum, row: ExposureRow) -> float:
    return spectrum.mean(*row.optics)
