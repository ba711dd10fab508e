"""Values as people read them: sizes, times, lists of numbers, and tables in HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any


def size(count: float) -> str:
    """Return a number of bytes for people: 41.9 MB (powers of 1000, as disks are sold)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Return a time for people: '3.2 s', '4 min 05 s', '2 h 10 min'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def numbers(values: Iterable[int]) -> str:
    """Return whole numbers for people, neighbours joined: '1 to 3, 7'."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    texts = [f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs]
    return ", ".join(texts)


def html_pairs(title: str, pairs: Iterable[tuple[str, Any]]) -> str:
    """Return names and values as an HTML table below a title.

    Parameters
    ----------
    title
        One line.
    pairs
        (name, value); lines of a value stay lines.
    """
    rows = "".join(
        f'<tr><th style="text-align: left; font-weight: normal; opacity: 0.7">{html.escape(name)}</th>'
        f'<td style="text-align: left">{_lines(value)}</td></tr>'
        for name, value in pairs
    )
    return f"<div><b>{html.escape(title)}</b><table>{rows}</table></div>"


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, most: int = 20) -> str:
    """Return rows as an HTML table below a title; of many rows the first and the last.

    Parameters
    ----------
    title
        One line.
    columns
        Names of the columns.
    rows
        Their values.
    most
        Rows that are shown.
    """
    shown = (
        list(rows) if len(rows) <= most else [*rows[: most // 2], ["⋮"] * len(columns), *rows[-(most // 2) :]]
    )
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="white-space: nowrap">{html.escape(str(v))}</td>' for v in row) + "</tr>"
        for row in shown
    )
    return (
        f'<div style="overflow-x: auto"><b>{html.escape(title)}</b>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _lines(value: Any) -> str:
    return "<br>".join(map(html.escape, str(value).splitlines())) or "&nbsp;"
