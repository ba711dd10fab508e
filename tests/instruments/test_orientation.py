"""Science frame and detector frame: every way a detector can be read, and back."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import Orientation, get_detector, has_optics, instruments

AXES = [(f, s) for f in (-2, -1, 1, 2) for s in (-2, -1, 1, 2) if abs(f) != abs(s)]
SIZE = 12
FRAME = np.arange(SIZE**2).reshape(SIZE, SIZE)


@pytest.mark.parametrize(("fast", "slow"), AXES)
def test_there_and_back(fast, slow):
    orientation = Orientation(fast, slow)
    turned = orientation.detector(FRAME)
    assert np.shares_memory(turned, FRAME)
    assert np.array_equal(orientation.science(turned), FRAME)
    # The pixel read second follows the first along the fast axis, the first of the second row along the slow one.
    first, second, below = (np.argwhere(v == FRAME)[0] for v in (turned[0, 0], turned[0, 1], turned[1, 0]))
    for pixel, axis in ((second, fast), (below, slow)):
        step = [0, 0]
        step[{1: 1, 2: 0}[abs(axis)]] = np.sign(axis)
        assert (pixel - first).tolist() == step
    assert orientation.lengths(3, 5) == orientation.detector(np.empty((3, 5))).shape


@pytest.mark.parametrize(("fast", "slow"), AXES)
@pytest.mark.parametrize(("y", "x"), [((0, 12), (0, 12)), ((1, 4), (2, 11)), ((7, 8), (0, 5))])
def test_boxes(fast, slow, y, x):
    orientation = Orientation(fast, slow)
    rows, columns = orientation.detector_box(y, x, shape=(SIZE, SIZE))
    assert orientation.science_box(rows, columns, shape=(SIZE, SIZE)) == (y, x)
    cut = orientation.detector(FRAME)[slice(*rows), slice(*columns)]
    assert np.array_equal(orientation.science(cut), FRAME[slice(*y), slice(*x)])


def test_detectors():
    assert get_detector("NIS").orientation == Orientation(-2, -1)
    assert get_detector("GUIDER2").orientation.along_y
    assert not get_detector("NRCA1").orientation.along_y


def test_optics_of_detectors():
    assert instruments() == ("NIRCAM", "NIRISS", "FGS")
    assert has_optics("NIS", "CLEAR", "F200W")
    assert has_optics("GUIDER1", "", "")
    assert not has_optics("NRCB1", "F444W", "CLEAR")


@pytest.mark.parametrize("name", ["NRCB1", "NIS", "GUIDER1"])
@pytest.mark.parametrize(
    "window", [(0, 2048, 0, 2048), (0, 3, 100, 200), (1, 9, 2040, 2048), (2044, 2048, 2, 7)]
)
def test_the_part_of_a_window_that_collects_light(name, window):
    array = get_detector(name).array
    rows, columns = slice(*window[:2]), slice(*window[2:])
    expected = array.sensitive(rows, columns)
    found = np.zeros_like(expected)
    found[array.sensitive_part(rows, columns)] = 1
    assert np.array_equal(found, expected)
