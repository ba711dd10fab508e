"""Estimates: sizes are exact, memory is an upper bound of what is measured, the display says it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
import tracemalloc
from functools import partial

import pytest
from numba.core import event
from rich.console import Console
from support.small_plans import make_spec, small_plan, table_of
from support.table_packs import table_references

from mirage_dask.errors import InputError
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.run.display.terminal import TerminalProgress
from mirage_dask.run.estimate import (
    PIXEL_BYTES,
    SAMPLE_BYTES,
    TRUTH_SAMPLE_BYTES,
    check_memory,
    estimate_run,
    measure_once,
    measure_tiles,
)
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.sizes import binary_size, parse_size
from mirage_dask.run.tiling import smaller_tiles
from mirage_dask.spec import Window
from mirage_dask.store.plan import save_plan


def frame(number=1, **changes):
    return make_spec(
        number, **{"nints": 1, "ngroups": 5, "nx": 2048, "ny": 2048, "x0": 0, "y0": 0, **changes}
    )


def test_sizes(plan, tmp_path):
    found = estimate_run(plan, store_url=tmp_path / "s.zarr")
    assert (found.exposures, found.tiles, found.raw_bytes) == (5, 5, plan.raw_bytes)
    assert found.free_bytes > 0
    assert "5 exposures" in str(found)
    assert estimate_run(plan, [0]).exposures == 1
    assert estimate_run(plan, []).raw_bytes == 0


def test_memory_does_not_grow_with_exposures_groups_or_integrations(tmp_path):
    def peak(name, specs):
        return estimate_run(save_plan(tmp_path / name, table_of(specs), specs), threads=4).peak_bytes

    one = peak("one", [frame()])
    assert peak("many", [frame(i) for i in range(1, 9)]) == one
    assert peak("groups", [frame(ngroups=20)]) <= one
    assert peak("integrations", [frame(nints=50)]) == one
    assert one < 1.4e9


def test_a_limit_below_the_peak_is_refused(plan):
    found = estimate_run(plan)
    check_memory(found, None)
    check_memory(found, 4_000_000_000)
    with pytest.raises(
        InputError, match=r"limited to 100 MB; give each worker more memory \(at least \d+ MB\)\.$"
    ):
        check_memory(found, 100_000_000, partial(smaller_tiles, plan, range(len(plan)), store_exists=False))


@pytest.mark.parametrize("threads", [1, 4])
def test_a_refusal_names_the_largest_tiles_that_fit(tmp_path, threads):
    specs = [frame(), frame(2, ngroups=20), frame(3, nints=30, nx=64, ny=64)]
    plan, rows = save_plan(tmp_path / "plan", table_of(specs), specs), range(3)
    found = estimate_run(plan, threads=threads)
    limit = found.peak_bytes - threads * found.thread_bytes + threads * found.thread_bytes // 3
    remedy = partial(smaller_tiles, plan, rows)
    with pytest.raises(InputError) as refused:
        check_memory(found, limit, partial(remedy, store_exists=False))
    assert ("1 thread in each" in str(refused.value)) == (threads == 4)
    named = parse_size(re.search(r"--tile-bytes (\w+)\)\.$", str(refused.value))[1], "tile_bytes")
    check_memory(estimate_run(plan.with_tile_bytes(named), threads=threads), limit)
    assert estimate_run(plan.with_tile_bytes(2 * named), threads=threads).peak_bytes > limit
    with pytest.raises(
        InputError, match=f"--tile-bytes {binary_size(named)}.* and another place, because a store keeps"
    ):
        check_memory(found, limit, partial(remedy, store_exists=True))


def test_variables_of_the_truth_need_no_more_than_is_stated(tmp_path):
    """What a pixel and a group take: arrays while a ramp is computed, and one more of float32 while a chunk is written."""
    specs = [frame()]
    plan = save_plan(tmp_path / "plan", table_of(specs), specs)
    grid = plan.grid(0)
    part = grid.part[0] * grid.part[1] * grid.part[2] * grid.part[3]
    more = estimate_run(plan, truth=True).peak_bytes - estimate_run(plan).peak_bytes
    assert more == part * (TRUTH_SAMPLE_BYTES - SAMPLE_BYTES)
    references, (few, many), height = table_references("NRCA1"), (2, 12), 64
    for name in ("read_noise", "ipc", "groupdq"):
        peaks = []
        for groups in (few, few, many):  # the first time compiles
            spec = frame(
                detector="NRCA1",
                y0=512,
                ny=height,
                ngroups=groups,
                layers=(),
                cosmic_ray_library="",
                filter="F200W",
            )
            tracemalloc.start()
            simulate_window(spec, references, Window.whole(spec), want=(name,))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        each = (peaks[2] - peaks[1]) / (height * 2048 * (many - few))
        assert 4 < each <= TRUTH_SAMPLE_BYTES - 4, name
        assert peaks[1] < height * 2048 * (TRUTH_SAMPLE_BYTES * few + PIXEL_BYTES), name


MEASURED = """
import json, resource, sys
from pathlib import Path
from support import fake_exposure
fake_exposure.install()
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
report = run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler="threads", threads=2))
status = Path("/proc/self/status")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if status.exists():  # getrusage on Linux counts the parent too, from before the program was loaded
    (peak,) = (int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([report.ok, peak * 1024]))
