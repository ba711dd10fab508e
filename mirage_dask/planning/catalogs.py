"""The catalogs that exposures look at, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.scene import Catalog, magnitude_owner, read_catalog
from mirage_dask.scene.catalogs import CATALOG_KINDS

if TYPE_CHECKING:
    import pandas as pd


def check_catalogs(table: pd.DataFrame) -> None:
    """Read every catalog and look for the columns that the filters need.

    Raises
    ------
    InputError
        With every problem of every catalog.
    """
    for _ in read_catalogs(table[table["status"] == "ready"]):
        pass


def read_catalogs(ready: pd.DataFrame) -> Iterator[tuple[str, str, Catalog, list[tuple[str, str, str]]]]:
    """Yield (kind, path, catalog, (detector, filter, pupil) that look at it) of exposures that can be simulated.

    Raises
    ------
    InputError
        At the end, with every problem of every catalog that cannot be read.
    """
    problems: list[str] = []
    for kind in CATALOG_KINDS:
        for path, rows in ready[ready[kind] != ""].groupby(kind):
            uses = list(
                rows[["detector", "filter", "pupil"]].drop_duplicates().itertuples(index=False, name=None)
            )
            try:
                wanted = dict.fromkeys((magnitude_owner(detector), f, p) for detector, f, p in uses)
                yield kind, str(path), read_catalog(path, kind, optics=wanted), uses
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError(problems)
