"""The reference figures, `benchmarks/references.ecsv`, and rows that compare a simulated number with one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from astropy.table import Table
from measure import Measurement

FILE = Path(__file__).resolve().parent.parent / "references.ecsv"


@dataclass(frozen=True)
class Reference:
    """One row of the table."""

    value: float
    unit: str
    tolerance: float
    relative: bool
    """Whether the tolerance is a fraction of the value, else it is in its unit."""
    grade: str
    """A in flight or the pipeline's own; B ground test or model; C derived from these; D chosen."""
    source: str


@cache
def references() -> dict[str, dict[str, Reference]]:
    """Return the references by quantity and item."""
    found: dict[str, dict[str, Reference]] = {}
    for row in Table.read(FILE, format="ascii.ecsv"):
        text = str(row["tolerance"])
        relative = text.endswith("%")
        tolerance = float(text.removesuffix("%")) / (100 if relative else 1)
        unit, grade, source = (
            "" if row[n] is np.ma.masked else str(row[n]) for n in ("unit", "grade", "source")
        )
        reference = Reference(float(row["value"]), unit, tolerance, relative, grade, source)
        found.setdefault(str(row["quantity"]), {})[str(row["item"])] = reference
    return found


def judge(name: str, reference: Reference, simulate: Callable[[], float]) -> Measurement:
    """Return a simulated number beside its reference; where it cannot be computed, the row says why."""
    value, note = attempt(simulate)
    return Measurement(
        name,
        value,
        reference.unit,
        reference=reference.value,
        tolerance=reference.tolerance,
        relative=reference.relative,
        note=note or f"{reference.grade}: {reference.source}",
    )


def judge_item(quantity: str, item: str, simulate: Callable[[], float]) -> Measurement:
    """Return a simulated number beside the reference of a quantity and an item."""
    return judge(f"{quantity} {item}", references()[quantity][item], simulate)


def attempt(simulate: Callable[[], float]) -> tuple[float | None, str]:
    """Return a number and no text, or no number and why there is none."""
    try:
        return float(simulate()), ""
    except Exception as error:  # another version may lack what is asked for: the other rows are still true
        return None, f"{type(error).__name__}: {error}".splitlines()[0]
