"""Copies of folders into which other processes of the tests may be writing: of the cache, which they all share."""

from __future__ import annotations

import shutil
from pathlib import Path

from mirage_dask.io.atomic import PARTIAL


def copy_folder(source: Path | str, target: Path) -> Path:
    """Copy the whole files of a folder, at any depth, and return the target; what is being written is left out.

    A file appears under its name when it is complete; until then it has a name of its own, which another process may rename
    between the listing of the folder and its copy.
    """
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns(f"*{PARTIAL}")))
