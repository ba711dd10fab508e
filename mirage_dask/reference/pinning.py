"""Write the reference files of exposures into their rows, with full paths, as Mirage does for `crds_full_name`.

A row that names its files is simulated from exactly these, without a query to CRDS and independently of later contexts.
Types that CRDS declares as not needed are recorded as such, together with the context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mirage_dask.io.progress import Progress
from mirage_dask.reference.crds.lookup import SIMULATION_TYPES
from mirage_dask.reference.sources import CRDS, asks_observatory, find_files, same_files
from mirage_dask.settings import rows_of
from mirage_dask.settings.overrides import CONTEXT, NOT_NEEDED
from mirage_dask.settings.row import overrides_text

if TYPE_CHECKING:
    import pandas as pd


def pin_files(table: pd.DataFrame, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return an exposure table whose column `overrides` names every CRDS file of the exposures that use CRDS.

    Missing files are downloaded or made, so that all paths exist.

    Parameters
    ----------
    table
        Exposure table with its settings; rows that cannot be simulated are not changed.
    progress
        Callback for progress reports.

    Raises
    ------
    ReferenceFileError
        If no source has a file; lists all of them.
    """
    groups: dict[tuple[tuple[str, ...], tuple[Any, ...]], list[Any]] = {}
    rows = dict(zip(table.index, rows_of(table), strict=True))
    for label, row in rows.items():
        if row.ready and asks_observatory(row):
            groups.setdefault((row.references, same_files(row, row.references)), []).append(label)
    pinned = table["overrides"].copy()
    for sources in dict.fromkeys(sources for sources, _ in groups):
        members = [labels for (named, _), labels in groups.items() if named == sources]
        firsts = [rows[labels[0]] for labels in members]
        answers = find_files(firsts, sources, progress=progress)
        for labels, row, found in zip(members, firsts, answers, strict=True):
            names = {kind: str(file.path) for kind, file in found.items() if kind in SIMULATION_TYPES}
            names |= row.overrides
            context = next((file.context for file in found.values() if file.source == CRDS), "")
            named = dict.fromkeys(SIMULATION_TYPES, NOT_NEEDED) | names | {CONTEXT: context}
            pinned[labels] = overrides_text(named)
    return table.assign(overrides=pinned)
