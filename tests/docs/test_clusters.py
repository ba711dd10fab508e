"""The recipes for clusters, as far as one machine goes: real jobs of a queue, job scripts, the specification of pods."""

from __future__ import annotations

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
        death_timeout=600,  # seconds that a job waits for the scheduler: a busy machine starts it slowly
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
        assert "distributed.cli.dask_worker tcp://" in script
        assert "--nthreads 1 " in script
        assert "--nworkers 4 " in script


def test_the_specification_of_pods():
    pytest.importorskip("dask_kubernetes")
    names: dict = {}
    exec(_blocks("kubernetes.md")[0], names)
    worker = names["spec"]["spec"]["worker"]
    (container,) = worker["spec"]["containers"]
    assert worker["replicas"] == 20
    assert {"name": "EXTRA_PIP_PACKAGES", "value": "mirage-dask[s3]"} in container["env"]
    assert container["resources"]["limits"]["memory"] == "4Gi"
