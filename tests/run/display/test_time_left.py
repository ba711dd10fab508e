"""The time left is right within a factor of 2 from the tenth part of a run on, and starting counts for nothing."""

from __future__ import annotations

import heapq
import io

import numpy as np
import pytest
from rich.console import Console

from mirage_dask.run.display.events import RunStarted, StepStarted, TileDone
from mirage_dask.run.display.tally import Tally
from mirage_dask.run.display.terminal import LOG_SECONDS, TerminalProgress
from mirage_dask.run.estimate import RunEstimate
from mirage_dask.store.comparison import StoreComparison

SIZE = 8_000_000


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def run_started(tiles, *, threads, block, before=0):
    raw = SIZE * (tiles + before)
    estimate = RunEstimate(tiles, tiles, raw, raw // 2, 1, 10**9, 10**8, tiles, raw // 2, 10.0, None)
    same = StoreComparison("s.zarr", False, False, {}, 0, tiles, 0, raw, (), 0)
    return RunStarted(
        "s.zarr", tiles, 0, raw, SIZE * before, estimate, same, threads=threads, tiles_at_once=threads * block
    )


def arrivals(costs, *, threads, block, overhead=0.0):
    """Yield (time since tiles began, cost of the tile): a thread takes the next block and returns it as a whole."""
    free = [(0.0, thread) for thread in range(threads)]
    heapq.heapify(free)
    found = []
    for start in range(0, len(costs), block):
        at, thread = heapq.heappop(free)
        own = costs[start : start + block]
        end = at + own.sum() + overhead
        found += [(end, cost) for cost in own]
        heapq.heappush(free, (end, thread))
    return sorted(found)


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize(
    ("tiles", "threads", "block", "overhead", "before"),
    [
        (20, 2, 1, 0.0, 0),
        (20, 2, 1, 0.0, 60),
        (88, 2, 3, 0.3, 0),
        (88, 8, 2, 0.0, 0),
        (400, 8, 10, 1.0, 0),
        (400, 64, 1, 0.0, 0),
        (1000, 1, 1, 0.0, 0),
    ],
)
def test_time_left(tiles, threads, block, overhead, before, spread):
    costs = np.random.default_rng(3).uniform(1 - spread, 1 + spread, tiles) * 1.5
    results = arrivals(costs, threads=threads, block=block, overhead=overhead)
    end, clock = results[-1][0], Clock()
    tally = Tally(clock=clock)
    tally(run_started(tiles, threads=threads, block=block, before=before))
    clock.now = 46.0  # workers start, kernels load
    tally(StepStarted("loading kernels"))
    assert (tally.seconds_left, tally.step) == (None, "loading kernels")
    tally(StepStarted(""))
    slack = 1.5 * block * (1 + spread / 2) + overhead  # the last tasks: nobody knows more exactly
    worst = 1.0
    for done, (at, cost) in enumerate(results, 1):
        later = results[done][0] if done < tiles else at
        clock.now = 46.0 + at
        tally(TileDone("jw", done, SIZE, SIZE // 2, float(cost)))
        for share in (0.0, 0.5, 0.99):
            clock.now = 46.0 + at + share * (later - at)
            left, true = tally.seconds_left, end - (clock.now - 46.0)
            if done >= tiles / 10 and later > at:  # results of one moment are all known
                worst = max(worst, (left - slack) / (true + 1e-9), (true - slack) / (left + 1e-9))
    assert worst < 2


def test_a_run_that_stands_still_needs_more_time():
    clock = Clock()
    tally = Tally(clock=clock)
    tally(run_started(20, threads=1, block=1))
    for _ in range(10):
        clock.now += 2
        tally(TileDone("jw", 0, SIZE, SIZE, 2.0))
    assert tally.seconds_left == pytest.approx(20)
    clock.now += 4
    assert tally.seconds_left == pytest.approx(16)
    clock.now += 56
    assert tally.seconds_left > 80


def test_a_log_gets_a_line_a_minute():
    clock, text = Clock(), io.StringIO()
    with TerminalProgress(Console(file=text, width=400), Tally(clock=clock)) as shown:
        shown(run_started(400, threads=1, block=1))
        shown(StepStarted("loading kernels and references"))
        for number in range(400):
            clock.now += 2
            shown(StepStarted("")) if number == 30 else shown(TileDone("jw", 0, SIZE, SIZE, 2.0))
    lines = [line for line in text.getvalue().splitlines() if "elapsed" in line]
    assert len(lines) == 400 * 2 // LOG_SECONDS
    assert "8 MB raw, 4 MB/s" not in text.getvalue()
    assert "0:01:00 elapsed, about 0:12:20 left" in lines[0]
