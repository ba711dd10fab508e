"""Writing the reference files of exposures into their rows, by full path: what Mirage does for `crds_full_name`.

A row that names its files is simulated from exactly these, whatever the context has become since, and asks CRDS nothing.
Types that the observatory says are not needed are written down as such, and so is the context that all this is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mirage_dask.io.progress import Progress
from mirage_dask.reference.crds.lookup import SIMULATION_TYPES
from mirage_dask.reference.prepare import same_files
from mirage_dask.reference.sources import CRDS, asks_observatory, find_files
from mirage_dask.settings.overrides import CONTEXT, NOT_NEEDED

if TYPE_CHECKING:
    import pandas as pd


def pin_files(table: pd.DataFrame, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return an exposure table whose column `overrides` names every CRDS file of the exposures that ask CRDS.

    Files that are missing are fetched or made, so that their paths lead somewhere.

    Parameters
    ----------
    table
        Exposure table with its settings; rows that cannot be simulated stay as they are.
    progress
        Told what is being done.

    Raises
    ------
    ReferenceFileError
        With everything that no source has.
    """
    groups: dict[tuple[str, tuple[Any, ...]], list[Any]] = {}
    records: dict[Any, Mapping[str, Any]] = dict(zip(table.index, table.to_dict("records"), strict=True))
    for label, record in records.items():
        if record["status"] == "ready" and asks_observatory(record):
            sources = str(record["references"])
            groups.setdefault((sources, same_files(record, sources.split())), []).append(label)
    pinned = table["overrides"].copy()
    for sources in dict.fromkeys(sources for sources, _ in groups):
        members = [labels for (named, _), labels in groups.items() if named == sources]
        firsts = [records[labels[0]] for labels in members]
        for labels, record, found in zip(
            members, firsts, find_files(firsts, sources.split(), progress=progress), strict=True
        ):
            names = {kind: str(file.path) for kind, file in found.items() if kind in SIMULATION_TYPES}
            names |= json.loads(record["overrides"]) if record["overrides"] else {}
            context = next((file.context for file in found.values() if file.source == CRDS), "")
            named = dict.fromkeys(SIMULATION_TYPES, NOT_NEEDED) | names | {CONTEXT: context}
            pinned[labels] = json.dumps(named, sort_keys=True)
    return table.assign(overrides=pinned)
