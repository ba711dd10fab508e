"""The text of a catalog: column names, rows and the units in its comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest

SYSTEMS = ("abmag", "stmag", "vegamag")
SHOWN = 5
"""Most lines that a message lists."""


@dataclass(frozen=True)
class CatalogText:
    """The parts of a catalog's text."""

    names: list[str]
    """Column names."""
    rows: list[str]
    lines: NDArray[np.int64]
    """Line number of each row, from 1."""
    system: str
    """'abmag', 'stmag' or 'vegamag'."""
    position_pixels: bool
    radius_pixels: bool
    problems: list[str]


def read_text(path: Path) -> str:
    """Return the text of a catalog.

    Raises
    ------
    InputError
        If the file does not exist, cannot be read or is not a text file.
    """
    if not path.exists():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(
            f"{path}: the catalog does not exist{nearest(path.name, beside) or '; check the path.'}"
        )
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; catalogs are white-space separated text.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from None


def split_text(path: Path, text: str) -> CatalogText:
    """Split the text of a catalog into its parts, without comments, blank lines and rows of another length.

    Raises
    ------
    InputError
        If there are no column names or no rows.
    """
    comments: list[str] = []
    header: list[str] = []
    numbers: list[int] = []
    rows: list[str] = []
    wrong: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        body = line.partition("#")[0].strip()
        if not body:
            if not header and line.lstrip().startswith("#"):
                comments.append(line.strip().lstrip("#").strip().casefold())
        elif not header:
            header = body.split()
        else:
            count = len(body.split())
            if count == len(header):
                numbers.append(number)
                rows.append(body)
            else:
                wrong.append((number, count))
    if not header:
        raise InputError(f"{path}: empty; the first line that is not a comment must name the columns.")
    if "," in "".join(header) and len(header) <= 2:
        raise InputError(f"{path}: columns are separated by commas; separate them by blanks.")
    if all(is_number(word) for word in header):
        raise InputError(
            f"{path}: the first line that is not a comment contains numbers; put a line with the column names "
            f"(x_or_RA y_or_Dec …) before it, without '#'."
        )
    problems = []
    if wrong:
        shown = ", ".join(f"line {n} ({c})" for n, c in wrong[:SHOWN])
        problems.append(
            f"{path}: {len(header)} columns are named, but the number of values differs in {shown}"
            f"{more(len(wrong))}; give every source one value per column."
        )
    folded = [name.casefold() for name in header]
    twice = sorted({name for name in folded if folded.count(name) > 1})
    if twice:
        raise InputError(
            [*problems, f"{path}: column {', '.join(map(repr, twice))} is repeated; rename one."]
        )
    if not rows:
        raise InputError([*problems, f"{path}: no sources; remove the catalog if there are none."])

    found = sorted(set(SYSTEMS) & set(comments))
    if len(found) > 1:
        problems.append(f"{path}: the comments name {' and '.join(found)}; keep one magnitude system.")
    if {"position_pixels", "position_ra_dec"} <= set(comments):
        problems.append(f"{path}: the comments name position_pixels and position_RA_Dec; keep one.")
    return CatalogText(
        names=header,
        rows=rows,
        lines=np.array(numbers, dtype=np.int64),
        system=found[0] if found else "abmag",
        position_pixels="position_pixels" in comments,
        radius_pixels="radius_pixels" in comments,
        problems=problems,
    )


def is_number(word: str) -> bool:
    """Return whether a word can be converted to a float."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def more(count: int) -> str:
    """Return ' and N more' for a list of which only the first `SHOWN` entries are written."""
    return f" and {count - SHOWN} more" if count > SHOWN else ""


def name_lines(
    lines: NDArray[np.int64], bad: NDArray[np.bool_], values: Sequence | NDArray | None = None
) -> str:
    """Return the first few bad lines as text, with their values."""
    rows = np.flatnonzero(bad)
    names = [f"line {lines[r]}" + ("" if values is None else f" ({values[r]})") for r in rows[:SHOWN]]
    return ", ".join(names) + more(rows.size)
