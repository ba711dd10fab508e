"""One run at a time writes into a store: a small file in it names the run, and shows that it is alive.

Two runs would not harm each other, for every file appears whole and its content does not depend on who writes it; but they
would do the same work twice, and one may be for another plan. So the second one is refused and told who the first is. Who
only reads never looks at this file.

The owner writes the file again every `BEAT_SECONDS`. It is dead when its process has ended; on another machine, where
processes cannot be looked up, when the file does not change for `SILENT_SECONDS`. Then the store is taken over. Clocks of
different machines are not compared, except for a file that is older than `OLD_SECONDS`. An object store cannot create a file
only where there is none: two runs that start there within the same second may not see each other.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from mirage_dask.errors import MirageDaskError, StoreError
from mirage_dask.io import files
from mirage_dask.io.atomic import machine

LOCK_FILE = "plan/run.json"
BEAT_SECONDS = 10.0
SILENT_SECONDS = 30.0
OLD_SECONDS = 3600.0
SETTLE_SECONDS = 0.1
"""After this time it is seen who has got a store that two runs take at once."""

_HELD: set[str] = set()
"""Tokens of the runs of this process."""


@contextmanager
def only_run(store_url: str) -> Iterator[None]:
    """Hold a store for the run inside the block.

    Parameters
    ----------
    store_url
        The store, as `files.normal_url` gives it.

    Raises
    ------
    StoreError
        If another run holds it: names host, process and age; or if the file cannot be written.
    """
    url, mine = files.join(store_url, LOCK_FILE), _me()
    while (other := _taken_by(url, mine)) is not None:
        _wait_for_its_end(store_url, url, other)
        files.remove(url)
    _HELD.add(mine["token"])
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(url, mine, stop), name="mirage_dask run", daemon=True)
    beating.start()
    try:
        yield
    finally:
        stop.set()
        beating.join()
        _HELD.discard(mine["token"])
        with suppress(MirageDaskError, OSError):  # it is found to be of a process that has ended
            if _owner(url) == mine["token"]:
                files.remove(url)


def _me() -> dict[str, Any]:
    return {
        "token": uuid.uuid4().hex,
        "host": platform.node(),
        "machine": machine(),
        "process": os.getpid(),
        "process_began": psutil.Process().create_time(),
        "began": time.time(),
        "beat": time.time(),
    }


def _taken_by(url: str, mine: Mapping[str, Any]) -> dict[str, Any] | None:
    """Take a store; return the other run that holds it, or None when it is ours."""
    other = _read(url)
    if other is None:
        if files.create_bytes(url, json.dumps(mine).encode()):
            return None
        time.sleep(SETTLE_SECONDS)  # for the content of the file that was there first
        other = _read(url)
    if other is None or other.get("token") != mine["token"]:
        return other or {}
    return None


def _read(url: str) -> dict[str, Any] | None:
    """Return what the file says; None when there is none, nothing when it is damaged."""
    content = files.read_many([url]).get(url)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _owner(url: str) -> str:
    return str((_read(url) or {}).get("token", ""))


def _wait_for_its_end(store_url: str, url: str, other: dict[str, Any]) -> None:
    """Return when the run that holds a store is dead.

    Raises
    ------
    StoreError
        As soon as it is known that it is alive.
    """
    if other.get("machine") == machine():
        if _is_running(other):
            raise _refused(store_url, other)
        return
    now = time.time()
    if now - _number(other, "beat") > OLD_SECONDS:
        return
    until = time.monotonic() + (SILENT_SECONDS if other else SETTLE_SECONDS)
    while time.monotonic() < until:
        time.sleep(min(1.0, max(until - time.monotonic(), 0.0)))
        found = _read(url)
        if found is None:
            return
        if found != other:
            raise _refused(store_url, found)


def _is_running(other: Mapping[str, Any]) -> bool:
    """Return whether the process of a run on this machine is alive, and not another one of that number."""
    if other.get("process") == os.getpid():
        return other.get("token") in _HELD
    try:
        began = psutil.Process(int(_number(other, "process"))).create_time()
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.Error:  # of another user
        return True
    return abs(began - _number(other, "process_began")) < 2.0


def _number(other: Mapping[str, Any], key: str) -> float:
    value = other.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _refused(store_url: str, other: Mapping[str, Any]) -> StoreError:
    now = time.time()
    began, beat = (_age(now - _number(other, key)) for key in ("began", "beat"))
    return StoreError(
        f"Another run writes into {store_url}: process {other.get('process', '?')} on {other.get('host', '?')}, started "
        f"{began} ago, last sign of life {beat} ago. Wait until it has ended, or stop it; the same command then continues."
    )


def _age(seconds: float) -> str:
    seconds = max(seconds, 0.0)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _beat(url: str, mine: Mapping[str, Any], stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        with suppress(MirageDaskError, OSError):  # the disk may be full; the run itself will say so
            if _owner(url) != mine["token"]:
                return  # taken over, for this machine was asleep; both runs write the same
            files.write_bytes(url, json.dumps({**mine, "beat": time.time()}).encode())
