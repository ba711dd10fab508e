"""Bytes at any fsspec URL: read, listed, written whole or not at all, with errors that say what to do.

A file on a local disk is written beside its place and renamed; an object store does the same by nature. Nothing is
flushed to the disk at once (fsync costs more than the computation of a tile): after a power failure a file may be
short, which is why commit records carry sizes and checksums.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from mirage_dask.errors import StoreError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another place. What is committed is kept: the same "
    "command resumes the run",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another place. What is committed is kept: "
    "the same command resumes the run",
    errno.EFBIG: "a file grew over the size limit of this process (ulimit -f) or file system; raise it or choose "
    "another place. What is committed is kept: the same command resumes the run",
    errno.EROFS: "the file system is read-only; choose a place that you may write to",
    errno.EACCES: "permission denied; choose a place that you may write to",
    errno.EPERM: "operation not permitted; choose a place that you may write to",
    errno.ENOTDIR: "a file stands where a directory is needed; choose another place",
    errno.EEXIST: "a file stands where a directory is needed; choose another place",
}


PARTIAL = ".partial"
"""How files end that are being written; they get their names when they are whole."""

ABANDONED_SECONDS = 3600.0
"""After so long without a change such a file has no writer: a tile takes a second."""


@contextmanager
def store_errors(url: str, doing: str = "write") -> Iterator[None]:
    """Turn an operating-system error inside the block into a `StoreError` of one sentence with the remedy."""
    try:
        yield
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, f"{error.strerror or error or type(error).__name__}")
        raise StoreError(f"Cannot {doing} {url}: {reason}.") from error


def normal_url(url: str | os.PathLike[str]) -> str:
    """Return an absolute path for anything local and the URL itself, without a trailing slash, for anything else.

    Workers have other working directories than the client, so a relative path would mean something else there.
    """
    text = os.fspath(url)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        return text.rstrip("/")
    return os.path.abspath(os.path.expanduser(text))


def join(url: str, *parts: str) -> str:
    """Append path components to a URL or a local path."""
    return "/".join((url.rstrip("/"), *parts))


def is_local(url: str) -> bool:
    """Say whether a normal URL is a path of the local file system."""
    return "://" not in url


@lru_cache(maxsize=64)
def _filesystem(scheme: str) -> Any:
    return fsspec.core.url_to_fs(scheme)[0]


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a normal URL and the path inside it."""
    if is_local(url):
        return _filesystem("/"), url
    fs = _filesystem(url.split("://", 1)[0] + "://")
    return fs, fs._strip_protocol(url)


def read_bytes(url: str) -> bytes:
    """Return the content of a file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        return Path(path).read_bytes()
    content: bytes = fs.cat_file(path)
    return content


def read_many(urls: Iterable[str]) -> dict[str, bytes]:
    """Return {url: content} of those files that exist; concurrent where the file system allows it."""
    wanted = list(urls)
    if not wanted:
        return {}
    fs, _ = filesystem(wanted[0])
    if isinstance(fs, LocalFileSystem):
        found = {}
        for url in wanted:
            with suppress(FileNotFoundError, NotADirectoryError), open(url, "rb") as file:
                found[url] = file.read()
        return found
    by_path = {filesystem(url)[1]: url for url in wanted}
    content = fs.cat(list(by_path), on_error="omit")
    return {by_path[path]: data for path, data in content.items() if isinstance(data, bytes)}


def list_sizes(url: str) -> dict[str, int]:
    """Return {name: bytes} of the entries of a directory; empty when it does not exist."""
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        try:
            with os.scandir(path) as entries:
                return {entry.name: entry.stat().st_size for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return {}
    try:
        return {row["name"].rsplit("/", 1)[-1]: int(row["size"] or 0) for row in fs.ls(path, detail=True)}
    except FileNotFoundError:
        return {}


def exists(url: str) -> bool:
    """Say whether there is a file or a directory at a URL."""
    fs, path = filesystem(url)
    return bool(fs.exists(path))


def write_bytes(url: str, content: bytes | memoryview) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    StoreError
        If it cannot be written: disk full, read-only, no permission.
    """
    with store_errors(url):
        fs, path = filesystem(url)
        if isinstance(fs, LocalFileSystem):
            _write_local(path, content)
        else:
            fs.pipe_file(path, bytes(content))


def _write_local(path: str, content: bytes | memoryview) -> None:
    def write(temporary: Path) -> None:
        try:
            temporary.write_bytes(content)
        except FileNotFoundError:  # cheaper than asking for the directory every time
            temporary.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)

    _write_beside(path, write)


