"""Tiles cover every exposure once, stay small, and are whole along the fast axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.store.tiles import INNER_BYTES, TILE_BYTES, tile_grid

shapes = st.tuples(
    st.integers(1, 40),
    st.sampled_from([1, 2, 5, 10, 20, 63, 100]),
    st.sampled_from([8, 48, 64, 160, 256, 320, 400, 640, 2048]),
    st.sampled_from([8, 64, 80, 160, 256, 320, 400, 640, 2048]),
)


@given(shape=shapes, fast_axis=st.sampled_from([1, -1, 2, -2]))
def test_tiles_cover_the_exposure_once(shape, fast_axis):
    grid = tile_grid(shape, fast_axis)
    seen = np.zeros((shape[0], shape[2] // 8, shape[3] // 8), int)
    for window in grid.windows():
        assert window.groups == (0, shape[1])
        assert window.columns == (0, shape[3]) if abs(fast_axis) == 1 else window.rows == (0, shape[2])
        (y0, y1), (x0, x1) = window.rows, window.columns
        if y0 % 8 == y1 % 8 == x0 % 8 == x1 % 8 == 0:
            seen[slice(*window.integrations), y0 // 8 : y1 // 8, x0 // 8 : x1 // 8] += 1
    if all(t % 8 == 0 for t in grid.tile[2:]):
        assert (seen == 1).all()
    assert sum(np.prod(w.shape) for w in grid.windows()) == np.prod(shape)


@given(shape=shapes, fast_axis=st.sampled_from([1, 2]))
def test_tiles_are_small_and_inner_chunks_divide_them(shape, fast_axis):
    grid = tile_grid(shape, fast_axis)
    slow = grid.tile[2] if fast_axis == 1 else grid.tile[3]
    assert 2 * np.prod(grid.tile) <= TILE_BYTES or slow == 1
    assert all(t % c == 0 for t, c in zip(grid.tile, grid.inner, strict=True))
    assert 2 * np.prod(grid.inner) <= INNER_BYTES or max(grid.inner[2:]) < 128 or grid.inner[0] == 1
    assert grid.inner[1] == shape[1]
    assert [sum(c) for c in grid.chunks] == list(shape)


@pytest.mark.parametrize(
    ("shape", "tile", "inner"),
    [
        ((1, 5, 2048, 2048), (1, 5, 256, 2048), (1, 5, 256, 512)),
        ((1, 10, 2048, 2048), (1, 10, 128, 2048), (1, 10, 128, 512)),
        ((1, 2, 2048, 2048), (1, 2, 1024, 2048), (1, 2, 512, 512)),
        ((3, 10, 160, 160), (3, 10, 160, 160), (3, 10, 160, 160)),
        ((50, 10, 160, 160), (16, 10, 160, 160), (2, 10, 160, 160)),
    ],
)
def test_usual_shapes(shape, tile, inner):
    grid = tile_grid(shape)
    assert (grid.tile, grid.inner) == (tile, inner)


def test_fast_along_columns():
    assert tile_grid((1, 10, 2048, 2048), 2).tile == (1, 10, 2048, 128)


def test_no_such_tile():
    with pytest.raises(IndexError):
        tile_grid((1, 2, 64, 64)).window(1)
