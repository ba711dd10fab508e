"""Blooming: charge above the full well goes to the neighbours, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mirage_dask.detector.charge.spilling import STEPS, spill
from mirage_dask.detector.context import Place
from mirage_dask.detector.effects import EFFECTS

WELL = 1e5


def spilled(charge: np.ndarray, wells: np.ndarray | float = WELL) -> np.ndarray:
    """Return charge (rows, columns) after spilling, with nothing around it."""
    padded = np.pad(charge.astype(np.float32), STEPS)[None, None]
    around = np.pad(np.broadcast_to(np.float32(wells), charge.shape), STEPS).astype(np.float32)
    out = np.empty((1, 1, *charge.shape), np.float32)
    spill(around, Place(0, 0), padded, out)
    return out[0, 0].astype(float)


def by_definition(charge: np.ndarray, wells: np.ndarray) -> np.ndarray:
    """Return the same in plain numpy, pixel by pixel."""
    charge = charge.astype(float)
    for _ in range(STEPS):
        before = charge.copy()
        for y, x in np.argwhere((before > wells) & (wells > 0)):
            for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= j < charge.shape[0] and 0 <= i < charge.shape[1] and wells[j, i] > 0:
                    part = (before[y, x] - wells[y, x]) / 4
                    charge[j, i] += part
                    charge[y, x] -= part
    return charge


images = arrays.arrays(np.float32, (9, 8), elements=st.floats(0, 6e5, width=32))


@settings(max_examples=50, deadline=None)
@given(images)
def test_it_is_what_the_equation_says_and_conserves_charge(image):
    wells = np.where(np.arange(72).reshape(9, 8) % 13 == 5, 0, WELL)
    image = np.where(wells > 0, image, 0)
    found = spilled(image, wells)
    np.testing.assert_allclose(found, by_definition(image, wells), rtol=2e-6, atol=0.1)
    assert found.sum() == pytest.approx(image.sum(), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(images, images)
def test_charge_only_grows(image, more):
    assert (spilled(image + more) >= spilled(image) * (1 - 1e-6) - 0.1).all()


def test_a_bright_star_grows_and_nothing_else_changes():
    image = np.full((21, 21), 500.0)
    image[10, 10] = 4 * WELL
    found = spilled(image)
    y, x = np.argwhere(found != image).T
    assert (abs(y - 10) + abs(x - 10)).max() <= STEPS
    assert found[10, 10] >= WELL
    assert (found[[9, 11, 10, 10], [10, 10, 9, 11]] > 0.5 * WELL).all()
    faint = np.full((21, 21), 0.99 * WELL)
    assert np.array_equal(spilled(faint), np.float32(faint))


def test_the_declared_radius_is_the_number_of_steps():
    (effect,) = (e for e in EFFECTS if e.name == "blooming")
    assert effect.halo == STEPS
