"""Bytes at any fsspec URL: read, listed, written whole or not at all, with errors that name the remedy.

The only module that calls fsspec. Local files are read and written directly, which is faster: they are written beside their
place and renamed (`mirage_dask.io.atomic`). Object stores replace an object as a whole.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.io.atomic import PARTIAL, sync_directory, write_beside

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
    errno.ENOTDIR: "a file is in the place of a directory; choose another place",
    errno.EEXIST: "a file is in the place of a directory; choose another place",
}


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
    """Return whether a normal URL is a path of the local file system."""
    return "://" not in url


@lru_cache(maxsize=64)
def _filesystem(root: str) -> Any:
    return fsspec.core.url_to_fs(root)[0]


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a normal URL and the path inside it."""
    if is_local(url):
        return _filesystem("/"), url
    fs = _filesystem("/".join(url.split("/", 3)[:3]))  # scheme and host, or bucket
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


def read_array(url: str, dtype: Any, count: int, *, offset: int) -> NDArray[Any]:
    """Return consecutive values of a binary file as a 1-D array, by one read of just these bytes.

    Parameters
    ----------
    url
        The file.
    dtype
        Type of the values.
    count
        How many values; fewer are returned when the file ends before.
    offset
        Byte of the first one.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        return np.fromfile(path, dtype=dtype, count=count, offset=offset)
    content = fs.cat_file(path, start=offset, end=offset + count * np.dtype(dtype).itemsize)
    return np.frombuffer(content, dtype=dtype)


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
    """Return whether there is a file or a directory at a URL."""
    fs, path = filesystem(url)
    return os.path.exists(path) if isinstance(fs, LocalFileSystem) else bool(fs.exists(path))


def write_bytes(url: str, *pieces: bytes | memoryview, durable: bool = False) -> None:
    """Write a file, whole or not at all; missing directories are made.

    Parameters
    ----------
    url
        The file.
    pieces
        Its content, in order.
    durable
        Return when it is on the disk, where a power failure leaves it.

    Raises
    ------
    StoreError
        If it cannot be written: disk full, read-only, no permission.
    """
    write_stream(url, lambda: pieces, durable=durable)


def write_stream(
    url: str, chunks: Callable[[], Iterable[bytes | memoryview]], *, durable: bool = False
) -> int:
    """Write a file, whole or not at all, from chunks that are made one after the other; return its size in bytes.

    On a local disk one chunk is in memory at a time; an object store gets the file in one piece.

    Parameters
    ----------
    url
        The file; missing directories are made.
    chunks
        Returns the chunks from the first one on; called again when the file has to be written again.
    durable
        As for `write_bytes`.

    Raises
    ------
    StoreError
        If it cannot be written, or `chunks` raises an operating-system error.
    """
    size = 0

    def write(temporary: Path) -> None:
        nonlocal size
        with open(temporary, "wb") as file:
            for chunk in chunks():
                file.write(chunk)
            size = file.tell()
            if durable:
                file.flush()
                os.fsync(file.fileno())

    with store_errors(url):
        fs, path = filesystem(url)
        if isinstance(fs, LocalFileSystem):
            write_beside(Path(path), write)
            if durable:
                sync_directory(Path(path).parent)
            return size
        content = b"".join(chunks())
        try:
            fs.pipe_file(path, content)
        except FileNotFoundError:  # object stores have no directories, servers with files do
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            fs.pipe_file(path, content)
    return len(content)


def create_bytes(url: str, content: bytes) -> bool:
    """Write a small file unless there is one; return whether it was written. Missing directories are made.

    On a local disk one of several processes wins; an object store cannot promise that.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    fs, path = filesystem(url)
    if not isinstance(fs, LocalFileSystem):
        if exists(url):
            return False
        write_bytes(url, content)
        return True
    with store_errors(url):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(path, "xb") as file:
                file.write(content)
        except FileExistsError:
            return False
    return True


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


def copy_file(source: str, target: str) -> None:
    """Copy a file, or link it where both are on one local disk: for content-addressed files, which never change.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    StoreError
        If the target cannot be written.
    """
    if not (is_local(source) and is_local(target)):
        write_bytes(target, read_bytes(source))
        return
    if not os.path.exists(source):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
    with store_errors(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            pass
        except OSError:  # another file system, or one without links
            write_beside(Path(target), lambda temporary: shutil.copyfile(source, temporary))


def copy_tree(source: str, target: str) -> None:
    """Copy all files of a directory that the target lacks, except partial ones; it need not exist."""
    fs, root = filesystem(source)
    names = [path[len(root.rstrip("/")) + 1 :] for path in fs.find(root)]
    for name in sorted(names):
        partial = any(part.endswith(PARTIAL) for part in name.split("/"))
        if not partial and not exists(join(target, name)):
            copy_file(join(source, name), join(target, name))


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
