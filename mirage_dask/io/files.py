"""Bytes at any fsspec URL: read, listed, written whole or not at all, with errors that name the remedy.

Local files are read and written directly, which is faster: they are written beside their place and renamed
(`mirage_dask.io.atomic`). Object stores replace an object as a whole; many objects are read or written at once, since a
request takes longer than its bytes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from mirage_dask.errors import StoreError
from mirage_dask.io.atomic import sync_directory, write_beside
from mirage_dask.io.filesystems import filesystem, is_local, one_kind_of_error

UPLOADS = 8
"""Files that are uploaded at the same time; each is in memory as a whole."""

FIXED = 0o444
"""Mode of a file that is never written again."""

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


def read_bytes(url: str, *, most: int | None = None) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    url
        The file.
    most
        Bytes that it may have, where others made it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    StoreError
        If it is larger than `most`.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        with open(path, "rb") as file:
            content: bytes = file.read(-1 if most is None else most + 1)
    else:
        with one_kind_of_error():
            content = fs.cat_file(path) if most is None else fs.cat_file(path, start=0, end=most + 1)
    if most is not None and len(content) > most:
        raise StoreError(f"{url} is larger than the {most:,} bytes that are read of such a file.")
    return content


def read_range(url: str, start: int, count: int) -> bytes:
    """Return consecutive bytes of a file by one read of just these; fewer when the file ends before.

    Parameters
    ----------
    url
        The file.
    start
        The first byte.
    count
        How many.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            return file.read(count)
    with one_kind_of_error():
        content: bytes = fs.cat_file(path, start=start, end=start + count)
    return content


def read_many(urls: Iterable[str]) -> dict[str, bytes]:
    """Return {url: content} of those files that exist; concurrent where the file system allows it.

    Raises
    ------
    OSError
        If a file cannot be read for another reason than that it is not there.
    """
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
    with one_kind_of_error():
        content = fs.cat(list(by_path), on_error="return")
        for answer in content.values():
            if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError):
                raise answer
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
        with one_kind_of_error():
            rows = fs.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {row["name"].rsplit("/", 1)[-1]: int(row["size"] or 0) for row in rows}


def tree_sizes(url: str) -> dict[str, int]:
    """Return {path below a directory: bytes} of all its files; empty when it does not exist."""
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        found = {}
        for where, _, names in os.walk(path):
            for name in names:
                file = os.path.join(where, name)
                with suppress(FileNotFoundError):
                    found[os.path.relpath(file, path)] = os.stat(file).st_size
        return found
    with one_kind_of_error():
        rows = fs.find(path, detail=True)
    root = path.rstrip("/") + "/"
    return {name.removeprefix(root): int(row["size"] or 0) for name, row in rows.items()}


def file_size(url: str) -> int:
    """Return the bytes of a file.

    Raises
    ------
    OSError
        If it cannot be asked for.
    """
    fs, path = filesystem(url)
    with one_kind_of_error():
        return int(fs.size(path) or 0)


def find_files(url: str) -> list[str]:
    """Return the URLs of the files that match a pattern with ``*``, or that a directory has, at any depth.

    Parameters
    ----------
    url
        A pattern, or a directory of an object store; of a file or of nothing there are no files below it.

    Raises
    ------
    OSError
        If they cannot be listed.
    """
    fs, path = filesystem(url)
    with one_kind_of_error():
        found = fs.glob(path) if "*" in path else fs.find(path)
    return [fs.unstrip_protocol(name) for name in found if name != path]


def copy_here(url: str, path: Path) -> None:
    """Write the content of a file to a path of this machine; what is there is replaced.

    Raises
    ------
    OSError
        If the file cannot be read or the path not be written.
    """
    fs, source = filesystem(url)
    with one_kind_of_error():
        fs.get_file(source, str(path))


def exists(url: str) -> bool:
    """Return whether there is a file or a directory at a URL."""
    fs, path = filesystem(url)
    if isinstance(fs, LocalFileSystem):
        return os.path.exists(path)
    with one_kind_of_error():
        return bool(fs.exists(path))


def write_bytes(url: str, *pieces: bytes | memoryview, durable: bool = False, fixed: bool = False) -> None:
    """Write a file, whole or not at all; missing directories are made.

    Parameters
    ----------
    url
        The file.
    pieces
        Its content, in order.
    durable
        Return when it is on the disk, where a power failure leaves it.
    fixed
        Nobody may write into the file again, only replace it: for files that are linked into several places.

    Raises
    ------
    StoreError
        If it cannot be written: disk full, read-only, no permission.
    """
    write_stream(url, lambda: pieces, durable=durable, fixed=fixed)


def write_stream(
    url: str,
    chunks: Callable[[], Iterable[bytes | memoryview]],
    *,
    durable: bool = False,
    fixed: bool = False,
) -> int:
    """Write a file, whole or not at all, from chunks that are made one after the other; return its size in bytes.

    On a local disk one chunk is in memory at a time; an object store gets the file in one piece.

    Parameters
    ----------
    url
        The file; missing directories are made.
    chunks
        Returns the chunks from the first one on; called again when the file has to be written again.
    durable, fixed
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
        if fixed:
            temporary.chmod(FIXED)

    with store_errors(url):
        fs, path = filesystem(url)
        if isinstance(fs, LocalFileSystem):
            write_beside(Path(path), write)
            if durable:
                sync_directory(Path(path).parent)
            return size
        content = b"".join(chunks())
        with one_kind_of_error():
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
    with store_errors(first), one_kind_of_error():
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
            return
        with one_kind_of_error():
            if fs.exists(path):
                fs.rm(path, recursive=True)


def remove_file(url: str) -> None:
    """Remove a file; nothing happens when there is none. In an object store this is one request, and `remove` is three."""
    fs, path = filesystem(url)
    with store_errors(url, "remove"), suppress(FileNotFoundError):
        if isinstance(fs, LocalFileSystem):
            os.unlink(path)
        else:
            with one_kind_of_error():
                fs.rm_file(path)


def remove_many(urls: Iterable[str]) -> None:
    """Remove files, those that exist; at once where the file system allows it."""
    wanted = list(urls)
    if not wanted:
        return
    fs, _ = filesystem(wanted[0])
    if isinstance(fs, LocalFileSystem) or not fs.async_impl:
        for url in wanted:
            remove_file(url)
        return
    with store_errors(wanted[0], "remove"), one_kind_of_error(), suppress(FileNotFoundError):
        fs.rm([filesystem(url)[1] for url in wanted])


def touch(url: str) -> None:
    """Set the time of a local file to now, where that is allowed; elsewhere nothing happens."""
    if is_local(url):
        with suppress(OSError):
            os.utime(url)


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
            with one_kind_of_error():
                fs.mv(path, filesystem(target)[1], recursive=True)


def fix_tree(url: str) -> None:
    """Let nobody write into the files of a local directory again (see `write_bytes`); elsewhere nothing happens."""
    for folder, _, names in os.walk(url) if is_local(url) else ():
        for name in names:
            with suppress(OSError):
                os.chmod(join(folder, name), FIXED)
