"""Basic indexing of arrays that are computed when they are asked for: as numpy does it, in one step or in several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.io.indexing import LazySelection, select_axes, split_index

SHAPE = (2, 3, 11, 7)
VALUES = np.arange(np.prod(SHAPE)).reshape(SHAPE)

bounds = st.none() | st.integers(-13, 13)
slices = st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 2, 5, -1, -3]))


class Counted:
    """An array that takes integers and slices forwards, and keeps what it is asked for."""

    shape, dtype = SHAPE, VALUES.dtype

    def __init__(self):
        self.asked = []

    def __getitem__(self, key):
        assert all(isinstance(k, int) or (k.step > 0 and 0 <= k.start < k.stop) for k in key)
        self.asked.append(key)
        return VALUES[key]


@st.composite
def keys(draw, shape):
    """Draw basic indices for an array of some shape, with an ellipsis somewhere or fewer indices than axes."""
    key = [draw((st.integers(-n, n - 1) | slices) if n else slices) for n in shape]
    low = draw(st.integers(0, len(key)))
    high = draw(st.integers(low, len(key)))
    if draw(st.booleans()):
        return (*key[:low], ..., *key[high:])
    return tuple(key[:high])


@given(key=keys(SHAPE))
def test_a_box_and_what_is_taken_out_of_it(key):
    spans, local = split_index(key, SHAPE)
    box = VALUES[tuple(slice(*span) for span in spans)]
    found = box[local]
    assert np.array_equal(found, VALUES[key])
    assert np.shape(found) == np.shape(VALUES[key])
    if found.size:  # the box is no larger than it must be
        places = np.argwhere(np.isin(VALUES, found))
        assert [s[0] for s in spans] == list(places.min(axis=0))
        assert [s[1] for s in spans] == list(places.max(axis=0) + 1)


@given(data=st.data())
def test_a_chain_of_indices_is_one_selection(data):
    array = Counted()
    selection, expected = LazySelection.whole(array), VALUES
    for _ in range(data.draw(st.integers(0, 3))):
        key = data.draw(keys(expected.shape))
        selection, expected = selection.select(key), expected[key]
        assert (selection.shape, selection.ndim) == (np.shape(expected), np.ndim(expected))
    assert array.asked == []
    last = data.draw(keys(np.shape(expected)))
    expected = expected[last]
    found = selection[last]
    assert np.array_equal(found, expected)
    assert np.shape(found) == np.shape(expected)
    if found.size:
        (key,) = array.asked
        assert np.size(VALUES[key]) == found.size  # steps are handed down too
    else:
        assert array.asked == []


@pytest.mark.parametrize("key", [(0,) * 5, 2, None, [0, 1], True, (..., ...), "x", 1.0, np.True_, -3])
def test_indices_that_are_not_basic(key):
    with pytest.raises(IndexError):
        split_index(key, SHAPE)


def test_an_axis_that_is_dropped_takes_no_index():
    axes = select_axes([range(4), range(5)], 2)
    assert axes == (2, range(5))
    assert select_axes(axes, np.s_[1::2]) == (2, range(1, 5, 2))
    with pytest.raises(IndexError, match="too many indices for an array of 1 dimension"):
        select_axes(axes, (0, 0))
    with pytest.raises(IndexError, match="out of range for an axis of length 5"):
        select_axes(axes, 5)
