"""One small built-in set that the tests of this folder share: NRCB1 with one filter, in the cache of the session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from mirage_dask.reference.builtin.cache import build_files
from mirage_dask.reference.crds.lookup import PIPELINE_TYPES, CrdsCache, paths, question, recommend
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.row import row_of

EXPOSURE: dict[str, Any] = {
    "name": "jw00001001001_02101_00001_nrcb1",
    "detector": "NRCB1",
    "filter": "F150W",
    "pupil": "CLEAR",
    "subarray": "FULL",
    "readpatt": "SHALLOW4",
    "exp_type": "NRC_IMAGE",
    "namp": 4,
    "start_time": "2022-07-01T12:00:00",
    "status": "ready",
}


def exposure_row(**changes: Any) -> ExposureRow:
    """Return the exposure with other values in some columns."""
    return row_of(EXPOSURE | changes)


@cache
def builtin(**changes: Any) -> tuple[CrdsCache, dict[str, Path]]:
    """Return the built-in cache and the files of an exposure, built when missing."""
    cache_ = CrdsCache.builtin()
    exposure = exposure_row(**changes)
    answer = recommend([(exposure.name, question(exposure))], cache=cache_, types=PIPELINE_TYPES)[0]
    build_files(cache_.root, [name for name in answer.values() if name != "N/A"])
    return cache_, paths(exposure.name, answer, cache=cache_)