"""


def test_measured_peak_is_below_the_projected_one(fake, tmp_path):
    plan = small_plan(tmp_path / "plan", [frame(ngroups=2, ny=1024), frame(2, ngroups=2, ny=1024)])
    projected = estimate_run(plan, threads=2).peak_bytes
    command = [sys.executable, "-c", MEASURED, plan.url, str(tmp_path / "s.zarr")]
    said = subprocess.run(command, capture_output=True, text=True)
    ok, peak = json.loads(said.stdout or "[false, 0]")
    assert ok, said.stderr[-2000:]
    assert 0.2 * projected < peak < projected


@pytest.mark.parametrize("terminal", [True, False])
def test_display(fake, plan, tmp_path, terminal):
    text = io.StringIO()
    shown = TerminalProgress(Console(file=text, force_terminal=terminal, width=150))
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"), progress=shown)
    assert "5 exposures, 5 tiles" in text.getvalue()
    assert str(report) in text.getvalue().replace("\x1b[0m", "")
    assert ("5/5 exposures" in text.getvalue()) == terminal


def test_compiling_is_not_counted_twice(fake, plan, monkeypatch):
    """The processes of the run that follows find the kernels in the cache."""
    simulate, begun = fake.simulate_window, []

    def compiling(*given, **named):
        if not begun:
            begun.append(True)
            with event.trigger_event("numba:compile"):
                until = time.process_time() + 3.0
                while time.process_time() < until:
                    pass
        return simulate(*given, **named)

    monkeypatch.setattr("mirage_dask.exposure.simulate.simulate_window", compiling)
    assert measure_tiles(plan).load_seconds < 1.0
    assert begun


@pytest.mark.usefixtures("fake")
def test_a_plan_in_the_cache_is_measured_once(tmp_path, monkeypatch):
    """What was measured is said again, for the same tiles; a damaged note, or a plan elsewhere, is measured anew."""
    plan = small_plan(tmp_path / "cache" / "plan")
    assert not measure_once(plan, [0]).earlier
    assert not measure_once(plan, [0]).earlier
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path / "cache"))
    first = measure_once(plan, [0, 1])
    again = measure_once(plan, [0, 1])
    assert (first.earlier, again.earlier) == (False, True)
    assert (again.tiles, again.sample_seconds, again.stored_fraction) == (
        first.tiles,
        first.sample_seconds,
        first.stored_fraction,
    )
    assert not measure_once(plan, [0]).earlier
    note = tmp_path / "cache" / "plan" / "measured.json"
    for content in ('{"x": 1}', "[", note.read_text().replace(repr(first.sample_seconds), '"much"')):
        note.write_text(content)
        assert not measure_once(plan, [0, 1]).earlier
