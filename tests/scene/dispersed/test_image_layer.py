"""Sources that are images behind a grism: against sums over wavelengths, stars in their places, windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dispersed import brute_force
from support.dispersed_layers import view_of
from support.other_instruments import small

from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.scene.dispersed.spectra import Spectrum, save_weights, spectrum_weights
from mirage_dask.scene.dispersed.tables import DispersedImages, DispersedStars
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.image_tables import Extended, ImagePart, named_tables
from mirage_dask.scene.images.meshes import PART
from mirage_dask.scene.layers import DispersedImageLayer, DispersedStarLayer, View
from mirage_dask.scene.layers.dispersed.sources import BLOCKS
from mirage_dask.scene.sources import PointSources
from mirage_dask.scene.truth.dispersed import orders_seen
from mirage_dask.scene.truth.saturation import Wells
from mirage_dask.scene.truth.sources import dispersed_sources
from mirage_dask.sky_images.tables import cuts

SIDE = 2048
FLAT = Spectrum.flat_fnu(26.0)
PLACE = (700.3, 1012.6)
STEP = 0.25
"""Detector pixels in a pixel of the pictures."""


def view(tables: Path, psf, bounds=(0, SIDE, 0, SIDE)) -> View:
    found = small()[1]["NIS"]
    projection = SkyProjection.of(found.spec.attitude, found.references.pack.distortion)
    return View(str(tables), projection, bounds, lambda name: psf)


def extended(
    folder: Path, pictures: list[np.ndarray], places: list[tuple[float, float]], convolved: bool
) -> Extended:
    """Images that are aligned with the detector, `STEP` of its pixels each of theirs; values are e-/s."""
    parts = [
        (n, ImagePart(np.ascontiguousarray(picture[rows, columns], np.float32)).save(folder), rows, columns)
        for n, picture in enumerate(pictures)
        for rows, columns in cuts(picture.shape)
    ]
    count = len(pictures)
    return Extended(
        np.arange(count), np.array(places, np.float64), np.ones(count), np.array([p.shape for p in pictures]),
        np.tile([STEP, 0.0, 0.0], (count, 1)), np.tile([0.0, STEP, 0.0], (count, 1)), np.ones(count, bool),
        np.ones(count, bool), np.array([key for _, key, _, _ in parts]), np.array([n for n, _, _, _ in parts]),
        np.array([(r.start, c.start) for _, _, r, c in parts]),
        np.array([(r.stop - r.start, c.stop - c.start) for _, _, r, c in parts]), convolved,
    )  # fmt: skip


def save(
    folder: Path, grism: GrismConfiguration, table, spectra: list[Spectrum], amounts: list[float]
) -> str:
    cls = DispersedImages if isinstance(table, Extended) else DispersedStars
    weights = save_weights(folder, spectrum_weights(spectra, segments(grism)))
    index = np.arange(len(amounts))
    rows = np.minimum(index, len(spectra) - 1)[:, None]
    made = cls(table.save(folder), grism.save(folder), weights, 4.4, index, rows, np.array(amounts)[:, None])
    return made.save(folder)


def drawn(layer, x0=0, y0=0, nx=SIDE, ny=SIDE) -> np.ndarray:
    out = np.zeros((ny, nx), np.float32)
    layer.add(out, x0=x0, y0=y0, area=None)
    return out


def gaussian(sigma: float, side: int = 121) -> np.ndarray:
    """A round Gaussian of sigma in detector pixels."""
    offsets = (np.arange(side) - (side - 1) / 2) * STEP
    line = np.exp(-0.5 * (offsets / sigma) ** 2)
    return np.outer(line, line)


@pytest.mark.parametrize("which", ["nircam", "niriss"])
def test_a_gaussian_that_has_the_psf(which, psf, tmp_path, request):
    """Along x and along y: the sum over wavelengths of Gaussians, 1.5e-3 of the peak, and all of the light."""
    grism, sigma = request.getfixturevalue(which), 2.0
    sources = extended(tmp_path, [gaussian(sigma)], [PLACE], False)
    layer = DispersedImageLayer.open(save(tmp_path, grism, sources, [FLAT], [1e3]), view(tmp_path, psf))
    (one,) = segments(grism)
    wave = np.linspace(one.low, one.high, 1500)
    light = (
        one.trace.respond(wave)
        * 1e3
        * np.interp(wave, FLAT.wavelength, FLAT.flux)
        * 1e4
        * (wave[1] - wave[0])
    )
    light[[0, -1]] /= 2
    (left, right, low, high) = (int(v) for v in one.boxes(np.array([PLACE[0]]), np.array([PLACE[1]]))[:, 0])
    x0, y0, nx, ny = left - 15, low - 15, right - left + 31, high - low + 31
    expected = brute_force((ny, nx), one, wave, light, sigma, x=PLACE[0], y=PLACE[1], x0=x0, y0=y0)
    found = drawn(layer, x0, y0, nx, ny).astype(float)
    assert found.sum() == pytest.approx(light.sum(), rel=1e-4)
    assert np.abs(found - expected).max() < 1.5e-3 * expected.max()


def test_points_of_an_image_are_stars(nircam, psf, tmp_path):
    """Three lit pixels have the light of stars at their places, seen through the PSF, 3e-3 of the peak: one Jacobian."""
    picture = np.zeros((41, 61))
    picture[20, 30], picture[6, 10], picture[33, 50] = 3.0, 2.0, 5.0
    sources = extended(tmp_path, [picture], [PLACE], True)
    layer = DispersedImageLayer.open(save(tmp_path, nircam, sources, [FLAT], [1e4]), view(tmp_path, psf))
    rows, columns = np.nonzero(picture)
    xy = np.stack([PLACE[0] + (columns - 30) * STEP, PLACE[1] + (rows - 20) * STEP], axis=1)
    stars = PointSources(np.arange(3), xy, np.ones(3))
    share = [float(1e4 * v / 10.0) for v in picture[rows, columns]]
    key = save(tmp_path, nircam, stars, [FLAT], share)
    judge = drawn(DispersedStarLayer.open(key, view(tmp_path, psf))).astype(float)
    found = drawn(layer).astype(float)
    assert np.abs(found - judge).max() < 3e-3 * judge.max()
    assert found.sum() == pytest.approx(judge.sum(), rel=0.01)  # stars have more of the PSF's wings


def test_an_image_beyond_the_detector_sends_light(nircam, psf, tmp_path):
    """As stars do, up to the margins of the configuration; positions in pixels count as of the aperture."""
    edge = nircam.order(1).xrange[0]
    places = [(edge + 2.0, 900.0), (edge - 2.0, 1100.0)]
    sources = extended(tmp_path, [gaussian(1.5, 41)] * 2, places, False)
    layer = DispersedImageLayer.open(save(tmp_path, nircam, sources, [FLAT], [1e3] * 2), view(tmp_path, psf))
    assert layer.found.index.tolist() == [0]
    assert drawn(layer, 0, 850, 400, 100).max() > 0


def test_any_window_has_the_bits_of_the_whole(nircam, psf, tmp_path):
    """Of images larger than a part, of any kind, from blocks or not."""
    rng = np.random.default_rng(4)
    pictures = [gaussian(1.5, 61), rng.uniform(0, 1, (PART + 40, 300)), np.eye(31), np.ones((5, 200))]
    places = [(300.2, 700.7), (900.4, 1200.1), (-90.0, 400.0), (1500.0, 2300.0)]
    whole = {}
    for convolved in (True, False):
        key = save(tmp_path, nircam, extended(tmp_path, pictures, places, convolved), [FLAT], [1e3] * 4)
        layer = DispersedImageLayer.open(key, view(tmp_path, psf))
        whole[convolved] = layer, drawn(layer)
        assert (whole[convolved][1] != 0).mean() > 0.02

    @settings(max_examples=10, deadline=None)
    @given(st.data())
    def check(data):
        layer, image = whole[data.draw(st.booleans())]
        ends = []
        for free in (data.draw(st.booleans()), data.draw(st.booleans())):
            low = data.draw(st.integers(0, SIDE - 1)) if free else 0
            ends.append((low, data.draw(st.integers(low + 1, SIDE)) if free else SIDE))
        (x0, x1), (y0, y1) = ends
        if data.draw(st.booleans()):
            BLOCKS.clear()
        assert drawn(layer, x0, y0, x1 - x0, y1 - y0).tobytes() == image[y0:y1, x0:x1].tobytes()

    check()


def test_tables_name_what_they_need(nircam, tmp_path):
    """A plan that is moved takes the pixels along."""
    sources = extended(tmp_path, [gaussian(1.0, 21)], [PLACE], True)
    table = DispersedImages.load(tmp_path, save(tmp_path, nircam, sources, [FLAT], [1.0]))
    (kind, key), *_ = named_tables(table.kind, table._arrays())
    assert kind == Extended.kind
    assert [k for k, _ in named_tables(kind, Extended.load(tmp_path, key)._arrays())] == [ImagePart.kind]


def test_the_truth_of_images(nircam, psf, tmp_path):
    """Orders have the light of the plane; places and totals are those of the images."""
    sources = extended(tmp_path, [gaussian(2.0), gaussian(3.0)], [PLACE, (500.0, 1400.0)], True)
    key = save(tmp_path, nircam, sources, [FLAT], [1e3, 2e3])
    seen = view_of(tmp_path, psf)
    layer = DispersedImageLayer.open(key, seen)
    limits = np.full((SIDE, SIDE), np.inf, np.float32)
    wells = Wells(np.ones_like(limits), limits, 0, 0, (1.0, 0.0, 0.0), (0.0,), 100.0)
    (found,) = orders_seen([layer], wells)
    assert found.on_array.sum() == pytest.approx(drawn(layer).sum(dtype=float), rel=1e-5)
    of = dispersed_sources(layer, seen)
    np.testing.assert_allclose(of.xy[:, 1], [PLACE, (500.0, 1400.0)], atol=1e-6)
    np.testing.assert_allclose(of.rate, [gaussian(2.0).sum(), gaussian(3.0).sum()], rtol=1e-5)
