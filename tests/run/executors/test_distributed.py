"""Runs on dask clusters: the same content, workers that die, memory limits; one cluster serves all of them."""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import time
import types
from importlib.metadata import PackageNotFoundError

import dask
import distributed
import numpy as np
import pytest
from support import fake_exposure
from support.small_plans import contents, expected, make_spec, same, sky, small_plan, small_specs

from mirage_dask import lazy
from mirage_dask.errors import InputError, StoreError
from mirage_dask.run import execute
from mirage_dask.run.display.events import TileDone
from mirage_dask.run.estimate import estimate_run
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors import distributed as executor
from mirage_dask.run.executors.choice import open_executor
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.executors.workers import known_workers
from mirage_dask.run.report import RunError
from mirage_dask.virtual import VirtualArray

PRELOAD = {"distributed.worker.preload": ["support.fake_exposure"]}


@pytest.fixture(scope="module")
def client():
    with (
        dask.config.set(PRELOAD),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found


def forget_calls(client):
    client.run(lambda: fake_exposure.calls.clear())  # of the worker: a method would take its list along


def check(url, plan):
    assert same(contents(url), expected(plan))


@pytest.mark.parametrize("how", ["client", "address", "active client"])
def test_run_on_a_client(fake, client, plan, tmp_path, how):
    resources = {
        "client": Resources(client=client),
        "address": Resources(client=client.scheduler.address),
        "active client": Resources(),
    }[how]
    fake.calls.clear()
    report = run_plan(plan, tmp_path / "s.zarr", resources=resources)
    assert report.ok
    assert report.tiles == 5
    assert fake.calls == []  # nothing was computed here
    check(report.store_url, plan)


def test_workers_are_warmed_before_their_first_task(fake, client, plan, tmp_path):
    forget_calls(client)
    plugins = client.run(lambda dask_worker: list(dask_worker.plugins))
    run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=client))
    (asked,) = client.run(lambda: list(fake_exposure.calls)).values()
    assert len(asked) == 6
    assert asked[0][1].shape == (1, 1, 4, 64)
    assert client.run(lambda dask_worker: list(dask_worker.plugins)) == plugins


def test_a_performance_report(fake, client, plan, tmp_path):
    pytest.importorskip("bokeh")
    address = client.scheduler.address  # a client that is nobody's default
    assert run_plan(
        plan,
        tmp_path / "s.zarr",
        resources=Resources(client=address),
        performance_report=tmp_path / "run.html",
    ).ok
    assert "Dask Performance Report" in (tmp_path / "run.html").read_text()


def test_a_performance_report_that_cannot_be_is_refused(fake, client, plan, tmp_path, monkeypatch):
    def run(path, resources):
        run_plan(plan, tmp_path / "s.zarr", performance_report=path, resources=resources)

    with pytest.raises(InputError, match=r"made by a dask scheduler; run on a client .*workers=N"):
        run(tmp_path / "run.html", Resources(scheduler="serial"))
    with pytest.raises(InputError, match="in a folder that can be written"):
        run(tmp_path / "nowhere" / "run.html", Resources(client=client))

    def absent(function, name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(client, "run_on_scheduler", absent)
    with pytest.raises(InputError, match=r"bokeh, which is not installed .*mirage_dask\[dashboard\]"):
        run(tmp_path / "run.html", Resources(client=client))
    assert not (tmp_path / "s.zarr").exists()


def test_a_report_that_fails_in_the_end_does_not_fail_the_run(fake, client, plan, tmp_path, monkeypatch):
    monkeypatch.setattr("mirage_dask.run.execute.check_report", lambda *_: None)

    def fail(self, *_):
        raise OSError("no scheduler")

    monkeypatch.setattr(distributed.performance_report, "__exit__", fail)
    with pytest.warns(UserWarning, match=r"run\.html was not written: OSError"):
        assert run_plan(
            plan,
            tmp_path / "s.zarr",
            resources=Resources(client=client),
            performance_report=tmp_path / "run.html",
        ).ok


def test_memory_of_a_real_worker(client):
    with open_executor(Resources(client=client)) as chosen:
        used = chosen.memory_used()
    ((address, worker),) = client.scheduler_info()["workers"].items()
    assert (used.worker, used.limit) == (address, worker["memory_limit"])
    assert 1e7 < used.bytes < used.limit


def test_a_worker_that_cannot_be_warmed_says_so_by_its_tasks(fake, client, tmp_path):
    plan = small_plan(
        tmp_path / "plan", [dataclasses.replace(s, layers=sky(-1.0)) for s in small_specs()[:1]]
    )
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=client))
    assert "poisoned exposure" in report.failures[0].error


