"""Files that are whole or not there, and which unfinished ones are removed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.io import atomic
from mirage_dask.io.atomic import (
    ABANDONED_SECONDS,
    PARTIAL,
    partial_name,
    remove_abandoned,
    replacing,
    write_atomically,
    write_beside,
)

ELSEWHERE = "0" * 12


def test_a_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "x.fits"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["x.fits"]


def test_an_error_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "x.fits"
    path.write_text("old")

    def interrupted(error):
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            interrupted(error)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.fits"]


def test_a_directory(tmp_path):
    with replacing(tmp_path / "dark.zarr") as temporary:
        temporary.mkdir()
        (temporary / "zarr.json").write_text("{}")
    assert (tmp_path / "dark.zarr/zarr.json").read_text() == "{}"
    with pytest.raises(OSError), replacing(tmp_path / "dark.zarr") as temporary:  # noqa: PT011 (ENOTEMPTY or EEXIST)
        temporary.mkdir()
    assert os.listdir(tmp_path) == ["dark.zarr"]


def test_permissions_follow_the_umask(tmp_path):
    """A cache may be shared."""
    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "x", lambda temporary: temporary.write_text("x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_missing_directories_are_made(tmp_path):
    write_beside(tmp_path / "a/b/x", lambda temporary: temporary.write_text("x"))
    write_atomically(tmp_path / "c/d/x", lambda temporary: temporary.write_text("x"))
    assert (tmp_path / "a/b/x").read_text() == (tmp_path / "c/d/x").read_text() == "x"


def test_errors_are_sentences(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        ReferenceFileError, match=r"Cannot write .*/file/x: .*; free some space, or set MIRAGE_DASK_CACHE"
    ):
        write_atomically(tmp_path / "file/x", lambda temporary: temporary.write_text("x"))
    with pytest.raises(InputError, match="; choose another folder"):
        write_atomically(
            tmp_path / "file/x", lambda path: path.touch(), error=InputError, remedy="choose another folder"
        )


def left(path, writer, age):
    """A partial file, or a directory with one file, of a writer."""
    partial = path.with_name(f"{path.name}.{writer}{PARTIAL}")
    (partial if path.suffix == ".zarr" else partial.parent).mkdir(exist_ok=True)
    file = partial / "c.0" if path.suffix == ".zarr" else partial
    file.write_bytes(b"half of a")
    then = time.time() - age
    for one in (file, partial):
        os.utime(one, (then, then))
    return partial


@pytest.mark.parametrize("name", ["x_uncal.fits", "dark.zarr"])
def test_only_what_is_abandoned_is_removed(tmp_path, name):
    """The processes of this machine are known; those of others, and files of nobody, are judged by their age."""
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    here, path = atomic.machine(), tmp_path / name
    old, young = 2 * ABANDONED_SECONDS, ABANDONED_SECONDS / 2
    abandoned = [
        left(path, f"{here}-{ended}-0a", young),
        left(path, f"{ELSEWHERE}-1-0b", old),
        left(path, "0c", old),
    ]
    kept = [
        left(path, f"{here}-{os.getpid()}-0d", old),
        left(path, f"{ELSEWHERE}-1-0e", young),
        left(path, "0f", young),
    ]
    (tmp_path / "notes.txt").touch()
    os.utime(tmp_path / "notes.txt", (0, 0))
    assert remove_abandoned(tmp_path) == len(abandoned)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "notes.txt"])


def test_a_directory_that_grows_is_alive(tmp_path):
    partial = left(tmp_path / "dark.zarr", f"{ELSEWHERE}-1-0a", 2 * ABANDONED_SECONDS)
    (partial / "c.1").touch()
    os.utime(partial, (0, 0))
    assert remove_abandoned(tmp_path) == 0


def test_nothing_to_remove(tmp_path):
    (tmp_path / "file").touch()
    assert [remove_abandoned(tmp_path / name) for name in ("file", "nowhere", ".")] == [0, 0, 0]


def test_a_writer_that_stood_still_writes_again(tmp_path, monkeypatch):
    """A process of another machine took its file for abandoned."""
    removed = []

    def write_and_sleep(temporary):
        temporary.write_bytes(b"whole")
        if not removed:
            os.utime(temporary, (0, 0))
            with monkeypatch.context() as patch:
                patch.setattr(atomic, "machine", lambda: ELSEWHERE)
                removed.append(remove_abandoned(tmp_path))

    write_beside(tmp_path / "shard", write_and_sleep)
    assert removed == [1]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"shard": b"whole"}


def test_names_are_unique_and_name_their_process():
    first, second = partial_name("x"), partial_name("x")
    assert first != second
    assert f"-{os.getpid()}-" in first
    assert first.startswith("x.")
    assert first.endswith(PARTIAL)
