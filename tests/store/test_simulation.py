"""A store: what is committed is right, what is not is never taken for done, and errors say what to do."""

from __future__ import annotations

import dataclasses
import os
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from support.small_plans import make_spec, small_plan, small_specs

from mirage_dask.errors import InputError, StoreError
from mirage_dask.pointing import aperture
from mirage_dask.store import layout, tiles
from mirage_dask.store.commits import Commit
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.status import Failure


def tile_values(store, row, tile):
    shape = store.plan.grid(row).window(tile).shape
    return np.random.default_rng([row, tile]).integers(0, 65536, shape).astype("u2")


def fill(store, rows=None):
    for row in range(len(store.plan)) if rows is None else rows:
        for tile in range(store.plan.grid(row).count):
            store.write_tile(row, tile, tile_values(store, row, tile))


@pytest.fixture
def store(tmp_path, plan):
    return SimulationStore.create(tmp_path / "s.zarr", plan)


def test_written_tiles_are_read_by_plain_zarr_and_xarray(store):
    fill(store)
    store.finish(store.survey())
    name = store.plan.names[0]
    with layout.quiet(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Numcodecs")
        raw = zarr.open_array(f"{store.url}/{name}/raw", mode="r")
        assert np.array_equal(raw[...], tile_values(store, 0, 0))
        group = zarr.open_group(store.url, mode="r")
        assert sorted(group.group_keys()) == sorted(store.plan.names)
        assert group[f"{name}/raw"].shape == (1, 4, 48, 64)
        data = xr.open_zarr(f"{store.url}/{name}", consolidated=False)
        assert data.raw.dims == ("integration", "group", "y", "x")
        assert data.commit.shape == (1, 5)


def test_status_and_table(store):
    fill(store, [1, 2])
    failure = Failure(store.plan.names[0], 0, "ValueError: no", "Traceback …")
    store.finish(store.survey(), [failure])
    table = SimulationStore.open(store.url).table.set_index("name")
    names = store.plan.names
    assert list(table.loc[list(names), "status"]) == ["failed", "done", "done", "ready", "ready"]
    assert table.loc["jw42424009001_02101_00001_nrs1", "status"] == "unsupported"
    assert table.loc[names[0], "traceback"] == "Traceback …"
    assert table.loc[names[1], "stored_bytes"] > 0
    fill(store, [0])  # mended: the old failure is no longer true
    assert store.status().set_index("name").loc[names[0], "status"] == "done"


def test_a_tile_of_another_spec_is_not_done(tmp_path, store):
    fill(store)
    changed = [dataclasses.replace(s, random_seed=43) if s.detector == "NRCB4" else s for s in small_specs()]
    other = small_plan(tmp_path / "other", changed)
    with pytest.raises(StoreError, match="another plan"):
        SimulationStore.create(store.url, other)
    again = SimulationStore.create(store.url, other, update=True)
    done = [row for row, tiles in again.survey().items() if tiles]
    assert [other.spec(row).detector for row in range(5) if row not in done] == ["NRCB4"]


def test_another_shape_starts_from_nothing(tmp_path, store):
    fill(store)
    changed = [dataclasses.replace(s, ngroups=7) if s.detector == "NRCB4" else s for s in small_specs()]
    other = small_plan(tmp_path / "other", changed)
    again = SimulationStore.create(store.url, other, update=True)
    row = next(r for r in range(5) if other.spec(r).detector == "NRCB4")
    assert again.raw(other.names[row]).shape == (1, 7, 48, 64)
    assert again.commits(row) == {}


def shard(store, row=0):
    return os.path.join(store.url, store.plan.names[row], "raw", layout.shard_key(store.plan.grid(row), 0))


@pytest.mark.parametrize("damage", ["missing", "short", "empty", "no record", "cut record", "zero record"])
def test_half_written_is_never_done(store, damage):
    fill(store, [0])
    assert store.is_done(0)
    path = shard(store)
    record = os.path.join(store.url, store.plan.names[0], "commit", "c.0.0")
    if damage == "missing":
        os.unlink(path)
    elif damage == "short":
        os.truncate(path, os.path.getsize(path) - 1)
    elif damage == "empty":
        os.truncate(path, 0)
    elif damage == "no record":
        os.unlink(record)
    elif damage == "cut record":
        os.truncate(record, 16)
    else:
        with open(record, "r+b") as file:
            file.write(bytes(40))
    assert not store.is_done(0)
    fill(store, [0])  # written again over the damage
    assert list(store.commits(0)) == [0]
    assert store.verify() == []


def test_verify_finds_a_flipped_bit_and_a_swapped_shard(store):
    fill(store)
    assert store.verify() == []
    with open(shard(store, 0), "r+b") as file:
        file.seek(40)
        byte = file.read(1)
        file.seek(40)
        file.write(bytes([byte[0] ^ 1]))
    values = tile_values(store, 2, 0)
    assert os.path.getsize(shard(store, 2)) == len(layout.encode_tile(store.plan.grid(2), values))
    content = layout.encode_tile(store.plan.grid(2), values[:, :, ::-1])
    with open(shard(store, 2), "r+b") as file:  # of the same size, as a stray copy might be
        file.write(content[: os.path.getsize(shard(store, 2))])
    found = {d.exposure for d in store.verify()}
    assert store.plan.names[0] in found
    assert len(store.verify(sample=1)) <= 1


def test_a_store_of_another_format_is_refused(store, plan):
    """With one sentence, by everything that opens it; its records would mean something else."""
    fill(store)
    path = os.path.join(store.url, "zarr.json")
    with open(path) as file:
        document = file.read()
    with open(path, "w") as file:
        file.write(document.replace(f'"format":{layout.FORMAT}', '"format":1'))
    for use in (
        lambda: SimulationStore.open(store.url),
        lambda: SimulationStore.create(store.url, plan, update=True),
        lambda: StoreRoot.read(store.url),
    ):
        with pytest.raises(
            StoreError, match=r"store format 1, this version reads \d+; simulate into another"
        ):
            use()


def test_a_record_of_another_format_is_not_one(store):
    fill(store, [0])
    (commit,) = store.commits(0).values()
    assert Commit.decode(commit.encode()) == commit
    assert Commit.decode(dataclasses.replace(commit, format=1).encode()) is None


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A store of an exposure of 21 integrations in tiles of two parts."""
    monkeypatch.setattr(tiles, "SHARD_BYTES", 2 * 4 * 2048)
    spec = make_spec(nints=21, ngroups=2, nx=32, ny=16)
    plan = small_plan(tmp_path / "many", [spec]).with_tile_bytes(4 * 2048)
    assert (plan.grid(0).part, plan.grid(0).count) == ((4, 2, 16, 32), 3)
    return SimulationStore.create(tmp_path / "many.zarr", plan)


def parts_of(store, tile, values, asked):
    first = store.plan.grid(0).window(tile).integrations[0]
    for window in store.plan.grid(0).parts(tile):
        asked.append(window)
        yield values[window.integrations[0] - first : window.integrations[1] - first]


def test_a_tile_in_parts(many):
    """The record, the shard and what is said of damage are those of the tile in one piece."""
    for tile in range(3):
        values, asked = tile_values(many, 0, tile), []
        whole = many.write_tile(0, tile, values)
        with open(shard(many), "rb") as file:
            content = file.read()
        assert many.write_tile(0, tile, lambda: parts_of(many, tile, values, asked)) == whole  # noqa: B023
        with open(shard(many), "rb") as file:
            assert file.read() == content
        assert len(asked) == len(list(many.plan.grid(0).parts(tile)))
        assert many.check_tile(0, tile, whole, parts_of(many, tile, values, [])) == ""
    assert many.verify() == []
    assert list(many.commits(0, [1])) == [1]
    values[4, 1, 3, 2] += 1
    values[4, 1, 7, 9] += 1
    assert many.check_tile(0, 2, many.commits(0)[2], parts_of(many, 2, values, [])) == (
        "has other values than are computed now, 2 of 5,120, the first at integration 20, group 1, y 3, x 2"
    )


@pytest.mark.parametrize("wrong", ["shape", "number", "error"])
def test_parts_that_are_not_right_leave_no_tile(many, wrong):
    values = tile_values(many, 0, 0)

    def parts():
        yield values[:4]
        if wrong == "error":
            raise ArithmeticError("no kernel")
        if wrong == "shape":
            yield values[4:7]

    many.write_tile(0, 0, values)
    with pytest.raises((ValueError, ArithmeticError)):
        many.write_tile(0, 0, parts)
    assert many.commits(0) == {}
    assert [name for name in os.listdir(os.path.dirname(shard(many))) if "partial" in name] == []


def test_a_wrong_tile_is_refused(store):
    with pytest.raises(ValueError, match="uint16"):
        store.write_tile(0, 0, np.zeros((1, 4, 48, 64), "f4"))
    with pytest.raises(ValueError, match="48, 64"):
        store.write_tile(0, 0, np.zeros((1, 4, 48, 63), "u2"))


def test_places_that_cannot_be_a_store(tmp_path, plan):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match=r"thesis\.tex.*choose another place"):
        SimulationStore.create(tmp_path / "full", plan)
    zarr.create_array(str(tmp_path / "other.zarr"), shape=(1,), dtype="u1")
    with pytest.raises(StoreError, match="not a simulation of mirage_dask"):
        SimulationStore.create(tmp_path / "other.zarr", plan)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a file is in the place of a directory"):
        SimulationStore.create(tmp_path / "file", plan)
    with pytest.raises(StoreError, match="no simulation at"):
        SimulationStore.open(tmp_path / "nothing")


def test_read_only_target(tmp_path, plan, monkeypatch):
    def refuse(*arguments):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("mirage_dask.io.atomic.os.replace", refuse)
    with pytest.raises(StoreError, match="file system is read-only; choose a place"):
        SimulationStore.create(tmp_path / "s.zarr", plan)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_directory_without_permission(tmp_path, plan):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="permission denied"):
        SimulationStore.create(tmp_path / "locked" / "s.zarr", plan)


def test_unknown_and_unselected_exposures(tmp_path, plan):
    store = SimulationStore.create(tmp_path / "s.zarr", plan, rows=[0])
    with pytest.raises(InputError, match="did you mean"):
        store.raw("jw42424001001_02101_00001_nrcb9")
    with pytest.raises(InputError, match="was not selected"):
        store.raw(plan.names[1])


def test_creation_that_was_interrupted_is_taken_up(tmp_path, plan):
    store = SimulationStore.create(tmp_path / "s.zarr", plan, rows=[0])
    os.unlink(os.path.join(store.url, plan.names[0], "raw", "zarr.json"))
    store = SimulationStore.create(tmp_path / "s.zarr", plan)
    fill(store)
    assert all(store.is_done(row) for row in range(5))


def test_a_store_in_memory(plan):
    """Any fsspec file system will do."""
    store = SimulationStore.create("memory://bucket/s.zarr", plan)
    fill(store)
    store.finish(store.survey())
    again = SimulationStore.open("memory://bucket/s.zarr")
    assert all(again.is_done(row) for row in range(5))
    assert set(again.table["status"]) == {"done", "unsupported"}
    assert again.verify() == []


def test_many_groups_are_created_fast(tmp_path):
    """A second for 300 groups of 14 files; zarr itself takes 2 s for two of the seven arrays of each."""
    import time

    aperture("NRCB1_FULL")  # reading the SIAF takes a second, once in a process
    plan = small_plan(tmp_path / "plan", [make_spec(i) for i in range(1, 301)])
    began = time.process_time()
    SimulationStore.create(tmp_path / "s.zarr", plan)
    assert time.process_time() - began < 2.0


def test_a_second_writer_that_is_killed_leaves_the_tile_done(store):
    """A worker that is believed dead may begin a tile again after another one has finished it."""
    store.write_tile(0, 0, tile_values(store, 0, 0))

    def killed():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        store.write_tile(0, 0, killed)
    assert list(store.commits(0)) == [0]
    assert store.verify() == []
