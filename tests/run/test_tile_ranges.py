"""Missing tiles cut into tasks and submissions: everything is covered, and graphs stay within their limits."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.small_plans import SMALL_TILE, contents, expected, make_spec, same, small_plan

from mirage_dask.run.estimate import estimate_run
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.graph import graph_size
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.tasks import MOST_BLOCKS, TILE_RANGE, RunHandle, missing_tile_ranges, submissions
from mirage_dask.store.comparison import compare
from mirage_dask.store.root import StoreRoot


def covered(ranges):
    return [(row, tile) for row, first, stop in ranges.tolist() for tile in range(first, stop)]


def test_tasks_cover_what_is_missing(plan):
    plan = plan.with_tile_bytes(SMALL_TILE)
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
    assert (
        estimate_run(plan).tiles
        == compare(plan, StoreRoot.read(tmp_path / "s.zarr"))[0].tiles_left
        == 8 * 12160
    )
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
    report = run_plan(
        plan, tmp_path / "s.zarr", resources=Resources(scheduler=scheduler), tile_bytes=SMALL_TILE
    )
    assert report.ok
    assert same(contents(report.store_url), expected(plan))
