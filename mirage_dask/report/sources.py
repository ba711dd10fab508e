"""The sources of a proposal's catalogs, as points on the sky."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mirage_dask.scene import read_catalog
from mirage_dask.settings import Settings

LABELS = {"point_source": "stars", "galaxy": "galaxies"}


def catalog_sources(settings: Settings, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Read the catalogs that a table's exposures use.

    Parameters
    ----------
    settings
        What names them. Files that are gone are left out: a store outlives the catalogs it was made from.
    table
        Exposure table; only rows that can be simulated count.

    Returns
    -------
    dict
        'stars' and 'galaxies', where there are any: columns ra and dec, degrees. Catalogs in pixels have no place on the
        sky and are left out.

    Raises
    ------
    InputError
        If a catalog cannot be read.
    """
    rows = table[table["status"] != "unsupported"] if "status" in table else table
    rows = rows.drop_duplicates(["observation", "target", "instrument", "channel"])
    files: dict[str, set[str]] = {kind: set() for kind in LABELS}
    for _, row in rows.iterrows():
        chosen = settings.for_exposure(row)
        for kind in LABELS:
            path = getattr(chosen, kind)
            if path and Path(path).exists():
                files[kind].add(str(path))
    found: dict[str, pd.DataFrame] = {}
    for kind, paths in files.items():
        catalogs = [read_catalog(path, kind) for path in sorted(paths)]
        parts = [pd.DataFrame({"ra": c.x, "dec": c.y}) for c in catalogs if not c.pixels]
        if parts:
            found[LABELS[kind]] = pd.concat(parts, ignore_index=True)
    return found
