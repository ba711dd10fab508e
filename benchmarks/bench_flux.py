"""Whether the light of a source is what its catalog says: random sources by type, and galaxies by Sersic index.

Sources lie at random places of NRCB1 in F150W. Each is written into a catalog by its right ascension and declination, read,
projected and drawn alone, so that its light can be summed. It is compared with the flux that the zero point of the reference
files gives for its magnitude times the part of it that the PSF has within its file, and its centre of light with that of the
PSF at the place that was put into the catalog. Stars end at a radius that follows from their brightness (`scene.stars`): the
PSF is taken within it, and a row says what lies beyond.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from bench_scene import NAME
from measure import Measurement
from scipy import special

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.instruments import ZeroPoint
from mirage_dask.io.locations import cache_directory
from mirage_dask.planning.making import make_plan
from mirage_dask.pointing import SkyProjection, unit_to_radec
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.galaxies.planes import image_of
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.layers import ExtendedLayer, StarLayer, StaticLayer, View
from mirage_dask.scene.placement import place_galaxies, place_stars
from mirage_dask.scene.sources import galaxy_table, point_source_table
from mirage_dask.sky_images.tables import extended_table, save_stamps

INDICES = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 4.0, 6.0, 8.0)
OPTICS = ("NRCB1", "F150W", "CLEAR")
OF_SOURCES = ("index", "position", "scale", "size", "along_x", "along_y", "aligned", "in_pixels")
MARGIN = 260
"""Pixels around a source in which its light is summed."""
SIDE = 2 * MARGIN + 1
AWAY = np.arange(SIDE) - MARGIN
SCALE = 0.031
"""Arcsec per pixel."""


def measure() -> list[Measurement]:
    """Return the largest errors of flux (%) and place (pixels) by type of source."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_directory()) as folder:
        view, psf, zeropoint = _exposure()
        bench = _Bench(Path(folder), view, psf, zeropoint)
        rows = [*bench.rows("1,000 stars", bench.stars(1000), 0.2), bench.beyond]
        for index in INDICES:
            rows += bench.rows(f"100 galaxies, n = {index}", bench.galaxies(100, index), 0.5)
        rows += bench.rows("100 images of sources", bench.images(100), 0.5)
    return rows


