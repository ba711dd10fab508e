"""What digitisation has taken from counts, drawn anew: uniform, the same in any window; nothing is lost of what is added."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.detector.context import Box
from mirage_dask.detector.digitisation import lost_parts
from mirage_dask.detector.random.keys import Key

KEY = Key(np.uint32(11), np.uint32(7))
SHAPE = (2, 6, 200, 300)
WHOLE = Box(0, 0, 0)


def _lost(box=WHOLE, shape=SHAPE):
    lost = np.empty(shape, np.float32)
    lost_parts(KEY, box, lost)
    return lost


def test_it_is_uniform_and_independent_from_group_to_group():
    lost = _lost()
    assert -0.5 < lost.min() < -0.4999
    assert 0.4999 < lost.max() < 0.5
    sigma = 1 / np.sqrt(12 * lost.size)
    assert abs(lost.mean(dtype=float)) < 4 * sigma
    assert lost.var(dtype=float) == pytest.approx(1 / 12, rel=0.005)
    groups = lost.transpose(1, 0, 2, 3).reshape(SHAPE[1], -1)
    assert np.abs(np.corrcoef(groups) - np.eye(SHAPE[1])).max() < 4 / np.sqrt(groups.shape[1])


def test_a_window_has_that_of_the_whole():
    part = _lost(Box(1, 30, 100), (1, 5, 20, 50))
    np.testing.assert_array_equal(part, _lost()[1:, :5, 30:50, 100:150])


@pytest.mark.parametrize("added", [0.0, 0.02, 0.3, 0.4975, 1.3])
def test_what_is_added_is_there_in_the_mean(added):
    lost = _lost()
    counts = np.rint(1000 + lost + np.float32(added)) - 1000
    assert counts.mean() == pytest.approx(added, abs=4 * 0.5 / np.sqrt(lost.size) if added else 0.0)
