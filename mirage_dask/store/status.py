"""The status table of a store: the exposure table with what is done of each exposure, and why one failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mirage_dask.io.privacy import anonymous
from mirage_dask.store.commits import Commit
from mirage_dask.store.plan import Plan
from mirage_dask.store.tiles import tile_grid

if TYPE_CHECKING:
    import pandas as pd

STATUS_COLUMNS = (
    "status",
    "reason",
    "tiles",
    "tiles_done",
    "raw_bytes",
    "stored_bytes",
    "digest",
    "traceback",
)
"""Columns added to those of the plan. `status` is 'done', 'partial', 'failed', 'ready' or 'unsupported'."""

SHAPE_COLUMNS = ("nint", "ngroup", "ny", "nx", "fast_axis")


@dataclass(frozen=True)
class Failure:
    """Why an exposure could not be simulated."""

    exposure: str
    tile: int
    error: str
    """One line."""
    traceback: str


def status_table(
    plan: Plan,
    finished: Mapping[int, Mapping[int, Commit]],
    before: pd.DataFrame,
    failures: Iterable[Failure] = (),
) -> pd.DataFrame:
    """Return the exposure table of a plan with `STATUS_COLUMNS`.

    Parameters
    ----------
    finished
        {index of the exposure: {tile: record}} of finished tiles.
    before
        The table of an earlier run, whose failures stay for exposures that are still not done and have the same spec.
    failures
        Of this run; the first one of an exposure counts. Home directory, user name and passwords are taken out.
    """
    failed: dict[str, tuple[str, str, str]] = {}
    for failure in failures:
        digest = plan.digests[plan.row(failure.exposure)]
        failed.setdefault(failure.exposure, (anonymous(failure.error), anonymous(failure.traceback), digest))
    for name, reason, trace, digest in _failed(before):
        failed.setdefault(name, (reason, trace, digest))
    table = plan.table.copy()
    columns: dict[str, list[Any]] = {c: [] for c in STATUS_COLUMNS}
    was = table["status"] if "status" in table else ["ready"] * len(table)
    why = table["reason"] if "reason" in table else [""] * len(table)
    rows = {name: row for row, name in enumerate(plan.names)}
    unprepared = _unprepared(plan)
    for name, status, reason in zip(table["name"], was, why, strict=True):
        row = rows.get(name)
        if row is None:  # not prepared, or cannot be simulated
            count, size = unprepared.get(name, (0, 0))
            values: tuple[Any, ...] = (status, reason, count, 0, size, 0, "", "")
        else:
            commits, count, trace = finished.get(row, {}), plan.grid(row).count, ""
            status = "done" if len(commits) == count else "partial" if commits else "ready"
            if status != "done" and name in failed and failed[name][2] == plan.digests[row]:
                status, (reason, trace, _) = "failed", failed[name]
            size = 2 * int(np.prod(plan.shape(row)))
            stored = sum(commit.size for commit in commits.values())
            values = (status, reason, count, len(commits), size, stored, plan.digests[row], trace)
        for column, value in zip(STATUS_COLUMNS, values, strict=True):
            columns[column].append(value)
    return table.assign(**columns)


def _failed(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Return (name, reason, traceback, digest) of the exposures that failed, from a status table."""
    if "traceback" not in table:
        return []
    rows = table.loc[table["status"] == "failed", ["name", "reason", "traceback", "digest"]]
    return list(rows.itertuples(index=False, name=None))


def _unprepared(plan: Plan) -> dict[str, tuple[int, int]]:
    """Return {exposure: (tiles, raw bytes)} of those that can be simulated and that a plan does not prepare."""
    table = plan.table
    if not {"status", *SHAPE_COLUMNS} <= set(table.columns):
        return {}
    left = table.loc[(table["status"] == "ready") & ~table["name"].isin(plan.names), ["name", *SHAPE_COLUMNS]]
    return {
        name: (
            tile_grid((nints, ngroups, ny, nx), abs(fast_axis), plan.tile_bytes).count,
            2 * nints * ngroups * ny * nx,
        )
        for name, nints, ngroups, ny, nx, fast_axis in left.itertuples(index=False, name=None)
    }
