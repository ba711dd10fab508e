"""The page of a report: one HTML file that needs nothing else, for screens and paper.

What a store says (titles, names, settings) was written by others: every text is escaped, and the page forbids scripts and
addresses by its Content-Security-Policy.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mirage_dask.formatting import counted
from mirage_dask.report.checks import Section
from mirage_dask.report.pictures import Picture

NARROW = 4
"""Columns up to which a table is not stretched over the page."""
MOST_ROWS = 500
"""Of a table; the others are counted."""


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    """Columns that are aligned to the right."""


@dataclass(frozen=True)
class Chapter:
    """A part of the page."""

    title: str
    paragraphs: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    tables: tuple[tuple[str, Table], ...] = ()
    """(title, table)."""
    pictures: tuple[Picture, ...] = ()
    thumbnails: tuple[Picture, ...] = ()
    failures: tuple[str, ...] = ()
    """Sentences about what could not be done."""


@dataclass(frozen=True)
class Page:
    """All that a page shows."""

    title: str
    facts: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    verdict: str
    problems: tuple[str, ...]
    """Sentences about what disagrees or failed."""
    chapters: tuple[Chapter, ...] = ()
    footer: str = ""


def render(page: Page) -> str:
    """Return the page as HTML."""
    state = "bad" if page.problems else "good"
    problems = "".join(f"<li>{_e(text)}</li>" for text in page.problems)
    settings = (
        _pairs("Settings that differ from the defaults", page.settings)
        if page.settings
        else "<p>All settings have their defaults.</p>"
    )
    body = "".join(
        [
            f"<header><h1>{_e(page.title)}</h1>",
            f'<div class="verdict {state}" role="status"><strong>{_e(page.verdict)}</strong>',
            f"<ul>{problems}</ul></div></header>" if problems else "</div></header>",
            f'<section class="facts">{_pairs("Simulation", page.facts)}{settings}</section>',
            *(_chapter(chapter) for chapter in page.chapters),
            f"<footer>{_e(page.footer)}</footer>",
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(page.title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _e(text: object) -> str:
    """Escape a text: also characters that are none in HTML."""
    kept = "".join(c if c in "\n\t" or c.isprintable() else "�" for c in str(text))
    return html.escape(kept)


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{_e(name)}</th><td>{_e(value)}</td></tr>" for name, value in pairs)
    return f'<div class="scroll"><table class="pairs"><caption>{_e(title)}</caption>{rows}</table></div>'


def _chapter(chapter: Chapter) -> str:
    parts = [f"<section><h2>{_e(chapter.title)}</h2>"]
    parts += [f"<p>{_e(text)}</p>" for text in chapter.paragraphs]
    parts += [_figure(picture) for picture in chapter.pictures]
    if chapter.thumbnails:
        parts.append(f'<div class="thumbnails">{"".join(map(_figure, chapter.thumbnails))}</div>')
    parts += [_section(section) for section in chapter.sections]
    parts += [f"<h3>{_e(title)}</h3>{_table(table)}" for title, table in chapter.tables]
    return "".join([*parts, "</section>"])


def _figure(picture: Picture) -> str:
    inner = (
        f'<img src="{html.escape(picture.source)}" alt="{_e(picture.caption)}">'
        if picture.source
        else f'<p class="note">No picture: {_e(picture.problem)}</p>'
    )
    return f"<figure>{inner}<figcaption>{_e(picture.caption)}</figcaption></figure>"


def _section(section: Section) -> str:
    rows = "".join(
        f'<tr class="{"" if check.ok else "bad"}"><td>{_e(check.subject)}</td>'
        f'<td class="n">{_e(check.expected)}</td><td class="n">{_e(check.found)}</td>'
        f"<td>{'✓' if check.ok and check.deviation is not None else '–' if check.ok else '✗'} {_e(check.verdict)}</td></tr>"
        for check in section.checks
    )
    unit = f' <span class="what">({_e(section.unit)})</span>' if section.unit else ""
    remedy = "" if section.ok else f'<p class="remedy">{_e(section.remedy)}</p>'
    return (
        f'<h3>{_e(section.title)}{unit}</h3><p class="what">{_e(section.what)}</p>{remedy}<div class="scroll">'
        '<table class="checks"><thead><tr><th>of</th><th class="n">expected</th><th class="n">found</th>'
        "<th>verdict</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _table(table: Table) -> str:
    kinds = [' class="n"' if k in table.numbers else "" for k in range(len(table.columns))]
    head = "".join(f"<th{kind}>{_e(name)}</th>" for name, kind in zip(table.columns, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{_e(v)}</td>" for v, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in table.rows[:MOST_ROWS]
    )
    narrow = ' class="narrow"' if len(table.columns) <= NARROW else ""
    left = len(table.rows) - MOST_ROWS
    more = f'<p class="note">and {counted(left, "more row")}</p>' if left > 0 else ""
    return f'<div class="scroll"><table{narrow}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'


STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --faint: #5b6675; --paper: #ffffff; --panel: #f4f6f9; --line: #d5dbe3;
  --good: #11683a; --good-paper: #e6f4ea; --bad: #a3161f; --bad-paper: #fdeaea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9aa7b5; --paper: #0d1117; --panel: #161c26;
  --line: #2c3542; --good: #6fd195; --good-paper: #11291b; --bad: #ff8e88; --bad-paper: #331518; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 14px; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 44px 0 10px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 26px 0 4px; }
p { margin: 6px 0 10px; max-width: 88ch; }
.what, .note, footer, figcaption { color: var(--faint); font-size: 0.9rem; }
.verdict { padding: 12px 16px; border-radius: 8px; border-left: 6px solid; }
.verdict ul { margin: 8px 0 0; padding-left: 20px; overflow-wrap: anywhere; }
.good { color: var(--good); background: var(--good-paper); border-color: var(--good); }
.verdict.bad { color: var(--bad); background: var(--bad-paper); border-color: var(--bad); }
.remedy { color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 20px; margin-top: 20px;
  align-items: start; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--faint); font-weight: 600; white-space: nowrap; }
.n { text-align: right; white-space: nowrap; padding-right: 24px; }
.narrow { width: auto; min-width: min(520px, 100%); }
.checks { table-layout: fixed; min-width: 560px; }
.checks th:nth-child(1) { width: 30%; } .checks th:nth-child(2) { width: 20%; } .checks th:nth-child(3) { width: 17%; }
.checks td:first-child { overflow-wrap: anywhere; }
.pairs th { color: var(--faint); font-weight: 400; white-space: nowrap; width: 1%; padding-right: 18px; }
.pairs td { overflow-wrap: anywhere; white-space: pre-line; }
tr.bad td { color: var(--bad); background: var(--bad-paper); }
figure { margin: 12px 0; }
figure img { max-width: 100%; height: auto; display: block; border-radius: 6px; }
.thumbnails { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; }
.thumbnails figure { margin: 0; min-width: 0; }
.thumbnails img { width: 100%; image-rendering: auto; }
.thumbnails figcaption { font-size: 0.7rem; line-height: 1.35; overflow-wrap: anywhere; padding-top: 4px; }
footer { margin-top: 48px; border-top: 1px solid var(--line); padding-top: 10px; overflow-wrap: anywhere; }
@media (max-width: 620px) { .checks { min-width: 0; font-size: 0.82rem; } .checks th, .checks td { padding-right: 8px; }
  .checks th:nth-child(1) { width: 25%; } .checks th:nth-child(2) { width: 24%; } .checks th:nth-child(3) { width: 19%; } }
@media print { :root { color-scheme: light; --ink: #000000; --faint: #444444; --paper: #ffffff; --panel: #f4f6f9;
  --line: #bbbbbb; --good: #0b5a30; --good-paper: #ffffff; --bad: #a3161f; --bad-paper: #ffffff; }
  main { max-width: none; padding: 0; } body { font-size: 10.5pt; } figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .scroll { overflow: visible; }
  .thumbnails { grid-template-columns: repeat(6, 1fr); } }
"""
