"""Runs: the same content on every executor and for any tiles, failures recorded, finished tiles never made again."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support.small_plans import contents, expected, same, sky, small_plan, small_specs

from mirage_dask.errors import StoreError
from mirage_dask.run.display.events import ExposureDone, RunFinished, RunStarted, TileDone, TileFailed
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.report import RunError
from mirage_dask.run.verify import verify_store
from mirage_dask.store.plan import load_plan
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.simulation import SimulationStore


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_content_does_not_depend_on_executor(fake, plan, tmp_path, scheduler):
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler=scheduler))
    assert report.ok
    assert (report.exposures, report.done, report.skipped, report.tiles) == (5, 5, 0, 5)
    assert same(contents(report.store_url), expected(plan))
    assert SimulationStore.open(report.store_url).verify() == []


@pytest.mark.parametrize("size", [2048, 4096, 9000, 20000])
def test_content_does_not_depend_on_tiles(fake, plan, tmp_path, size):
    report = run_plan(
        plan, tmp_path / "s.zarr", resources=Resources(scheduler="threads", threads=2), tile_bytes=size
    )
    assert report.tiles > 5
    assert same(contents(report.store_url), expected(plan))
    assert verify_store(report.store_url, resources=Resources(scheduler="serial")).checked == report.tiles


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_store_keeps_its_tiles(fake, plan, tmp_path, scheduler):
    """A run goes on with them, an update too; other ones are refused."""
    url = tmp_path / "s.zarr"
    first = run_plan(
        plan, url, resources=Resources(scheduler=scheduler), tile_bytes="4KiB", select="observation == 2"
    )
    whole = run_plan(plan, tmp_path / "whole.zarr", resources=Resources(scheduler=scheduler), tile_bytes=4096)
    assert SimulationStore.open(url).plan.tile_bytes == 4096
    with pytest.raises(
        StoreError, match=r"has tiles of 4KiB, not 9000B; .* Leave tile_bytes .* another place"
    ):
        run_plan(plan, url, resources=Resources(scheduler=scheduler), tile_bytes=9000)
    rest = run_plan(plan, url, resources=Resources(scheduler=scheduler))
    assert (rest.skipped, rest.tiles) == (2, whole.tiles - first.tiles)
    assert run_plan(plan, url, resources=Resources(scheduler=scheduler), tile_bytes="4KiB").tiles == 0
    assert same(contents(url), expected(plan))
    other = small_plan(
        tmp_path / "other", [dataclasses.replace(s, random_seed=s.observation) for s in small_specs()]
    )
    with pytest.raises(StoreError, match="another plan"):
        run_plan(other, url, resources=Resources(scheduler=scheduler))
    assert run_plan(other, url, resources=Resources(scheduler=scheduler), update=True).tiles == whole.tiles
    assert SimulationStore.open(url).plan.tile_bytes == 4096
    assert same(contents(url), expected(other))


def test_a_store_made_before_tiles_had_a_size(fake, plan, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(plan, url, resources=Resources(scheduler="serial"), select="observation == 2")
    for path, part in ((url / "zarr.json", "attributes"), (url / "plan/plan.json", None)):
        document = json.loads(path.read_text())
        for key in ("content", "tile_bytes"):
            (document[part]["mirage_dask"] if part else document).pop(key, None)
        path.write_text(json.dumps(document))
    load_plan.__globals__["_load"].cache_clear()
    assert run_plan(plan, url, resources=Resources(scheduler="serial")).skipped == 2


def test_a_plan_that_lies_in_its_store(fake, tmp_path):
    plan = small_plan(tmp_path / "s.zarr" / "plan")
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), tile_bytes=4096)
    assert report.tiles > 5
    assert run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial")).skipped == 5


def test_a_second_run_has_nothing_to_do(fake, plan, tmp_path):
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), select="observation == 2")
    fake.calls.clear()
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    assert (report.skipped, report.tiles, report.done) == (2, 3, 5)
    assert len(fake.calls) == 3
    fake.calls.clear()
    assert run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="threads")).tiles == 0
    assert fake.calls == []


def test_only_what_changed_is_made_again(fake, plan, tmp_path):
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    specs = [dataclasses.replace(s, random_seed=43) if s.detector == "NRCB2" else s for s in small_specs()]
    other = small_plan(tmp_path / "other", specs)
    with pytest.raises(StoreError, match="another plan"):
        run_plan(other, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    report = run_plan(other, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), update=True)
    assert (report.skipped, report.tiles) == (4, 1)
    assert same(contents(report.store_url), expected(other))


def poisoned(tmp_path):
    specs = [dataclasses.replace(s, layers=sky(-1.0)) if s.detector == "NRCB2" else s for s in small_specs()]
    return small_plan(tmp_path / "poisoned", specs)


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_failing_exposure_is_recorded_and_the_rest_goes_on(fake, tmp_path, scheduler):
    events = []
    report = run_plan(
        poisoned(tmp_path),
        tmp_path / "s.zarr",
        resources=Resources(scheduler=scheduler),
        progress=events.append,
    )
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
    again = run_plan(poisoned(tmp_path), tmp_path / "s.zarr", resources=Resources(scheduler=scheduler))
    assert (again.skipped, again.tiles, again.failed) == (4, 0, (name,))


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_stop_at_the_first_failure(fake, tmp_path, scheduler):
    with pytest.raises(RunError, match="nrcb2, tile 0 failed: ValueError: poisoned"):
        run_plan(
            poisoned(tmp_path),
            tmp_path / "s.zarr",
            resources=Resources(scheduler=scheduler),
            on_error="raise",
        )


def test_a_hiccup_of_the_file_system_is_tried_again(fake, plan, tmp_path, monkeypatch):
    import mirage_dask.run.tasks as tasks
    from mirage_dask import virtual

    left = {"times": 2}
    right = virtual.simulate

    def hiccup(*arguments):
        if left["times"]:
            left["times"] -= 1
            raise OSError(5, "Input/output error")
        return right(*arguments)

    monkeypatch.setattr(virtual, "simulate", hiccup)
    monkeypatch.setattr(tasks.time, "sleep", lambda seconds: None)
    assert run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), retries=2).ok
    left["times"] = 2
    report = run_plan(plan, tmp_path / "t.zarr", resources=Resources(scheduler="serial"), retries=1)
    assert "Input/output error" in report.failures[0].error


def test_a_broken_display_does_not_end_the_run(fake, plan, tmp_path):
    def broken(event):
        raise RuntimeError("no terminal")

    with pytest.warns(UserWarning, match="gets no more events"):
        assert run_plan(
            plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), progress=[broken]
        ).ok


def test_the_root_of_a_store_is_read_once(fake, plan, tmp_path, monkeypatch):
    url, read, reads = tmp_path / "s.zarr", StoreRoot.read, []
    monkeypatch.setattr(StoreRoot, "read", lambda place: reads.append(place) or read(place))
    for tiles in (5, 0):
        reads.clear()
        assert run_plan(plan, url, resources=Resources(scheduler="serial")).tiles == tiles
        assert reads == [url]


def test_a_store_that_another_run_makes_at_the_same_time(fake, plan, tmp_path):
    url = tmp_path / "s.zarr"
    before = StoreRoot.read(url)
    run_plan(plan, url, resources=Resources(scheduler="serial"))
    store = SimulationStore.create(url, plan, root=before)
    assert all(store.is_done(row) for row in range(len(plan)))
    other = small_plan(tmp_path / "other", small_specs()[:1])
    with pytest.raises(StoreError, match="another plan"):
        SimulationStore.create(url, other, root=before)
