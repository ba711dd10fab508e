"""Which exposures are meant: names, a query, a boolean mask, positions or rows of the exposure table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from mirage_dask.errors import InputError, nearest

Selection = Any
"""What `select_rows` takes: None for all, a query or a name (str), a boolean mask, a position (int), a row of the table, a
part of the table, or several names, positions or rows."""


def select_rows(table: pd.DataFrame, which: Selection) -> list[int]:
    """Return the positions of the selected rows of an exposure table, sorted.

    Parameters
    ----------
    table
        Exposure table, with a column `name`.
    which
        See `Selection`. Positions count from 0, negative ones from the end.

    Returns
    -------
    list of int
        Empty when a query or a mask is true for no row.

    Raises
    ------
    InputError
        If the query cannot be evaluated, a name is unknown, a position is outside the table, or the mask has another length;
        with every problem of several names.
    """
    if which is None:
        return list(range(len(table)))
    if isinstance(which, str):
        word = which.isidentifier() and which not in table  # no query is a word that is not a column
        return _named(table, [which]) if word or (table["name"] == which).any() else _queried(table, which)
    if isinstance(which, pd.DataFrame):
        return _named(table, which["name"]) if "name" in which else _unusable(which)
    if isinstance(which, pd.Series) and which.dtype == object and "name" in which.index:
        return _named(table, [which["name"]])
    if isinstance(which, int | np.integer) and not isinstance(which, bool):
        return [_position(table, int(which))]
    if isinstance(which, tuple) and hasattr(which, "_fields"):  # a row as `itertuples` gives it
        return _named(table, [getattr(which, "name", which)])
    if not isinstance(which, Iterable):
        return _unusable(which)
    items = list(which)
    if items and all(isinstance(item, bool | np.bool_) for item in items):
        return _masked(table, items)
    names = [item for item in items if isinstance(item, str)]
    found = set(_named(table, names))
    for item in items:
        if isinstance(item, Iterable) and not isinstance(item, str | pd.Series | tuple):
            _unusable(item)
        if not isinstance(item, str):
            found.update(select_rows(table, item))
    return sorted(found)


def _queried(table: pd.DataFrame, query: str) -> list[int]:
    try:
        found = table.reset_index(drop=True).query(query).index
    except Exception as error:  # pandas raises errors of many types
        raise InputError(
            f"The selection {query!r} cannot be used: {error}. It is a pandas query over the columns "
            f"{', '.join(map(str, table.columns))}."
        ) from error
    return sorted(int(position) for position in found)


def _named(table: pd.DataFrame, names: Iterable[Any]) -> list[int]:
    places: dict[str, list[int]] = {}
    for position, name in enumerate(table["name"]):
        places.setdefault(name, []).append(position)
    asked = list(dict.fromkeys(names))
    if unknown := [name for name in asked if name not in places]:
        known = list(places)
        raise InputError(
            [f"There is no exposure {name!r}{nearest(str(name), known) or '.'}" for name in unknown]
        )
    return sorted(position for name in asked for position in places[name])


def _masked(table: pd.DataFrame, mask: list[Any]) -> list[int]:
    if len(mask) != len(table):
        raise InputError(
            f"A mask that selects exposures needs a value for each of the {len(table)} rows of the table, not {len(mask)}."
        )
    return [position for position, chosen in enumerate(mask) if chosen]


def _position(table: pd.DataFrame, position: int) -> int:
    if not -len(table) <= position < len(table):
        raise InputError(
            f"There is no exposure at position {position}; the table has {len(table)} rows, counted from 0."
        )
    return position % len(table)


def _unusable(which: Any) -> list[int]:
    raise InputError(
        f"{type(which).__name__} is not a valid selection of exposures; give a name, a query, a boolean mask, a "
        "position or a row of the table, or several names."
    )
