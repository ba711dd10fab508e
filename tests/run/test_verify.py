"""Tiles computed again from a store alone: right ones pass, and every way of being wrong is named."""

from __future__ import annotations

import json
import shutil

import pytest
from support import fake_exposure

from mirage_dask import cli, open_simulation
from mirage_dask.errors import InputError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.verify import verify_store
from mirage_dask.store.simulation import SimulationStore


@pytest.fixture
def store(fake, plan, tmp_path):
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    return SimulationStore.open(tmp_path / "s.zarr")


def write_wrong(store, row=1):
    """A tile as another version would have made it: its record fits, its values do not."""
    values = store.raw(store.plan.names[row])[...]
    values[0, 2, 30, 40] += 1
    store.write_tile(row, 0, values)
    return store.plan.names[row]


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_a_store_is_what_its_plan_gives(store, plan, scheduler):
    shutil.rmtree(plan.url)  # the store alone
    fake_exposure.calls.clear()
    found = verify_store(store.url, resources=Resources(scheduler=scheduler))
    assert found.ok
    assert (found.tiles, found.checked, found.damages) == (5, 5, ())
    assert len(fake_exposure.asked()) == 5


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_wrong_values_that_checksums_do_not_find(store, scheduler):
    name = write_wrong(store)
    assert verify_store(store, checksums=True).ok
    found = verify_store(store, resources=Resources(scheduler=scheduler))
    assert found.exposures == (name,)
    assert found.damages[0].problem.startswith("has other values than are computed now, 1 of 12,288, ")
    assert found.damages[0].problem.endswith("at integration 0, group 2, y 30, x 40")


def test_damaged_files_and_specs_that_cannot_be_computed(store, fake, monkeypatch):
    name = store.plan.names[0]
    path = next(p for p in sorted(store_files(store, name)))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    assert verify_store(store, checksums=True).exposures == (name,)
    assert verify_store(store, resources=Resources(scheduler="serial")).exposures == (name,)

    def fail(*_, **__):
        raise ArithmeticError("no kernel")

    monkeypatch.setattr("mirage_dask.exposure.simulate.simulate_window", fail)
    found = verify_store(store, resources=Resources(scheduler="serial"), sample=2)
    assert found.checked == 2
    assert {d.problem for d in found.damages} == {"cannot be computed: ArithmeticError: no kernel"}


def store_files(store, name):
    from pathlib import Path

    return Path(store.url, name, "raw").glob("c.*")


def test_samples_and_selections(store):
    assert verify_store(store, sample=3, resources=Resources(scheduler="serial")).checked == 3
    assert verify_store(store, sample=30, resources=Resources(scheduler="serial")).checked == 5
    assert verify_store(store, select="observation == 2", resources=Resources(scheduler="serial")).tiles == 2
    assert open_simulation(store.url).verify(sample=2, scheduler="serial").checked == 2
    with pytest.raises(InputError, match="at least 1 tile"):
        verify_store(store, sample=0)


def test_nothing_to_check(fake, plan, tmp_path):
    store = SimulationStore.create(tmp_path / "s.zarr", plan)
    with pytest.raises(InputError, match="no finished tile to verify"):
        verify_store(store)


def test_command(store, capsys):
    assert cli.main(["verify", store.url, "--serial", "--sample", "4"]) == 0
    out, err = capsys.readouterr()
    assert not out
    assert "as the plan gives them: 4 of 4 tiles" in err
    name = write_wrong(store)
    assert cli.main(["verify", store.url, "--serial"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{name}, tile 0: has other values than are computed now, 1 of 12,288, ")
    assert "4 of 5 tiles" in err
    assert cli.main(["verify", store.url, "--serial", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [d["exposure"] for d in found["damages"]] == [name]
    assert cli.main(["verify", store.url, "--checksums"]) == 0
    assert "checksums they were written with" in capsys.readouterr().err
    assert all(cli.main(["verify", store.url, "--sample", n]) == 2 for n in ("0", "x"))
