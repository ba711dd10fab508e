"""The cache of this machine: what it holds and how large it is; removal of what was not used for longest.

import mirage_dask.cache as cache

cache.contents()                     # where, how large, what for
cache.prune("20GB")                  # least recently used first
cache.clear()

An entry is what can be made again as a whole: compiled kernels, the built-in references, the references of a detector and
filter (a pack), a plan, a converted dark, the headers of a kind of FITS file, a table of apertures. Packs share planes, and
plans link them: bytes count once, and removing an entry frees what no other one holds. What a living process has used since
it began is kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mirage_dask.instruments import all_instruments
from mirage_dask.io.atomic import PARTIAL, remove_abandoned
from mirage_dask.io.caches.sources import KERNELS, source_digest
from mirage_dask.io.caches.use import oldest_user
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.locks import locked
from mirage_dask.pointing.siaf_table import table_path
from mirage_dask.reference.builtin.locations import builtin_directory
from mirage_dask.run.sizes import parse_size

KINDS = {
    "kernels": "compiled kernels",
    "builtin": "built-in reference files",
    "packs": "references prepared for a detector and filter",
    "plans": "plans of proposals",
    "darks": "converted dark ramps",
    "headers": "headers of FITS files",
    "siaf": "tables of apertures",
    "queries": "answers of surveys of stars",
}
"""What each kind of entry is."""


_NAMES = {
    "kernels": "[0-9a-f]{16}",
    "plans": "[0-9a-f]{16}",
    "darks": ".+-[0-9a-f]{16}",
    "headers": r"[0-9a-f]{16}-[0-9a-f]{16}\.json",
    "siaf": r"[A-Za-z]+-[0-9a-f]{16}\.json",
    "queries": r"[0-9a-f]{16}\.ecsv",
}
"""Names of the directories, or files, of each kind; another one in their folder is not ours."""


@dataclass(frozen=True)
class Entry:
    """A part of the cache that can be made again as a whole.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    path : Path
        Its directory, or the file by which it is found.
    files : tuple of Path
        All its files, also those that it shares with others.
    used : float
        Time of its last use, seconds since 1970.
    current : bool
        Whether this version of the package can use it.
    """

    kind: str
    path: Path
    files: tuple[Path, ...]
    used: float
    current: bool = True


@dataclass(frozen=True, repr=False)
class Contents:
    """What the cache holds.

    Attributes
    ----------
    directory : Path
        Where it is.
    entries : tuple of Entry
        The least recently used one first.
    bytes : int
        Size of all, what is shared counted once.
    kinds : dict of str to (int, int)
        Number of entries and their bytes by kind; what kinds share counts for the first one.
    """

    directory: Path
    entries: tuple[Entry, ...]
    bytes: int
    kinds: dict[str, tuple[int, int]]

    def __repr__(self) -> str:
        lines = [f"<Cache of {self.bytes / 1e9:.2f} GB at {self.directory}"]
        lines += [
            f"  {KINDS[kind]}: {count:,}, {size / 1e9:.2f} GB" for kind, (count, size) in self.kinds.items()
        ]
        return "\n".join(lines) + ">"


def contents() -> Contents:
    """Return what the cache of this machine holds; nothing is changed."""
    directory = cache_directory()
    entries = sorted(_entries(directory), key=lambda entry: entry.used)
    counted: set[tuple[int, int]] = set()
    kinds = {}
    for kind in KINDS:
        own = [entry for entry in entries if entry.kind == kind]
        size = 0
        for node, length in (pair for entry in own for pair in _nodes(entry.files)):
            size += 0 if node in counted else length
            counted.add(node)
        kinds[kind] = (len(own), size)
    return Contents(directory, tuple(entries), sum(size for _, size in kinds.values()), kinds)


def prune(most: str | int) -> int:
    """Remove the least recently used entries until the cache is small enough, those of other versions first.

    Parameters
    ----------
    most
        Bytes that may stay, or a text such as "20GB".

    Returns
    -------
    int
        Bytes that were freed. Entries in use stay, so that the cache may be larger than asked for.

    Raises
    ------
    InputError
        If the size is not valid.
    """
    return _prune(parse_size(most, "most"))


def clear() -> int:
    """Remove every entry that no living process uses; return the bytes that were freed."""
    return _prune(0)


def remove_unused() -> int:
    """Remove what nothing can use: entries of other versions, packs that no plan holds; return the bytes that were freed."""
    found = contents()
    planned = {path.name for entry in found.entries if entry.kind == "plans" for path in entry.files}
    idle = [e for e in found.entries if not e.current or (e.kind == "packs" and e.path.name not in planned)]
    return _remove(found, idle, most=0)


def _prune(most: int) -> int:
    found = contents()
    return _remove(found, sorted(found.entries, key=lambda entry: (entry.current, entry.used)), most=most)


def _remove(found: Contents, order: Iterable[Entry], *, most: int) -> int:
    """Remove entries in order until the bytes of all are few enough; return how many are freed."""
    directory, left = found.directory, found.bytes
    if not directory.is_dir():
        return 0
    with locked(directory / "locks" / "prune.lock"):
        for place, _, _ in os.walk(directory):
            remove_abandoned(place)
        began = oldest_user(directory)
        holders = Counter(path for entry in found.entries for path in entry.files)
        nodes = Counter(node for path in holders for node, _ in _nodes([path]))
        waiting = list(order)
        while left > most:
            for entry in waiting:
                gone = [path for path in entry.files if holders[path] == 1]
                freed = sum(length for node, length in _nodes(gone) if nodes[node] == 1)
                # What was used since the list was made is in use too. What frees nothing now may do so later, when the
                # plan that links it is gone.
                if freed and _last_use(entry.path) < began:
                    break
            else:
                break
            waiting.remove(entry)
            holders.subtract(entry.files)
            nodes.subtract(node for node, _ in _nodes(gone))
            left -= freed
            _unlink(entry, gone)
    return found.bytes - left


def _unlink(entry: Entry, files: Iterable[Path]) -> None:
    """Remove an entry: first what makes it found, so that nobody finds a part of it."""
    for path in (entry.path, *files):
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _entries(directory: Path) -> Iterator[Entry]:
    for path in _named(directory, "kernels"):
        files = _below(path)
        used = max([_last_use(path), *map(_last_use, files)])
        yield Entry("kernels", path, files, used, path.name == source_digest(*KERNELS))
    for path in _children(directory):
        if path.name.startswith("builtin-"):
            yield Entry("builtin", path, _below(path), _last_use(path), path == builtin_directory())
    yield from _packs(directory / "packs")
    for path in _named(directory, "plans"):
        yield Entry("plans", path, _below(path), _last_use(path))
    for path in _named(directory, "darks"):
        yield Entry("darks", path, _below(path), _last_use(path))
    if headers := _named(directory, "headers"):
        from mirage_dask.fits.header_templates import is_current

        for path in headers:
            yield Entry("headers", path, (path,), _last_use(path), is_current(path))
    for path in _named(directory, "queries"):
        yield Entry("queries", path, (path,), _last_use(path))
    tables = _named(directory, "siaf")
    current = {table_path(instrument.label) for instrument in all_instruments()} if tables else set()
    for path in tables:
        yield Entry("siaf", path, (path,), _last_use(path), path in current)


def _named(directory: Path, kind: str) -> list[Path]:
    return [path for path in _children(directory / kind) if re.fullmatch(_NAMES[kind], path.name)]


def _packs(home: Path) -> Iterator[Entry]:
    """Yield the packs: the manifest, the planes it names, and the index entries that lead to it."""
    leading: dict[str, list[Path]] = {}
    for path in _children(home / "packs" / "inputs"):
        leading.setdefault(str(_document(path).get("pack")), []).append(path)
    held = set()
    for path in _children(home / "packs"):
        if path.suffix == ".json":
            planes = {
                home / "planes" / str(entry["file"]) for entry in _document(path).get("planes", {}).values()
            }
            held |= planes
            yield Entry("packs", path, (path, *leading.get(path.stem, ()), *sorted(planes)), _last_use(path))
    for path in _children(home / "planes"):
        if path not in held and not path.name.endswith(PARTIAL):
            yield Entry("packs", path, (path,), _last_use(path), current=False)


def _document(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):  # being written, or damaged
        return {}
    return found if isinstance(found, dict) else {}


def _children(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _below(directory: Path) -> tuple[Path, ...]:
    return tuple(Path(place, name) for place, _, names in os.walk(directory) for name in names)


def _nodes(files: Iterable[Path]) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield ((device, inode), bytes) of the files that exist."""
    for path in files:
        with suppress(OSError):
            state = path.lstat()
            yield (state.st_dev, state.st_ino), state.st_size


def _last_use(path: Path) -> float:
    """Return when an entry was used last: the time of its directory, or of the document in it."""
    times = [0.0]
    for one in (path, path / "plan.json", path / "dark.zarr" / "zarr.json"):
        with suppress(OSError):
            times.append(one.stat().st_mtime)
    return max(times)


def when(entry: Entry) -> str:
    """Return the time of the last use of an entry for people: 2026-03-01 12:30."""
    return datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
