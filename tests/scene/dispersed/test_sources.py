"""All sources of a window: orders, culling, flux."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.scene.dispersed import sources
from mirage_dask.scene.dispersed.sources import SourceSpectra, add_galaxies, add_stars, brightest
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.sersic import constants

FLAT = (np.array([0.1, 9.0]), np.array([1e-18, 1e-18]))


@pytest.fixture(scope="module")
def scene(nircam):
    """Two orders, ten stars and ten galaxies with three spectra, on and off the detector."""
    rng = np.random.default_rng(3)
    first = nircam.order(1)
    second = replace(first, order=2, dispx=0.6 * first.dispx, response=0.05 * first.response)
    found = segments(replace(nircam, orders=(first, second)))
    lines = ((), [(4.3, 1e-15, 0.0)], [(4.0, 1e-15, 0.01)])
    weights = tuple(np.stack([node_weights(s, *FLAT, line) for line in lines]) for s in found)
    spectra = SourceSpectra(weights, rng.integers(0, 3, 20), rng.uniform(0.1, 2, 20))
    x, y = rng.uniform(-100, 1900, 20), rng.uniform(380, 620, 20)
    _, variances, weights_ = constants(rng.uniform(0.7, 4, 20))
    form = np.stack([rng.uniform(1, 9, 20), rng.uniform(-0.5, 0.5, 20), rng.uniform(1, 9, 20)], axis=1)
    return found, spectra, PlacedGalaxies(x, y, np.ones(20), form, variances, weights_)


def draw(scene, psf, x0, y0, nx, ny):
    found, spectra, galaxies = scene
    out = np.zeros((ny, nx), np.float32)
    half = np.array([9, 20] * 10)
    stars = np.where(np.arange(20) % 3 == 0, 0, half)  # some are too faint
    place = {"pivot": 4.4, "x0": x0, "y0": y0}
    add_stars(out, psf, found, spectra, x=galaxies.x, y=galaxies.y, half_width=stars, **place)
    add_galaxies(out, psf, found, spectra, galaxies=galaxies, half_width=half, **place)
    return out


def test_any_window_has_the_bits_of_the_whole(scene, psf):
    whole = draw(scene, psf, 0, 350, 2048, 300)
    assert (whole != 0).mean() > 0.4

    @settings(max_examples=40)
    @given(st.data())
    def check(data):
        left, low = data.draw(st.integers(0, 2040)), data.draw(st.integers(0, 299))
        nx, ny = data.draw(st.integers(1, 2048 - left)), data.draw(st.integers(1, 300 - low))
        found = draw(scene, psf, left, 350 + low, nx, ny)
        assert found.tobytes() == whole[low : low + ny, left : left + nx].tobytes()

    check()


def test_flux_of_each_order_closes(nircam, psf):
    """The light of an order is the integral of S F, times the light in the PSF's stamp: 1e-4."""
    first = nircam.order(1)
    short = replace(first, dispx=np.array([[-100.0], [300.0]]))
    (segment,) = segments(replace(nircam, orders=(short,)))
    wave = np.linspace(segment.low, segment.high, 200_001)
    rate = np.trapezoid(first.respond(wave) * 1e-18 * 1e4, wave)
    spectra = SourceSpectra((node_weights(segment, *FLAT)[None],), np.zeros(1, np.int64), np.ones(1))
    out = np.zeros((300, 600), np.float32)
    x, y, half = np.array([900.2]), np.array([500.7]), np.array([50])
    add_stars(out, psf, (segment,), spectra, x=x, y=y, half_width=half, pivot=4.4, x0=700, y0=350)
    dx, dy = np.meshgrid(np.arange(-50, 51.0), np.arange(-50, 51.0))
    inside = psf.evaluate(dx + 900, dy + 500, 900.0, 500.0).sum()
    # Images at other wavelengths are scaled, so that a little more or less of the wings lies within the half width.
    assert out.sum(dtype=float) == pytest.approx(rate * inside, rel=3e-3)
    out[:] = 0
    one = np.array([4.4])
    add_stars(out, psf, (segment,), spectra, x=x, y=y, half_width=half, pivot=4.4, nodes=one, x0=700, y0=350)
    assert out.sum(dtype=float) == pytest.approx(rate * inside, rel=1e-4)


def test_far_sources_cost_nothing(scene, psf, monkeypatch):
    """Images are drawn only of those that reach the window."""
    found, spectra, galaxies = scene
    drawn = []
    monkeypatch.setattr(sources, "star_stamps", lambda *a, **k: drawn.append(k["y"]) or [])
    monkeypatch.setattr(sources, "add_segment", lambda *a, **k: None)
    out = np.zeros((20, 2048), np.float32)
    half = np.full(20, 9)
    add_stars(out, psf, found, spectra, x=galaxies.x, y=galaxies.y, half_width=half, pivot=4.4, x0=0, y0=480)
    near = [y for y in galaxies.y if 480 - 9 < y - 26 < 500 + 9]
    assert set(near) <= set(drawn)
    assert len(near) <= len(drawn) < 20


def test_brightest_segment(scene):
    assert brightest(scene[0]).order == 1
