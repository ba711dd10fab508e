"""Pointings computed from the XML alone against real pointing reports: a row for each proposal, then all of them.

Rows must agree in order, visit, tile, exposure, dither, aperture, type and target, to 0.005 arcsec in offsets, V2 and V3,
and on the sky to 0.02 arcsec, which is what the report rounds its positions to. Needs the proposals that MIRAGE_DASK_SHARED
names, or that lie in `shared` beside the checkout.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from measure import Measurement
from pointings.comparison import Comparison, compare, proposals

OFFSET, SKY, PART = 0.005, 0.02, 0.85
"""Goals: arcsec, arcsec, and part of the rows of simulated instruments that are computed."""


def measure() -> list[Measurement]:
    """Return the worst differences of each proposal, and the part of all rows that is computed."""
    folder = (
        Path(os.environ.get("MIRAGE_DASK_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "apt"
    )
    if not folder.is_dir():
        return [Measurement("pointings", None, "", note="set MIRAGE_DASK_SHARED to a folder with apt/")]
    found = [compare(path) for path in proposals(folder)]
    return [row for one in found for row in _rows(one)] + _all(found)


def _rows(one: Comparison) -> Iterator[Measurement]:
    refused = "; ".join(f"{count} refused: {reason}" for reason, count in one.refused.items() if count)
    counts = (
        f"{one.observations} observations, {one.reported} rows, {one.ours} of ours, {one.computed} computed"
    )
    name = f"{one.name[:28]} (SIAF {one.siaf}): {counts}"
    note = "; ".join(filter(None, [*(f"other rows: {o}" for o in one.different), refused]))
    yield Measurement(f"{name}, offset", one.offset, '"', goal=OFFSET, note=note)
    yield Measurement(f"{name}, sky", one.sky, '"', goal=SKY, note=one.farthest if one.sky > SKY else "")


def _all(found: list[Comparison]) -> list[Measurement]:
    ours, computed = sum(one.ours for one in found), sum(one.computed for one in found)
    different = [observation for one in found for observation in one.different]
    why: Counter[str] = sum((one.refused for one in found), Counter())
    note = "; ".join(f"{count} refused: {reason}" for reason, count in why.most_common() if count)
    return [
        Measurement("rows of simulated instruments", ours, ""),
        Measurement("of these, computed", computed / ours, "", goal=PART, more_is_better=True, note=note),
        Measurement("observations whose rows differ", len(different), "", goal=0, note=", ".join(different)),
        Measurement("worst offset", max(one.offset for one in found), '"', goal=OFFSET),
        Measurement("worst position on the sky", max(one.sky for one in found), '"', goal=SKY),
    ]
