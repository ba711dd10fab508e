"""Large text catalogs: regular ones are parsed by pandas, a hundred times faster than line by line.

Regular is a file whose rows are plain ASCII without comments, quotes and blank lines, and have one value for each name,
separated by blanks, tabs or commas throughout. Positions, shapes, velocities and magnitudes must be finite numbers, and
the index whole ones; the first row decides which of them are texts, such as hh:mm:ss. Of anything else nothing is said
here: it is left to `text.split_text`, which says what is wrong and where. Numbers are those of Python's `float`, to the
bit.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs.table import CatalogTable, Comment, repeated
from mirage_dask.scene.catalogs.text import RULER, find_names, separator_of, without_comment

LONGEST_HEAD = 1 << 16
"""Bytes within which the first row must begin."""
PART = 1 << 20
"""Bytes whose characters are checked at a time."""
NUMBERS = {
    "x_or_ra", "y_or_dec", "radius", "ellipticity", "pos_angle", "sersic_index", "x_or_ra_velocity", "y_or_dec_velocity",
}  # fmt: skip
"""Columns that are numbers, besides the index and those whose names end with 'magnitude'; others stay texts."""

_ALLOWED = bytes(sorted({9, 10, 13, *range(32, 127)} - set(b'"#')))
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)


def parse_regular(path: Path, data: bytes) -> CatalogTable | None:
    """Return the cells of a regular catalog: numbers as float64, the index as int64, other columns as texts.

    Parameters
    ----------
    path
        For messages.
    data
        The bytes of the file.

    Returns
    -------
    CatalogTable or None
        None if the catalog is not regular, right or wrong.
    """
    head = _read_head(path, data)
    if head is None:
        return None
    names, separator, first_row, comments, start, number = head
    if not _plain(data, start):
        return None
    tail = data[-PART:]
    count = data.count(b"\n", start) + 1 - tail[len(tail.rstrip()) :].count(b"\n")
    folded = [name.casefold() for name in names]
    types = [_type(name, cell) for name, cell in zip(folded, first_row, strict=True)]
    columns = _parse(data, start, separator, types)
    if columns is None or len(columns[0]) != count:
        return None
    lines = np.arange(number, number + count, dtype=np.int64)
    return CatalogTable(
        path, names, dict(zip(folded, columns, strict=True)), lines, comments, shows_texts=False
    )


def _read_head(path: Path, data: bytes) -> tuple[list[str], str, list[str], list[Comment], int, int] | None:
    """Return (names, separator, cells of the first row, comments, byte and line where that begins)."""
    block = data[:LONGEST_HEAD]
    try:
        head = block[: block.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return None
    written = head.splitlines(keepends=True)
    lines = [without_comment(line.removeprefix("\ufeff")) for line in head.splitlines()]
    begun = next((n for n, (body, _) in enumerate(lines, start=1) if body.strip()), None)
    if begun is None:
        return None
    try:
        names, cut, first = find_names(path, lines[:begun])
    except InputError:
        return None
    separator = separator_of(cut)
    if separator is None or repeated(names):
        return None
    comments = []
    for number, (body, comment) in enumerate(lines, start=1):
        named = number <= first
        if comment is not None and (named or not body.strip()):
            comments.append(Comment(f"line {number}", comment.lstrip("#").strip()))
        if named or not body.strip() or (number == first + 1 and RULER.issuperset(body.rstrip())):
            continue
        cells = cut(body)
        start = len("".join(written[: number - 1]).encode())
        return (names, separator, cells, comments, start, number) if len(cells) == len(names) else None
    return None


def _plain(data: bytes, start: int) -> bool:
    """Return whether all characters from a byte on are ASCII without quotes, comments and single carriage returns."""
    parts = (data[place : place + PART] for place in range(start, len(data), PART))
    if any(part.translate(None, _ALLOWED) for part in parts):
        return False
    return data.count(b"\r", start) == data.count(b"\r\n", start)


def _type(name: str, cell: str) -> Any:
    """Return the type of a column from its name and first cell."""
    if name == "index":
        return np.int64 if _INTEGER.fullmatch(cell) else str
    numeric = name in NUMBERS or name.endswith("magnitude")
    return np.float64 if numeric and _NUMBER.fullmatch(cell) else str


def _parse(data: bytes, start: int, separator: str, types: list[Any]) -> list[NDArray[Any]] | None:
    """Return the columns of the rows from a byte on; None where a row or a cell is not as it should be."""
    import csv

    import pandas as pd

    # Pandas 3.1 rounds every number correctly; earlier ones do so if told.
    release = tuple(int(part) for part in pd.__version__.split(".")[:2])
    exact: Any = {} if release >= (3, 1) else {"float_precision": "round_trip"}
    stream = io.BytesIO(data)
    stream.seek(start)
    count = len(types)
    try:
        # A column more than there are names shows rows that are too long.
        frame = pd.read_csv(
            stream,
            sep=separator,
            header=None,
            names=list(range(count + 1)),
            index_col=False,
            dtype=dict(enumerate([*types, "category"])),
            engine="c",
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            skipinitialspace=True,
            encoding="ascii",
            **exact,
        )
    except (ValueError, OverflowError):
        return None
    beyond = frame[count]
    if not (beyond.isna() | (beyond == "")).all():
        return None
    columns: list[NDArray[Any]] = []
    for place, kind in enumerate(types):
        values = frame.pop(place)
        if kind is str:
            if values.isna().any():
                return None
            texts = np.empty(len(values), dtype=object)
            texts[:] = [text.strip() for text in values]
            columns.append(texts)
            continue
        numbers = values.to_numpy()
        if not np.isfinite(numbers).all():
            return None
        columns.append(numbers)
    if separator == r"\s+" and types[-1] is str and (columns[-1] == "").any():
        return None  # a row with too few cells
    return columns
