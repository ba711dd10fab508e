"""Read APT's pointing report: the position of the target in the focal plane, exposure by exposure.

The report has one block per visit, opened by ``** Visit <observation>:<visit>``, and one line per exposure
of an instrument. Lines are parsed from the left: the tail (dDist, "(base)", an aperture angle) varies
between versions and is not used. Reading stops at a line that starts with "Glossary", which newer versions
append.
"""

from __future__ import annotations

import math
import re

from mirage_dask.apt.records import PointingReport, PointingRow
from mirage_dask.errors import InputError

_NUMBER = r"\s*([+-]\d+(?:\.\d*)?)"  # the sign is always written, so adjacent numbers can be separated
_ROW = re.compile(
    r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([A-Za-z]\w+)\s+(\d+)\s*(.*?)"
    + _NUMBER * 10
    + r"\s+([A-Z_]+)\s+([A-Z_]+)\b"
)
_VISIT = re.compile(r"\*\*\s*Visit\s+(\d+)\s*:\s*(\d+)")
_PROPOSAL = re.compile(r"JWST Pointing Report for JWST .*?Proposal\s*(\d+)?\s*\((.*)\)")
_PRD = re.compile(r"PRDOPSSOC-[\w-]*\d+")


def _row(match: re.Match[str], observation: int, visit: int, line: int) -> PointingRow:
    numbers = [float(match.group(i)) for i in range(8, 18)]
    return PointingRow(
        observation=observation,
        visit=visit,
        tile=int(match.group(2)),
        specification=int(match.group(3)),
        dither=int(match.group(4)),
        aperture=match.group(5),
        target_number=int(match.group(6)),
        target=match.group(7),
        ra=numbers[0],
        dec=numbers[1],
        base_x=numbers[2],
        base_y=numbers[3],
        dither_x=numbers[4],
        dither_y=numbers[5],
        v2=numbers[6],
        v3=numbers[7],
        ideal_x=numbers[8],
        ideal_y=numbers[9],
        level=match.group(18),
        type=match.group(19),
        line=line,
    )


def _number_problem(row: PointingRow) -> str:
    """Return a problem with the numbers of a row, or an empty string."""
    if row.specification > 0 and min(row.tile, row.dither) < 1:
        return (
            f"exposure {row.specification} has tile {row.tile}, dither {row.dither}; only acquisitions have 0"
        )
    if not -360.0 <= row.ra <= 360.0 or not -90.0 <= row.dec <= 90.0:
        return f"RA {row.ra}, Dec {row.dec} is not a valid position on the sky"
    if max(abs(row.v2), abs(row.v3)) > 3600.0 or not math.isfinite(row.v2 + row.v3):
        return f"V2 {row.v2}, V3 {row.v3} is outside the focal plane"
    return ""


def parse_pointing(text: str, path: str, *, may_be_empty: bool = False) -> PointingReport:
    """Parse the text of a pointing report.

    Parameters
    ----------
    path
        Name of the file, for errors.
    may_be_empty
        Whether there may be no data lines: of a proposal of internal exposures.

    Raises
    ------
    InputError
        If a data line is invalid or comes before its visit, or there are no data lines where there must be some. Lists every
        invalid line.
    """
    problems: list[str] = []
    rows: list[PointingRow] = []
    program: int | None = None
    prd_version = ""
    seen_header = False
    visit: tuple[int, int] | None = None
    visits: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("Glossary"):
            break
        if match := _PRD.search(line) if stripped.startswith("#") else None:
            prd_version = match.group()
        elif match := _PROPOSAL.match(stripped):
            seen_header = True
            program = int(match.group(1)) if match.group(1) else program
        elif stripped.startswith("**"):
            if not (match := _VISIT.match(stripped)):
                problems.append(f"{path}, line {number}: expected '** Visit <observation>:<visit>'.")
                continue
            visit = int(match.group(1)), int(match.group(2))
            visits.append(visit)
        elif stripped[:1].isdigit():
            match = _ROW.match(line)
            if match is None:
                problems.append(
                    f"{path}, line {number}: not a valid line of a pointing report: {stripped[:60]!r}."
                )
            elif visit is None:
                problems.append(f"{path}, line {number}: exposure before any '** Visit' line.")
            else:
                row = _row(match, *visit, number)
                if wrong := _number_problem(row):
                    problems.append(f"{path}, line {number}: {wrong}.")
                rows.append(row)
    if not seen_header:
        problems.insert(
            0, f"{path}: not a pointing report: the line 'JWST Pointing Report for ...' is missing."
        )
    elif not rows and not problems and not may_be_empty:
        problems.append(f"{path}: the pointing report has no exposures.")
    if problems:
        raise InputError(problems)
    return PointingReport(path, program, prd_version, tuple(rows), tuple(visits))
