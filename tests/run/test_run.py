"""Runs: the same content on every executor and for any tiles, failures recorded, resumed runs equal to undisturbed ones."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.small_plans import make_spec, sky, small_plan, small_specs

from mirage_dask.errors import InputError, StoreError
from mirage_dask.io.atomic import ABANDONED_SECONDS
from mirage_dask.run.display.events import ExposureDone, RunFinished, RunStarted, TileDone, TileFailed
from mirage_dask.run.estimate import estimate_run
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.distributed import graph_size
from mirage_dask.run.report import RunError
from mirage_dask.run.tasks import MOST_BLOCKS, TILE_RANGE, RunHandle, missing_tile_ranges, submissions
from mirage_dask.run.verify import verify_store
from mirage_dask.store.comparison import compare
from mirage_dask.store.plan import load_plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import VirtualArray

SMALL = 4096
"""Bytes of a tile, so that the small exposures have several."""


def contents(url):
    store = SimulationStore.open(url)
    return {name: store.raw(name)[...] for name in store.plan.names}


def expected(plan):
    return {name: VirtualArray(plan.url, plan.digest, "raw", row)[...] for row, name in enumerate(plan.names)}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_content_does_not_depend_on_executor(fake, plan, tmp_path, scheduler):
    report = run_plan(plan, tmp_path / "s.zarr", scheduler=scheduler)
    assert report.ok
    assert (report.exposures, report.done, report.skipped, report.tiles) == (5, 5, 0, 5)
    assert same(contents(report.store_url), expected(plan))
    assert SimulationStore.open(report.store_url).verify() == []


@pytest.mark.parametrize("size", [2048, 4096, 9000, 20000])
def test_content_does_not_depend_on_tiles(fake, plan, tmp_path, size):
    report = run_plan(plan, tmp_path / "s.zarr", scheduler="threads", threads=2, tile_bytes=size)
    assert report.tiles > 5
    assert same(contents(report.store_url), expected(plan))
    assert verify_store(report.store_url, scheduler="serial").checked == report.tiles


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_store_keeps_its_tiles(fake, plan, tmp_path, scheduler):
    """A run goes on with them, an update too; other ones are refused."""
    url = tmp_path / "s.zarr"
    first = run_plan(plan, url, scheduler=scheduler, tile_bytes="4KiB", select="observation == 2")
    whole = run_plan(plan, tmp_path / "whole.zarr", scheduler=scheduler, tile_bytes=4096)
    assert SimulationStore.open(url).plan.tile_bytes == 4096
    with pytest.raises(
        StoreError, match=r"has tiles of 4KiB, not 9000B; .* Go on with them .* another place"
    ):
        run_plan(plan, url, scheduler=scheduler, tile_bytes=9000)
    rest = run_plan(plan, url, scheduler=scheduler)
    assert (rest.skipped, rest.tiles) == (2, whole.tiles - first.tiles)
    assert run_plan(plan, url, scheduler=scheduler, tile_bytes="4KiB").tiles == 0
    assert same(contents(url), expected(plan))
    other = small_plan(
        tmp_path / "other", [dataclasses.replace(s, random_seed=s.observation) for s in small_specs()]
    )
    with pytest.raises(StoreError, match="another plan"):
        run_plan(other, url, scheduler=scheduler)
    assert run_plan(other, url, scheduler=scheduler, update=True).tiles == whole.tiles
    assert SimulationStore.open(url).plan.tile_bytes == 4096
    assert same(contents(url), expected(other))


def test_a_store_made_before_tiles_had_a_size(fake, plan, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(plan, url, scheduler="serial", select="observation == 2")
    for path, part in ((url / "zarr.json", "attributes"), (url / "plan/plan.json", None)):
        document = json.loads(path.read_text())
        for key in ("content", "tile_bytes"):
            (document[part]["mirage_dask"] if part else document).pop(key, None)
        path.write_text(json.dumps(document))
    load_plan.__globals__["_load"].cache_clear()
    assert run_plan(plan, url, scheduler="serial").skipped == 2


def test_a_plan_that_lies_in_its_store(fake, tmp_path):
    plan = small_plan(tmp_path / "s.zarr" / "plan")
    report = run_plan(plan, tmp_path / "s.zarr", scheduler="serial", tile_bytes=4096)
    assert report.tiles > 5
    assert run_plan(plan, tmp_path / "s.zarr", scheduler="serial").skipped == 5


def test_a_second_run_has_nothing_to_do(fake, plan, tmp_path):
    run_plan(plan, tmp_path / "s.zarr", scheduler="serial", select="observation == 2")
    fake.calls.clear()
    report = run_plan(plan, tmp_path / "s.zarr", scheduler="serial")
    assert (report.skipped, report.tiles, report.done) == (2, 3, 5)
    assert len(fake.calls) == 3
    fake.calls.clear()
    assert run_plan(plan, tmp_path / "s.zarr", scheduler="threads").tiles == 0
    assert fake.calls == []


def test_only_what_changed_is_made_again(fake, plan, tmp_path):
    run_plan(plan, tmp_path / "s.zarr", scheduler="serial")
    specs = [dataclasses.replace(s, random_seed=43) if s.detector == "NRCB2" else s for s in small_specs()]
    other = small_plan(tmp_path / "other", specs)
    with pytest.raises(StoreError, match="another plan"):
        run_plan(other, tmp_path / "s.zarr", scheduler="serial")
    report = run_plan(other, tmp_path / "s.zarr", scheduler="serial", update=True)
    assert (report.skipped, report.tiles) == (4, 1)
    assert same(contents(report.store_url), expected(other))


def poisoned(tmp_path):
    specs = [dataclasses.replace(s, layers=sky(-1.0)) if s.detector == "NRCB2" else s for s in small_specs()]
    return small_plan(tmp_path / "poisoned", specs)


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_failing_exposure_is_recorded_and_the_rest_goes_on(fake, tmp_path, scheduler):
    events = []
    report = run_plan(poisoned(tmp_path), tmp_path / "s.zarr", scheduler=scheduler, progress=events.append)
    name = "jw42424001001_02101_00001_nrcb2"
    assert not report.ok
    assert report.done == 4
    assert report.failed == (name,)
    assert "ValueError: poisoned exposure" in str(report)
    row = SimulationStore.open(report.store_url).table.set_index("name").loc[name]
    assert row["status"] == "failed"
    assert row["reason"] == f"ValueError: poisoned exposure {name}"
    assert "in simulate_window" in row["traceback"]
    assert [type(e) for e in (events[0], events[-1])] == [RunStarted, RunFinished]
    assert sum(isinstance(e, TileDone) for e in events) == 4
    assert [e.exposure for e in events if isinstance(e, TileFailed)] == [name]
    assert sorted(e.failed for e in events if isinstance(e, ExposureDone)) == [False] * 4 + [True]
    again = run_plan(poisoned(tmp_path), tmp_path / "s.zarr", scheduler=scheduler)
    assert (again.skipped, again.tiles, again.failed) == (4, 0, (name,))


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_stop_at_the_first_failure(fake, tmp_path, scheduler):
    with pytest.raises(RunError, match="nrcb2, tile 0 failed: ValueError: poisoned"):
        run_plan(poisoned(tmp_path), tmp_path / "s.zarr", scheduler=scheduler, on_error="raise")


def test_a_hiccup_of_the_file_system_is_tried_again(fake, plan, tmp_path, monkeypatch):
    import mirage_dask.run.tasks as tasks

    left = {"times": 2}
    right = tasks.virtual.simulate

    def hiccup(*arguments):
        if left["times"]:
            left["times"] -= 1
            raise OSError(5, "Input/output error")
        return right(*arguments)

    monkeypatch.setattr(tasks.virtual, "simulate", hiccup)
    monkeypatch.setattr(tasks.time, "sleep", lambda seconds: None)
    assert run_plan(plan, tmp_path / "s.zarr", scheduler="serial", retries=2).ok
    left["times"] = 2
    report = run_plan(plan, tmp_path / "t.zarr", scheduler="serial", retries=1)
    assert "Input/output error" in report.failures[0].error


def test_a_broken_display_does_not_end_the_run(fake, plan, tmp_path):
    def broken(event):
        raise RuntimeError("no terminal")

    with pytest.warns(UserWarning, match="no longer told"):
        assert run_plan(plan, tmp_path / "s.zarr", scheduler="serial", progress=[broken]).ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheduler": "processes"}, "must be 'serial' or 'threads'"),
        ({"scheduler": "serial", "workers": 2}, "exclude each other"),
        ({"workers": 0}, "at least 1"),
        ({"memory": "2GB"}, "give workers too"),
        ({"scheduler": "serial", "threads": 2}, "goes with scheduler='threads'"),
        ({"tile_bytes": "many"}, "'2MiB' or a number of bytes, not 'many'"),
        ({"tile_bytes": 0}, "not 0"),
        ({"on_error": "ignore"}, "'record' or 'raise'"),
        ({"select": "nonsense =="}, "pandas query"),
        ({"client": "tcp://127.0.0.1:9"}, "No dask scheduler answers"),
        ({"client": "nonsense://x"}, "No dask scheduler answers"),
    ],
)
def test_arguments_that_cannot_be(fake, plan, tmp_path, arguments, message):
    began = time.monotonic()
    with pytest.raises(InputError, match=message):
        run_plan(plan, tmp_path / "s.zarr", **arguments)
    assert time.monotonic() - began < 15
    assert not (tmp_path / "s.zarr").exists()


# ------------------------------------------------------------------------------------------------ tasks


def covered(ranges):
    return [(row, tile) for row, first, stop in ranges.tolist() for tile in range(first, stop)]


def test_tasks_cover_what_is_missing(plan):
    plan = plan.with_tile_bytes(SMALL)
    done = {2: {0: object(), 3: object()}}
    ranges, per_block = missing_tile_ranges(plan, [0, 2, 4], done, threads=2)
    wanted = [(r, t) for r in (0, 2, 4) for t in range(plan.grid(r).count) if t not in done.get(r, {})]
    assert covered(ranges) == wanted
    assert ranges.dtype == TILE_RANGE
    assert per_block >= 1


def test_tasks_of_a_large_proposal(tmp_path):
    """12,160 full frames of 5 groups: a task is a second of work, and the graph is small."""
    started = time.process_time()
    names = [make_spec(i, nints=1, ngroups=5, nx=2048, ny=2048, x0=0, y0=0) for i in range(1, 12161)]
    plan = small_plan(tmp_path / "plan", names)
    ranges, per_block = missing_tile_ranges(plan, range(len(plan)), {}, threads=200)
    assert len(covered(ranges)) == 8 * 12160
    assert -(-len(ranges) // per_block) <= MOST_BLOCKS
    assert (len(ranges), per_block) == (12160, 2)  # 8 tiles of 2.6 million samples each
    began = time.process_time()
    size = graph_size(ranges, per_block, RunHandle("/somewhere/s.zarr", "0" * 32, 1))
    assert size.tasks <= 100_000
    assert size.submissions == 1
    assert size.graph_bytes < 10_000_000
    assert time.process_time() - began < 10
    assert estimate_run(plan).tiles == compare(plan, tmp_path / "s.zarr")[0].tiles_left == 8 * 12160
    assert time.process_time() - started < 60


@pytest.mark.parametrize("per_block", [1, 50])
def test_submissions_of_a_very_large_run(per_block):
    """Half a million tile ranges: each submission stays below the limits, and together they are the run."""
    ranges = np.zeros(500_000, TILE_RANGE)
    ranges["row"] = np.arange(len(ranges))
    parts = submissions(ranges, per_block)
    assert np.array_equal(np.concatenate(parts), ranges)
    assert all(len(part) % per_block == 0 for part in parts[:-1])
    size = graph_size(ranges, per_block, RunHandle("/somewhere/s.zarr", "0" * 32, 1))
    assert size.submissions == len(parts) > 1
    assert size.tasks / size.submissions <= 100_000
    assert size.graph_bytes < 10_000_000


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_run_in_several_submissions(fake, plan, tmp_path, monkeypatch, scheduler):
    monkeypatch.setattr("mirage_dask.run.tasks.MOST_BLOCKS", 3)
    report = run_plan(plan, tmp_path / "s.zarr", scheduler=scheduler, tile_bytes=SMALL)
    assert report.ok
    assert same(contents(report.store_url), expected(plan))


# ------------------------------------------------------------------------------------------------ interrupted

KILLED = """
import sys
from support import fake_exposure
fake_exposure.install()
from mirage_dask.run.execute import run_plan
print("started", flush=True)
run_plan(sys.argv[1], sys.argv[2], scheduler=sys.argv[3], tile_bytes=4096)
"""


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_killed_and_resumed_is_undisturbed(fake, tmp_path, scheduler):
    specs = [dataclasses.replace(s, layers=sky(1000.0)) for s in small_specs()]  # slow
    plan = small_plan(tmp_path / "plan", specs)
    undisturbed = run_plan(
        plan, tmp_path / "undisturbed.zarr", scheduler="threads", threads=4, tile_bytes=SMALL
    )
    url = str(tmp_path / "killed.zarr")
    command = [sys.executable, "-c", KILLED, plan.url, url, scheduler]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 60
    while len(list(Path(url).glob("*/commit/c.*"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()  # SIGKILL
    process.wait()
    process.stdout.close()
    written = len(list(Path(url).glob("*/commit/c.*")))
    report = run_plan(plan, url, scheduler="threads")
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
    run_plan(plan, url, scheduler="serial", select="observation == 2")
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
    assert run_plan(plan, url, scheduler="serial").ok
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
        run_plan(plan, tmp_path / "s.zarr", scheduler="serial", progress=interrupt)
    assert list(SimulationStore.open(tmp_path / "s.zarr").table["status"]).count("done") == 1


# ------------------------------------------------------------------------------------------------ full disk

LIMITED = """
import resource, sys
from support import fake_exposure
fake_exposure.install()
from mirage_dask.errors import StoreError
from mirage_dask.run.execute import run_plan
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    run_plan(sys.argv[1], sys.argv[2], scheduler=sys.argv[3])
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
    report = run_plan(plan, url, scheduler="serial")  # where there is room
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
        run_plan(plan, url, scheduler=scheduler)
    assert not list(Path(url).rglob("*.partial"))
    store = SimulationStore.open(url)
    assert sum(len(t) for t in store.survey().values()) < 3
    assert store.verify() == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert run_plan(plan, url, scheduler=scheduler).ok
    assert same(contents(url), expected(plan))


