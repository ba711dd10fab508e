"""Files of one place in another: linked on the same disk, copied otherwise; and the room that there is for them."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from mirage_dask.io import files
from mirage_dask.io.atomic import PARTIAL, write_beside
from mirage_dask.io.filesystems import filesystem, is_local, one_kind_of_error


def copy_file(source: str, target: str) -> None:
    """Copy a file, or link it where both are on one local disk: for content-addressed files, which never change.

    Linked files are one file in two places, so that planning again costs no space. They are written with `fixed`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    StoreError
        If the target cannot be written.
    """
    if not (is_local(source) and is_local(target)):
        files.write_bytes(target, files.read_bytes(source))
        return
    if not os.path.exists(source):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
    with files.store_errors(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            pass
        except OSError:  # another file system, or one without links
            write_beside(Path(target), lambda temporary: shutil.copy(source, temporary))


def copy_tree(source: str, target: str, *, leave_out: str = "") -> None:
    """Copy all files of a directory that the target lacks, except the one named `leave_out` and partial ones.

    In an object store, a file that has another size is copied again. Files go there from a disk several at a time.

    Raises
    ------
    StoreError
        If the target cannot be written.
    """
    names = missing_files(source, target, leave_out=leave_out)
    fs, root = filesystem(target)
    if is_local(source) and not isinstance(fs, LocalFileSystem):
        with files.store_errors(target), one_kind_of_error():
            if names:
                fs.put(
                    [files.join(source, name) for name in names],
                    [files.join(root, name) for name in names],
                    **({"batch_size": files.UPLOADS} if fs.async_impl else {}),
                )
        return
    for name in names:
        copy_file(files.join(source, name), files.join(target, name))


def missing_files(source: str, target: str, *, leave_out: str = "") -> list[str]:
    """Return the paths, below a directory, of the files that `copy_tree` copies; sorted."""
    there = files.tree_sizes(target)
    local = is_local(target)
    return sorted(
        name
        for name, size in files.tree_sizes(source).items()
        if name != leave_out
        and (name not in there if local else there.get(name) != size)
        and not any(part.endswith(PARTIAL) for part in name.split("/"))
    )


def bytes_to_copy(source: str, target: str) -> int:
    """Return how many bytes `copy_tree` adds to the disk of the target: none for files that can be linked there."""
    names = missing_files(source, target)
    if is_local(source) and is_local(target) and _device(source) == _device(target):
        return 0
    sizes = files.tree_sizes(source)
    return sum(sizes[name] for name in names)


def _device(path: str) -> int | None:
    """Return the number of the file system where a local path is or will be; None where it cannot be asked."""
    with suppress(OSError):
        return os.stat(_existing(path)).st_dev
    return None


def _existing(path: str) -> str:
    """Return a local path, or the nearest directory above it that exists."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def free_bytes(url: str) -> int | None:
    """Return the free space where a local path is or will be, None for anything else."""
    if not is_local(url):
        return None
    try:
        return shutil.disk_usage(_existing(url)).free
    except OSError:
        return None