def _write_beside(path: str, write: Callable[[Path], object]) -> None:
    """Let a function write a file beside its place, and rename it."""
    for attempt in range(3):
        temporary = Path(f"{path}.{uuid.uuid4().hex}{PARTIAL}")
        try:
            write(temporary)
            os.replace(temporary, path)
        except BaseException as error:
            with suppress(OSError):
                temporary.unlink()
            # This process stood still for so long that another one took the file for abandoned.
            if isinstance(error, FileNotFoundError) and attempt < 2:
                continue
            raise
        return


def write_many(contents: Mapping[str, bytes]) -> None:
    """Write many small files, each whole or not at all; concurrent where the file system allows it.

    Raises
    ------
    StoreError
        If one cannot be written.
    """
    if not contents:
        return
    first = next(iter(contents))
    fs, _ = filesystem(first)
    if isinstance(fs, LocalFileSystem):
        for url, content in contents.items():
            write_bytes(url, content)
        return
    with store_errors(first):
        fs.pipe({filesystem(url)[1]: content for url, content in contents.items()})


def remove(url: str) -> None:
    """Remove a file or a directory with all it holds; nothing happens when there is none."""
    fs, path = filesystem(url)
    with store_errors(url, "remove"):
        if isinstance(fs, LocalFileSystem):
            with suppress(FileNotFoundError):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        elif fs.exists(path):
            fs.rm(path, recursive=True)


def move(source: str, target: str) -> None:
    """Rename a file or a directory on the same file system; an existing target wins and the source goes."""
    fs, path = filesystem(source)
    with store_errors(target):
        if exists(target):
            remove(source)
        elif isinstance(fs, LocalFileSystem):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(source, target)
        else:
            fs.mv(path, filesystem(target)[1], recursive=True)


def copy_tree(source: str, target: str, *, leave_out: str = "") -> None:
    """Copy all files of a directory that the target lacks, except the one named `leave_out`.

    Between local directories files are linked where that is possible: content-addressed files never change.
    """
    fs, root = filesystem(source)
    names = [path[len(root.rstrip("/")) + 1 :] for path in fs.find(root)]
    for name in sorted(names):
        here, there = join(source, name), join(target, name)
        if name == leave_out or name.endswith(PARTIAL) or exists(there):
            continue
        if is_local(source) and is_local(target):
            with store_errors(there):
                os.makedirs(os.path.dirname(there), exist_ok=True)
                try:
                    os.link(here, there)
                except FileExistsError:
                    pass
                except OSError:  # another file system, or one without links
                    _copy_local(here, there)
        else:
            write_bytes(there, read_bytes(here))


def _copy_local(source: str, target: str) -> None:
    _write_beside(target, lambda temporary: shutil.copyfile(source, temporary))


def remove_abandoned(directory: str) -> int:
    """Remove what killed writers left in a local directory, not in those below; return how many files.

    A file counts as abandoned when nothing was written to it for `ABANDONED_SECONDS` by the clock of its file system. Were
    its writer still alive (suspended, say), it would write the file again.
    """
    found = [name for name in list_sizes(directory) if name.endswith(PARTIAL)] if is_local(directory) else []
    if not found:
        return 0
    removed = 0
    with suppress(OSError):  # a directory that cannot be written is met by the run itself
        clock = Path(directory, f"{uuid.uuid4().hex}{PARTIAL}")
        clock.touch()
        try:
            now = clock.stat().st_mtime
        finally:
            clock.unlink()
        for name in found:
            with suppress(FileNotFoundError):  # renamed or removed meanwhile
                if now - os.stat(join(directory, name)).st_mtime > ABANDONED_SECONDS:
                    os.unlink(join(directory, name))
                    removed += 1
    return removed


def free_bytes(url: str) -> int | None:
    """Return the free space where a local path is or will be, None for anything else."""
    if not is_local(url):
        return None
    path = url
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def write_stream(url: str, chunks: Callable[[], Iterable[bytes]]) -> int:
    """Write a file whole or not at all from chunks that are made one after the other; return its size in bytes.

    On a local disk one chunk is in memory at a time; an object store gets the file in one piece.

    Parameters
    ----------
    chunks
        Returns the chunks from the first one on; called again when the file has to be written again.

    Raises
    ------
    StoreError
        If it cannot be written, or `chunks` raises an operating-system error.
    """
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        size = 0
        for chunk in chunks():
            size += len(chunk)
            yield chunk

    def write(temporary: Path) -> None:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.writelines(counted())

    with store_errors(url):
        fs, path = filesystem(url)
        if isinstance(fs, LocalFileSystem):
            _write_beside(path, write)
        else:
            fs.pipe_file(path, b"".join(counted()))
    return size
