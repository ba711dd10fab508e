"""The part of a CRDS cache that calibrates some exposures, beside their files: it goes where they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mirage_dask.errors import ReferenceFileError
from mirage_dask.formatting import counted
from mirage_dask.io import files
from mirage_dask.io.copying import copy_file
from mirage_dask.io.progress import Progress
from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.crds.lookup import CrdsCache, environment

LAYOUT_FILE = "config/jwst/ref_cache_subdir_mode"
"""Says that the files of each instrument have a folder of their own."""


def copy_references(
    cache: CrdsCache,
    provenance: Iterable[Mapping[str, str]],
    target: Path,
    *,
    progress: Progress | None = None,
) -> list[Path]:
    """Copy the rules of a context and the reference files of a plan into a CRDS cache of their own.

    Files are linked where that is possible, and left alone where they are there already.

    Parameters
    ----------
    cache
        The cache, with the context.
    provenance
        The reference files of a plan; those that the context selected are copied.
    target
        Root of the new cache.
    progress
        Called with (what, files done, files in all).

    Returns
    -------
    list of Path
        The reference files in the new cache.

    Raises
    ------
    ReferenceFileError
        If a file is not in the cache any more; names all that are missing.
    StoreError
        If the target cannot be written.
    """
    names = sorted({row["file"] for row in provenance if row.get("context") == cache.context})
    pairs = {cache.path(name): reference_path(target, name) for name in names}
    pairs |= {
        cache.root / "mappings" / "jwst" / name: target / "mappings" / "jwst" / name for name in _rules(cache)
    }
    folder = cache.root / "config" / "jwst"
    pairs |= {path: target / "config" / "jwst" / path.name for path in folder.glob("*") if path.is_file()}
    missing = [path for path in pairs if not path.is_file()]
    if missing:
        raise ReferenceFileError(
            f"The CRDS cache {cache.root} has lost {counted(len(missing), 'reference file')}, such as {missing[0].name}: "
            "prepare the proposal again (mirage-dask plan), then export."
        )
    for done, (source, path) in enumerate(pairs.items()):
        if progress is not None:
            progress("reference files", done, len(pairs))
        if path != target / LAYOUT_FILE and not path.exists():
            copy_file(str(source), str(path))
    files.write_bytes(str(target / LAYOUT_FILE), b"instrument\n")
    return [reference_path(target, name) for name in names]


def _rules(cache: CrdsCache) -> list[str]:
    """Return the names of the context and of all mappings below it."""
    with environment(cache):
        from crds.core import rmap

        return sorted(rmap.get_cached_mapping(cache.context).mapping_names())
