"""Runs that are killed or interrupted: what is finished is kept, and the next run makes only the rest."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.small_plans import SMALL_TILE, contents, expected, same, sky, small_plan, small_specs

from mirage_dask.io.atomic import ABANDONED_SECONDS
from mirage_dask.run.display.events import TileDone
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.simulation import SimulationStore

KILLED = """
import functools, sys, time
from support import fake_exposure
simulate = fake_exposure.simulate_window

@functools.wraps(simulate)
def stops(*given, **named):
    if len(fake_exposure.calls) >= 16:
        time.sleep(600)  # however late it is killed, tiles are missing
    return simulate(*given, **named)

fake_exposure.simulate_window = stops
fake_exposure.install()
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
print("started", flush=True)
run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler=sys.argv[3]), tile_bytes=4096)
"""


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_killed_and_resumed_is_undisturbed(fake, tmp_path, scheduler):
    specs = [dataclasses.replace(s, layers=sky(1000.0)) for s in small_specs()]  # slow
    plan = small_plan(tmp_path / "plan", specs)
    undisturbed = run_plan(
        plan,
        tmp_path / "undisturbed.zarr",
        resources=Resources(scheduler="threads", threads=4),
        tile_bytes=SMALL_TILE,
    )
    url = str(tmp_path / "killed.zarr")
    command = [sys.executable, "-c", KILLED, plan.url, url, scheduler]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 180
    while len(list(Path(url).glob("*/commit/c.*"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()  # SIGKILL
    process.wait()
    process.stdout.close()
    written = len(list(Path(url).glob("*/commit/c.*")))
    report = run_plan(plan, url, resources=Resources(scheduler="threads"))
    assert 8 <= written < undisturbed.tiles
    assert report.ok
    assert undisturbed.tiles - written <= report.tiles < undisturbed.tiles  # only what was missing
    assert same(contents(url), contents(undisturbed.store_url))
    assert SimulationStore.open(url).verify() == []


def leave_partial(path, age):
    path.parent.mkdir(parents=True, exist_ok=True)
    left = path.with_name(f"{path.name}.0123456789abcdef.partial")
    left.write_bytes(b"half of a ti")
    then = time.time() - age
    os.utime(left, (then, then))
    return left


def test_what_killed_writers_left_goes_when_a_run_begins(fake, plan, tmp_path):
    """Also beside finished tiles; never what may have a writer, nor files of others."""
    url = tmp_path / "s.zarr"
    run_plan(plan, url, resources=Resources(scheduler="serial"), select="observation == 2")
    done, new = (url / plan.names[row] for row in (plan.select("observation == 2")[0], 0))
    old, young = 2 * ABANDONED_SECONDS, ABANDONED_SECONDS / 2
    places = [
        "zarr.json",
        "plan/plan.json",
        "plan/packs/a.bin",
        *(g / "raw/c.0.0.0.0" for g in (done, new)),
        done / "commit/c.0.0",
    ]
    dead = [leave_partial(url / place, old) for place in places]
    alive = [leave_partial(url / place, young) for place in ("exposures.parquet", new / "raw/c.0.0.1.0")]
    other = done / "raw" / "notes.txt"
    other.write_text("mine")
    os.utime(other, (0, 0))
    assert run_plan(plan, url, resources=Resources(scheduler="serial")).ok
    assert [path for path in dead if path.exists()] == []
    assert all(path.exists() for path in alive)
    assert other.exists()
    assert sorted(url.rglob("*.partial")) == sorted(alive)
    assert same(contents(url), expected(plan))


def test_interrupt_keeps_what_is_done(fake, plan, tmp_path):
    def interrupt(event):
        if isinstance(event, TileDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), progress=interrupt)
    assert list(SimulationStore.open(tmp_path / "s.zarr").table["status"]).count("done") == 1