def test_read_only_disk(fake, plan, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="read-only; choose a place"):
        run_plan(plan, small_disk / "s.zarr", scheduler="serial")


def test_a_disk_that_is_too_small_is_seen_beforehand(fake, plan, tmp_path, monkeypatch):
    monkeypatch.setattr("mirage_dask.io.files.free_bytes", lambda url: 1000)
    with pytest.raises(
        StoreError, match=r"0\.00 GB free, and the 5 tiles to be made need about .* Choose another"
    ):
        run_plan(plan, tmp_path / "s.zarr", scheduler="serial")
    assert not (tmp_path / "s.zarr").exists()


def test_room_that_a_run_gives_back_counts(fake, plan, tmp_path, monkeypatch):
    """A store that fills its disk is updated in place."""
    run_plan(plan, tmp_path / "s.zarr", scheduler="serial")
    monkeypatch.setattr("mirage_dask.io.files.free_bytes", lambda url: 0)
    assert run_plan(plan, tmp_path / "s.zarr", scheduler="serial").skipped == 5
    monkeypatch.setattr("mirage_dask.run.estimate.STORED_FRACTIONS", {1: 0.4})
    other = small_plan(tmp_path / "other", [dataclasses.replace(s, random_seed=43) for s in small_specs()])
    assert run_plan(other, tmp_path / "s.zarr", scheduler="serial", update=True).tiles == 5


