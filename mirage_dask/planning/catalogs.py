"""The catalogs that exposures look at, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mirage_dask.errors import InputError
from mirage_dask.planning.images import check_scene_images
from mirage_dask.scene import Catalog, magnitude_owner, read_catalog
from mirage_dask.scene.catalogs import CATALOG_KINDS
from mirage_dask.sky_images.tables import check_stamps

if TYPE_CHECKING:
    import pandas as pd


def check_catalogs(table: pd.DataFrame) -> None:
    """Read every catalog and look for the columns that the filters need; open every image of the scene.

    Raises
    ------
    InputError
        With every problem of every catalog and image.
    """
    ready = table[table["status"] == "ready"]
    problems: list[str] = []
    for check in (lambda: list(read_catalogs(ready)), lambda: check_scene_images(ready)):
        try:
            check()
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)


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
                catalog = read_catalog(path, kind, optics=wanted)
                if catalog.files:
                    check_stamps(catalog)
                yield kind, str(path), catalog, uses
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError(problems)
