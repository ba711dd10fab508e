"""Stores on S3: what other processes write is seen at once, and a busy server changes no bit."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.real_stores import real_exposure
from support.s3_server import S3Server
from support.small_plans import contents, expected, same, sky, write_empty_pack

from mirage_dask.io import copying, files, filesystems
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store
from mirage_dask.run.verify import verify_store
from mirage_dask.store.plan import save_plan
from mirage_dask.store.simulation import SimulationStore

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

SERIAL = Resources(scheduler="serial")
TILE = 8192
KILLED = """
import sys
from support import fake_exposure
fake_exposure.install()
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler="serial"), tile_bytes=8192)
"""


@pytest.fixture(scope="module")
def server():
    found = S3Server(seed=13)
    yield found
    found.stop()


@pytest.fixture
def bucket(server, monkeypatch, request):
    """A bucket of this test's own, on a server without faults until the test wants them."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    filesystems._filesystem.cache_clear()
    name = request.node.name.replace("_", "-").lower()[:60]
    server.client().create_bucket(Bucket=name)
    server.reset()
    yield name
    server.faults = 0.0


def real_plan(folder, rate=0.25):
    """Two exposures with headers, 48 x 64 pixels, three tiles each."""
    pairs = [real_exposure(k, nx=64, ny=48, nints=1, ngroups=4, layers=sky(rate)) for k in (1, 2)]
    table = pd.concat([rows for _, rows in pairs], ignore_index=True)
    write_empty_pack(folder)
    return save_plan(folder, table, [s for s, _ in pairs], provenance={"references": []})


def counts(store):
    return store.status()["status"].value_counts().to_dict()


def remove(server, bucket, part):
    """Another process removes objects of a store."""
    keys = [key for key in server.keys(bucket) if part in key]
    for key in keys:
        server.client().delete_object(Bucket=bucket, Key=key)
    return len(keys)


def test_a_session_sees_what_other_processes_write(fake, tmp_path, server, bucket):
    plan, url = real_plan(tmp_path / "plan"), f"s3://{bucket}/s.zarr"
    assert run_plan(plan, url, resources=SERIAL, tile_bytes=TILE).ok
    store = SimulationStore.open(url)
    first, second = store.plan.names
    assert counts(store) == {"done": 2}
    assert remove(server, bucket, f"{first}/commit/c.") == 3
    assert remove(server, bucket, f"{second}/raw/c.0.0.0.0") == 1  # its record stays
    assert counts(store) == {"ready": 1, "partial": 1}
    again = run_plan(store.plan, url, resources=SERIAL)
    assert (again.tiles, again.skipped) == (4, 0)
    assert counts(store) == {"done": 2}
    assert run_plan(store.plan, url, resources=SERIAL).skipped == 2
    assert same(contents(url), expected(plan))
    # A shard of another size, and one that is lost, are told by a verification too.
    shard = f"s.zarr/{first}/raw/c.0.0.0.0"
    server.client().put_object(Bucket=bucket, Key=shard, Body=b"half")
    assert verify_store(store, checksums=True).tiles == 5
    assert counts(store) == {"partial": 1, "done": 1}


def test_a_busy_server_changes_no_bit(fake, tmp_path, server, bucket, capsys):
    """Write, kill, resume, verify, export and read with plain xarray, while 10 % of the answers are 503."""
    plan, url = real_plan(tmp_path / "plan", rate=20_000.0), f"s3://{bucket}/s.zarr"  # 0.4 s a tile
    server.faults = 0.1
    process = subprocess.Popen([sys.executable, "-c", KILLED, plan.url, url])
    deadline = time.monotonic() + 60
    while not [k for k in server.keys(bucket) if "/commit/c." in k] and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    written = len([k for k in server.keys(bucket) if "/commit/c." in k])
    report = run_plan(plan, url, resources=SERIAL)
    assert report.ok
    assert 1 <= written < 6
    assert report.tiles == 6 - written
    assert same(contents(url), truth := expected(plan))
    store = SimulationStore.open(url)
    assert verify_store(store, checksums=True).ok
    assert verify_store(store, resources=SERIAL).ok
    exported = export_store(store, tmp_path / "uncal", resources=SERIAL)
    assert exported.ok
    assert len(exported.written) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in plan.names:
            found = xr.open_zarr(url, group=name, chunks=None).raw
            assert np.array_equal(found.values, truth[name])
    assert server.faulty > 10
    with capsys.disabled():
        print(
            f"\nS3: {server.requests.total()} requests {dict(server.requests)}, {server.faulty} answered with 503"
        )


def test_a_new_store_is_few_requests(fake, tmp_path, server, bucket):
    """A request takes as long as a megabyte: three a tile, and one for each file of the plan."""
    plan, url = real_plan(tmp_path / "plan"), f"s3://{bucket}/s.zarr"
    (tmp_path / "plan/planes").mkdir()
    for k in range(20):
        (tmp_path / f"plan/planes/{k:064d}.npy").write_bytes(bytes(1000))
    run_plan(plan, url, resources=SERIAL, tile_bytes=TILE)
    plan_files, tiles, in_group, lists = 20 + 4, 2 * 6, 2 * (3 + 11 + 1), 31
    assert (
        server.requests["PUT"] <= plan_files + tiles + in_group + lists + 6
    )  # the table, the root, its marks
    assert server.requests.total() - server.requests["PUT"] < 60
    server.reset()
    assert run_plan(plan, url, resources=SERIAL).skipped == 2
    assert server.requests["PUT"] <= 8  # the plan, the table, the root


def test_a_directory_is_copied_into_a_bucket_once(tmp_path, server, bucket):
    source, target = tmp_path / "from", f"s3://{bucket}/to"
    (source / "a").mkdir(parents=True)
    (source / "a/one").write_bytes(b"1" * 100)
    (source / "two").write_bytes(b"2" * 50)
    (source / "last.json").write_bytes(b"{}")
    (source / "half.partial").write_bytes(b"x")
    assert copying.bytes_to_copy(str(source), target) == 152
    copying.copy_tree(str(source), target, leave_out="last.json")
    assert files.tree_sizes(target) == {"a/one": 100, "two": 50}
    server.client().put_object(Bucket=bucket, Key="to/two", Body=b"22")  # another process was stopped
    server.reset()
    copying.copy_tree(str(source), target, leave_out="last.json")
    assert server.requests["PUT"] == 1
    assert files.read_many([f"{target}/two", f"{target}/none"]) == {f"{target}/two": b"2" * 50}
    files.remove_file(f"{target}/two")
    files.remove_file(f"{target}/two")
    assert not files.exists(f"{target}/two")
