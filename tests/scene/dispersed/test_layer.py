"""Layers of light behind a grism: windows and blocks, flux, place, margins, tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.other_instruments import small

from mirage_dask.errors import StoreError
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.grisms import configuration
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.sky import DispersedSky
from mirage_dask.scene.dispersed import spectra as of_spectra
from mirage_dask.scene.dispersed.spectra import Spectrum, save_weights, spectrum_weights
from mirage_dask.scene.dispersed.tables import (
    DispersedGalaxies,
    DispersedStars,
)
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.galaxies.sersic import constants
from mirage_dask.scene.image_tables import named_tables
from mirage_dask.scene.layers import DispersedGalaxyLayer, DispersedSkyLayer, DispersedStarLayer, View
from mirage_dask.scene.layers.dispersed.sources import BLOCKS, star_halves
from mirage_dask.scene.sources import Galaxies, PointSources, SourceTable

SIDE = 2048
FLUX = 400.0
"""e-/s in the direct image."""


def view(tables: Path, psf, bounds=(0, SIDE, 0, SIDE)) -> View:
    found = small()[1]["NIS"]
    projection = SkyProjection.of(found.spec.attitude, found.references.pack.distortion)
    return View(str(tables), projection, bounds, lambda name: psf)


def save(
    folder: Path,
    grism: GrismConfiguration,
    sources: SourceTable,
    spectra: list[Spectrum],
    rows=(),
    amounts=(),
) -> str:
    cls = DispersedStars if isinstance(sources, PointSources) else DispersedGalaxies
    weights = save_weights(folder, spectrum_weights(spectra, segments(grism)))
    listed = np.arange(len(rows))
    table = cls(
        sources.save(folder),
        grism.save(folder),
        weights,
        4.4,
        listed,
        np.array(rows, np.int64).reshape(len(rows), -1 if len(rows) else 1),
        np.array(amounts, np.float64).reshape(len(rows), -1 if len(rows) else 1),
    )
    return table.save(folder)


def stars(xy, flux=FLUX) -> PointSources:
    return PointSources(np.arange(len(xy)), np.array(xy, np.float64), np.full(len(xy), flux))


def galaxies(xy) -> Galaxies:
    n, rng = len(xy), np.random.default_rng(1)
    index, variances, weights = constants(rng.uniform(0.8, 3.5, n))
    angle = rng.uniform(0, 6, n)
    zero = np.zeros(n)
    return Galaxies(
        np.arange(n), np.array(xy, np.float64), np.full(n, FLUX), rng.uniform(1, 5, n), True, rng.uniform(0, 0.6, n),
        index, np.stack([np.cos(angle), np.sin(angle), zero], axis=1),
        np.stack([-np.sin(angle), np.cos(angle), zero], axis=1), variances, weights,
    )  # fmt: skip


def drawn(layer, x0, y0, nx, ny):
    out = np.zeros((ny, nx), np.float32)
    layer.add(out, x0=x0, y0=y0, area=None)
    return out


FLAT = Spectrum.flat_fnu(26.0)
LINE = FLAT.scaled(0.1).with_lines([(4.3, 1e-17, 0.0)])


@pytest.mark.parametrize("kind", ["stars", "galaxies"])
def test_any_window_has_the_bits_of_the_whole(kind, nircam, psf, tmp_path):
    """Windows of any size, among them those that are whole along an axis and come from blocks."""
    rng = np.random.default_rng(2)
    xy = np.stack([rng.uniform(-120, 2100, 14), rng.uniform(-150, 2600, 14)], axis=1)
    made, cls = (stars, DispersedStarLayer) if kind == "stars" else (galaxies, DispersedGalaxyLayer)
    rows, amounts = rng.integers(0, 2, (7, 2)), rng.uniform(0, 2, (7, 2))
    key = save(tmp_path, nircam, made(xy), [FLAT, LINE], rows, amounts)
    layer = cls.open(key, view(tmp_path, psf))
    whole = drawn(layer, 0, 0, SIDE, SIDE)
    assert len(layer.found.x) > 8
    assert (whole != 0).mean() > 0.05

    @settings(max_examples=12, deadline=None)
    @given(st.data())
    def check(data):
        ends = []
        for free in (data.draw(st.booleans()), data.draw(st.booleans())):
            low = data.draw(st.integers(0, SIDE - 1)) if free else 0
            ends.append((low, data.draw(st.integers(low + 1, SIDE)) if free else SIDE))
        (x0, x1), (y0, y1) = ends
        if data.draw(st.booleans()):
            BLOCKS.clear()
        found = drawn(layer, x0, y0, x1 - x0, y1 - y0)
        assert found.tobytes() == whole[y0:y1, x0:x1].tobytes()

    check()


def test_all_of_the_light_of_a_star_arrives(nircam, psf, tmp_path):
    """The integral of S F in all orders on the detector, 0.2 %: what of the PSF lies in the image counted."""
    first = nircam.order(1)
    second = replace(first, order=2, dispx=0.5 * first.dispx, response=0.1 * first.response)
    grism = replace(nircam, orders=(first, second))
    key = save(tmp_path, grism, stars([(640.3, 1000.2)]), [FLAT], [[0]], [[1e3]])
    layer = DispersedStarLayer.open(key, view(tmp_path, psf))
    wave = np.linspace(3.5, 5.3, 400_001)
    flux = 1e3 * np.interp(wave, FLAT.wavelength, FLAT.flux)
    rate = sum(np.trapezoid(o.respond(wave) * flux * 1e4, wave) for o in grism.orders)
    half = int(layer.found.half_width[0, 0])
    dx, dy = np.meshgrid(np.arange(-half, half + 1.0), np.arange(-half, half + 1.0))
    inside = float(psf.evaluate(dx + 640, dy + 1000, 640.0, 1000.0).sum())
    assert drawn(layer, 0, 0, SIDE, SIDE).sum(dtype=float) == pytest.approx(rate * inside, rel=2e-3)


@pytest.mark.parametrize(("x", "y"), [(700.3, 1012.6), (420.0, 300.2), (900.7, 2060.4)])
def test_a_line_is_on_its_trace(nircam, psf, tmp_path, x, y):
    """0.05 pixel, for a source above the detector too."""
    line = Spectrum.of([4.0, 5.0], [1e-24, 1e-24], lines=[(4.1, 1e-14, 0.0)])
    key = save(tmp_path, nircam, stars([(x, y)]), [line], [[0]], [[1.0]])
    image = drawn(DispersedStarLayer.open(key, view(tmp_path, psf)), 0, 0, SIDE, SIDE).astype(float)
    order = nircam.order(1)
    _, px, py = order.trace(x, y, order.parameter(x, y, 4.1))
    i, j = round(float(px)), round(float(py))
    box = image[j - 5 : j + 6, i - 5 : i + 6]
    yy, xx = np.mgrid[j - 5 : j + 6, i - 5 : i + 6]
    assert (box * xx).sum() / box.sum() == pytest.approx(px, abs=0.05)
    assert (box * yy).sum() / box.sum() == pytest.approx(py, abs=0.05)


def test_sources_end_with_the_margins(nircam, psf, tmp_path):
    """Beyond the detector they count, outside of XRANGE and YRANGE not; those of a subarray count as of the frame."""
    low = nircam.order(1).xrange[0]
    key = save(tmp_path, nircam, stars([(low + 1, 900.0), (low - 1, 900.0)]), [FLAT])
    layer = DispersedStarLayer.open(key, view(tmp_path, psf))
    assert layer.found.index.tolist() == [0]
    part = (1000, 1200, 800, 900)
    moved = save(tmp_path, nircam, stars([(low + 1 - 1000, 100.0)]), [FLAT])
    sub = DispersedStarLayer.open(moved, view(tmp_path, psf, part))
    assert drawn(sub, 1000, 800, 200, 100).tobytes() == drawn(layer, 1000, 800, 200, 100).tobytes()


def test_a_spectrum_is_a_sum_of_rows(nircam, psf, tmp_path):
    """Of two rows: the light of each alone, added; who is not listed has the first row and the flux of the direct image."""
    one, other = FLAT.scaled(0.5), LINE
    xy = [(700.0, 900.0)]

    def light(rows, amounts):
        key = save(tmp_path, nircam, stars(xy), [one, other], rows, amounts)
        return drawn(DispersedStarLayer.open(key, view(tmp_path, psf)), 300, 840, 1400, 70).astype(float)

    both = light([[0, 1]], [[2e4, 3e4]])
    alone = light([[0, 1]], [[2e4, 0.0]]), light([[0, 1]], [[0.0, 3e4]])
    np.testing.assert_allclose(both.sum(), sum(a.sum() for a in alone), rtol=2e-3)
    assert np.abs(both - sum(alone)).max() < 2e-3 * both.max()
    np.testing.assert_allclose(light([], []), light([[0]], [[FLUX]]))


def test_how_far_images_reach(psf):
    """Not at all, at least `LEAST_LIGHT`, and to the end of the PSF."""
    half = star_halves(np.array([0.0, 1e-4, 1.0, 1e9]), psf)
    assert half[:2].tolist() == [0, 0]
    assert psf.enclosed[half[2]] >= 0.95 * psf.total_energy
    assert half[3] == psf.wings_half_width


def test_the_sky_falls_on_pixels_by_their_area(psf, tmp_path):
    rate = np.tile(np.arange(SIDE, dtype=np.float32), (3, 1))
    for along_y in (False, True):
        key = DispersedSkyLayer.save(tmp_path, DispersedSky(along_y, rate, SIDE))
        layer = DispersedSkyLayer.open(key, view(tmp_path, psf))
        found, area = np.zeros((3, 4), np.float32), np.full((3, 4), 2, np.float32)
        layer.add(found, x0=100, y0=50, area=area)
        expected = 2 * (50 + np.arange(3))[:, None] if along_y else 2 * (100 + np.arange(4))[None]
        np.testing.assert_array_equal(found, np.broadcast_to(expected, (3, 4)))


def test_tables_name_what_they_need(nircam, tmp_path):
    key = save(tmp_path, nircam, stars([(1, 1)]), [FLAT])
    table = DispersedStars.load(tmp_path, key)
    named = list(named_tables(table.kind, table._arrays()))
    assert [kind for kind, _ in named] == ["point_source", configuration.KIND, of_spectra.KIND]
    for change in ({"source": "../etc"}, {"pivot": np.nan}, {"rows": np.zeros((2, 1), np.int64)}):
        with pytest.raises(StoreError, match="dispersed sources"):
            list(replace(table, **change).named())
