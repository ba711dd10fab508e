"""Files out of a store: anywhere, by anyone at once, stopped at any time, into directories that fill up."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from support.real_stores import pixels_of, real_exposure, real_store

from mirage_dask import cli, open_simulation
from mirage_dask.errors import InputError, StoreError
from mirage_dask.fits import ramp_files
from mirage_dask.fits.ramp_models import is_current
from mirage_dask.fits.uncal import uncal_name
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store

FULL_DISK = OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Four exposures: two detectors, two observations, one read in columns."""
    place = tmp_path_factory.mktemp("export")
    columns = {"fast_axis": -2, "slow_axis": -1, "observation": 2}
    return real_store(
        place / "s.zarr",
        [
            real_exposure(1, "NRCB1"),
            real_exposure(2, "NRCB1"),
            real_exposure(1, "NRCB2", observation=2),
            real_exposure(1, "NIS", "SUB64", **columns),
        ],
    )


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def all_names(store):
    return sorted(map(uncal_name, store.plan.names))


def check(store, directory):
    """Every file is there, whole, and nothing else."""
    assert names_in(directory) == all_names(store)
    for row, name in enumerate(store.plan.names):
        with fits.open(directory / uncal_name(name)) as hdus:
            hdus.verify("exception")
            assert np.array_equal(hdus["SCI"].data, pixels_of(store.plan.spec(row)))


@pytest.mark.parametrize(
    "resources",
    [Resources(scheduler="serial"), Resources(scheduler="threads", threads=4), Resources(workers=2)],
    ids=["serial", "threads", "processes"],
)
def test_content_does_not_depend_on_resources(store, tmp_path, resources):
    seen = []
    report = export_store(
        store.url, tmp_path / "fits", resources=resources, progress=lambda *a: seen.append(a)
    )
    assert report.ok
    assert sorted(report.written) == all_names(store)
    assert report.bytes_written == sum(path.stat().st_size for path in (tmp_path / "fits").iterdir())
    check(store, tmp_path / "fits")
    total = sum(2 * int(np.prod(store.plan.shape(row))) for row in range(4))
    assert [text for text, _, _ in seen] == [f"{n} of 4 files" for n in (1, 2, 3, 4)]
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1:] == (total, total)


def test_selections(store, tmp_path):
    found = export_store(
        store,
        tmp_path / "a",
        select="detector == 'NRCB1' and exposure == 2",
        resources=Resources(scheduler="serial"),
    )
    assert found.written == (uncal_name("jw42424001001_02101_00002_nrcb1"),)
    assert len(export_store(store, tmp_path / "a", select="instrument == 'NIRISS'").written) == 1
    again = export_store(store, tmp_path / "a", select="observation == 1")
    assert (len(again.written), len(again.skipped)) == (1, 1)
    with pytest.raises(InputError, match="exclude each other"):
        export_store(store, tmp_path / "a", resources=Resources(workers=2, scheduler="serial"))
    with pytest.raises(InputError, match="local directory"):
        export_store(store, "s3://bucket/fits")


def test_what_is_there_is_left_alone(store, tmp_path):
    target, name = tmp_path / "fits", store.plan.names[0]
    path = target / uncal_name(name)
    first = export_store(store, target, select=[name])
    when = path.stat().st_mtime_ns
    again = export_store(store, target, select=[name])
    assert (first.skipped, again.written, again.skipped) == ((), (), first.written)
    assert path.stat().st_mtime_ns == when
    assert export_store(store, target, select=[name], overwrite=True).written == first.written
    spec = store.plan.spec(0)
    assert is_current(path, spec)
    assert not is_current(path, store.plan.spec(1))
    for size in (path.stat().st_size - 2880, 30_000, 2880, 1000, 0):
        with path.open("r+b") as file:
            file.truncate(size)
        assert not is_current(path, spec)
    assert export_store(store, target, select=[name]).written == first.written
    with path.open("ab") as file:
        file.write(b"x")
    assert not is_current(path, spec)


