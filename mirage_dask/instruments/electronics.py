"""What the electronics behind the pixels of a detector do to its signal: coupling in time, and between outputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mirage_dask.instruments.tables import read_table

OUTPUTS = 4
"""Outputs between which crosstalk was measured."""

_MILLIONTH = 1e-6
_Matrix = tuple[tuple[float, ...], ...]
_NONE: _Matrix = ((0.0,) * OUTPUTS,) * OUTPUTS


@dataclass(frozen=True)
class Electronics:
    """Coupling of a detector; `data/electronics.ecsv` states the sources of the numbers."""

    post_pixel: float = 0.0
    """Fraction of a pixel that appears in the one that its output reads next."""
    direct: _Matrix = _NONE
    """[a][b]: fraction of the signal of output a that output b has at the same time."""
    late: _Matrix = _NONE
    """[a][b]: fraction that output b has one pixel later."""


@cache
def get_electronics(detector: str) -> Electronics:
    """Return the coupling of a detector by its name, such as 'NRCB5'; none where it is not known."""
    for row in read_table("electronics"):
        if row["name"] == detector:
            return Electronics(float(row["post_pixel"]), _matrix(row, "direct"), _matrix(row, "late"))
    return Electronics()


def _matrix(row: dict[str, str], kind: str) -> _Matrix:
    outputs = range(1, OUTPUTS + 1)
    return tuple(
        tuple(0.0 if a == b else int(row[f"{kind}_{a}_{b}"]) * _MILLIONTH for b in outputs) for a in outputs
    )
