"""A process that opens a store again and again while another one runs into it: `python -m support.readers 1000 20`."""

from __future__ import annotations

import collections
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def _read(url: str, opens: int, begun: Any, stop: Any, answers: Any) -> None:
    import zarr

    from mirage_dask.store import layout
    from mirage_dask.store.plan import load_plan
    from mirage_dask.store.simulation import SimulationStore

    found: collections.Counter[str] = collections.Counter()
    while found.total() < opens or not stop.is_set():
        load_plan.__globals__["_load"].cache_clear()  # as a new process would find it
        try:
            store = SimulationStore.open(url)
            store.status()
            with layout.quiet():
                sorted(zarr.open_group(url, mode="r").group_keys())
            found["read"] += 1
        except Exception as error:
            found[f"{type(error).__name__}: {error}"[:300]] += 1
        begun.set()
    answers.put(dict(found))


def read_beside(url: Path | str, opens: int, runs: Iterable[Callable[[], object]]) -> dict[str, int]:
    """Open a store at least so many times, while runs into it follow each other; return how often with which outcome."""
    context = multiprocessing.get_context("spawn")
    begun, stop, answers = context.Event(), context.Event(), context.Queue()
    reader = context.Process(target=_read, args=(str(url), opens, begun, stop, answers))
    reader.start()
    try:
        assert begun.wait(60)
        for run in runs:
            run()
    finally:
        stop.set()
        found: dict[str, int] = answers.get(timeout=600)
        reader.join()
    return found


def main(opens: int, runs: int) -> None:
    """Print the outcomes of opening a store beside repeated runs of the same plan, of selections and of changed plans."""
    import pytest

    from mirage_dask.run.execute import run_plan
    from mirage_dask.run.executors.resources import Resources
    from support import fake_exposure
    from support.small_plans import other_plans

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        fake_exposure.install(patch)
        plans, url = other_plans(Path(folder)), Path(folder) / "s.zarr"

        def run(number: int) -> Callable[[], object]:
            plan = plans[number // 2 % len(plans)]  # each one twice: the second has nothing to do
            return lambda: run_plan(plan, url, resources=Resources(scheduler="serial"), update=True)

        run(0)()
        print(read_beside(url, opens, [run(number) for number in range(runs)]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