def test_what_is_not_complete_or_damaged_is_not_exported(tmp_path):
    store = real_store(tmp_path / "s.zarr", [real_exposure(n) for n in (1, 2, 3)])
    incomplete, damaged, good = store.plan.names
    (Path(store.url) / incomplete / "commit" / "c.0.0").unlink()
    shard = Path(store.url) / damaged / "raw" / "c.0.0.0.0"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    report = export_store(store, tmp_path / "fits")
    reasons = dict(report.failed)
    assert set(reasons) == {damaged}
    assert report.not_simulated == (incomplete,)
    assert f"{damaged} cannot be read from" in reasons[damaged]
    assert names_in(tmp_path / "fits") == [uncal_name(good)]
    with pytest.raises(InputError) as problems:
        open_simulation(store.url).export(tmp_path / "fits", select=[incomplete, damaged])
    assert len(problems.value.problems) == 2


SLOW = """
    import sys, time
    from pathlib import Path
    from mirage_dask.run.executors.resources import Resources
    from mirage_dask.run.export import export_store
    from mirage_dask.fits.ramp_files import RampFile

    write = RampFile.write

    def slowly(*arguments):
        write(*arguments)
        time.sleep(600 if stops and list(Path(folder).glob("*.fits")) else 0.3)

    RampFile.write = slowly
    store, folder, *stops = sys.argv[1:]
    export_store(store, folder, resources=Resources(scheduler="serial"))
"""


def started(script, *words):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), *map(str, words)])


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_killed_export_leaves_nothing_half_written(store, tmp_path):
    target = tmp_path / "fits"
    process = started(SLOW, store.url, target, "stop in the second file")
    try:
        wait_for(lambda: len(list(target.glob("jw*.fits"))) == 1 and list(target.glob("*.partial")))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    there = [path.name for path in target.glob("*.fits")]
    assert 1 <= len(there) < 4
    left = list(target.glob("*.partial"))
    assert len(left) == 1
    again = export_store(store, target, resources=Resources(scheduler="serial"))
    assert (sorted(again.skipped), len(again.written)) == (sorted(there), 4 - len(there))
    check(store, target)


def test_two_exports_into_one_directory(store, tmp_path):
    target = tmp_path / "fits"
    other = started(SLOW, store.url, target)
    try:
        wait_for(lambda: list(target.glob("*.partial")))
        assert export_store(
            store, target, select="observation == 2", resources=Resources(scheduler="serial")
        ).ok
    finally:
        assert other.wait(120) == 0  # nobody took its file away
    check(store, target)


def test_many_exports_into_one_directory_in_one_process(store, tmp_path):
    reports = []

    def export():
        reports.append(
            export_store(
                store, tmp_path / "fits", resources=Resources(scheduler="threads", threads=2), overwrite=True
            )
        )

    crowd = [threading.Thread(target=export) for _ in range(3)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert [report.ok for report in reports] == [True] * 3
    check(store, tmp_path / "fits")


@pytest.mark.parametrize(
    "resources",
    [Resources(scheduler="serial"), Resources(scheduler="threads", threads=2)],
    ids=["serial", "threads"],
)
def test_a_full_disk(store, tmp_path, monkeypatch, resources):
    """In the middle of the second file."""
    target, first = tmp_path / "fits", store.plan.names[0]
    export_store(store, target, select=[first])
    write = ramp_files.RampFile.write

    def full(file, extension, window, values):
        write(file, extension, window, values)
        raise FULL_DISK

    with monkeypatch.context() as patch:
        patch.setattr(ramp_files.RampFile, "write", full)
        report = export_store(store, target, resources=resources)
        wait_for(lambda: names_in(target) == [uncal_name(first)])  # other threads end what they are at
    assert not report.ok
    assert report.skipped == (uncal_name(first),)
    reasons = dict(report.failed)
    assert list(reasons) == list(store.plan.names[1:])
    met = [name for name, reason in reasons.items() if "the disk is full; free some space" in reason]
    rest = {reason for name, reason in reasons.items() if name not in met}
    assert len(met) < len(reasons)
    assert rest == {f"not written, for the same reason as {met[0]}."}
    assert export_store(store, target).ok
    check(store, target)


def test_no_room_is_known_before_anything_is_written(store, tmp_path, monkeypatch):
    monkeypatch.setattr(ramp_files.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10_000}))
    monkeypatch.setattr(ramp_files.RampFile, "write", lambda *_: pytest.fail("written"))
    report = export_store(store, tmp_path / "fits", resources=Resources(scheduler="serial"))
    assert len(report.failed) == 4
    assert names_in(tmp_path / "fits") == []


