"""Where a pointing report is not what the XML asks for: exposures at other offsets than those computed.

Rows of the prime instrument are compared by tile, exposure specification and dither point. Another SIAF moves tiles by some
percent of their distance, and no other offset by more than the tolerance. V2 and V3, which follow the SIAF, are not
compared, nor are the numbers of exposures, targets and apertures, which `matching` compares.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from mirage_dask.apt.records import Mismatch, PointingRow
from mirage_dask.formatting import counted

TOLERANCE = 1.0
"""arcsec."""
PART = 0.03
"""Part of the offset that is allowed besides: tiles of mosaics grow with the aperture, which the SIAF measures."""

_Key = tuple[int, int, int, str]


def compare_pointings(
    computed: Iterable[PointingRow], reported: Iterable[PointingRow]
) -> tuple[Mismatch, ...]:
    """Return one disagreement for each observation with exposures at other offsets."""
    expected, found = _by_observation(computed), _by_observation(reported)
    mismatches = []
    for number, rows in expected.items():
        wrong = []
        for key, row in rows.items():
            other = found.get(number, {}).get(key)
            if other is None:
                continue
            x, y = _offset(row)
            distance = math.dist((x, y), _offset(other))
            if distance > TOLERANCE + PART * math.hypot(x, y):
                wrong.append((distance, row, other))
        if wrong:
            distance, row, other = max(wrong, key=lambda one: one[0])
            where = f"tile {row.tile}, exposure {row.specification}, dither {row.dither}"
            mismatches.append(
                Mismatch(
                    number,
                    0,
                    f"{where} at offset {_shown(_offset(row))}",
                    f"{_shown(_offset(other))} ({counted(len(wrong), 'exposure')} up to {distance:.1f} arcsec elsewhere)",
                )
            )
    return tuple(mismatches)


def _by_observation(rows: Iterable[PointingRow]) -> dict[int, dict[_Key, PointingRow]]:
    """Return the rows of the prime instrument by observation and place; the first of equal ones."""
    found: dict[int, dict[_Key, PointingRow]] = defaultdict(dict)
    before: PointingRow | None = None
    for row in rows:
        parallel = before is not None and _accompanies(row, before)
        before = before if parallel else row
        if row.specification > 0 and not parallel:
            found[row.observation].setdefault((row.tile, row.specification, row.dither, row.aperture), row)
    return found


def _accompanies(row: PointingRow, before: PointingRow) -> bool:
    """Return whether a row is a coordinated parallel of the one before."""
    place = (row.observation, row.visit, row.tile, row.specification, row.dither)
    same = place == (before.observation, before.visit, before.tile, before.specification, before.dither)
    return same and (row.type == "PARALLEL" or row.instrument != before.instrument)


def _offset(row: PointingRow) -> tuple[float, float]:
    return row.base_x + row.dither_x, row.base_y + row.dither_y


def _shown(offset: tuple[float, float]) -> str:
    return f"{offset[0]:+.3f} {offset[1]:+.3f}"
