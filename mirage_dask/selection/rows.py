"""Which rows of an exposure table are meant: by an expression, by name, by position, by a mask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.selection.expression import LANGUAGE, Expression, nearest_exposure

MOST_SHOWN = 200
"""Characters of an expression that a message repeats."""

Selection = str | int | Iterable[Any] | None
"""What `select_rows` takes."""


def select_rows(table: pd.DataFrame, which: Selection, *, argument: str = "select=") -> list[int]:
    """Return the positions of the rows that are meant, ascending, each once.

    Parameters
    ----------
    table
        An exposure table, with a column `name`.
    which
        None for all; an expression; a name, or names separated by commas; a position; a boolean mask of the table's rows; a
        row of the table; a table of such rows; or an iterable of names, positions or rows.
    argument
        How messages call it: "select=", "--select ".

    Raises
    ------
    InputError
        If it cannot be understood, or holds no row; says what is nearest.
    """
    if which is None:
        return list(range(len(table)))
    if isinstance(which, str):
        shown = which if len(which) <= MOST_SHOWN else f"{which[:MOST_SHOWN]}…"
        rows = _of_text(table, which, f"{argument}{shown!r}")
    elif (mask := _mask_of(which)) is not None:
        rows = _of_mask(table, mask, argument)
    else:
        rows = _of_items(table, which, argument)
    if not rows:
        raise InputError(f"{argument.strip()} holds no exposure of the {len(table):,} in the table.")
    return rows


def select_exposure(table: pd.DataFrame, which: Any, *, argument: str = "name=") -> str:
    """Return the name of the one exposure that is meant, as `select_rows` understands it.

    Raises
    ------
    InputError
        If there is no such exposure, or more than one.
    """
    if isinstance(which, str) and re.fullmatch(r"[\w.-]*", which):  # a name, not an expression
        _check_names(table, [which], argument)
        return which
    if which is None:
        raise InputError(f"{argument.strip()} must be the name of an exposure, not None.")
    rows = select_rows(table, which, argument=argument)
    if len(rows) > 1:
        raise InputError(f"{argument.strip()} must be one exposure; {which!r} holds {len(rows):,}.")
    return str(table["name"].iloc[rows[0]])


def ready_names(table: pd.DataFrame, which: Selection) -> list[str]:
    """Return the names of the exposures that are meant and can be simulated.

    Raises
    ------
    InputError
        As `select_rows`; or if none of them can be simulated, with the reasons.
    """
    rows = table.iloc[select_rows(table, which)]
    ready = rows[rows["status"] == "ready"]
    if ready.empty:
        reasons = "; ".join(sorted(set(rows["reason"])))
        raise InputError(
            f"Exposure {rows['name'].iloc[0]} cannot be simulated: {reasons}."
            if len(rows) == 1
            else f"None of the {len(rows)} exposures can be simulated: {reasons}."
        )
    return list(ready["name"])


def is_condition(table: pd.DataFrame, which: Any) -> bool:
    """Return whether a selection is a condition, an expression or a mask, and does not name its exposures one by one."""
    if isinstance(which, str):
        return not set(_names_in(which)) <= set(table["name"])
    return which is None or _mask_of(which) is not None


def _names_in(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _of_text(table: pd.DataFrame, text: str, said: str) -> list[int]:
    names = _names_in(text)
    if names and set(names) <= set(table["name"]):
        return np.flatnonzero(table["name"].isin(names)).tolist()
    if not names:
        raise InputError(f"{said} is empty; it must be {LANGUAGE}, or names of exposures.")
    expression = Expression(text, table)
    if expression.problems:
        raise InputError([f"{said}: {problem}" for problem in expression.problems])
    rows = np.flatnonzero(expression.mask()).tolist()
    if not rows:
        reasons = expression.reasons() or ["no row fulfils all of it together"]
        raise InputError(f"{said} holds no exposure: {'; '.join(reasons)}.")
    return rows


def _mask_of(which: Any) -> Any:
    """Return a boolean array or Series, or None if it is not a mask."""
    if isinstance(which, (list, tuple)) and which and all(isinstance(v, (bool, np.bool_)) for v in which):
        return np.array(which)
    if isinstance(which, (np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        return which if is_bool_dtype(which.dtype) else None
    return None


def _of_mask(table: pd.DataFrame, mask: Any, argument: str) -> list[int]:
    labelled = isinstance(mask, pd.Series) and not mask.index.equals(table.index)
    if labelled and mask.index.isin(table.index).all() and not mask.index.has_duplicates:
        mask = mask.reindex(table.index, fill_value=False)  # the mask of a part of the table
    if np.ndim(mask) != 1 or len(mask) != len(table):
        raise InputError(
            f"{argument.strip()} is a mask of shape {np.shape(mask)}; the table has {counted(len(table), 'row')}."
        )
    return np.flatnonzero(pd.Series(mask).fillna(False).to_numpy(bool)).tolist()


def _of_items(table: pd.DataFrame, which: Any, argument: str) -> list[int]:
    names, rows = [], set()
    for item in _items(which, argument):
        if isinstance(item, str):
            names.append(item)
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            if not -len(table) <= item < len(table):
                raise InputError(
                    f"{argument.strip()} has the position {item}; the table has {counted(len(table), 'row')}, 0 to "
                    f"{len(table) - 1}."
                )
            rows.add(int(item) % len(table))
        else:
            raise InputError(_not_understood(item, argument))
    _check_names(table, names, argument)
    return sorted(rows | set(np.flatnonzero(table["name"].isin(names)).tolist()))


def _items(which: Any, argument: str) -> list[Any]:
    """Return names and positions; a row of a table is its name."""
    if isinstance(which, pd.DataFrame):
        if "name" not in which:
            raise InputError(f"{argument.strip()} is a table without a column 'name'.")
        return list(which["name"])
    if isinstance(which, (pd.Series, Mapping)) and "name" in which:
        return [which["name"]]
    if isinstance(which, tuple) and hasattr(which, "_fields") and hasattr(which, "name"):  # of itertuples
        return [which.name]
    if isinstance(which, Iterable) and not isinstance(which, (str, bytes, Mapping)):
        rows = (pd.Series, pd.DataFrame, Mapping, tuple)
        return [v for item in which for v in (_items(item, argument) if isinstance(item, rows) else [item])]
    return [which]


def _not_understood(item: Any, argument: str) -> str:
    return (
        f"{argument.strip()} holds a value of type {type(item).__name__}; it takes an expression, names, positions, rows of "
        "the table, or a mask of booleans, one for each row."
    )


def _check_names(table: pd.DataFrame, names: list[str], argument: str) -> None:
    known = list(table["name"])
    unknown = [name for name in dict.fromkeys(names) if name not in set(known)]
    if unknown:
        raise InputError(
            f"{argument}{name!r}: there is no such exposure{nearest_exposure(name, known) or '.'}"
            for name in unknown
        )
