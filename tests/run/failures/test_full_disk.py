"""Disks that are full, read-only or too small: a run ends with one sentence, and nothing half-written counts."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.small_plans import contents, expected, make_spec, same, small_plan, small_specs

from mirage_dask.errors import StoreError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.simulation import SimulationStore

LIMITED = """
import resource, sys
from support import fake_exposure
fake_exposure.install()
from mirage_dask.errors import StoreError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler=sys.argv[3]))
except StoreError as error:
    print(error)
"""


def large_plan(tmp_path):
    """Exposures whose shards are larger than 200 kB, except the first."""
    return small_plan(tmp_path / "plan", [make_spec(1), *(make_spec(i, nx=256, ny=512) for i in (2, 3))])


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_file_that_cannot_grow(fake, tmp_path, scheduler):
    plan = large_plan(tmp_path)
    url = str(tmp_path / "s.zarr")
    command = [sys.executable, "-c", LIMITED, plan.url, url, scheduler]
    said = subprocess.run(command, capture_output=True, text=True)
    assert "size limit" in said.stdout, said.stderr[-2000:]
    assert said.stdout.count("\n") == 1
    assert not list(Path(url).rglob("*.partial"))
    report = run_plan(plan, url, resources=Resources(scheduler="serial"))  # where there is room
    assert report.ok
    assert same(contents(url), expected(plan))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB; needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True
        ).returncode
    ):
        pytest.skip("cannot mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_full_disk(fake, tmp_path, small_disk, monkeypatch, scheduler):
    plan = large_plan(tmp_path)
    url = small_disk / "s.zarr"
    monkeypatch.setattr("mirage_dask.run.execute.check_disk", lambda *_: None)  # not refused beforehand
    with pytest.raises(StoreError, match=r"Cannot write .*: the disk is full; free some space"):
        run_plan(plan, url, resources=Resources(scheduler=scheduler))
    assert not list(Path(url).rglob("*.partial"))
    store = SimulationStore.open(url)
    assert sum(len(t) for t in store.survey().values()) < 3
    assert store.verify() == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert run_plan(plan, url, resources=Resources(scheduler=scheduler)).ok
    assert same(contents(url), expected(plan))


def test_read_only_disk(fake, plan, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="read-only; choose a place"):
        run_plan(plan, small_disk / "s.zarr", resources=Resources(scheduler="serial"))


def test_a_disk_that_is_too_small_is_seen_beforehand(fake, plan, tmp_path, monkeypatch):
    monkeypatch.setattr("mirage_dask.io.copying.free_bytes", lambda url: 1000)
    with pytest.raises(
        StoreError, match=r"0\.00 GB free, and to write 5 tiles takes about .* Choose another"
    ):
        run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    assert not (tmp_path / "s.zarr").exists()


def test_a_plan_that_is_copied_needs_room(fake, plan, tmp_path, monkeypatch):
    """Links need none: both are on one disk here, until another device is pretended."""
    (Path(plan.url) / "planes").mkdir()
    (Path(plan.url) / "planes/big.npy").write_bytes(bytes(3_000_000))
    room = 2_000_000
    monkeypatch.setattr("mirage_dask.io.copying.free_bytes", lambda url: room)
    monkeypatch.setattr("mirage_dask.io.copying._device", lambda path: path)
    with pytest.raises(
        StoreError, match=r"to write 5 tiles and 0\.00 GB of the plan with its reference data takes about"
    ):
        run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    monkeypatch.setattr("mirage_dask.io.copying._device", lambda path: 1)
    assert run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial")).ok


def test_room_that_a_run_gives_back_counts(fake, plan, tmp_path, monkeypatch):
    """A store that fills its disk is updated in place."""
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    monkeypatch.setattr("mirage_dask.io.copying.free_bytes", lambda url: 0)
    assert run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial")).skipped == 5
    monkeypatch.setattr("mirage_dask.run.estimate.STORED_FRACTIONS", {1: 0.4})
    other = small_plan(tmp_path / "other", [dataclasses.replace(s, random_seed=43) for s in small_specs()])
    assert (
        run_plan(other, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), update=True).tiles == 5
    )
