"""A store that is made in selections: it goes on without a word, and what truly changed is asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.small_plans import contents, expected, same, small_plan, small_specs, table_of

from mirage_dask.errors import InputError, StoreError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.comparison import compare
from mirage_dask.store.plan import Plan, save_plan
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.selections import extended
from mirage_dask.store.simulation import SimulationStore

SERIAL = Resources(scheduler="serial")


def plan_of(directory: Path, detectors: str, changed: str = "", **changes) -> Plan:
    """Return a plan of the exposures of some detectors, with the table of all; change the rows of some others."""
    specs = small_specs()
    table = table_of(specs)
    table.loc[table["detector"].isin(changed.split()), list(changes)] = list(changes.values())
    return save_plan(directory, table, [s for s in specs if s.detector in detectors.split()])


def modified(url: Path) -> dict[str, int]:
    return {p.relative_to(url).as_posix(): p.stat().st_mtime_ns for p in Path(url).rglob("*") if p.is_file()}


def test_a_store_goes_on_with_another_selection_and_with_all(fake, tmp_path):
    url = tmp_path / "s.zarr"
    first = run_plan(plan_of(tmp_path / "a", "NRCB1"), url, resources=SERIAL, tile_bytes=4096)
    before = modified(url)
    second = run_plan(plan_of(tmp_path / "b", "NRCB3 NRCB4"), url, resources=SERIAL)
    assert (first.exposures, second.exposures, second.skipped) == (2, 2, 0)
    after = modified(url)
    assert {name for name in before if "jw" in name and after[name] != before[name]} == set()
    store = SimulationStore.open(url)
    assert {store.plan.spec(row).detector for row in range(4)} == {"NRCB1", "NRCB3", "NRCB4"}
    assert list(store.status()["status"]) == ["done", "ready", "done", "done", "done"]
    assert store.status()["tiles"].min() > 0  # also of what is not prepared yet
    with pytest.raises(InputError, match=r"is not in the plan at .* simulate it first"):
        store.raw(small_specs()[1].name)
    whole = small_plan(tmp_path / "whole")
    rest = run_plan(whole, url, resources=SERIAL)
    assert (rest.skipped, rest.done) == (4, 5)
    assert same(contents(url), expected(whole))


def test_a_plan_taken_over_is_that_of_the_store(fake, tmp_path):
    """Nothing is written when a selection of what the store holds is given again."""
    url = tmp_path / "s.zarr"
    run_plan(plan_of(tmp_path / "a", "NRCB1 NRCB2"), url, resources=SERIAL)
    run_plan(plan_of(tmp_path / "b", "NRCB3"), url, resources=SERIAL)
    before, part = modified(url), plan_of(tmp_path / "c", "NRCB2")
    assert extended(part, StoreRoot.read(url)).digest == StoreRoot.read(url).plan
    assert run_plan(part, url, resources=SERIAL).skipped == 1
    assert modified(url) == before


def test_what_truly_changed_is_asked_for(fake, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(plan_of(tmp_path / "a", "NRCB1 NRCB2"), url, resources=SERIAL)
    specs = [dataclasses.replace(s, random_seed=7) for s in small_specs()]
    other = save_plan(tmp_path / "b", table_of(specs), [s for s in specs if s.detector in ("NRCB1", "NRCB3")])
    target = extended(other, StoreRoot.read(url))
    new = [row for row in range(len(target)) if target.spec(row).detector == "NRCB3"]
    comparison, _ = compare(target, StoreRoot.read(url), new)
    assert comparison.differs
    assert comparison.exposures["new"] == 1
    assert "2 exposures (2 tiles) again, when they are selected: random seed changed" in str(comparison)
    with pytest.raises(StoreError, match="random seed changed"):
        run_plan(other, url, resources=SERIAL, select="detector == 'NRCB3'")
    run_plan(other, url, resources=SERIAL, select="detector == 'NRCB3'", update=True)
    status = SimulationStore.open(url).status().set_index("name")["status"]
    assert list(status) == ["ready", "done", "ready", "done", "ready"]


def test_another_row_of_an_exposure_that_is_not_prepared_is_asked_for(fake, tmp_path):
    """Its specification is not known; its settings are, and they are others."""
    url = tmp_path / "s.zarr"
    run_plan(plan_of(tmp_path / "a", "NRCB1"), url, resources=SERIAL)
    other = plan_of(tmp_path / "b", "NRCB3", changed="NRCB1", pa_v3=99.0)
    with pytest.raises(StoreError, match="2 exposures of the store are not in this plan"):
        run_plan(other, url, resources=SERIAL)
    third = plan_of(tmp_path / "c", "NRCB3", changed="NRCB2", pa_v3=99.0)
    assert run_plan(third, url, resources=SERIAL).done == 1


def test_what_has_no_data_may_change(fake, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(small_plan(tmp_path / "a"), url, resources=SERIAL, select="observation == 2")
    specs = [dataclasses.replace(s, random_seed=7) if s.observation == 1 else s for s in small_specs()]
    assert run_plan(small_plan(tmp_path / "b", specs), url, resources=SERIAL).skipped == 2
