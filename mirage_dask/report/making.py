"""A report from a store: what is measured, compared and drawn, put together into a page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask import __version__
from mirage_dask.errors import InputError, MirageDaskError
from mirage_dask.formatting import counted, size
from mirage_dask.io.atomic import replacing
from mirage_dask.io.privacy import anonymous
from mirage_dask.io.progress import Progress
from mirage_dask.report.checks import LIMIT, compare
from mirage_dask.report.measure import Measured, measure_tiles, sampled_tiles
from mirage_dask.report.page import Chapter, Page, Table, render
from mirage_dask.report.particles import library_rates
from mirage_dask.report.pictures import (
    MOST_THUMBNAILS,
    Picture,
    check_pictures,
    chosen_fairly,
    footprint,
    thumbnail,
)
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.selection import Selection, select_rows
from mirage_dask.spec import VALUES
from mirage_dask.store.simulation import SimulationStore

MOST_TILES = 100
"""Tiles that are measured, unless told otherwise."""
MOST_LISTED = 50
"""Exposures whose particles are listed."""
MOST_VALUE = 300
"""Letters of a setting."""


@dataclass(frozen=True)
class Report:
    """A report that was written."""

    path: Path
    comparisons: int
    """Numbers that were expected and found."""
    disagreements: tuple[str, ...]
    """Sentences: which disagree, and what failed."""
    tiles: int
    """Measured."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.disagreements

    def __str__(self) -> str:
        head = (
            f"{self.path}: {counted(self.comparisons, 'comparison')}, {counted(self.tiles, 'tile')} measured"
        )
        return "\n".join([f"{head}; {'all agree' if self.ok else 'not all agree'}", *self.disagreements])