# ------------------------------------------------------------------------------------------- changed settings


def modified(url):
    return {p.relative_to(url).as_posix(): p.stat().st_mtime_ns for p in Path(url).glob("jw*/*/c.*")}


def test_another_rate_for_one_observation_rewrites_only_its_shards(fake, tmp_path):
    """It is said before it is done, refused unless asked for, and leaves every other file as it was."""
    specs = [make_spec(n, observation=n) for n in range(1, 11)]
    plan = small_plan(tmp_path / "plan", specs).with_tile_bytes(SMALL)
    url = str(tmp_path / "s.zarr")
    tiles_each = plan.grid(0).count
    run_plan(plan, url, scheduler="threads")
    before = modified(url)
    assert len(before) == 2 * 10 * tiles_each
    changed = [dataclasses.replace(s, cosmic_ray_rate=5e-5) if s.observation == 3 else s for s in specs]
    changed_plan = small_plan(tmp_path / "other", changed)
    other = changed_plan.with_tile_bytes(SMALL)

    comparison, _ = compare(other, url)
    assert comparison.exposures == {"done": 9, "partial": 0, "changed": 1, "new": 0}
    assert (comparison.tiles_done, comparison.tiles_left) == (9 * tiles_each, tiles_each)
    again = f"observation 3: 1 exposure ({tiles_each} tiles) again: cosmic rays changed"
    assert again in str(comparison)
    with pytest.raises(StoreError, match="another plan") as refused:
        run_plan(other, url, scheduler="threads")
    assert again in str(refused.value)
    assert modified(url) == before

    events = []
    report = run_plan(other, url, scheduler="threads", update=True, progress=events.append)
    assert str(events[0].comparison) == str(comparison)
    assert report.tiles == tiles_each
    after = modified(url)
    assert after.keys() == before.keys()
    assert {name.split("/")[0] for name in after if after[name] != before[name]} == {specs[2].name}
    assert sum(after[name] != before[name] for name in after) == 2 * tiles_each  # shards and their records
    assert same(contents(url), expected(changed_plan))


def test_what_changed_is_said_in_words(fake, plan, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(plan, url, scheduler="serial")
    assert compare(plan, tmp_path / "nowhere.zarr")[0].lines == []
    assert compare(plan, url)[0].lines == ["in the store: 5 of 5 tiles; 5 exposures done"]
    first, second, *rest = small_specs()
    specs = [
        dataclasses.replace(first, pack="another", layers=sky(2.0)),
        dataclasses.replace(second, ngroups=7),
        make_spec(9, "NRCB1"),
        *rest[1:],
    ]
    comparison, _ = compare(small_plan(tmp_path / "other", specs), url)
    assert (
        comparison.lines[0]
        == "in the store: 2 of 5 tiles; 2 exposures done, 2 exposures changed, 1 exposure new"
    )
    assert any("background, reference data changed" in line for line in comparison.lines)
    assert any("groups changed" in line for line in comparison.lines)
    assert "1 exposure of the store are not in this plan" in comparison.lines[-1]
