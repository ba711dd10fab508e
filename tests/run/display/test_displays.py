"""What is shown of a run: counted right, in a notebook as one display that is changed in place, with the memory in use."""

from __future__ import annotations

import io
import threading

import psutil
import pytest
from rich.console import Console

from mirage_dask.run.display.events import (
    ExposureDone,
    MemoryUsed,
    RunFinished,
    RunStarted,
    StepStarted,
    TileDone,
    TileFailed,
)
from mirage_dask.run.display.notebook import SHORTEST, NotebookProgress, in_notebook
from mirage_dask.run.display.tally import RATE_SECONDS, WAITING, Tally
from mirage_dask.run.display.terminal import TerminalProgress
from mirage_dask.run.estimate import RunEstimate
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.memory import memory_of_process, memory_of_workers, memory_watched
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.report import RunReport
from mirage_dask.store.comparison import StoreComparison
from mirage_dask.store.status import Failure


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def started(exposures=4, raw=400_000_000, done=0):
    estimate = RunEstimate(exposures, 8, raw, raw // 2, 1, 10**9, 10**8, 8, raw // 2, 10.0, None)
    return RunStarted(
        "s.zarr",
        exposures,
        1,
        raw,
        done,
        estimate,
        StoreComparison("s.zarr", False, False, {}, 0, 8, 0, raw, (), 0),
    )


def finished(failures=()):
    return RunFinished(RunReport("s.zarr", "0", 4, 1, 3, tuple(failures), 7, 1, 1, 2.0))


def tile(size=50_000_000):
    return TileDone("jw1", 0, size, size // 2, 0.5)


def test_tally():
    clock = Clock()
    tally = Tally(clock=clock)
    tally(started(done=100_000_000))
    assert (tally.rate, tally.seconds_left, tally.fraction) == (0.0, None, 0.25)
    clock.now += 2
    tally(tile())
    assert (tally.rate, tally.seconds_left) == (25e6, 10.0)
    assert (tally.size_text, tally.rate_text) == ("150 MB raw", "25 MB/s")
    tally(TileFailed("jw2", 1, "no star"))
    tally(TileFailed("jw2", 2, "no galaxy"))
    tally(ExposureDone("jw2", failed=True))
    tally(ExposureDone("jw1", failed=False))
    assert tally.exposures_text == "2/4 exposures, 1 failed"
    assert tally.failures == {"jw2": "no star"}
    assert tally.memory_text == ""
    tally(MemoryUsed("tcp://w", 812_000_000, 2_000_000_000))
    assert tally.memory_text == "812/2,000 MB memory"
    clock.now += 100 * RATE_SECONDS  # a pause is forgotten after a while
    tally(tile())
    clock.now += 1
    tally(tile())
    clock.now += RATE_SECONDS + 1
    tally(tile(0))
    assert tally.rate < 50e6


# ------------------------------------------------------------------------------------------------ memory


def test_memory_is_told_until_the_block_ends():
    told, seen = threading.Event(), []

    def dispatch(used):
        seen.append(used)
        told.set()

    with memory_watched(memory_of_process, dispatch):
        assert told.wait(20)
    count = len(seen)
    assert 0.2 < seen[0].bytes / psutil.Process().memory_info().rss < 5
    assert (seen[0].worker, seen[0].limit, len(seen)) == ("", None, count)


def test_memory_that_is_not_known_ends_nothing():
    asked = threading.Event()

    def read():
        asked.set()
        raise OSError("the scheduler is gone")

    with memory_watched(read, lambda used: pytest.fail("nothing is known")):
        assert asked.wait(20)


def test_a_slow_scheduler_holds_nothing_up():
    answer, asked = threading.Event(), threading.Event()

    def read():
        asked.set()
        answer.wait(20)
        return MemoryUsed("late", 1, None)

    with memory_watched(read, lambda used: pytest.fail("told after the end")):
        assert asked.wait(20)
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "mirage_dask memory watch":
            thread.join(20)


class Workers:
    """A client as `memory_of_workers` asks it."""

    def __init__(self, **workers):
        self.workers = workers

    def scheduler_info(self, n_workers):
        assert n_workers == -1
        return {"workers": self.workers}


def test_the_worker_nearest_to_its_limit():
    def worker(memory, limit):
        return {"metrics": {"memory": memory}, "memory_limit": limit}

    assert memory_of_workers(Workers()) is None
    assert memory_of_workers(Workers(new={"metrics": {}, "memory_limit": 10})) is None
    assert memory_of_workers(Workers(a=worker(500, 1000), b=worker(400, 500))) == MemoryUsed("b", 400, 500)
    assert memory_of_workers(Workers(a=worker(500, 0), b=worker(400, 0))) == MemoryUsed("a", 500, None)


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_run_tells_its_memory(fake, plan, tmp_path, monkeypatch, scheduler):
    told, simulate = threading.Event(), fake.simulate_window
    monkeypatch.setattr(
        "mirage_dask.exposure.simulate.simulate_window", lambda *a, **k: told.wait(20) and simulate(*a, **k)
    )
    events = []

    def subscriber(event):
        events.append(event)
        if isinstance(event, MemoryUsed):
            told.set()

    assert run_plan(
        plan, tmp_path / "s.zarr", resources=Resources(scheduler=scheduler), progress=subscriber
    ).ok
    assert any(isinstance(event, MemoryUsed) for event in events)
    assert (type(events[0]), type(events[-1])) == (RunStarted, RunFinished)


def test_the_terminal_shows_memory():
    text = io.StringIO()
    with TerminalProgress(Console(file=text, force_terminal=True, width=160)) as shown:
        for event in (started(), tile(), MemoryUsed("", 812_000_000, 2_000_000_000), finished()):
            shown(event)
    assert "812/2,000 MB memory" in text.getvalue()


def test_a_terminal_says_what_it_waits_for():
    """Of the first results, and of what follows the last tile; not a time that is over."""
    text = io.StringIO()
    with TerminalProgress(Console(file=text, force_terminal=True, width=160)) as shown:
        shown(started(done=400_000_000 - 50_000_000))
        shown._progress.refresh()
        assert WAITING in text.getvalue()
        shown(tile())
        text.truncate(0)
        shown(StepStarted("truth tables", 3, 20))
        shown._progress.refresh()
        assert "truth tables (3 of 20)" in text.getvalue()
        assert "left" not in text.getvalue()


# ---------------------------------------------------------------------------------------------- notebooks


@pytest.fixture
def displays(monkeypatch):
    """What IPython is given to show: [(what was done, HTML)]."""
    shown = []

    class Handle:
        def update(self, content):
            shown.append(("updated", content.data))

    def display(content, *, display_id):
        shown.append(("displayed", content.data))
        return Handle()

    pytest.importorskip("IPython")
    monkeypatch.setattr("IPython.display.display", display)
    return shown


def test_a_notebook_is_not_flooded(displays):
    clock = Clock()
    with NotebookProgress(clock) as shown:
        shown(started())
        for _ in range(1000):
            clock.now += 0.01
            shown(tile(100_000))
        shown(finished())
    assert [what for what, _ in displays[:2]] == ["displayed", "updated"]
    assert [what for what, _ in displays].count("displayed") == 1
    assert 10 < len(displays) <= 2 + 10 / SHORTEST
    assert "10 MB/s" in displays[-2][1]
    assert WAITING in displays[0][1]
    assert "3 of 4 exposures complete" in displays[-1][1]


def test_failures_are_few_and_escaped(displays):
    with NotebookProgress(Clock()) as shown:
        shown(started())
        for n in range(8):
            shown(TileFailed(f"jw{n}", 0, "<script>alert()</script>"))
            shown(ExposureDone(f"jw{n}", failed=True))
        shown(finished([Failure("jw0", 0, "<script>", "")]))
    last = displays[-1][1]
    assert "<script>" not in last
    assert last.count("&lt;script&gt;alert()") == 5
    assert "and 3 more" in last


def test_a_run_that_is_left_says_so(displays):
    with NotebookProgress(Clock()) as shown:
        shown(started())
    assert "time left" not in displays[-1][1]
    assert "stopped; run the same command again to continue" in displays[-1][1]


def test_no_notebook_here():
    assert not in_notebook()


CELL = """
from support import fake_exposure
fake_exposure.install()
from mirage_dask.exposure import simulate as exposure
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
simulate = exposure.simulate_window
def fail_one(spec, *arguments, **keywords):
    if spec.detector == "NRCB2":
        raise ValueError("no <b>stars</b>")
    return simulate(spec, *arguments, **keywords)
exposure.simulate_window = fail_one
report = run_plan({plan!r}, {store!r}, resources=Resources(scheduler="threads", threads=2), progress=True)
"""


def test_a_cell_of_a_notebook(plan, tmp_path):
    """A real kernel: one display, changed in place, and nothing else below the cell."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    source = CELL.format(plan=plan.url, store=str(tmp_path / "s.zarr"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    updates = []

    class Client(nbclient.NotebookClient):
        def output(self, outputs, message, display_id, cell_index):
            updates.append(message["msg_type"])
            return super().output(outputs, message, display_id, cell_index)

    Client(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output["output_type"] == "display_data"
    assert "4/5 exposures, 1 failed" in output["data"]["text/html"]
    assert "ValueError: no &lt;b&gt;stars&lt;/b&gt;" in output["data"]["text/html"]
    assert "4 of 5 exposures complete" in output["data"]["text/html"]
    assert updates.count("display_data") == 1
    assert len(updates) < 10