def test_a_run_in_several_submissions_on_a_client(fake, client, plan, tmp_path, monkeypatch):
    """The scheduler holds one submission and the beginning of the next, never all."""
    monkeypatch.setattr("mirage_dask.run.tasks.MOST_BLOCKS", 2)
    names = []
    persist = client.persist
    monkeypatch.setattr(client, "persist", lambda array: names.append(array.name) or persist(array))
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=client))
    assert report.ok
    assert len(names) == len(set(names)) == 3
    check(report.store_url, plan)


def test_local_processes_when_asked_for(fake, plan, tmp_path):
    with dask.config.set(PRELOAD):
        report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(workers=1, memory="1GB"))
    assert report.ok
    check(report.store_url, plan)


def test_too_little_memory_is_refused(fake, plan, tmp_path):
    with pytest.raises(InputError, match="give each worker more memory"):
        run_plan(plan, tmp_path / "s.zarr", resources=Resources(workers=1, memory="200MB"))


def test_smaller_tiles_fit_into_less_memory(fake, tmp_path):
    """What the refusal names is enough."""
    plan = small_plan(tmp_path / "plan", [make_spec(1, nx=2048, ny=2048, x0=0, y0=0, nints=1)])
    need = estimate_run(plan)
    resources = Resources(workers=1, memory=need.peak_bytes - need.thread_bytes // 2)
    with pytest.raises(InputError) as refused:
        run_plan(plan, tmp_path / "s.zarr", resources=resources)
    named = str(refused.value).rsplit(" ", 1)[1].rstrip(").")
    assert named == "4MiB"
    with dask.config.set(PRELOAD):
        assert run_plan(plan, tmp_path / "s.zarr", tile_bytes=named, resources=resources).tiles == 8


def test_failures_and_full_stores_come_home(fake, client, tmp_path, monkeypatch):
    specs = [dataclasses.replace(s, layers=sky(-1.0)) if s.detector == "NRCB2" else s for s in small_specs()]
    plan = small_plan(tmp_path / "plan", specs)
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=client))
    assert report.done == 4
    assert "in simulate_window" in report.failures[0].traceback

    def gone(url, row):
        """A plan that workers cannot see."""
        import mirage_dask.run.tasks as tasks

        tasks.open_store.cache_clear()

        def missing(*arguments):
            raise StoreError("There is no plan at /nowhere; check that every worker sees that file system.")

        tasks.load_plan = missing

    client.run(gone, "", 0)
    try:
        with pytest.raises(StoreError, match="every worker sees"):
            run_plan(plan, tmp_path / "t.zarr", resources=Resources(client=client))
    finally:
        client.restart()


def test_slices_are_pushed_down_on_a_cluster(fake, client, plan):
    exposure = lazy.exposure_dataset(plan, plan.names[2])
    forget_calls(client)
    cut = exposure.raw[0, 2, 10:20, 30:40].compute()
    asked = client.run(lambda: [w for _, w, _ in fake_exposure.calls])
    (windows,) = asked.values()
    assert [(w.rows, w.columns) for w in windows] == [((10, 20), (30, 40))]
    assert np.array_equal(cut, VirtualArray(plan.url, plan.digest, "raw", 2)[0, 2, 10:20, 30:40])


def test_a_replaced_piece_is_written_by_the_workers(fake, client, plan):
    import dask.array as da

    dark = VirtualArray(plan.url, plan.digest, "dark", 2)[...]
    exposure = lazy.exposure_dataset(plan, plan.names[2], dark=da.from_array(dark, chunks=(1, 3, 7, 64)))
    assert np.array_equal(exposure.raw.compute(), VirtualArray(plan.url, plan.digest, "raw", 2)[...])
    graph = exposure.raw.data.__dask_graph__()
    assert len(pickle.dumps(graph)) < 20_000


def test_a_local_cluster_without_workers_is_not_waited_for(fake, plan, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "WORKERLESS_SECONDS", 2.0)
    monkeypatch.setattr(executor, "WATCH_SECONDS", 0.5)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as alone,
    ):
        cluster.scale(0)
        while alone.scheduler_info(n_workers=-1)["workers"]:
            time.sleep(0.1)
        monkeypatch.setattr(execute, "check_memory", lambda *_, **__: None)
        with pytest.raises(RunError, match="no worker for 2 s; what is committed is kept"):
            run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=alone))


