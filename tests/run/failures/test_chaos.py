"""Seeded disasters: workers and schedulers are killed, the disk is full once, a source table is damaged. The same command,
given again, ends with the bits of a run that nothing disturbed, and the damaged exposure is recorded.

MIRAGE_DASK_CHAOS is the number of seeds; `make nightly` has ten.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support import chaos_cluster
from support.copies import copy_folder
from support.simulated import SUBARRAY_SW, example_plan
from support.small_plans import make_spec, sky, small_plan

from mirage_dask.errors import StoreError
from mirage_dask.reference.packs.pack import copy_pack
from mirage_dask.run.display.events import TileDone
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.report import RunError
from mirage_dask.scene.sources import PointSources
from mirage_dask.store.simulation import SimulationStore

SEEDS = int(os.environ.get("MIRAGE_DASK_CHAOS", "2"))
EXPOSURES = 10


def stars(number):
    """A source table that differs between exposures."""
    empty = {f.name: np.zeros(0) for f in dataclasses.fields(PointSources)}
    return PointSources(**{**empty, "index": np.array([number])})


def fake_plan(folder):
    """Exposures that are computed as hashes."""
    keys = [stars(n).save(folder / "sources") for n in range(EXPOSURES)]
    specs = [make_spec(n + 1, layers=(*sky(1000.0), ("point_source", keys[n]))) for n in range(EXPOSURES)]
    return small_plan(folder, specs)


def real_plan(folder):
    """Subarrays of the example, each in an observation of its own and with stars of its own brightness."""
    plan = example_plan()
    spec = plan.spec(plan.row(SUBARRAY_SW))
    copy_pack(plan.url, spec.pack, str(folder))
    copy_folder(f"{plan.url}/sources", folder / "sources")
    found = PointSources.load(f"{plan.url}/sources", dict(spec.layers)["point_source"])
    specs = []
    for n in range(1, EXPOSURES + 1):
        own = dataclasses.replace(found, flux=found.flux * (1 + n / 100)).save(folder / "sources")
        layers = tuple((dict(spec.layers) | {"point_source": own}).items())
        name = spec.name.replace("jw99001002", f"jw99001{n:03d}")
        specs.append(
            dataclasses.replace(
                spec,
                name=name,
                observation=n,
                layers=layers,
            )
        )
    return small_plan(folder, specs)


@dataclass(frozen=True)
class Case:
    """What is run."""

    plan: Callable
    fake: bool
    tile_bytes: int


CASES = {"fake": Case(fake_plan, True, 4096), "real": Case(real_plan, False, 2**18)}


def checksums(store):
    return {
        store.plan.names[row]: {tile: commit.checksum for tile, commit in found.items()}
        for row, found in store.survey().items()
    }


class Disasters:
    """A subscriber that strikes once so many tiles are done."""

    def __init__(self, strikes):
        self.strikes = sorted(strikes, key=lambda strike: strike[0])
        self.tiles = 0

    def __call__(self, event):
        self.tiles += isinstance(event, TileDone)
        while self.strikes and self.tiles >= self.strikes[0][0]:
            self.strikes.pop(0)[1]()


@pytest.fixture(params=CASES)
def case(request):
    """A case, computed by its kernels in this process too."""
    found = CASES[request.param]
    if found.fake:
        request.getfixturevalue("fake")
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_disasters_do_not_change_a_bit(case, tmp_path, monkeypatch, seed):
    rng = np.random.default_rng(seed)
    url, flag = str(tmp_path / "chaos.zarr"), tmp_path / "the disk is full"
    plan = case.plan(tmp_path / "plan").with_tile_bytes(case.tile_bytes)
    specs = [plan.spec(row) for row in range(len(plan))]
    cluster_of = partial(chaos_cluster.ChaosCluster, flag, fake=case.fake)
    monkeypatch.setattr("mirage_dask.run.tasks.TASK_SAMPLES", 3 * int(np.prod(plan.grid(0).tile)))
    undisturbed = run_plan(
        plan, tmp_path / "undisturbed.zarr", resources=Resources(scheduler="threads", threads=8)
    )
    wanted = checksums(SimulationStore.open(undisturbed.store_url))

    ill = int(rng.integers(EXPOSURES))
    name, key = specs[ill].name, dict(specs[ill].layers)["point_source"]
    table = Path(plan.url, "sources", f"{key}.npz")
    healthy = table.read_bytes()
    table.unlink()  # it may be linked into the other store
    table.write_bytes(healthy[: len(healthy) // 2])

    def attempt(cluster, *strikes):
        return run_plan(plan, url, resources=Resources(client=cluster.address), progress=[Disasters(strikes)])

    def some():
        return int(rng.integers(1, 20))

    with (
        cluster_of() as cluster,
        pytest.raises(RunError, match="what is committed is kept"),
    ):
        attempt(cluster, (some(), cluster.kill_scheduler))
    with cluster_of() as cluster:
        with pytest.raises(StoreError, match="the disk is full"):
            attempt(cluster, (some(), flag.touch))
        kills = [(some(), partial(cluster.kill_worker, int(rng.integers(2)))) for _ in range(2)]
        report = attempt(cluster, *kills)
    assert report.failed == (name,)
    assert 0 < report.tiles < undisturbed.tiles

    store = SimulationStore.open(url)
    row = store.status().set_index("name").loc[name]
    assert row["status"] == "failed"
    assert f"The table {store.plan.url}/sources/{table.name} is damaged" in row["reason"]
    assert "Traceback (most recent call last)" in row["traceback"]
    assert checksums(store) == {**wanted, name: {}}
    assert store.verify() == []

    mended = Path(store.plan.url, "sources", table.name)
    mended.unlink()
    mended.write_bytes(healthy)
    assert run_plan(plan, url, resources=Resources(scheduler="threads"), select=[name]).ok
    assert checksums(store) == wanted
    assert set(store.status()["status"]) == {"done", "unsupported"}
