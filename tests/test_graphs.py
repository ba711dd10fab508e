"""The recipes of graphs/ run: in processes of their own, and on a scheduler and workers that others have started."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mirage_dask import example_proposal
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.verify import verify_store
from mirage_dask.store.simulation import SimulationStore

ROOT = Path(__file__).resolve().parent.parent
SMALL = """\
catalogs: {point_source: stars.cat}
roll_angle: 30.0
cosmic_rays: SUNMIN
"""
NUMBERS = re.compile(r"(\d+) tiles made, (\d+) exposures untouched")


@pytest.fixture(scope="module")
def subarray(tmp_path_factory):
    """The example's second observation alone, 8 exposures of a subarray: seconds to simulate."""
    folder = tmp_path_factory.mktemp("subarray")
    source = example_proposal()
    text = source.read_text(encoding="utf-8")
    first = re.search(r" *<Observation .*?</Observation>\n", text, flags=re.DOTALL)
    (folder / "subarray.xml").write_text(text.replace(first[0], ""), encoding="utf-8")
    report = source.with_suffix(".pointing").read_text(encoding="utf-8")
    kept = re.sub(r"\* Mosaic \(Obs 1\).*?(?=\n=====)", "", report, flags=re.DOTALL)
    (folder / "subarray.pointing").write_text(kept, encoding="utf-8")
    (folder / "stars.cat").write_text(source.with_name("stars.cat").read_text(encoding="utf-8"))
    (folder / "settings.yaml").write_text(SMALL)
    return folder / "subarray.xml"


def run(recipe, folder, *arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / "graphs" / recipe), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def scheduler(cache_directory):
    """`dask scheduler` and `dask worker`, started as on a cluster; gives the address."""
    dask = [sys.executable, "-m", "dask"]
    options = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"]
    head = subprocess.Popen([*dask, "scheduler", *options], stderr=subprocess.PIPE, text=True)
    worker = None
    try:
        assert head.stderr is not None
        address = next(
            found[0] for line in head.stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line))
        )
        worker = subprocess.Popen(
            [
                *dask,
                "worker",
                address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--memory-limit",
                "2GB",
                "--no-dashboard",
            ],
            stderr=subprocess.DEVNULL,
        )
        yield address
    finally:
        for process in (worker, head):
            if process is not None:
                process.kill()
                process.wait()
        head.stderr.close()


@pytest.mark.slow
def test_a_scheduler_and_a_worker_started_by_hand(subarray, scheduler, tmp_path):
    """The mosaic's recipe as a batch job runs it, and one observation of it again, with the same noise."""
    out = run("imaging_mosaic.py", tmp_path, subarray, "--scheduler", scheduler)
    url = tmp_path / "imaging_mosaic.zarr"
    assert f"store: {url}" in out
    assert (tmp_path / "imaging_mosaic.png").exists()
    store = SimulationStore.open(url)
    assert set(store.status()["status"]) == {"done"}
    assert len(store.plan) == 8
    assert verify_store(url, sample=2, resources=Resources(scheduler="serial")).ok
    before = {name: store.raw(name)[...] for name in store.plan.names[:2]}

    told = run("partial_resimulation.py", tmp_path, subarray, "--observation", 2, "--scale", 1000)
    assert "observation 2: 8 exposures (8 tiles) again: cosmic rays changed" in told
    assert "Nothing was simulated" in told
    made = run(
        "partial_resimulation.py",
        tmp_path,
        subarray,
        "--observation",
        2,
        "--scale",
        1000,
        "--scheduler",
        scheduler,
    )
    assert NUMBERS.search(made).groups() == ("8", "0")
    again = run(
        "partial_resimulation.py",
        tmp_path,
        subarray,
        "--observation",
        2,
        "--scale",
        1000,
        "--scheduler",
        scheduler,
    )
    assert NUMBERS.search(again).groups() == ("0", "8")
    for name, was in before.items():
        now = SimulationStore.open(url).raw(name)[...]
        same = np.mean(now == was)
        assert 0.2 < same < 1.0  # pixels that no cosmic ray hits have the same noise


@pytest.mark.slow
def test_workers_of_its_own(subarray, tmp_path):
    run("imaging_mosaic.py", tmp_path, subarray, "--workers", 2, "--memory", "2GB")
    assert set(SimulationStore.open(tmp_path / "imaging_mosaic.zarr").status()["status"]) == {"done"}


@pytest.mark.slow
def test_three_instruments(tmp_path, cache_directory):
    out = run("three_instruments.py", tmp_path, "--workers", 1)
    for line in ("NIRISS: 1 exposure,", "FGS: 1 exposure,", "NIRCAM: 5 exposures,"):
        assert line in out
    store = SimulationStore.open(tmp_path / "three_instruments.zarr")
    assert set(store.status()["status"]) == {"done"}
    light = {name: float(np.ptp(np.median(store.raw(name)[0], axis=0))) for name in store.plan.names}
    assert len(light) == 7
    assert min(light.values()) > 0
