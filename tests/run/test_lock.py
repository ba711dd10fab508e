"""Two runs into one store: the second is told who the first is, and takes over what a dead one has left."""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import pytest
from support.small_plans import contents, expected, same

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.run import lock
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.lock import LOCK_FILE, only_run
from mirage_dask.store.simulation import SimulationStore

SERIAL = Resources(scheduler="serial")


def leave(url, **changes):
    """Leave the file of a run in a store, as one that was killed does."""
    files.write_bytes(files.join(str(url), LOCK_FILE), json.dumps({**lock._me(), **changes}).encode())


def read(url):
    return files.read_many([files.join(str(url), LOCK_FILE)])


def hold(url, begun):
    with only_run(url):
        begun.set()
        time.sleep(300)


@pytest.fixture
def held(tmp_path):
    """A store that another process holds."""
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=hold, args=(str(tmp_path / "s.zarr"), begun))
    process.start()
    assert begun.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_second_run_is_told_who_the_first_is(fake, plan, tmp_path, held):
    url = tmp_path / "s.zarr"
    message = rf"Another run writes into .*: process {held.pid} on .*, started \d+ s ago, last sign of life"
    with pytest.raises(StoreError, match=message):
        run_plan(plan, url, resources=SERIAL)
    assert fake.calls == []
    held.kill()
    held.join()
    assert run_plan(plan, url, resources=SERIAL).done == 5  # taken over at once
    assert read(url) == {}


def test_readers_do_not_look_at_it(fake, plan, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(plan, url, resources=SERIAL)
    with only_run(str(url)):
        store = SimulationStore.open(url)
        assert set(store.status()["status"]) == {"done", "unsupported"}
        assert store.verify() == []
        with pytest.raises(StoreError, match=f"process {os.getpid()} on "):
            run_plan(plan, url, resources=SERIAL)
    assert run_plan(plan, url, resources=SERIAL).skipped == 5


@pytest.mark.parametrize("place", ["s.zarr", "memory://lock/s.zarr"])
@pytest.mark.parametrize(
    "changes",
    [
        {"process": 2**22 + 1},
        {"process_began": 1.0},  # the number belongs to another process now
        {"process": os.getpid()},  # this process, which does not hold it
        {"machine": "elsewhere", "beat": time.time() - 7200},
        {"machine": "elsewhere"},
    ],
)
def test_a_dead_run_is_followed(fake, plan, tmp_path, monkeypatch, place, changes):
    monkeypatch.setattr(lock, "SILENT_SECONDS", 0.3)
    url = place if "://" in place else str(tmp_path / place)
    leave(url, **changes)
    assert run_plan(plan, url, resources=SERIAL).done == 5
    assert read(url) == {}
    assert same(contents(url), expected(plan))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"beat": "x"}'])
def test_a_damaged_file_is_nobodys(fake, plan, tmp_path, monkeypatch, content):
    monkeypatch.setattr(lock, "SILENT_SECONDS", 0.1)
    files.write_bytes(str(tmp_path / "s.zarr" / LOCK_FILE), content)
    assert run_plan(plan, tmp_path / "s.zarr", resources=SERIAL).done == 5


def test_a_run_on_another_machine_that_beats_is_alive(tmp_path, monkeypatch):
    """Whatever its clock says."""
    url = str(tmp_path / "s.zarr")
    leave(url, machine="elsewhere", host="node7", beat=time.time() + 500)

    def later(seconds):
        leave(url, machine="elsewhere", host="node7", beat=time.time() + 510)

    monkeypatch.setattr(lock.time, "sleep", later)
    with pytest.raises(StoreError, match="on node7, started"), only_run(url):
        pass
    assert "node7" in str(read(url))  # it is left alone


def test_it_beats_and_a_store_that_was_taken_over_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)
    url = str(tmp_path / "s.zarr")
    with only_run(url):
        before = read(url)
        deadline = time.monotonic() + 20
        while read(url) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert read(url) != before
        leave(url, token="another")
        time.sleep(0.1)
    assert "another" in str(read(url))
