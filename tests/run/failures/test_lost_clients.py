"""A client that its user closes or restarts during a run: the run ends with a sentence, and the store can be resumed."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import suppress

import dask
import distributed
import pytest
from support.small_plans import SMALL_TILE, contents, expected, same, sky, small_plan, small_specs

from mirage_dask.run.display.events import TileDone
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.report import RunError

PRELOAD = {"distributed.worker.preload": ["support.fake_exposure"]}


@pytest.mark.parametrize("what", ["restart", "close"])
def test_a_client_that_is_gone(fake, tmp_path, what):
    specs = [dataclasses.replace(s, layers=sky(10_000.0)) for s in small_specs()]  # 0.2 s a tile
    plan, url = small_plan(tmp_path / "plan", specs), str(tmp_path / "s.zarr")

    with (
        dask.config.set(PRELOAD),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        client = distributed.Client(cluster)
        begun = threading.Event()

        def strike():
            with suppress(Exception):
                begun.wait(30)
                getattr(client, what)()

        def on_event(event):
            if isinstance(event, TileDone):
                begun.set()

        striker = threading.Thread(target=strike)
        striker.start()
        with pytest.raises(
            RunError,
            match=r"client closed or restarted during the run; what is committed is kept: the same command resumes",
        ):
            run_plan(plan, url, resources=Resources(client=client), tile_bytes=SMALL_TILE, progress=on_event)
        striker.join(60)
        client.close()
        report = run_plan(plan, url, resources=Resources(client=cluster))
    assert report.ok
    assert 0 < report.tiles < 30
    assert same(contents(url), expected(plan))
