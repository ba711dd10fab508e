"""What the JWST pipeline needs to calibrate exported files with the references of their simulation."""

from __future__ import annotations

import os
from pathlib import Path

from mirage_dask.reference.crds.lookup import calibrate_env
from mirage_dask.reference.sources import cache_of
from mirage_dask.store.plan import Plan

REFERENCES_FOLDER = "crds_cache"
"""Where reference files go that are exported with the exposures."""


def calibration_environment(
    plan: Plan, directory: str | os.PathLike[str], *, with_references: bool = False
) -> str:
    """Return the text of `calibrate.env` for exported files.

    Parameters
    ----------
    plan
        Of the store.
    directory
        Where the files are.
    with_references
        Copy the reference files into `REFERENCES_FOLDER` beside them, and name that by its place relative to
        `calibrate.env`: the directory then works wherever it is moved or copied.

    Raises
    ------
    ReferenceFileError
        If reference files are to be copied, and one is not in the cache any more.
    """
    provenance = plan.info["provenance"]["references"]
    cache = cache_of(provenance)
    if not with_references:
        return calibrate_env(cache)
    from mirage_dask.reference.crds.copying import copy_references

    copy_references(cache, provenance, Path(directory).expanduser().absolute() / REFERENCES_FOLDER)
    return calibrate_env(cache, folder=REFERENCES_FOLDER)
