"""The sources of a proposal's catalogs, as points on the sky."""

from __future__ import annotations

import pandas as pd

from mirage_dask.io.privacy import local_path
from mirage_dask.scene import read_catalog

LABELS = {"point_source": "stars", "galaxy": "galaxies"}


def catalog_sources(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Read the catalogs that a table's exposures use.

    Parameters
    ----------
    table
        Exposure table of a proposal or a store, with the columns point_source and galaxy: paths of catalogs, empty for
        none. Missing files are skipped, since the catalogs of a store may have been deleted.

    Returns
    -------
    dict
        'stars' and 'galaxies', if there are any: columns ra and dec, degrees, as in the catalogs (a proper motion does not
        show in a picture of a field). Catalogs in pixels have no sky positions and are skipped.

    Raises
    ------
    InputError
        If a catalog cannot be read.
    """
    found: dict[str, pd.DataFrame] = {}
    for kind, label in LABELS.items():
        paths = sorted({str(path) for path in table[kind] if path}) if kind in table else []
        catalogs = [read_catalog(path, kind) for path in map(local_path, paths) if path.exists()]
        parts = [pd.DataFrame({"ra": c.x, "dec": c.y}) for c in catalogs if not c.pixels]
        if parts:
            found[label] = pd.concat(parts, ignore_index=True)
    return found
