"""Shards: plain zarr reads what we write, for any values and shapes; the groups of a ramp compress each other."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.store import layout
from mirage_dask.store.tiles import TileGrid, tile_grid


def read_back(grid, tiles, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir(parents=True)
    (folder / "zarr.json").write_bytes(layout.raw_metadata(grid))
    for number, tile in enumerate(tiles):
        (folder / layout.shard_key(grid, number)).write_bytes(layout.encode_tile(grid, tile))
    with layout.quiet():
        return zarr.open_array(str(folder), mode="r")[...]


@pytest.mark.parametrize(
    "grid",
    [
        TileGrid((3, 5, 32, 64), (2, 5, 16, 64)),  # a short last tile
        TileGrid((1, 1, 16, 16), (1, 1, 8, 16)),
        TileGrid((2, 130, 8, 8), (2, 130, 8, 8)),  # ramps longer than Blosc's largest typesize
        TileGrid((1, 131, 8, 8), (1, 131, 8, 8)),  # a prime number of groups
        TileGrid((1, 5, 4, 1), (1, 5, 4, 1)),  # one pixel wide
        TileGrid((1, 5, 1, 64), (1, 5, 1, 64)),
        TileGrid((1, 5, 64, 32), (1, 5, 64, 8)),  # fast along y
        TileGrid((7, 5, 16, 64), (4, 5, 16, 64), 2),  # two parts in a tile, a short one at the end
        TileGrid((3, 5, 16, 64), (4, 5, 16, 64), 2),  # a tile that is longer than the exposure
        tile_grid((1, 5, 512, 2048)),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["random", "zeros", "extremes"])
def test_plain_zarr_reads_our_shards(grid, kind, tmp_path):
    rng = np.random.default_rng(1)
    values = {
        "random": rng.integers(0, 65536, grid.shape),
        "zeros": np.zeros(grid.shape),
        "extremes": rng.choice([0, 65535], grid.shape),  # differences wrap
    }[kind].astype("u2")
    boxes = [(w.integrations, w.groups, w.rows, w.columns) for w in grid.windows()]
    tiles = [values[tuple(slice(*b) for b in box)] for box in boxes]
    assert np.array_equal(read_back(grid, tiles, tmp_path), values)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_any_small_shape_survives(shape, seed, tmp_path_factory):
    values = np.random.default_rng(seed).integers(0, 65536, shape).astype("u2")
    back = read_back(TileGrid(shape, shape), [values], tmp_path_factory.mktemp("shape"))
    assert np.array_equal(back, values)


@pytest.mark.parametrize("shape", [(16, 10, 160, 160), (13, 10, 160, 160)])
def test_a_shard_written_part_by_part_is_that_of_the_whole(shape):
    grid = TileGrid((50, 10, 160, 160), (16, 10, 160, 160), 4)
    tile = np.random.default_rng(2).integers(0, 65536, shape).astype("u2")
    parts = [tile[first : first + 4] for first in range(0, len(tile), 4)]
    assert b"".join(layout.encode_parts(grid, parts)) == layout.encode_tile(grid, tile)


def ramp(groups, rows=256):
    rng = np.random.default_rng(3)
    bias = 10000 + rng.normal(0, 1500, (rows, 2048))
    light = rng.poisson(20, (groups, rows, 2048)).cumsum(axis=0) / 2
    return (bias + light + rng.normal(0, 6, (groups, rows, 2048))).astype("u2")[None]


def test_groups_compress_each_other():
    values = ramp(5)
    size = len(layout.encode_tile(tile_grid(values.shape), values))
    assert values.nbytes / size > 1.8


def test_metadata_is_plain_zarr(tmp_path):
    document = json.loads(layout.raw_metadata(tile_grid((1, 5, 512, 2048))))
    assert document["dimension_names"] == ["integration", "group", "y", "x"]
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == [1, 5, 256, 2048]
    names = [c["name"] for c in document["codecs"][0]["configuration"]["codecs"]]
    assert names == ["transpose", "numcodecs.delta", "bytes", "blosc", "crc32c"]