def test_a_cluster_whose_workers_come_and_go(fake, plan, tmp_path, monkeypatch):
    """It begins with none, which is not taken for its death, and changes its mind while the run goes on."""
    monkeypatch.setattr(executor, "WORKERLESS_SECONDS", 0.2)
    monkeypatch.setattr(executor, "WATCH_SECONDS", 0.1)
    slow = small_plan(tmp_path / "slow", [dataclasses.replace(s, layers=sky(2500.0)) for s in small_specs()])
    with (
        dask.config.set(PRELOAD),
        distributed.LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        adapt = {"interval": "100ms", "wait_count": 1, "target_duration": "50ms"}
        cluster.adapt(minimum=0, maximum=1, **adapt)
        assert not cluster.workers
        tiles = []

        def subscriber(event):
            if not isinstance(event, TileDone):
                return
            tiles.append(event.tile)
            if len(tiles) == 2:
                cluster.adapt(minimum=2, maximum=2, **adapt)
                client.wait_for_workers(2, timeout=60)
            elif len(tiles) == 30:
                cluster.adapt(minimum=0, maximum=1, **adapt)

        report = run_plan(
            slow,
            tmp_path / "s.zarr",
            resources=Resources(client=client),
            tile_bytes=2048,
            progress=subscriber,
        )
    assert report.ok
    assert report.tiles == len(tiles) > 40
    check(report.store_url, slow)


def test_memory_of_workers_to_come_is_checked(fake, plan, tmp_path):
    options = {"n_workers": 0, "threads_per_worker": 1, "memory_limit": "300MB", "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        cluster.adapt(minimum=0, maximum=2)
        with pytest.raises(InputError, match="is limited to 300 MB"):
            run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=client))


def test_tasks_are_enough_for_the_workers_to_come():
    class Client:
        cluster = None

        def scheduler_info(self, n_workers):
            return {"workers": {}}

    class Adaptive:
        state, maximum = "running", 200

    empty = Client()
    assert executor.client_resources(empty) == (executor.THREADS_TO_COME, 1, None)
    empty.cluster = types.SimpleNamespace(_adaptive=Adaptive())
    assert executor.client_resources(empty) == (200, 1, None)
    Adaptive.maximum = float("inf")
    assert executor.client_resources(empty)[0] == executor.THREADS_TO_COME


def test_a_worker_that_dies_again_and_again(fake, plan, tmp_path):
    """Dask gives the task up; its exposures are recorded, and a later run makes them."""

    def lethal():
        import os

        from mirage_dask.exposure import simulate as exposure

        simulate = exposure.simulate_window

        def die(spec, *arguments, **keywords):
            if spec.detector == "NRCB2":
                os._exit(1)
            return simulate(spec, *arguments, **keywords)

        exposure.simulate_window = die

    class Lethal(distributed.WorkerPlugin):
        name = "lethal"

        def setup(self, worker):
            lethal()

    # A cluster of its own: its worker is dying while the run ends, and restarting it in that moment may not work.
    with (
        dask.config.set(PRELOAD | {"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(Lethal())
        report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=client))
    assert "nrcb2" in "".join(report.failed)
    assert "KilledWorker" in report.failures[0].error
    assert report.done >= 3
    assert run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial")).ok
    check(report.store_url, plan)


def test_workers_that_a_refresh_has_hidden_are_asked_for_again():
    """dask's own refresh, every two seconds, puts a record without workers where the answer was."""

    class Refreshed:
        answers = iter(
            [{"n_workers": 1, "workers": {}}, {"n_workers": 1, "workers": {"tcp://a": {"nthreads": 2}}}]
        )

        def scheduler_info(self, n_workers):
            assert n_workers == -1
            return next(self.answers)

    assert known_workers(Refreshed()) == {"tcp://a": {"nthreads": 2}}


@pytest.mark.parametrize("how", ["a cluster", "what gives a client"])
def test_run_on_a_cluster(fake, client, plan, tmp_path, how):
    cluster = client.cluster
    given = cluster if how == "a cluster" else types.SimpleNamespace(get_client=lambda: client)
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(client=given))
    assert report.ok
    check(report.store_url, plan)
    assert cluster.status.name == client.status == "running"


@pytest.mark.parametrize("how", ["given", "active"])
def test_an_asynchronous_client_is_refused(fake, plan, tmp_path, how):
    """It would wait for the thread that waits for it."""

    async def simulate():
        async with distributed.Client(processes=False, asynchronous=True, dashboard_address=":0") as found:
            resources = Resources(client=found) if how == "given" else Resources()
            return run_plan(plan, tmp_path / "s.zarr", resources=resources)

    with pytest.raises(
        InputError, match=r"^The dask client is asynchronous, and a run needs a synchronous one: "
    ):
        asyncio.run(asyncio.wait_for(simulate(), 60))
    assert not (tmp_path / "s.zarr").exists()
