"""What is found in a store agrees with what is expected, and is told as wrong where the pixels are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.report_stores import NAMES, sections_of, simulated, with_pixels

from mirage_dask.report.checks import charge_error
from mirage_dask.report.expectation import pink_weight, shot_seconds
from mirage_dask.report.measure import Measured, Sums
from mirage_dask.report.particles import library_rates
from mirage_dask.store.simulation import SimulationStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, cache_directory: Path) -> SimulationStore:
    return simulated(tmp_path_factory.mktemp("report") / "good.zarr")


def test_a_good_store_agrees(store):
    found = sections_of(store)
    assert set(found) == {
        *("Counts", "Light of sources", "Noise", "Samples raised by particles", "Saturation"),
        *("Reference pixels: level", "Reference pixels: noise"),
    }
    for section in found.values():
        assert section.ok, section
    (noise,) = found["Noise"].checks
    assert float(noise.found) == pytest.approx(float(noise.expected), rel=0.01)
    (light,) = found["Light of sources"].checks
    assert float(light.found) == pytest.approx(1.0, abs=0.005)
    (hits,) = found["Samples raised by particles"].checks
    assert float(hits.found.replace(",", "")) > 300
    rates = library_rates(store.plan, [0, 1])
    assert rates is not None
    assert rates.ok
    assert "SUNMIN × 1" in rates.checks[0].subject


def test_another_gain_is_told(store, tmp_path):
    def brighter(raw):
        return np.clip(raw[:, :1] + 1.1 * (raw.astype(float) - raw[:, :1]) + 0.5, 0, 65535)

    found = sections_of(with_pixels(store, tmp_path / "gain.zarr", brighter))
    assert not found["Light of sources"].ok
    assert not found["Noise"].ok  # one of two exposures has 10 % more
    assert "disagrees" in found["Light of sources"].checks[0].verdict
    assert found["Reference pixels: level"].ok


def test_other_pixels_are_told(store, tmp_path):
    other = sections_of(with_pixels(store, tmp_path / "other.zarr", lambda raw: np.roll(raw, 40, axis=3)))
    assert not other["Light of sources"].ok
    light = other["Light of sources"].checks[0]
    assert light.deviation < -4.0


def test_twice_the_cosmic_rays_are_told(store, tmp_path):
    twice = simulated(tmp_path / "twice.zarr", NAMES[:1], cosmic_rays={"library": "SUNMIN", "scale": 2.0})
    pixels = np.asarray(twice.raw(NAMES[0])[...])
    found = sections_of(with_pixels(store, tmp_path / "rays.zarr", lambda _: pixels))
    hits = found["Samples raised by particles"]
    assert not hits.ok
    assert hits.checks[0].deviation > 4.0
    assert library_rates(twice.plan, [0]).ok  # the plan of the other store knows its rate
    assert found["Saturation"].ok


def test_a_plan_with_another_rate_is_told(store, monkeypatch):
    monkeypatch.setattr("mirage_dask.report.particles.cosmic_ray_rate", lambda *_: 3e-5)
    rates = library_rates(store.plan, [0, 1])
    assert not rates.ok


@pytest.mark.parametrize(("frames", "octaves"), [(1, 1), (2, 2), (4, 3), (64, 7)])
def test_pink_noise_between_two_frames(frames, octaves):
    """The structure function of 1/f noise, 2 (1 + log2 t) at powers of two."""
    spec = SimpleNamespace(nframes=1, frames_per_group=frames)
    assert pink_weight(spec, 1) == pytest.approx(2.0 * octaves)


def test_pink_noise_of_means_is_that_of_random_functions():
    spec = SimpleNamespace(nframes=4, frames_per_group=5)
    random = np.random.default_rng(3)
    t = np.arange(5 * 3 + 4)
    value = np.zeros((20_000, t.size))
    for k in range(1, 8):
        node = (t + (1 << (k - 1))) >> k
        value += random.normal(size=(20_000, node.max() + 1))[:, node]
    difference = value[:, 15:19].mean(axis=1) - value[:, :4].mean(axis=1)
    # Relative error of a variance of 20,000 values: 1 %.
    assert pink_weight(spec, 3) == pytest.approx(difference.var(), rel=0.04)


def test_shot_noise_of_averaged_groups():
    spec = SimpleNamespace(nframes=4, tgroup=5.0, tframe=1.0)
    random = np.random.default_rng(4)
    counts = np.cumsum(random.poisson(3.0, (20_000, 9)), axis=1)
    difference = counts[:, 5:9].mean(axis=1) - counts[:, :4].mean(axis=1)
    assert 3.0 * shot_seconds(spec, 1) == pytest.approx(difference.var(), rel=0.04)


def test_drifts_are_common_to_the_tiles_of_an_exposure():
    """Four tiles of one exposure are off together; those of four exposures are not."""
    sums = Sums(clean=100.0, charge_variance=9.0, charge_drift=4.0)
    together = [Measured(0, tile, 0.0, None, sums=sums) for tile in range(4)]
    apart = [Measured(row, 0, 0.0, None, sums=sums) for row in range(4)]
    assert charge_error(together) == pytest.approx(np.sqrt(4 * 9.0 + 16.0**2))
    assert charge_error(apart) == pytest.approx(np.sqrt(4 * 9.0 + 4 * 4.0**2))
