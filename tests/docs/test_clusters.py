"""The recipes for clusters, as far as they go without one: job scripts, the specification of pods."""

from __future__ import annotations

import pytest
from support.snippets import ROOT, snippets


def _blocks(page: str) -> list[str]:
    return [s.text for s in snippets(ROOT / "docs" / "clusters" / page) if s.language == "python"]


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
