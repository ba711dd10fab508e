"""Coupling of pixels against its definition in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mirage_dask.detector.context import Place
from mirage_dask.detector.coupling.pixels import Coupling, Reading, couple

ROWS, COLUMNS = 20, 34
NONE = np.zeros((0, 0, 0), np.float32)
ALONE = np.array([1, 0, 0, 0], np.float32)


def coupled(charge: np.ndarray, coupling: Coupling, reading: Reading, gain: np.ndarray) -> np.ndarray:
    """Return the signal of (rows + 2, columns + 2) electrons."""
    signal = np.empty((1, 1, *gain.shape), np.float32)
    couple(0, (1 / gain).astype(np.float32), Place(0, 0), coupling, reading, charge[None, None], signal)
    return signal[0, 0]


@pytest.fixture
def charge() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 1e4, (ROWS + 2, COLUMNS + 2)).astype(np.float32)


@pytest.fixture
def gain() -> np.ndarray:
    return np.random.default_rng(2).uniform(1.8, 2.2, (ROWS, COLUMNS))


def test_ipc_is_a_convolution(charge, gain):
    c, h, v, d = weights = np.array((0.97, 0.006, 0.005, 0.002), np.float32)
    found = coupled(charge, Coupling(weights, NONE, np.float32(0)), Reading(-1, 0), gain)
    kernel = np.array([[d, v, d], [h, c, h], [d, v, d]], float)
    expected = ndimage.convolve(charge.astype(float), kernel)[1:-1, 1:-1] / gain
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_kernels_are_those_of_the_pixel_that_receives(charge, gain):
    kernels = np.random.default_rng(3).uniform(0, 0.02, (9, ROWS, COLUMNS)).astype(np.float32)
    kernels[4] = 1 - np.delete(kernels, 4, axis=0).sum(axis=0)
    found = coupled(charge, Coupling(ALONE, kernels, np.float32(0)), Reading(-1, 0), gain)
    shown = np.zeros((ROWS, COLUMNS))
    for j in range(3):
        for i in range(3):  # what goes by (j - 1, i - 1) comes from there the other way
            shown += kernels[3 * j + i].astype(float) * charge[2 - j : 2 - j + ROWS, 2 - i : 2 - i + COLUMNS]
    np.testing.assert_allclose(found, shown / gain, rtol=1e-6)
    uniform = coupled(
        np.full_like(charge, 100), Coupling(ALONE, kernels, np.float32(0)), Reading(-1, 0), gain
    )
    np.testing.assert_allclose(uniform, 100 / gain, rtol=1e-6)


def test_equal_kernels_are_one_kernel(charge, gain):
    weights = np.array((0.97, 0.006, 0.005, 0.002), np.float32)
    c, h, v, d = weights
    kernels = np.empty((9, ROWS, COLUMNS), np.float32)
    kernels[:] = np.array([d, v, d, h, c, h, d, v, d])[:, None, None]
    one = coupled(charge, Coupling(weights, NONE, np.float32(0)), Reading(-1, 0), gain)
    each = coupled(charge, Coupling(ALONE, kernels, np.float32(0)), Reading(-1, 0), gain)
    np.testing.assert_allclose(each, one, rtol=1e-6)


@pytest.mark.parametrize(("reading", "shift"), [(Reading(-1, 0), 1), (Reading(1, COLUMNS - 1), -1)])
def test_post_pixel_coupling_moves_charge_to_what_is_read_next(reading, shift, gain):
    charge = np.zeros((ROWS + 2, COLUMNS + 2), np.float32)
    charge[11, 13] = 1e4
    found = coupled(charge, Coupling(ALONE, NONE, np.float32(0.002)), reading, gain) * gain
    expected = np.zeros((ROWS, COLUMNS))
    expected[10, 12], expected[10, 12 + shift] = 9980, 20
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("reading", "first"), [(Reading(-1, 0), 0), (Reading(1, COLUMNS - 1), -1)])
def test_the_first_pixel_of_a_row_follows_none(reading, first, charge, gain):
    without = coupled(charge, Coupling(ALONE, NONE, np.float32(0)), reading, gain)
    found = coupled(charge, Coupling(ALONE, NONE, np.float32(0.002)), reading, gain)
    assert np.array_equal(found[:, first], without[:, first])
    inner = np.delete(found - without, first, axis=1)
    assert (inner != 0).all()
    within = coupled(charge, Coupling(ALONE, NONE, np.float32(0.002)), reading._replace(first=-1), gain)
    assert (within[:, first] != without[:, first]).all()
