"""Which planes of a plan in the cache of this machine were compared with their checksums, and not been written since.

A known plan is found again and again, and to read its planes each time only to compare them costs more than the rest of
planning. So the state of each file that was compared (device, inode, bytes, time of its last change) stands beside the
plan, and a file in that state is not read again until a day has passed. Two things make that safe. Nothing is trusted
because of it: who reads values of a plane compares them whatever stands here. And who finds a damaged block there changes
the time of the file (`PlaneStore`), in all places that link it, so that whoever plans next compares, and replaces it.

A directory outside of the cache may come from anybody; what stands in one is not read.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.io.locations import cache_directory
from mirage_dask.untrusted.documents import read_json

FILE = "compared.json"
VALID_SECONDS = 86_400
"""How long a comparison counts: a disk may lose a bit without anybody writing."""
SETTLED_SECONDS = 2
"""Age from which a file's time tells whether it was written since: that of some file systems is so coarse."""


class ComparedPlanes:
    """States of the planes at a URL that were compared.

    Parameters
    ----------
    url
        Directory of a plan. What an earlier process noted there is read if it lies in the cache of this machine.
    """

    def __init__(self, url: str):
        self._place = files.join(url, FILE)
        self._kept = files.is_local(url) and Path(url).is_relative_to(cache_directory())
        self._began = time.time()
        self._since = self._began
        self._states: dict[str, Any] = {}
        self._more = False
        if self._kept:
            with suppress(OSError, StoreError):
                self._read(read_json(self._place))

    def _read(self, noted: dict[str, Any]) -> None:
        since, states = noted.get("since"), noted.get("planes")
        if isinstance(since, float) and isinstance(states, dict) and 0 <= self._began - since < VALID_SECONDS:
            self._since, self._states = since, states

    def holds(self, path: str) -> bool:
        """Return whether a local file is as it was when it, or another place that links it, was compared."""
        state = _state(path)
        return state is not None and self._states.get(os.path.basename(path)) == state

    def add(self, path: str) -> None:
        """Note that a local file has its checksums, unless it was written so lately that its time may not tell."""
        state = _state(path)
        if state is not None and state[3] < (self._began - SETTLED_SECONDS) * 1e9:
            self._states[os.path.basename(path)] = state
            self._more = True

    def save(self) -> None:
        """Write what was added, if the directory lies in the cache; one that is read-only is left alone."""
        if self._kept and self._more:
            with suppress(StoreError):
                content = json.dumps({"since": self._since, "planes": self._states}).encode()
                files.write_bytes(self._place, content)


def _state(path: str) -> list[int] | None:
    """Return device, inode, bytes and time of the last change (ns) of a file; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns]