class _Bench:
    """Sources of one exposure."""

    def __init__(self, folder: Path, view: View, psf: PsfLibrary, zeropoint: ZeroPoint):
        self.folder, self.view, self.psf, self.zeropoint = folder, view, psf, zeropoint
        self.rng = np.random.default_rng(16)
        self.lost = 0.0

    def rows(
        self, name: str, errors: Iterator[tuple[float, float, float]], percent: float
    ) -> list[Measurement]:
        """Return the rows of one kind."""
        flux, x, y = np.array(list(errors)).T
        place = max(abs(x).max(), abs(y).max())
        return [
            Measurement(f"{name}: flux, largest error", float(100 * abs(flux).max()), "%", percent),
            Measurement(f"{name}: place, largest error", float(place), "pixel", 0.01),
        ]

    @property
    def beyond(self) -> Measurement:
        """Return what the faintest star loses."""
        return Measurement("1,000 stars: light beyond their radius, most", float(100 * self.lost), "%", 1.05)

    def catalog(self, kind: str, head: str, values: list[str], places: np.ndarray):
        """Read a catalog of sources at places on the detector."""
        ra, dec = unit_to_radec(self.view.projection.units(places))
        lines = [f"{a!r} {d!r} {v}" for a, d, v in zip(ra.tolist(), dec.tolist(), values, strict=True)]
        path = self.folder / f"{kind}.cat"
        path.write_text("\n".join([f"x_or_RA y_or_Dec {head} magnitude", *lines]))
        return read_catalog(path, kind)

    def star(self, x: float, y: float, half: float) -> np.ndarray:
        """A star of 1 e-/s, evaluated pixel by pixel, within a half width in pixels."""
        px, py = round(x) + AWAY, round(y) + AWAY[:, None]
        inside = (abs(px - x) <= half) & (abs(py - y) <= half)
        return np.where(inside, self.psf.evaluate(px, py, x, y), 0.0)

    def compared(
        self, image: np.ndarray, magnitude: float, x: float, y: float, half: float = np.inf
    ) -> tuple[float, float, float]:
        """Relative error of flux, and those of the place."""
        expected = 10 ** (-0.4 * (magnitude + 48.6)) / self.zeropoint.photfnu_e
        star = self.star(x, y, half)
        found = image.sum(dtype=float) / expected / star.sum() - 1
        return (found, *(np.subtract(_centre(image), _centre(star))))

    def stars(self, count: int) -> Iterator[tuple[float, float, float]]:
        """Stars of magnitude 15 to 27."""
        places, magnitude = self.rng.uniform(0, 2048, (count, 2)), self.rng.uniform(15, 27, count)
        catalog = self.catalog("point_source", "", [f"{m!r}" for m in magnitude.tolist()], places)
        table = point_source_table(catalog, *OPTICS, zeropoint=self.zeropoint)
        placed = place_stars(table, self.view.projection, bounds=self.view.bounds, psf=self.psf)
        for k, (x, y) in enumerate(places):
            one = replace(placed, **{f.name: getattr(placed, f.name)[k : k + 1] for f in fields(placed)})
            image = _around(StarLayer(one, self.psf), x, y)
            self.lost = max(self.lost, 1 - image.sum(dtype=float) / one.flux[0] / self.psf.total_energy)
            yield self.compared(image, magnitude[k], x, y, float(placed.half_width[k]))

    def galaxies(self, count: int, index: float) -> Iterator[tuple[float, float, float]]:
        """Galaxies of one Sersic index, of 0.01 arcsec up to 1 arcsec or what fits into the window."""
        places, magnitude = self.rng.uniform(0, 2048, (count, 2)), self.rng.uniform(15, 27, count)
        nearly_all = (special.gammaincinv(2 * index, 0.9995) / special.gammaincinv(2 * index, 0.5)) ** index
        largest = min(1.0, (MARGIN - self.psf.wings_half_width) * SCALE / nearly_all)
        radius = np.exp(self.rng.uniform(np.log(min(0.01, largest / 2)), np.log(largest), count))
        shape = (
            radius,
            self.rng.uniform(0, 0.8, count),
            self.rng.uniform(0, 180, count),
            np.full(count, index),
        )
        values = [" ".join(map(repr, row)) for row in np.stack([*shape, magnitude], axis=1).tolist()]
        catalog = self.catalog("galaxy", "radius ellipticity pos_angle sersic_index", values, places)
        table = galaxy_table(catalog, *OPTICS, zeropoint=self.zeropoint)
        placed, numbers = place_galaxies(table, self.view.projection, bounds=self.view.bounds, psf=self.psf)
        for row, source in enumerate(numbers - 1):
            x, y = places[source]
            corner = {"x0": round(x) - MARGIN, "y0": round(y) - MARGIN, "points": SIDE}
            yield self.compared(image_of(placed.take([row]), self.psf, **corner), magnitude[source], x, y)

    def images(self, count: int) -> Iterator[tuple[float, float, float]]:
        """Images of 0.1 arcsec Gaussians, 201 pixels of 0.02 arcsec a side, turned at random."""
        places, magnitude = self.rng.uniform(0, 2048, (count, 2)), self.rng.uniform(15, 22, count)
        away = np.arange(201) - 100
        light = np.exp(-(away**2 + away[:, None] ** 2) / (2 * 5.0**2))
        keywords = fits.Header({"PIXELSCL": 0.02})
        fits.PrimaryHDU(light.astype(np.float32), keywords).writeto(self.folder / "image.fits")
        angles = self.rng.uniform(0, 360, count).tolist()
        values = [f"image.fits {a!r} {m!r}" for a, m in zip(angles, magnitude.tolist(), strict=True)]
        catalog = self.catalog("extended", "filename pos_angle", values, places)
        stamps = save_stamps(catalog, str(self.folder))
        table = extended_table(catalog, *OPTICS, zeropoint=self.zeropoint, stamps=stamps)
        view = replace(self.view, tables=str(self.folder))
        for row, (x, y) in enumerate(places):
            yield self.compared(_around(ExtendedLayer.of(_one(table, row), view), x, y), magnitude[row], x, y)


def _exposure() -> tuple[View, PsfLibrary, ZeroPoint]:
    """The exposure, without light."""
    proposal = md.open_proposal(md.example_proposal())
    plan = make_plan(proposal.table[proposal.table["name"] == NAME], proposal.settings)
    spec = plan.spec(plan.row(NAME))
    pack = open_references(spec, str(plan.url)).pack
    projection = SkyProjection.of(spec.attitude, pack.distortion)
    bounds = (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny)
    return View(f"{plan.url}/sources", projection, bounds, pack.psf), pack.psf(""), pack.zeropoint


def _one(table: Extended, row: int) -> Extended:
    """One source of a table."""
    part = table.source == row
    own = {name: getattr(table, name)[row : row + 1] for name in OF_SOURCES}
    own |= {name: getattr(table, name)[part] for name in ("parts", "origin", "shape")}
    return replace(table, **own, source=np.zeros(part.sum(), np.int64))


def _around(layer: StaticLayer, x: float, y: float) -> np.ndarray:
    """The light of a layer around a place."""
    out = np.zeros((SIDE, SIDE), np.float32)
    layer.add(out, x0=round(x) - MARGIN, y0=round(y) - MARGIN, area=None)
    return out


def _centre(image: np.ndarray) -> tuple[float, float]:
    """x and y of the centre of light, pixels from the middle."""
    light = image.astype(float)
    return light.sum(axis=0) @ AWAY / light.sum(), light.sum(axis=1) @ AWAY / light.sum()
