"""Exposure tables: of a proposal, with its footprint; of a store, with what is done and what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mirage_dask.errors import MirageDaskError
from mirage_dask.formatting import counted, size
from mirage_dask.representation.outlines import Layer, footprint
from mirage_dask.representation.page import (
    DONE,
    FAILED,
    WAITING,
    bar,
    beside,
    collapsed,
    page,
    pairs,
    table,
)
from mirage_dask.representation.thumbnails import thumbnail

if TYPE_CHECKING:
    import pandas as pd

THUMBNAILS = 4
SIDE = 128
"""Pixels of a thumbnail."""
MOST_REASONS, MOST_OBSERVATIONS = 5, 10
STATUS_COLUMNS = (
    "name",
    "detector",
    "filter",
    "pupil",
    "readpatt",
    "ngroup",
    "nint",
    "target",
    "tiles_done",
    "status",
)
"""Columns of a store that are shown."""


def by_observation(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each observation and instrument, narrow enough for a terminal of 80 columns."""
    import pandas as pd

    def words(values: pd.Series) -> str:
        return ", ".join(dict.fromkeys(str(v) for v in values if str(v)))

    rows = []
    for (number, template, _), group in table.groupby(["observation", "template", "instrument"], sort=False):
        pairs = zip(group["filter"], group["pupil"], strict=True)
        optics = [f if p in ("", "CLEAR", "CLEARP") else p if f == "CLEAR" else f"{f}+{p}" for f, p in pairs]
        pointings = group[["visit", "tile", "specification", "dither", "exposure"]].drop_duplicates()
        rows.append(
            {
                "obs": number,
                "template": template,
                "target": _short(words(group["target"]), 16),
                "optics": _short(words(pd.Series(optics)), 25),
                "exp": len(pointings),
                "rows": len(group),
                "ready": int((group["status"] == "ready").sum()),
            }
        )
    return pd.DataFrame(rows)


def proposal_page(
    title: str,
    about: str,
    exposures: pd.DataFrame,
    columns: Sequence[str],
    facts: Iterable[tuple[str, Any]] = (),
) -> str:
    """Return a proposal: its size, observations and footprint; the exposures are opened by a click.

    Parameters
    ----------
    title, about
        Two lines.
    exposures
        The exposure table.
    columns
        Those of its columns that are shown, at most ten.
    facts
        What else is known of it: (name, value).
    """
    ready = exposures[exposures["status"] == "ready"]
    others = exposures[exposures["status"] != "ready"]
    rows = [
        (
            "detector exposures",
            f"{len(exposures):,}, {'all' if others.empty else f'{len(ready):,}'} can be simulated",
        ),
        ("raw data", size(_raw_bytes(ready))),
        *facts,
    ]
    reasons = others["reason"].value_counts()
    rows += [
        ("not simulated", f"{count:,} × {reason}") for reason, count in list(reasons.items())[:MOST_REASONS]
    ]
    known = exposures["observation"].drop_duplicates()
    few = exposures[exposures["observation"].isin(known[:MOST_OBSERVATIONS])]
    observations = by_observation(few)
    if len(known) > MOST_OBSERVATIONS:
        rows.append(("observations", f"{len(known):,}, the first {MOST_OBSERVATIONS} below"))
    return page(
        title,
        beside(
            pairs(rows) + table(list(observations), observations.to_numpy(object).tolist()),
            footprint(exposures),
        ),
        collapsed(
            counted(len(exposures), "detector exposure"),
            table(columns, exposures[list(columns)].to_numpy(object).tolist()),
        ),
        about=about,
    )


def simulation_page(title: str, status: pd.DataFrame, raw: Callable[[str], Any]) -> str:
    """Return a store: what of it is done, its footprint, and a few pixels of finished exposures.

    Parameters
    ----------
    title
        One line.
    status
        The exposure table with the columns of `store.status`.
    raw
        Gives the array of raw data of an exposure, of which two small windows are read.
    """
    counts = status["status"].value_counts().to_dict()
    kinds = (("done", DONE), ("partial", WAITING), ("failed", FAILED), ("ready", ""))
    words = {"partial": "partly done", "ready": "not simulated yet"}
    parts = [
        (f"{counts[k]:,} {words.get(k, k)}", float(counts[k]), colour) for k, colour in kinds if counts.get(k)
    ]
    done = status[status["status"] == "done"]
    failed = status[status["status"] == "failed"]
    unsupported = counts.get("unsupported", 0)
    facts = [
        ("exposures", f"{len(status):,}" + (f", {unsupported:,} cannot be simulated" if unsupported else "")),
        ("tiles", f"{status['tiles_done'].sum():,} of {status['tiles'].sum():,}"),
        (
            "raw data",
            f"{size(float(done['raw_bytes'].sum()))} of {size(float(status['raw_bytes'].sum()))} done",
        ),
        ("stored", size(float(status["stored_bytes"].sum()))),
        *(
            ("failed", f"{name}: {reason}")
            for name, reason in zip(failed["name"][:MOST_REASONS], failed["reason"], strict=False)
        ),
    ]
    shown = [column for column in STATUS_COLUMNS if column in status]
    has = (status["status"] == "done").to_numpy(bool)
    layers = [
        Layer(~has, "#8a8f98", f"not done: {int((~has).sum()):,}"),
        Layer(has, DONE, f"done: {int(has.sum()):,}"),
    ]
    return page(
        title,
        beside(bar(parts) + pairs(facts), footprint(status, layers)),
        _thumbnails(done, raw),
        collapsed(
            counted(len(status), "detector exposure"), table(shown, status[shown].to_numpy(object).tolist())
        ),
    )


def _thumbnails(done: pd.DataFrame, raw: Callable[[str], Any]) -> str:
    """Return the middle of a few different exposures: the last group less the first, in the first integration."""
    kinds = [column for column in ("detector", "filter", "pupil", "subarray") if column in done]
    different = done.drop_duplicates(kinds)[:THUMBNAILS]
    drawn = []
    for _, row in different.iterrows():
        try:
            array = raw(str(row["name"]))
            last = array.shape[1] - 1
            where = tuple(slice(start := max(0, (n - SIDE) // 2), start + SIDE) for n in array.shape[2:])
            image = np.asarray(array[(0, last, *where)], np.float32)
            if last:
                image -= np.asarray(array[(0, 0, *where)], np.float32)
        except (MirageDaskError, OSError, ValueError, RuntimeError):
            continue  # a damaged tile has no picture; `verify` says what is wrong
        words = (str(row[column]) for column in kinds if row[column] not in ("", "FULL", "CLEAR"))
        drawn.append(thumbnail(image, " ".join(words)))
    about = f"the middle {SIDE} × {SIDE} pixels of finished exposures, last group less first"
    return f"<div>{about}</div>{beside(*drawn)}" if drawn else ""


def _raw_bytes(ready: pd.DataFrame) -> float:
    if not {"nint", "ngroup", "ny", "nx"} <= set(ready.columns) or ready.empty:
        return 0.0
    return float(2.0 * ready[["nint", "ngroup", "ny", "nx"]].astype(float).prod(axis=1).sum())


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
