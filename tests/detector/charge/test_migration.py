"""Charge migration: against the integration of its equation frame by frame, and what it conserves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mirage_dask.detector.charge.migration import migrate
from mirage_dask.detector.context import Place

C = 0.35e-6


def migrated(charge: np.ndarray, well: float | np.ndarray = 1e5, c: float = C) -> np.ndarray:
    """Return charge (rows, columns) after migration, with nothing around it."""
    padded = np.pad(charge.astype(np.float32), 1)[None, None]
    wells = np.pad(np.broadcast_to(np.float32(well), charge.shape), 1).astype(np.float32)
    out = np.empty((1, 1, *charge.shape), np.float32)
    migrate(np.float32(c), wells, Place(0, 0), padded, out)
    return out[0, 0].astype(float)


def integrated(rate: np.ndarray, frames: int, c: float = C) -> np.ndarray:
    """Return the charge of the equation itself, in steps of a frame, with the charge that has migrated."""
    charge = np.zeros_like(rate)
    gained = rate.copy()
    for _ in range(frames):
        moved = np.zeros_like(rate)
        for axis in (0, 1):
            q, g = np.moveaxis(charge, axis, 0), np.moveaxis(gained, axis, 0)
            flux = c * (q[:-1] - q[1:]) * (g[:-1] + g[1:]) / 2
            into = np.moveaxis(moved, axis, 0)
            into[:-1] -= flux
            into[1:] += flux
        charge = charge + rate + moved
        gained = rate + moved
    return charge


@pytest.mark.parametrize("peak", [10_000, 40_000, 80_000])
def test_the_stencil_is_the_integral_of_the_equation(peak):
    y, x = np.mgrid[-5:6, -5:6]
    image = np.exp(-((x - 0.3) ** 2 + (y + 0.2) ** 2) / (2 * 1.1**2)) * peak + 300
    found, expected = migrated(image) - image, integrated(image / 400, 400) - image
    assert expected.min() < -5e-8 * peak**2  # there is something to compare
    assert abs(found - expected).max() <= 0.1 + 1.6 * C * peak * abs(expected).max()


def test_numbers_of_one_bright_pixel():
    image = np.zeros((5, 5))
    image[2, 2] = 40_000
    moved = migrated(image) - image
    lost = C * 40_000**2
    assert moved[2, 2] == pytest.approx(-lost, rel=1e-3)
    for edge in (moved[1, 2], moved[3, 2], moved[2, 1], moved[2, 3]):
        assert edge == pytest.approx(lost / 4, rel=1e-4)
    assert abs(moved[[1, 1, 3, 3, 0], [1, 3, 1, 3, 2]]).max() == 0


def test_small_contrasts_follow_the_kernel_of_the_measurement():
    """Of a flat field the derivative of what a pixel collects is -4 c in the centre and c at each edge."""
    image = np.full((5, 5), 30_000.0)
    image[2, 2] += 100
    moved = migrated(image) - image
    # What is collected in all has been collected at half the contrast on average.
    assert moved[2, 2] == pytest.approx(-4 * C / 2 * 100 * 30_000, rel=0.01)
    assert moved[2, 1] == pytest.approx(C / 2 * 100 * 30_000, rel=0.01)


images = arrays.arrays(np.float32, (6, 7), elements=st.floats(0, 3e5, width=32))


@settings(max_examples=60, deadline=None)
@given(images, st.floats(0, 1))
def test_charge_is_conserved_and_fuller_pixels_lose(image, share):
    dead = np.arange(42).reshape(6, 7) % 11 == 4
    wells = np.where(dead, 0, 1e5)
    image = np.where(dead, 0, image)
    found = migrated(image, wells, share * 1e-6)
    assert found.sum() == pytest.approx(image.sum(), rel=1e-6)
    assert (found[dead] == 0).all()
    assert (found >= 0).all()
    top = np.unravel_index(image.argmax(), image.shape)
    assert found[top] <= image[top]


@settings(max_examples=40, deadline=None)
@given(images, images)
def test_charge_only_grows(image, more):
    assert (migrated(image + more) >= migrated(image) * (1 - 1e-6) - 0.1).all()
