"""Marks by which readers with plain zarr and xarray see which exposures are complete.

Pixels of a tile that is missing read as 0, which may be taken for data. So `complete` of an exposure, and of its row in the
root, is false until a run has seen the last commit record; a run that will write into an exposure takes its mark away first.
A run that is killed leaves marks that say less than what is there, never more; the next run sets them. What this package
itself does follows from commit records alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mirage_dask.io import files
from mirage_dask.store.commits import Commit
from mirage_dask.store.plain.arrays import complete_mark
from mirage_dask.store.plan import Plan

MARK = b"\x01"
"""The chunk of a scalar that is true; its array's fill value is false."""


def mark_complete(
    url: str, plan: Plan, survey: Mapping[int, Mapping[int, Commit]], *, new: bool = False
) -> None:
    """Mark exposures that are complete, and those only.

    Parameters
    ----------
    url
        The store.
    plan
        Its plan.
    survey
        Finished tiles of all exposures, as `SimulationStore.survey` gives them.
    new
        The store has no marks yet.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    done = np.array([len(survey.get(row, {})) == plan.grid(row).count for row in range(len(plan))], bool)
    marks = [files.join(url, complete_mark(name)) for name in plan.names]
    if not new:
        files.remove_many(mark for mark, is_done in zip(marks, done, strict=True) if not is_done)
    wanted = {mark: MARK for mark, is_done in zip(marks, done, strict=True) if is_done}
    wanted[files.join(url, complete_mark())] = done.tobytes()
    there = files.read_many(wanted)
    files.write_many({place: content for place, content in wanted.items() if there.get(place) != content})
