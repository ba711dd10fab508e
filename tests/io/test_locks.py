"""One process at a time, and never a failure because a file system has no locks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from mirage_dask.io.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "new/.lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_ends_with_its_process(holder, tmp_path):
    entered = threading.Event()

    def enter():
        with locked(tmp_path / "new/.lock"):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.5)
    holder.kill()
    assert entered.wait(10)
    thread.join()


def test_waiting_can_be_cancelled(holder, tmp_path):
    until = time.monotonic() + 0.3
    with (
        pytest.raises(InterruptedError, match="was cancelled"),
        locked(tmp_path / "new/.lock", cancelled=lambda: time.monotonic() > until),
    ):
        raise AssertionError("the lock is held by another process")


def test_threads_exclude_each_other(tmp_path):
    inside, most = [], []

    def enter():
        with locked(tmp_path / ".lock"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path, monkeypatch, code):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / ".lock"), locked(tmp_path / ".lock"):
        entered = True
    assert entered


def test_a_lock_file_that_cannot_be_opened(tmp_path):
    (tmp_path / ".lock").mkdir()
    with locked(tmp_path / ".lock"):
        entered = True
    assert entered


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ReferenceFileError, match=r"Cannot write into .*/file/x: .*; free some space"),
        locked(tmp_path / "file/x/.lock"),
    ):
        raise AssertionError("there is no place for the lock")
