"""Catalogs that are plain text: cells between blanks, tabs, commas or bars; names of columns; comments.

The line of names decides how all lines are cut: at tabs if it contains tabs, at bars (`|`, astropy's fixed_width), at
commas, else at blanks. So an empty cell stays an empty cell, and a blank inside a cell stays in it.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.scene.catalogs.table import SHOWN, CatalogTable, Comment, is_number, more, repeated

POSITIONS = {"x_or_ra", "y_or_dec"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMMENT = re.compile(r"(?:^|(?<=\s))#")
"""A comment begins at a # that stands first in the line or behind a blank."""
RULER = frozenset("-=|+ \t")
"""Characters of a line of dashes below the names (fixed_width_two_line)."""

Cutter = Callable[[str], list[str]]


def decode(path: Path, data: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or Latin-1, which Windows programs write.

    Raises
    ------
    InputError
        If the file is not text.
    """
    try:
        if data.startswith(_UTF16):
            return data.decode("utf-16")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # never fails: what is not text is found by its control characters
    if data.startswith(_UTF16) or re.search(r"[\x00-\x08\x0e-\x1f]", text):
        raise InputError(
            f"{path}: not a text file, and not a table that is known (FITS, Parquet, VOTable, ECSV, IPAC); write it with "
            "astropy as table.write('stars.ecsv')."
        )
    return text


def split_text(path: Path, text: str) -> CatalogTable:
    """Split the text of a catalog into its parts.

    Rows with another number of cells than there are names are problems of the table.

    Raises
    ------
    InputError
        If there are no column names or no rows, or if a column is named twice.
    """
    lines = [without_comment(line) for line in text.splitlines()]
    names, cut, first = find_names(path, lines)
    comments: list[Comment] = []
    numbers: list[int] = []
    rows: list[list[str]] = []
    wrong: list[tuple[int, int]] = []
    for number, (body, comment) in enumerate(lines, start=1):
        if comment is not None and (number <= first or not body.strip()):
            comments.append(Comment(f"line {number}", comment.lstrip("#").strip(), above=not rows))
        if number <= first or not body.strip() or (number == first + 1 and RULER.issuperset(body.rstrip())):
            continue
        cells = cut(body)
        while len(cells) > len(names) and not cells[-1]:
            cells.pop()
        if len(cells) == len(names):
            numbers.append(number)
            rows.append(cells)
        else:
            wrong.append((number, len(cells)))
    problems = []
    if wrong:
        shown = ", ".join(f"line {n} ({c})" for n, c in wrong[:SHOWN])
        problems.append(
            f"{path}: the header names {counted(len(names), 'column')}, but the number of values differs in {shown}"
            f"{more(len(wrong))}; give every source one value per column."
        )
    if twice := repeated(names):
        raise InputError(
            [*problems, f"{path}: column {', '.join(map(repr, twice))} is repeated; rename one."]
        )
    if not rows:
        raise InputError([*problems, f"{path}: no sources; remove the catalog if there are none."])
    columns = [np.array(column, dtype=object) for column in zip(*rows, strict=True)]
    return CatalogTable(
        path,
        names,
        dict(zip((name.casefold() for name in names), columns, strict=True)),
        np.array(numbers, dtype=np.int64),
        comments,
        problems=problems,
    )


def without_comment(line: str) -> tuple[str, str | None]:
    """Return (line without its comment, comment with its sign)."""
    found = _COMMENT.search(line) if "#" in line else None
    return (line, None) if found is None else (line[: found.start()], line[found.start() :])


def find_names(path: Path, lines: list[tuple[str, str | None]]) -> tuple[list[str], Cutter, int]:
    """Return column names, how lines are cut, and the number of the line of names.

    Parameters
    ----------
    path
        For messages.
    lines
        (line without its comment, comment) each, up to the first row at least.

    Raises
    ------
    InputError
        If no line names the columns.

    A comment that names the positions does so where no other line does (numpy.savetxt, astropy's commented_header).
    """
    number, line = next(((n, body) for n, (body, _) in enumerate(lines, start=1) if body.strip()), (0, ""))
    names, cut = _cut_names(line)
    if not _has_positions(names):
        for n, (_, comment) in enumerate(lines, start=1):
            told, cut_told = _cut_names((comment or "").lstrip("#"))
            if _has_positions(told):
                return told, cut_told, min(n, number - 1) if number else n
    if not names:
        raise InputError(f"{path}: empty; the first line that is not a comment must name the columns.")
    if all(is_number(word) for word in names):
        raise InputError(
            f"{path}: the first line that is not a comment contains numbers; put a line with the column names "
            f"(x_or_RA y_or_Dec …) before it, without '#'."
        )
    if ";" in line and len(names) <= 2:
        raise InputError(
            f"{path}: columns are separated by semicolons; separate them by blanks, tabs or commas."
        )
    return names, cut, number


def _has_positions(names: list[str]) -> bool:
    return POSITIONS.issubset(name.casefold() for name in names)


def _cut_names(line: str) -> tuple[list[str], Cutter]:
    """Return the names in a line and how the other lines are cut."""
    line = line.strip()
    cutters = [
        cut
        for sign, cut in ((r"\t", _at_tabs), ("[|]", _at_bars), (",", _at_commas))
        if re.search(sign, line)
    ]
    for cut in cutters:
        names = cut(line)
        # Tabs that only align the columns leave empty names, or several names in one cell.
        mixed = any(POSITIONS & set(name.casefold().split()) and " " in name for name in names)
        if "" not in names and not mixed:
            return names, cut
    return line.split(), _at_blanks


def separator_of(cut: Cutter) -> str | None:
    """Return what separates cells, as a pattern; None for bars, which also stand at both ends of a line."""
    return _SEPARATORS.get(cut)


def _at_tabs(line: str) -> list[str]:
    return [_unquoted(cell) for cell in line.rstrip("\r\n").split("\t")]


def _at_bars(line: str) -> list[str]:
    return [_unquoted(cell) for cell in line.strip().strip("|").split("|")]


def _at_commas(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]


def _at_blanks(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    blanks = " ".join(line.split("\t")).strip()
    return next(csv.reader([blanks], delimiter=" ", skipinitialspace=True), [])


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


_SEPARATORS: dict[Cutter, str] = {_at_tabs: "\t", _at_commas: ",", _at_blanks: r"\s+"}
