"""Parts of a page: tables, names with values, bars, parts that are opened by a click."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mirage_dask.formatting import counted

DONE, WAITING, FAILED = "#2e9e6b", "#d08a1c", "#dd5044"
"""Colours of what is done, what is partly done, and what failed."""
ACCENT = "#3f86d8"

LONGEST, LONGEST_CELL = 400, 60
"""Letters of a value that are shown, and of one in a table of many columns."""
MOST_ROWS = 20
MOST_COLUMNS = 10

# JupyterLab styles tables itself (right-aligned, striped, by rules of three parts): the class is named twice to win.
_STYLE = """
.mirage-dask{font-size:13px;line-height:1.45;max-width:1180px;color:var(--jp-content-font-color1,inherit)}
.mirage-dask .md-title{font-size:15px;font-weight:600;overflow-wrap:anywhere}
.mirage-dask .md-about{opacity:.75;overflow-wrap:anywhere}
.mirage-dask .md-beside{display:flex;flex-wrap:wrap;gap:8px 28px;align-items:flex-start;margin:6px 0}
.mirage-dask.mirage-dask table{border-collapse:collapse;margin:2px 0;font-size:12.5px;color:inherit;border:none}
.mirage-dask.mirage-dask table th,.mirage-dask.mirage-dask table td{padding:1px 14px 1px 0;text-align:left;
vertical-align:top;border:none;background:none}
.mirage-dask.mirage-dask table tbody tr:nth-child(n){background:none}
.mirage-dask.mirage-dask table thead th{border-bottom:1px solid var(--jp-border-color1,#8888);font-weight:600}
.mirage-dask.mirage-dask table.md-table td{white-space:nowrap;font-variant-numeric:tabular-nums}
.mirage-dask.mirage-dask table.md-table td.md-long{white-space:normal;overflow-wrap:anywhere;min-width:16em}
.mirage-dask.mirage-dask table.md-table th.md-right,.mirage-dask.mirage-dask table.md-table td.md-right{text-align:right}
.mirage-dask table.md-pairs{max-width:660px}
.mirage-dask.mirage-dask table.md-pairs th{font-weight:400;opacity:.7;white-space:nowrap}
.mirage-dask.mirage-dask table.md-pairs td{overflow-wrap:anywhere}
.mirage-dask .md-wide{overflow-x:auto}
.mirage-dask summary{cursor:pointer;display:list-item}
.mirage-dask details{margin:3px 0}
.mirage-dask.mirage-dask pre{font-size:11.5px;margin:2px 0 6px 1em;color:inherit;background:none;
white-space:pre-wrap;font-family:var(--jp-code-font-family,monospace)}
.mirage-dask figure{margin:0;display:inline-block}
.mirage-dask figcaption{font-size:11px;opacity:.75}
.mirage-dask svg text{fill:currentColor;font-family:inherit}
"""


def text(value: Any, longest: int = LONGEST) -> str:
    """Return a value as text of HTML, cut after `longest` letters."""
    shown = str(value)
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    return html.escape("".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in shown))


def page(title: str, *parts: str, about: str = "") -> str:
    """Return a whole representation.

    Parameters
    ----------
    title
        One line.
    *parts
        HTML, made by the functions of this folder; empty ones are left out.
    about
        A second line below the title.
    """
    below = f'<div class="md-about">{text(about)}</div>' if about else ""
    return (
        f'<div class="mirage-dask"><style>{_STYLE}</style><div class="md-title">{text(title)}</div>{below}'
        f"{''.join(parts)}</div>"
    )


def beside(*parts: str) -> str:
    """Return parts beside each other, below each other where there is no room."""
    given = [part for part in parts if part]
    return f'<div class="md-beside">{"".join(f"<div>{part}</div>" for part in given)}</div>' if given else ""


def collapsed(summary: str, content: str, *, is_open: bool = False) -> str:
    """Return a part of which only its summary is seen until it is clicked."""
    state = ' open="open"' if is_open else ""
    return f"<details{state}><summary>{text(summary)}</summary>{content}</details>"


def preformatted(value: Any, longest: int) -> str:
    """Return lines as they are, such as a traceback; the last `longest` letters of it."""
    shown = str(value)
    return f"<pre>{text(shown if len(shown) <= longest else f'…{shown[-longest:]}', longest + 1)}</pre>"


def pairs(rows: Iterable[tuple[str, Any]], *, hints: Mapping[str, str] | None = None) -> str:
    """Return names with values as a table.

    Parameters
    ----------
    rows
        (name, value); lines of a value stay lines.
    hints
        What is shown while the mouse is over a name.
    """

    def row(name: str, value: Any) -> str:
        hint = f' title="{text(hints[name])}"' if hints and name in hints else ""
        lines = text(value).replace("\n", "<br/>")
        return f"<tr><th{hint}>{text(name)}</th><td>{lines}</td></tr>"

    return f'<table class="md-pairs"><tbody>{"".join(row(*pair) for pair in rows)}</tbody></table>'


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, most: int = MOST_ROWS) -> str:
    """Return rows as a table; of many rows the first and the last.

    Parameters
    ----------
    columns
        Names of the columns, of which the first `MOST_COLUMNS` are shown.
    rows
        Their values. Columns of numbers are aligned to the right.
    most
        Rows that are shown.
    """
    names = columns[:MOST_COLUMNS]
    longest = LONGEST if len(names) < 5 else LONGEST_CELL
    left_out = len(rows) - most
    shown: list[Sequence[Any]] = list(rows)
    if left_out > 0:
        head = (most + 1) // 2
        shown = [*rows[:head], *rows[len(rows) - (most - head) :]]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in shown) for i in range(len(names))]
    long = [any(len(str(row[i])) > 60 for row in shown) for i in range(len(names))]
    classes = [
        ' class="md-right"' if r else ' class="md-long"' if w else ""
        for r, w in zip(right, long, strict=True)
    ]

    def line(row: Sequence[Any]) -> str:
        cells = (f"<td{kind}>{text(value, longest)}</td>" for kind, value in zip(classes, row, strict=False))
        return f"<tr>{''.join(cells)}</tr>"

    lines = [line(row) for row in shown]
    if left_out > 0:
        note = f"⋮ {counted(left_out, 'more row')}"
        lines.insert((most + 1) // 2, f'<tr><td colspan="{len(names)}">{text(note)}</td></tr>')
    head_cells = "".join(
        f"<th{kind if 'right' in kind else ''}>{text(name, LONGEST_CELL)}</th>"
        for kind, name in zip(classes, names, strict=True)
    )
    return (
        f'<div class="md-wide"><table class="md-table"><thead><tr>{head_cells}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def swatch(colour: str) -> str:
    """Return the square of a legend; without a colour it is that of what is still to come."""
    fill = f'fill="{colour}"' if colour else 'fill="currentColor" fill-opacity="0.3"'
    return (
        '<svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect width="10" height="10" {fill}/></svg>'
    )


def bar(parts: Sequence[tuple[str, float, str]], *, width: int = 420) -> str:
    """Return a bar whose parts have the lengths of values, with a line of words below it.

    Parameters
    ----------
    parts
        (words, value, colour); an empty colour is that of what is still to come.
    width
        Pixels.
    """
    total = sum(value for _, value, _ in parts) or 1.0
    boxes, labels, x = [], [], 0.0
    for words, value, colour in parts:
        if value <= 0:
            continue
        length = width * value / total
        fill = f'fill="{colour}"' if colour else 'fill="currentColor" fill-opacity="0.18"'
        boxes.append(f'<rect x="{x:.1f}" y="0" width="{length:.1f}" height="10" {fill}/>')
        labels.append(f"{swatch(colour)} {text(words)}")
        x += length
    drawn = f'<svg width="{width}" height="10" viewBox="0 0 {width} 10" role="img">{"".join(boxes)}</svg>'
    return f"<div>{drawn}<div>{' &#160; '.join(labels)}</div></div>"
