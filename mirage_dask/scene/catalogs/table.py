"""A catalog as a table of cells, whatever it was read from: what the interpretation of columns starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHOWN = 5
"""Most lines that a message lists."""


@dataclass(frozen=True)
class Comment:
    """A remark in a catalog."""

    place: str
    """Where it stands: 'line 3', or 'meta' where a format has no lines."""
    text: str
    """Without the comment sign and surrounding blanks."""
    above: bool = True
    """False behind the first source: such a remark cannot set units of the whole table."""


@dataclass(frozen=True, eq=False)
class CatalogTable:
    """The cells of a catalog with its units and comments, n sources."""

    path: Path
    names: list[str]
    """Column names as they are written."""
    columns: dict[str, NDArray[Any]]
    """(n,) each, by lower-case name: texts (dtype object, '' for an empty cell) or numbers (NaN for an empty cell)."""
    lines: NDArray[np.int64]
    """(n,) number of the line of each source, from 1; of its row where a format has no lines."""
    comments: list[Comment]
    counted: str = "line"
    """What `lines` counts: 'line' or 'row'."""
    units: dict[str, Any] = field(default_factory=dict)
    """astropy units of the columns that have one, by lower-case name."""
    coordinates: tuple[str, ...] = ()
    """Names of columns of sky coordinates (astropy's SkyCoord), which were turned into `x_or_ra` and `y_or_dec`."""
    problems: list[str] = field(default_factory=list)
    shows_texts: bool = True
    """False if cells of a text file were read as numbers: messages about it need those of `text.split_text`."""

    def __len__(self) -> int:
        return self.lines.size

    def place(self, row: int) -> str:
        """Return 'line 12' or 'row 12' for a source."""
        return f"{self.counted} {self.lines[row]}"


def repeated(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once, in any case."""
    folded = [name.casefold() for name in names]
    return sorted({name for name in folded if folded.count(name) > 1})


def is_number(word: str) -> bool:
    """Return whether a word is a number; unlike Python, 1_000 is not one."""
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word


def more(count: int) -> str:
    """Return ' and N more' for a list of which only the first `SHOWN` entries are written."""
    return f" and {count - SHOWN} more" if count > SHOWN else ""


def shortened(text: str) -> str:
    """Return a text of at most 60 characters, which ends with an ellipsis if it was longer."""
    return text if len(text) <= 60 else f"{text[:57]}…"


def name_rows(
    counted: str,
    lines: NDArray[np.int64],
    bad: NDArray[np.bool_],
    values: Sequence[Any] | NDArray[Any] | None = None,
) -> str:
    """Return the first few bad lines as text, with their values: 'line 3 (inf), line 8 (nan)'."""
    rows = np.flatnonzero(bad)
    names = [f"{counted} {lines[r]}" + ("" if values is None else f" ({values[r]})") for r in rows[:SHOWN]]
    return ", ".join(names) + more(rows.size)
