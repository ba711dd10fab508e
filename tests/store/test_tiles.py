"""Tiles and their parts cover every exposure once, stay small, and are whole along the fast axis; files stay few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.store.tiles import BAND_BYTES, INNER_BYTES, SHARD_BYTES, TILE_BYTES, tile_grid

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
    assert 2 * np.prod(grid.part) <= TILE_BYTES or slow == 1
    assert 2 * np.prod(grid.tile) <= SHARD_BYTES or grid.tile == grid.part
    assert all(t % p == 0 for t, p in zip(grid.tile, grid.part, strict=True))
    assert all(p % c == 0 for p, c in zip(grid.part, grid.inner, strict=True))
    assert 2 * np.prod(grid.inner) <= INNER_BYTES or max(grid.inner[2:]) < 128 or grid.inner[0] == 1
    assert grid.inner[1] == shape[1]
    assert [sum(c) for c in grid.chunks] == list(shape)


@pytest.mark.parametrize(
    ("shape", "part", "inner"),
    [
        ((1, 5, 2048, 2048), (1, 5, 256, 2048), (1, 5, 256, 512)),
        ((1, 10, 2048, 2048), (1, 10, 128, 2048), (1, 10, 128, 512)),
        ((1, 2, 2048, 2048), (1, 2, 1024, 2048), (1, 2, 512, 512)),
        ((3, 10, 160, 160), (3, 10, 160, 160), (3, 10, 160, 160)),
        ((50, 10, 160, 160), (16, 10, 160, 160), (2, 10, 160, 160)),
    ],
)
def test_usual_shapes(shape, part, inner):
    grid = tile_grid(shape)
    assert (grid.part, grid.inner) == (part, inner)
    if shape[0] <= part[0]:
        assert grid.tile == part


@given(
    shape=shapes, fast_axis=st.sampled_from([1, 2]), ends=st.tuples(st.integers(0, 39), st.integers(1, 40))
)
def test_parts_boxes_and_bands(shape, fast_axis, ends):
    grid = tile_grid(shape, fast_axis)
    parts = [window for number in range(grid.count) for window in grid.parts(number)]
    assert len(parts) == np.prod([len(sizes) for sizes in grid.chunks])
    assert set(parts) == set(grid.boxes())
    for number in range(grid.count):
        tile, own = grid.window(number), list(grid.parts(number))
        assert {(w.groups, w.rows, w.columns) for w in own} == {(tile.groups, tile.rows, tile.columns)}
        assert [w.integrations[0] for w in own[1:]] == [w.integrations[1] for w in own[:-1]]
        assert (own[0].integrations[0], own[-1].integrations[1]) == tile.integrations
    first, stop = min(ends[0], shape[0] - 1), min(max(ends), shape[0])
    some = (first, max(stop, first + 1))
    for windows in (list(grid.boxes(some)), list(grid.bands(some))):
        starts = [(w.integrations[0], w.rows[0], w.columns[0]) for w in windows]
        assert starts == sorted(starts)  # the order of a file
        assert (starts[0][0], windows[-1].integrations[1]) == some
        assert sum(np.prod(w.shape) for w in windows) == (some[1] - some[0]) * np.prod(shape[1:])
    assert all(2 * np.prod(w.shape) <= max(BAND_BYTES, 2 * np.prod(grid.inner)) for w in grid.bands(some))


@pytest.mark.parametrize("fast_axis", [1, 2])
@pytest.mark.parametrize(
    ("shape", "tiles"),
    [
        ((10_000, 10, 256, 2048), 1250),
        ((10_000, 5, 64, 64), 5),
        ((366, 12, 256, 2048), 58),
        ((24, 10, 2048, 2048), 32),
        ((1, 5, 2048, 2048), 8),
        ((1, 10, 2048, 2048), 16),
    ],
)
def test_how_many_files_an_exposure_has(shape, tiles, fast_axis):
    """A shard and a record for each tile: at most a few in a hundred MB where there are many integrations."""
    grid = tile_grid(shape, fast_axis)
    if fast_axis == 1:
        assert grid.count == tiles
    each = 2 * grid.count / (2 * np.prod(shape) / 1e8)
    assert each < 4 if shape[0] > 1 else grid.tile == grid.part
    if shape[0] > 1000:
        assert each < 2.5


def test_fast_along_columns():
    assert tile_grid((1, 10, 2048, 2048), 2).tile == (1, 10, 2048, 128)


def test_no_such_tile():
    with pytest.raises(IndexError):
        tile_grid((1, 2, 64, 64)).window(1)
