"""Many files -> the exposure table: one row for each exposure, whatever files there are of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mirage_dask.apt.columns import COLUMNS
from mirage_dask.apt.table import NON_SIDEREAL, TrackFinder, add_starts, as_table
from mirage_dask.errors import InputError
from mirage_dask.executed.files import SUFFIXES, level_of
from mirage_dask.executed.headers import Keywords
from mirage_dask.executed.pointing import at_start, track_missing
from mirage_dask.executed.rows import Row, exposure_row
from mirage_dask.formatting import counted, numbers

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 20
"""Most problems that are told of many files."""


@dataclass(frozen=True, eq=False)
class ExecutedFiles:
    """The exposures of FITS files.

    Attributes
    ----------
    table : pandas.DataFrame
        As `mirage_dask.apt.exposure_table` makes it, in order of time.
    files : dict of str to tuple of str
        The files of each exposure by its name: of the lowest level, all segments, in order.
    notes : tuple of str
        What was found odd and does not stop anything; one sentence each.
    """

    table: pd.DataFrame
    files: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


def executed_table(found: Iterable[Keywords | str]) -> ExecutedFiles:
    """Return the exposures of files whose keywords were read.

    Parameters
    ----------
    found
        What `read_keywords` returned for each file.

    Raises
    ------
    InputError
        With every file that cannot be read or is not an exposure of JWST.
    """
    rows: dict[str, list[tuple[int, str, Row]]] = {}
    problems = []
    for keywords in found:
        if isinstance(keywords, str):
            problems.append(keywords)
            continue
        try:
            row = exposure_row(keywords)
        except InputError as error:
            problems += error.problems
            continue
        level = level_of(keywords["PATH"])
        rank = SUFFIXES.index(level) if level else 0
        rows.setdefault(row["name"], []).append((rank, keywords["PATH"], row))
    if problems:
        more = len(problems) - _SHOWN
        raise InputError(
            problems[:_SHOWN] + ([f"There are problems in {counted(more, 'more file')}."] if more > 0 else [])
        )
    files = {}
    chosen = []
    for name, entries in rows.items():
        lowest = min(rank for rank, _, _ in entries)
        here = sorted(
            ((path, row) for rank, path, row in entries if rank == lowest), key=lambda entry: entry[0]
        )
        files[name] = tuple(path for path, _ in here)
        chosen.append(here[0][1])
    chosen.sort(key=lambda row: (row["start_time"], row["name"]))
    add_starts(chosen)
    programs = sorted({row["program"] for row in chosen})
    notes = []
    if len(programs) > 1:
        notes.append(
            f"the files are of {len(programs)} programs ({numbers(programs)}); settings by observation hold for all."
        )
    return ExecutedFiles(as_table(chosen, COLUMNS), files, tuple(notes))


def with_tracks(table: pd.DataFrame, find: TrackFinder) -> pd.DataFrame:
    """Return the exposure table in which exposures of moving targets follow the tracks that the user gives.

    Parameters
    ----------
    table
        Of `executed_table`, where exposures of moving targets whose files have no track cannot be simulated.
    find
        Returns the track of a target.

    Raises
    ------
    InputError
        If an exposure goes beyond its track.
    """
    rows, changed = table.to_dict("records"), False
    for number, row in enumerate(rows):
        if row["tracking"] != NON_SIDEREAL or row["reason"] == "" or row["reason"] != track_missing(row):
            continue
        track = find(row["target"], row["observation"], datetime.fromisoformat(row["observation_start"]))
        if track is not None:
            moved = at_start(row, track)
            place = {"target_ra": moved["ra_pointing"], "target_dec": moved["dec_pointing"]}
            rows[number] = moved | place | {"status": "ready", "reason": ""}
            changed = True
    return as_table(rows, COLUMNS) if changed else table