def test_a_worker_that_is_too_small_is_refused(store, tmp_path):
    with pytest.raises(InputError, match=r"would need up to 530 MB with 1 thread.* limited to 400 MB"):
        export_store(store, tmp_path / "fits", resources=Resources(workers=1, memory="400MB"))
    assert names_in(tmp_path / "fits") == []


def test_a_file_stands_where_the_directory_should(store, tmp_path):
    (tmp_path / "fits").write_text("")
    with pytest.raises(StoreError, match="a file is in the place of a directory"):
        export_store(store, tmp_path / "fits")


def test_command(store, tmp_path, capsys):
    chosen = list(store.plan.table.query("observation == 1")["name"])
    words = ["export", store.url, str(tmp_path / "fits"), "--select", "observation == 1", "--serial"]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()] == sorted(map(uncal_name, chosen))
    assert f"wrote {len(chosen)} files to" in err
    assert cli.main(["export", store.url, str(tmp_path / "fits"), "--workers", "2", "--serial"]) == 2


MEMORY = """
    import sys
    from stdatamodels.jwst import datamodels
    from mirage_dask.run.executors.resources import Resources
    from mirage_dask.run.export import export_store
    from mirage_dask.store.simulation import SimulationStore

    def peak():
        return next(int(line.split()[1]) / 1e3 for line in open("/proc/self/status") if line.startswith("VmHWM"))

    store = SimulationStore.open(sys.argv[1])
    small, large = sorted(store.plan.names, key=lambda name: "00009" not in name)
    export_store(store, sys.argv[2], select=[small], resources=Resources(scheduler="serial"))  # all is imported now
    before = peak()
    assert export_store(store, sys.argv[2], select=[large], resources=Resources(scheduler="serial")).ok
    print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    "exposure",
    [
        real_exposure(1, "NRCB1", "FULL", nints=1, ngroups=50),
        real_exposure(1, "NIS", "FULL", nints=1, ngroups=50, fast_axis=-2, slow_axis=-1),
        real_exposure(1, "NRCB1", "SUB160", nints=410, ngroups=20),
    ],
    ids=["rows", "columns", "integrations"],
)
def test_memory_does_not_grow_with_the_exposure(tmp_path, monkeypatch, exposure):
    """420 MB of pixels in 150 MB above what a small exposure takes; as a whole they took 1,200."""
    monkeypatch.setattr("support.real_stores.windows_of", cheap_windows)
    store = real_store(tmp_path / "s.zarr", [exposure, real_exposure(9, "NIS", "SUB64")])
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY), store.url, str(tmp_path / "fits")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = tmp_path / "fits" / uncal_name(exposure[0].name)
    assert path.stat().st_size > 4.19e8
    path.unlink()
    assert float(found.stdout.splitlines()[-1]) < 150


def cheap_windows(spec):
    """Ramps that compress well."""
    from mirage_dask.store.tiles import grid_of

    for window in grid_of(spec).windows():
        yield window, np.broadcast_to(np.arange(window.shape[3], dtype="u2"), window.shape)


def test_what_is_wanted_besides_is_checked_before_anything_is_written(store, tmp_path):
    """As the direct images of exposures with grisms are; it hears of the exposures whose files will be written."""
    heard: list[str] = []

    def refuse(_plan, names):
        heard.extend(names)
        raise InputError("there is no direct image.")

    with pytest.raises(InputError, match="no direct image"):
        export_store(store, tmp_path / "files", select="instrument == 'NIRISS'", check=refuse)
    assert heard == [name for name in store.plan.names if name.endswith("nis")]
    assert not (tmp_path / "files").exists()
