"""The recipes for clusters on a real SLURM and a real gateway, where their programs are installed.

Word for word, but for the place of the store and of compiled kernels, and the number of workers. In the middle of each run a
worker is lost; the store has the bits of a serial run.
"""

from __future__ import annotations

import os

import dask
import psutil
import pytest
from support import gateway_site, page_files, slurm_site
from support.s3_server import S3Server
from support.services import wait_until
from support.snippets import ROOT, snippets

import mirage_dask as md
from mirage_dask.io.filesystems import filesystem
from mirage_dask.run.display.events import MemoryUsed, RunStarted, TileDone
from mirage_dask.run.estimate import RunEstimate

pytestmark = pytest.mark.slow


class Watched:
    """A subscriber that keeps events, and strikes at the second tile."""

    def __init__(self, strike):
        self.events, self._strike = [], strike

    def __call__(self, event):
        self.events.append(event)
        if len(self.of(TileDone)) == 2 and isinstance(event, TileDone):
            self._strike()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def estimate(self) -> RunEstimate:
        return self.of(RunStarted)[0].estimate


def blocks(page, **replaced):
    """Return the blocks of Python of a page, with words replaced; each of them occurs."""
    found = [s.text for s in snippets(ROOT / "docs" / "clusters" / page) if s.language == "python"]
    for old, new in replaced.values():
        assert old in "".join(found), old
        found = [text.replace(old, new) for text in found]
    return found


def contents(url):
    """Return {place: bytes} of a store, without what a lost worker was writing."""
    fs, root = filesystem(url)
    names = [name for name in fs.find(root) if not name.endswith(".partial")]
    return {name.removeprefix(root): fs.cat_file(name) for name in names}


def check(watched, url, limit):
    """What the display was told, and the store."""
    memory = watched.of(MemoryUsed)
    assert {event.limit for event in memory} == {limit}
    assert 0 < max(event.bytes for event in memory) < watched.estimate.peak_bytes < limit
    assert len(watched.of(TileDone)) >= 8
    serial = md.open_proposal("my.aptx", settings="my.yaml").simulate("serial.zarr", scheduler="serial")
    assert contents(url) == contents(serial.store_url)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    page_files.SETS["my"](tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_slurm(folder, monkeypatch, cache_directory):
    pytest.importorskip("dask_jobqueue")
    if missing := slurm_site.missing_programs():
        pytest.skip(f"no SLURM on this machine (slurm-wlm, munge): {', '.join(missing)} not found")
    url = str(folder / "my.zarr")
    asked, run, _ = blocks(
        "jobqueue.md",
        store=(
            '"/shared/my.zarr", client=Client(cluster)',
            f'"{url}", client=Client(cluster), progress=watched',
        ),
        kernels=("/tmp/$USER/mirage_dask", str(cache_directory)),
    )
    with slurm_site.slurm_site() as site:
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        watched = Watched(lambda: site.call("scancel", *site.jobs("RUNNING")))
        names = {"watched": watched, "print": lambda *_: None}
        exec(asked, names)
        try:
            exec(run, names)
        finally:
            names["cluster"].close()
        wait_until(lambda: not site.jobs(), lambda: site.call("squeue"))
        check(watched, url, 1_997_159_792)  # 1.86GiB in the script of a job
        assert site.processes_of_jobs() == []


def test_a_gateway(folder, monkeypatch, cache_directory):
    pytest.importorskip("dask_gateway")
    pytest.importorskip("sqlalchemy", reason="the gateway's local backend needs dask-gateway-server[local]")
    if gateway_site.program() is None:
        pytest.skip("no dask-gateway-server in this environment")
    url = "s3://bucket/my.zarr"
    (block,) = blocks(
        "gateway.md",
        watch=(f'"{url}", client=client', f'"{url}", client=client, progress=watched'),
        workers=("cluster.scale(20)", "cluster.scale(2)"),
    )
    server = S3Server()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.client().create_bucket(Bucket="bucket")
    variables = {**server.environment, "MIRAGE_DASK_CACHE": str(cache_directory)}

    def kill():
        psutil.Process(next(iter(names["client"].run(os.getpid).values()))).kill()

    watched = Watched(kill)
    names = {"watched": watched}
    try:
        with gateway_site.gateway_site(variables) as configuration, dask.config.set(configuration):
            exec(block, names)
            with names["gateway"] as gateway:
                assert gateway.list_clusters() == []
            check(watched, url, 2 * 2**30)
    finally:
        server.stop()
