"""The recipes for clusters, as far as one machine goes: real jobs of a queue, a real gateway, the specification of pods."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.page_files import write_proposal
from support.small_plans import contents
from support.snippets import ROOT, snippets

import mirage_dask as md

SELECT = "exposure == 1 and detector == 'NRCB1'"


def _proposal(folder: Path) -> md.Proposal:
    write_proposal(folder)
    return md.open_proposal(folder / "my.aptx", settings=folder / "my.yaml")


def _blocks(page: str) -> list[str]:
    return [s.text for s in snippets(ROOT / "docs" / "clusters" / page) if s.language == "python"]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _is_right(store: Path, proposal: md.Proposal) -> bool:
    """Whether a store holds what one process computes."""
    (name,) = proposal.table.query(SELECT)["name"]
    expected = proposal.exposure(name).raw.values
    return (contents(store)[name] == expected).all()


@pytest.mark.slow
def test_jobs_of_a_queue_simulate(tmp_path, monkeypatch, cache_directory):
    """dask-jobqueue's own queue of this machine: a job script like that of SLURM, started as a process."""
    local = pytest.importorskip("dask_jobqueue.local")
    monkeypatch.chdir(tmp_path)
    proposal = _proposal(tmp_path)
    with local.LocalCluster(
        cores=1,
        processes=1,
        memory="2GB",
        job_script_prologue=[f"export MIRAGE_DASK_CACHE={cache_directory}"],
        scheduler_options={"dashboard_address": None},
    ) as cluster:
        cluster.scale(jobs=1)
        report = proposal.simulate(tmp_path / "my.zarr", client=cluster, select=SELECT, progress=False)
    assert (report.done, report.failures) == (1, ())
    assert _is_right(tmp_path / "my.zarr", proposal)


def test_job_scripts_of_the_page_start_workers():
    """Of SLURM and PBS: what the scheduler is asked for, and the command of a worker."""
    pytest.importorskip("dask_jobqueue")
    scripts = []
    for block in _blocks("jobqueue.md"):
        if "job_script()" in block:
            names: dict = {"print": lambda *_: None}
            exec(block, names)
            scripts.append(names["cluster"].job_script())
            names["cluster"].close()
    slurm, pbs = scripts
    assert "#SBATCH -t 02:00:00" in slurm
    assert "#SBATCH --mem=8G" in slurm
    assert "#PBS -l walltime=02:00:00" in pbs
    for script in scripts:
        assert "--nthreads 1 --nworkers 4" in script


_GATEWAY = """
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:{inner}"
c.Proxy.address = "127.0.0.1:{outer}"
c.UnsafeLocalBackend.clusters_directory = "{folder}"
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = "2 G"
c.ClusterConfig.environment = {environment!r}
"""


@pytest.mark.slow
def test_the_lines_for_a_gateway_run(tmp_path, monkeypatch, cache_directory):
    """A gateway on this machine, whose clusters are processes; the lines of the page find it by Dask's settings."""
    dask_gateway = pytest.importorskip("dask_gateway")
    pytest.importorskip("dask_gateway_server")
    import dask

    monkeypatch.chdir(tmp_path)
    proposal = _proposal(tmp_path)
    inner, outer = _free_port(), _free_port()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        "MIRAGE_DASK_CACHE": str(cache_directory),
        "PATH": path,
        "PYTHONPATH": os.environ["PYTHONPATH"],
    }
    config = tmp_path / "gateway.py"
    config.write_text(_GATEWAY.format(inner=inner, outer=outer, folder=tmp_path, environment=environment))
    server = subprocess.Popen(
        [sys.executable, "-m", "dask_gateway_server.app", "-f", str(config)],
        env=os.environ | {"PATH": path},
        stdout=(tmp_path / "server.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        settings = {"gateway.address": f"http://127.0.0.1:{outer}", "gateway.auth.type": "basic"}
        with dask.config.set(settings):
            _wait_for(dask_gateway.Gateway, tmp_path / "server.log")
            (block,) = _blocks("gateway.md")
            lines = block.replace("s3://bucket/my.zarr", str(tmp_path / "my.zarr"))
            lines = lines.replace("scale(20)", "scale(1)").replace(
                "client=client", "client=client, select=SELECT"
            )
            exec(lines, {"SELECT": SELECT})
    finally:
        server.terminate()
        server.wait(30)
    assert _is_right(tmp_path / "my.zarr", proposal)


def _wait_for(gateway, log: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with gateway() as found:
                found.list_clusters()
            return
        except Exception:
            if time.monotonic() > end:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.5)


def test_the_specification_of_pods():
    pytest.importorskip("dask_kubernetes")
    names: dict = {}
    exec(_blocks("kubernetes.md")[0], names)
    worker = names["spec"]["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert worker["replicas"] == 20
    assert {"name": "EXTRA_PIP_PACKAGES", "value": "mirage-dask[s3]"} in container["env"]
    assert container["resources"]["limits"]["memory"] == "4Gi"
