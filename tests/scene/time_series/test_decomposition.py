"""Light by wavelength and time as products; means over frames; the golden transit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.scene.time_series.decomposition import MOST, WANTED, decompose, decompose_function
from mirage_dask.scene.time_series.means import add_sums, frame_means
from mirage_dask.scene.time_series.transits import LAWS, Transit

DAY = 86400.0
WAVE = np.linspace(2.4, 5.0, 40)


def dips(times, rows=None):
    """A bottom and slopes whose depth and moments depend on the wavelength."""
    wave = WAVE if rows is None else WAVE[rows]
    depth, moved = 0.01 + 0.002 * np.sin(5 * wave), 20.0 * (wave - 3.7)
    shape = np.clip((500.0 - np.abs(times - 1000.0 - moved[:, None])) / 200.0, 0.0, 1.0)
    return 1.0 - depth[:, None] * shape * shape * (3.0 - 2.0 * shape)


def test_products_are_right_to_less_than_a_millionth():
    found = decompose_function(WAVE, dips, 2000.0)
    times = np.linspace(0.0, 2000.0, 20_011)
    worst = np.abs(found.light(WAVE, times) - dips(times)).max()
    print(
        f"\n{len(found.shapes)} products at {found.times.size} times: {worst * 1e6:.3f} ppm, stated {found.error * 1e6:.3f}"
    )
    assert worst < 1e-6
    assert worst <= 1.2 * found.error
    assert len(found.shapes) < MOST


def test_light_that_does_not_change_needs_no_product():
    found = decompose(WAVE, np.array([0.0, 1.0]), np.ones((40, 2)))
    assert found.shapes.shape == (0, 40)
    np.testing.assert_array_equal(found.light(WAVE, np.array([0.5])), 1.0)


def test_any_table_is_as_good_as_stated():
    """Noise at all wavelengths is no sum of a few products: what is left is told."""
    light = 1.0 + np.random.default_rng(1).normal(0, 1e-4, (40, 200))
    found = decompose(WAVE, np.arange(200.0), light)
    left = np.abs(found.light(WAVE, np.arange(200.0)) - light).max()
    assert found.error == pytest.approx(left)
    assert found.error > WANTED


def test_between_and_beyond_wavelengths():
    found = decompose(np.array([3.0, 4.0]), np.array([0.0, 10.0]), np.array([[1.0, 0.9], [1.0, 0.8]]))
    light = found.light(np.array([2.0, 3.5, 6.0]), np.array([5.0, 20.0]))
    np.testing.assert_allclose(light, [[0.95, 0.9], [0.925, 0.85], [0.9, 0.8]])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-20, 120), min_size=2, max_size=6, unique=True))
def test_means_over_frames_are_exact(edges):
    times = np.array([0.0, 10.0, 11.0, 40.0, 100.0])
    course = np.array([[1.0, 0.5, 0.7, 0.2, 1.0], [0.0, 1.0, 0.0, 0.0, 3.0]])
    at = np.sort(edges)
    if (np.diff(at) < 1e-3).any():
        return
    found = frame_means(times, course, at)
    for k in range(2):
        for read in range(at.size - 1):
            fine = np.unique(np.concatenate([np.linspace(at[read], at[read + 1], 50), times]))
            fine = fine[(fine >= at[read]) & (fine <= at[read + 1])]
            values = np.interp(fine, times, course[k])
            mean = np.trapezoid(values, fine) / (at[read + 1] - at[read])
            assert found[read, k] == pytest.approx(mean, abs=1e-12)


def test_a_read_alone_has_the_mean_of_many():
    times, course = np.array([0.0, 30.0, 70.0]), np.array([[1.0, 0.2, 0.4]])
    edges = np.linspace(0.0, 80.0, 41)
    whole = frame_means(times, course, edges)
    for k in range(40):
        np.testing.assert_array_equal(frame_means(times, course, edges[k : k + 2]), whole[k : k + 1])


def test_sums_of_images():
    rng = np.random.default_rng(2)
    images, means = rng.random((3, 6, 9), np.float32), rng.random((2, 2), np.float32)
    out = np.zeros((2, 4, 5), np.float32)
    add_sums(out, images, 1, 3, means)
    box = images[:, 1:5, 3:8]
    np.testing.assert_allclose(out, box[0] + np.einsum("rk,kyx->ryx", means, box[1:]), rtol=1e-6)


def golden(shared):
    folder = shared / "golden" / "dispersion" / "time_series"
    given = json.loads((folder / "transit.json").read_text())
    table = np.loadtxt(folder / "transit.csv", delimiter=",", skiprows=1)
    wave = np.array(given["wavelength_um"])
    transit = Transit(
        given["a"], given["inc"], given["ecc"], given["w"], given["per"] * DAY, given["t0"] * DAY, 0.0,
        given["limb_dark"], wave, np.array(given["rp"]), np.tile(given["u"], (wave.size, 1)),
    )  # fmt: skip
    return transit, given, table


def test_the_golden_transit(shared):
    pytest.importorskip("batman")
    transit, about, table = golden(shared)
    middles = table[:, 1] * DAY
    found = decompose_function(transit.wavelength, transit.light, middles[-1] + 60.0)
    half = 0.5 * about["integration_s"]
    means = np.array(
        [frame_means(found.times, found.courses, np.array([t - half, t + half]))[0] for t in middles]
    )
    worst = np.abs(1.0 - means @ found.shapes - table[:, 2:]).max()
    print(
        f"\n{len(found.shapes)} products: {worst * 1e6:.3f} ppm from the golden table, stated {found.error * 1e6:.3f}"
    )
    assert worst < 1e-6
    assert found.error < 1e-6


@pytest.mark.parametrize("law", LAWS)
def test_every_law_of_limb_darkening(law):
    pytest.importorskip("batman")
    coefficients = np.full((2, LAWS[law]), 0.1)
    transit = Transit(
        8.0,
        89.0,
        0.0,
        90.0,
        3e5,
        4000.0,
        1000.0,
        law,
        np.array([3.0, 4.0]),
        np.array([0.1, 0.12]),
        coefficients,
    )
    light = transit.light(np.array([0.0, 3000.0]))
    assert (np.diff(light[:, 1]) < 0).all()
    assert 0.98 < light[0, 1] < 0.995
    np.testing.assert_allclose(transit.middles(1e6), [3000.0, 303_000.0, 603_000.0, 903_000.0])
    assert transit.middles(2000.0).size == 0
