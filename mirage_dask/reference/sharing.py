"""Packs that several plans use: made once in the cache of this machine, then linked into each plan's directory."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from mirage_dask.errors import StoreError


def share_packs(source: Path, keys: Iterable[str], destination: Path) -> None:
    """Link the manifests and planes of some packs into another local directory, or copy them where links fail.

    Planes are named by their content and never changed, so that a link is as good as a copy.

    Raises
    ------
    StoreError
        If the destination cannot be written.
    """
    for key in sorted(set(keys)):
        manifest = source / "packs" / f"{key}.json"
        planes = json.loads(manifest.read_bytes())["planes"]
        for name in sorted({entry["file"] for entry in planes.values()}):
            _share(source / "planes" / name, destination / "planes" / name)
        _share(manifest, destination / "packs" / manifest.name)


def _share(source: Path, target: Path) -> None:
    if target.exists():
        return
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            pass
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)
            os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"Cannot write {target}: {error}; check space and rights.") from error
