"""Real kernels and references: settings that change, and workers that see the store alone. (Disasters: `test_chaos`.)"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client, LocalCluster
from support.simulated import example_plan

import mirage_dask as md
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.simulation import SimulationStore

SUBARRAYS = "observation == 2"


def checksums(url):
    """{exposure: {tile: checksum}} of what is complete, as the commit records have it."""
    store = SimulationStore.open(url)
    return {
        store.plan.names[row]: {tile: commit.checksum for tile, commit in found.items()}
        for row, found in store.survey().items()
        if found
    }


def modified(url):
    return {path.relative_to(url).as_posix(): path.stat().st_mtime_ns for path in Path(url).glob("jw*/*/c.*")}


def test_another_scale_of_one_observation_rewrites_only_its_shards(tmp_path):
    """From the settings to the file times: the rest of the store is not touched, and what is new is what it should be."""
    source = md.example_proposal()

    def proposal(scale):
        return md.open_proposal(
            source,
            settings=source.with_name("settings.yaml"),
            cosmic_rays={1: "SUNMAX", 2: {"library": "SUNMAX", "scale": scale}},
        )

    first, second = proposal(1.0), proposal(4.0)
    full = first.table.query("observation == 1 and status == 'ready'")["name"].iloc[0]
    names = [full, *first.table.query(SUBARRAYS + " and status == 'ready'")["name"]]
    url = str(tmp_path / "s.zarr")
    assert first.simulate(url, select=names).ok
    times, sums = modified(url), checksums(url)
    report = second.simulate(url, select=names, update=True)
    assert report.ok
    changed = {name.split("/")[0] for name, when in modified(url).items() if times[name] != when}
    assert changed == set(names[1:])
    assert report.tiles == len(names) - 1
    assert modified(url).keys() == times.keys()
    again = checksums(url)
    assert again[full] == sums[full]
    assert all(again[name] != sums[name] for name in names[1:])
    other = second.simulate(tmp_path / "other.zarr", select=names[1:])
    assert checksums(other.store_url) == {name: again[name] for name in names[1:]}


@contextmanager
def started(*command, env, cwd):
    """A process that is killed at the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", *command], env=env, cwd=cwd, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_workers_need_the_store_alone(tmp_path, cache_directory):
    """Two workers without built-in references, packs or plans of their own, in other directories: the same bits."""
    url = str(tmp_path / "shared" / "s.zarr")
    wanted = run_plan(
        example_plan(), tmp_path / "here.zarr", select=SUBARRAYS, resources=Resources(scheduler="serial")
    )
    SimulationStore.create(url, example_plan())
    with ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(n_workers=0, dashboard_address=None))
        client = stack.enter_context(Client(cluster))
        for number in (1, 2):
            home = tmp_path / f"machine{number}"
            (home / "cache").mkdir(parents=True)
            # Compiled kernels are no data; to compile them again would take half a minute.
            (home / "cache" / "kernels").symlink_to(cache_directory / "kernels")
            env = {k: v for k, v in os.environ.items() if not k.startswith(("CRDS", "MIRAGE", "XDG"))}
            env |= {
                "HOME": str(home),
                "MIRAGE_DASK_CACHE": str(home / "cache"),
                "PYTHONPATH": os.pathsep.join(sys.path),
            }
            worker = [
                "distributed.cli.dask_worker",
                cluster.scheduler_address,
                "--nthreads",
                "1",
                "--no-dashboard",
            ]
            stack.enter_context(started(*worker, env=env, cwd=home))
        client.wait_for_workers(2, timeout=60)
        report = run_plan(
            SimulationStore.open(url).plan, url, resources=Resources(client=client), select=SUBARRAYS
        )
        assert report.ok
        assert len(set(client.run(os.getcwd).values())) == 2
    assert checksums(url) == checksums(wanted.store_url)
    for number in (1, 2):
        cache = tmp_path / f"machine{number}" / "cache"
        assert [path.name for path in cache.iterdir()] == ["kernels"]
