"""Who reads a store while it is resumed or updated, or after that was killed, finds the old store or the new one."""

from __future__ import annotations

import os
import shutil

import pytest
from support.readers import read_beside
from support.small_plans import contents, expected, other_plans, same

from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.plan import load_plan
from mirage_dask.store.simulation import SimulationStore

SERIAL = Resources(scheduler="serial")


def test_a_store_can_be_opened_at_any_moment_of_a_run(fake, tmp_path):
    url, plans = tmp_path / "s.zarr", other_plans(tmp_path)
    run_plan(plans[0], url, resources=SERIAL)
    runs = [lambda p=plan: run_plan(p, url, resources=SERIAL, update=True) for plan in (*plans, *plans)]
    found = read_beside(url, 50, runs)
    assert found.keys() == {"read"}
    assert found["read"] >= 50


def test_the_same_run_again_writes_nothing(fake, tmp_path, monkeypatch):
    url, plan = tmp_path / "s.zarr", other_plans(tmp_path)[0]
    run_plan(plan, url, resources=SERIAL)
    monkeypatch.setattr(os, "replace", None)  # every file appears by it
    monkeypatch.setattr(os, "unlink", None)
    SimulationStore.create(url, plan)
    SimulationStore.open(url).finish(SimulationStore.open(url).survey())


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_at_any_write(fake, tmp_path, monkeypatch, number):
    """Before and after each file that a run with another plan writes or removes."""
    plans, url = other_plans(tmp_path), tmp_path / "s.zarr"
    old, new = plans[0], plans[number]
    run_plan(old, tmp_path / "old.zarr", resources=SERIAL)
    calls = {"replace": os.replace, "unlink": os.unlink}

    def killed_at(moment: int) -> bool:
        """Run until so many files were written; say whether that was before the end."""
        left = [moment]

        def count(name):
            def call(*arguments, **options):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return calls[name](*arguments, **options)

            return call

        shutil.rmtree(url, ignore_errors=True)
        shutil.copytree(tmp_path / "old.zarr", url)
        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, count(name))
            try:
                run_plan(new, url, resources=SERIAL, update=True)
            except Killed:
                return True
        return False

    moment = 0
    while killed_at(moment):
        load_plan.__globals__["_load"].cache_clear()
        store = SimulationStore.open(url)
        assert len(store.status()) == len(old.table)
        assert store.verify() == []
        moment += 1
    assert moment > 5 if number > 1 else moment == 1  # the part is done already: only the run's own file goes
    run_plan(new, url, resources=SERIAL, update=True)
    assert same({k: v for k, v in contents(url).items() if k in new.names}, expected(new))