def make_report(
    store: SimulationStore,
    out: str | os.PathLike[str] = "report.html",
    *,
    select: Selection = None,
    tiles: int = MOST_TILES,
    calibrate: bool = False,
    products: str | os.PathLike[str] | None = None,
    resources: Resources = DEFAULT,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure a store, compare with what is expected, and write a page.

    Parameters
    ----------
    store
        The store.
    out
        Local file of the page.
    select
        Exposures; default all that are complete.
    tiles
        At most so many tiles are measured, spread evenly over the exposures.
    calibrate
        Also calibrate images with the JWST pipeline, and compare with the truth.
    products
        Folder for what is exported and calibrated, which is kept; default `out` without its suffix and `_calibrated`.
    resources
        Where tiles are measured.
    processes
        Of the pipeline; default as many as processors and memory allow.
    progress
        Called with (what, how many are done, how many there are).

    Raises
    ------
    InputError
        If nothing is complete, matplotlib or the pipeline are not installed, or the page cannot be written.
    StoreError
        If the store is damaged.
    """
    began = time.monotonic()
    path = Path(out).expanduser()
    check_pictures()
    if tiles < 1:
        raise InputError(f"tiles must be at least 1, not {tiles}.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or name another file.")
    if calibrate:
        from mirage_dask.report.calibrated.calibrate import check_pipeline
        from mirage_dask.report.calibrated.chapters import calibrated_chapters

        check_pipeline()
    status = store.status()
    chosen = status.iloc[select_rows(status, select)]
    done = chosen[chosen["status"] == "done"]
    if done.empty:
        raise InputError(
            f"{store.url} contains no complete exposure of this selection; run mirage-dask simulate first."
        )
    rows = [store.plan.row(name) for name in done["name"]]
    which, available = sampled_tiles(store, rows, tiles)
    measured = measure_tiles(store, which, resources=resources, progress=progress)
    chapters = [_field(done), _closure(store, rows, measured, available)]
    if calibrate:
        chapters += calibrated_chapters(
            store,
            select,
            Path(products).expanduser()
            if products is not None
            else path.with_name(f"{path.stem}_calibrated"),
            processes,
            progress,
        )
    chapters.append(_exposures(store, chosen, done, progress))
    page, comparisons, problems = _page(store, chosen, chapters, measured)
    try:
        with replacing(path) as temporary:
            temporary.write_text(render(page), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: the page cannot be written ({error.strerror}); choose another place."
        ) from None
    return Report(path, comparisons, tuple(problems), len(measured), time.monotonic() - began)


def _page(
    store: SimulationStore, chosen: pd.DataFrame, chapters: Sequence[Chapter], measured: list[Measured]
) -> tuple[Page, int, list[str]]:
    """Return the page, the number of comparisons, and what disagrees."""
    sections = [section for chapter in chapters for section in chapter.sections]
    checks = [(section, check) for section in sections for check in section.checks]
    problems = [f"{s.title}, {c.subject}: {c.verdict}." for s, c in checks if not c.ok]
    problems += [
        f"{store.plan.names[m.row]}, tile {m.tile}: cannot be measured: {anonymous(m.error)}"
        for m in measured
        if m.error
    ]
    problems += [text for chapter in chapters for text in chapter.failures]
    judged = [check for _, check in checks if check.deviation is not None]
    count = len(judged)
    if not (count or problems):
        problems.append("Nothing could be compared: none of the tiles has clean pixels and two groups.")
    verdict = (
        f"{counted(count, 'comparison')}, all as expected."
        if not problems
        else f"{counted(len(problems), 'problem')} in {counted(count, 'comparison')}."
    )
    info = store.plan.info
    first = chosen.iloc[0]
    programs = ", ".join(str(p) for p in sorted(set(chosen["program"])))
    title = f"Closure report: {programs} {str(first.get('title', '')).strip()}".strip()
    counts, done = chosen["status"].value_counts(), chosen[chosen["status"] == "done"]
    made = info.get("versions", {})
    facts = (
        ("program", programs),
        ("title", str(first.get("title", ""))),
        ("exposures", ", ".join(f"{n:,} {status}" for status, n in counts.items())),
        (
            "raw data",
            f"{size(float(done['raw_bytes'].sum()))}, stored in {size(float(done['stored_bytes'].sum()))}",
        ),
        ("store", anonymous(store.url)),
        ("planned", str(info.get("created", ""))),
        ("made by", ", ".join(f"{name} {version}" for name, version in made.items())),
        ("version of the values", str(VALUES)),
        ("random seed", ", ".join(map(str, info.get("seeds", [])))),
        ("report", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, mirage_dask {__version__}"),
    )
    settings = tuple((name, _short(value)) for name, value in dict(info.get("settings", {})).items())
    footer = (
        f"Made by mirage-dask report {anonymous(store.url)}. Sigma: number of standard errors; a comparison agrees within "
        f"{LIMIT:.0f}."
    )
    return Page(title, facts, settings, verdict, tuple(problems), tuple(chapters), footer), count, problems


def _short(value: Any) -> str:
    lines = [f"{name}: {one}" for name, one in value.items()] if isinstance(value, dict) else [str(value)]
    text = anonymous("\n".join(lines))
    return text if len(text) <= MOST_VALUE else f"{text[: MOST_VALUE - 1]}…"


def _field(done: pd.DataFrame) -> Chapter:
    return Chapter("Field", pictures=(footprint(done),))


def _closure(store: SimulationStore, rows: list[int], measured: list[Measured], available: int) -> Chapter:
    """Return the chapter of expected against found."""
    plan = store.plan
    groups = {row: _group(plan.table_row(plan.names[row])) for row in {m.row for m in measured}}
    sections = compare(measured, dict(enumerate(plan.names)), groups)
    listed = _spread(rows, MOST_LISTED)
    try:
        rates = library_rates(plan, listed)
    except MirageDaskError as error:
        rates = None
        failure: tuple[str, ...] = (f"Cosmic rays: rate: {error}",)
    else:
        failure = ()
    at = next((k for k, s in enumerate(sections) if s.title.startswith("Samples")), len(sections))
    sections[at:at] = [rates] if rates is not None else []
    exposures = len({m.row for m in measured})
    text = (
        f"Measured: {len(measured):,} of {counted(available, 'tile')}, of {counted(exposures, 'exposure')}: of each its "
        "first integrations, all groups. Clean pixels are those without a flag in the mask, not saturated, and hit by no "
        "particle of the truth. ± is one standard error."
    )
    return Chapter("Expected against found", (text,), tuple(sections), failures=failure)


def _group(row: dict[str, Any]) -> str:
    optics = [str(row.get(name) or "") for name in ("filter", "pupil")]
    return " ".join([str(row["detector"]), *(o for o in optics if o and o != "CLEAR")])


def _spread(values: list[int], most: int) -> list[int]:
    """Return at most so many values, spread evenly."""
    if len(values) <= most:
        return values
    return [values[k * len(values) // most] for k in range(most)]


def _exposures(
    store: SimulationStore, chosen: pd.DataFrame, done: pd.DataFrame, progress: Progress | None
) -> Chapter:
    """Return the chapter of thumbnails and the table of the others."""
    names = chosen_fairly(done)
    pictures: list[Picture] = []
    rows = done.set_index("name")
    for number, name in enumerate(names):
        if progress is not None:
            progress("thumbnails", number, len(names))
        row = rows.loc[name]
        optics = " ".join(o for o in (str(row["filter"]), str(row["pupil"])) if o and o != "CLEAR")
        caption = f"{name} {optics} {row['ngroup']} groups × {row['nint']}".replace("  ", " ")
        pictures.append(thumbnail(store, name, caption))
    others = chosen[~chosen["name"].isin(names)]
    columns = [c for c in ("name", "detector", "filter", "pupil", "readpatt", "ngroup", "nint", "target", "status", "reason")
               if c in chosen]  # fmt: skip
    tables = []
    if len(others):
        cells = [[str(v) for v in row] for row in others[columns].itertuples(index=False, name=None)]
        tables.append(("Other exposures", Table(tuple(columns), cells)))
    text = (
        "The light that a detector collected: last group less the first of the first integration, asinh scale, linear "
        f"within three times the noise. {len(names):,} of {counted(len(done), 'complete exposure')}"
        + (
            f", at most {MOST_THUMBNAILS}, in turn of every detector, filter and observation."
            if len(names) < len(done)
            else "."
        )
    )
    return Chapter("Exposures", (text,), tables=tuple(tables), thumbnails=tuple(pictures))
