"""Workers as a client knows them: their package, and what those will have that wait in a queue."""

from __future__ import annotations

import types
from importlib.metadata import PackageNotFoundError, version

import distributed
import pytest
from support.small_plans import small_plan

from mirage_dask.errors import InputError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.distributed import THREADS_TO_COME, client_resources
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.executors.workers import check_package

HERE = version("mirage_dask")
ABSENT = PackageNotFoundError("mirage_dask")


class Workers:
    """A client of workers that answer what they are told: the version of the package, and where it lies."""

    def __init__(self, versions, places=()):
        self.answers = {"version": versions, "find_spec": dict(places)}

    def run(self, function, name, *, on_error, workers=None):
        assert (name, on_error) == ("mirage_dask", "return")
        answers = self.answers[function.__name__]
        return {address: answers[address] for address in workers or answers}


@pytest.mark.parametrize(
    "client",
    [
        Workers({}),
        Workers({"tcp://a": HERE, "tcp://b": HERE}),
        Workers({"tcp://a": HERE, "tcp://b": OSError("gone")}),
        Workers({"tcp://a": ABSENT}, {"tcp://a": types.SimpleNamespace(name="mirage_dask")}),
    ],
    ids=["none yet", "the same", "one does not answer", "a folder on the path"],
)
def test_workers_that_may_serve(client):
    check_package(client)


def test_workers_without_the_package_are_refused():
    client = Workers({"tcp://a": HERE, "tcp://b": ABSENT}, {"tcp://b": None})
    with pytest.raises(
        InputError, match=r"^1 of 2 workers do not have mirage_dask \(tcp://b\); install .*image"
    ):
        check_package(client)


def test_workers_with_another_version_are_refused():
    client = Workers({"tcp://a": HERE, "tcp://b": "0.0.1"})
    with pytest.raises(InputError) as refused:
        check_package(client)
    assert "workers have mirage_dask 0.0.1 (tcp://b), and this process has " + HERE in str(refused.value)


def test_a_source_tree_that_is_not_installed_is_not_compared(monkeypatch):
    def absent(name):
        raise ABSENT

    monkeypatch.setattr("mirage_dask.run.executors.workers.version", absent)
    check_package(Workers({"tcp://a": "0.0.1"}))


@pytest.fixture
def queue(monkeypatch):
    """A client of two jobs of a batch system that never start; each would have two workers of two threads and 250 MB."""
    jobs = pytest.importorskip("dask_jobqueue")

    async def submitted(self, script):
        return "Submitted batch job 1"

    async def called(command, **options):
        return ""

    monkeypatch.setattr(jobs.slurm.SLURMJob, "_submit_job", submitted)
    monkeypatch.setattr(jobs.slurm.SLURMJob, "_call", staticmethod(called))
    options = {
        "cores": 4,
        "processes": 2,
        "memory": "500 MiB",
        "scheduler_options": {"dashboard_address": ":0"},
    }
    with (
        jobs.SLURMCluster(**options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        cluster.scale(jobs=2)
        yield client


def test_the_memory_of_jobs_in_a_queue_is_known(fake, queue, tmp_path):
    """A run that will not fit them does not wait for hours to find out."""
    assert client_resources(queue) == (THREADS_TO_COME, 2, 250 * 2**20)
    with pytest.raises(InputError, match=r"with 2 threads but is limited to 262 MB"):
        run_plan(small_plan(tmp_path / "plan"), tmp_path / "s.zarr", resources=Resources(client=queue))
    assert not (tmp_path / "s.zarr").exists()
