"""Pair the rows of a pointing report with the specifications of the XML.

The report determines the number and pointings of exposures, the XML their parameters. Column Exp of a row is the
number of its specification in the template's sequence; for a coordinated parallel, in the parallel's template. A
parallel row follows its prime directly, with the same place in the sequence and the same V2, V3; neither its type nor, with
a fiducial point override, its aperture identifies it.

Nothing here raises: a disagreement is a `Mismatch`, and a row without counterpart is an exposure with a reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import replace
from itertools import groupby

from mirage_dask.apt.records import (
    CONFIRMATION,
    DIRECT,
    OUT_OF_FIELD,
    SCIENCE,
    Exposure,
    ExposureSpecification,
    Mismatch,
    Observation,
    PointingRow,
    Sequence,
)
from mirage_dask.formatting import counted

PARALLEL = "PARALLEL"
_SPECIFIC = (SCIENCE, DIRECT, OUT_OF_FIELD, CONFIRMATION)
"""Types of rows that identify the kind of specification; PARALLEL does not."""


def match_exposures(
    observations: Rows[Observation], rows: Rows[PointingRow]
) -> tuple[tuple[Exposure, ...], tuple[Mismatch, ...]]:
    """Return the exposures of a proposal in the order in which they are taken, and the disagreements of its files.

    Parameters
    ----------
    observations
        Observations in the order of the XML, which is also that of the report.
    rows
        Rows of the pointing report, without pseudo rows.
    """
    place = {o.number: i for i, o in enumerate(observations)}
    of_observation: dict[int, list[PointingRow]] = defaultdict(list)
    for row in rows:
        of_observation[row.observation].append(row)
    exposures: list[Exposure] = []
    mismatches: list[Mismatch] = []
    for observation in observations:
        found, wrong = _match_observation(observation, of_observation.get(observation.number, []))
        exposures += found
        mismatches += wrong
    for number in (n for n in of_observation if n not in place):
        unknown = of_observation[number]
        mismatches.append(Mismatch(number, 0, "no such observation", counted(len(unknown), "exposure")))
        reason = f"observation {number} is not in the XML"
        exposures += [Exposure(number, row.visit, 1, "", None, row, reason) for row in unknown]
    return tuple(exposures), tuple(mismatches)


def _match_observation(
    observation: Observation, rows: list[PointingRow]
) -> tuple[list[Exposure], list[Mismatch]]:
    number = observation.number
    if not rows:
        return _without_pointing(observation)
    index_of_row = list(_sequence_indices(observation, rows))
    exposures: list[Exposure | None] = [None] * len(rows)
    mismatches: list[Mismatch] = []
    for index in sorted(set(index_of_row)):
        mine = [i for i, k in enumerate(index_of_row) if k == index]
        sequence = observation.sequences[index] if index < len(observation.sequences) else None
        if sequence is not None and index > 0:
            sequence = _with_dithers(sequence, observation.prime)
        found, missing = _exposures_of(observation, index, sequence, [rows[i] for i in mine])
        for i, exposure in zip(mine, found, strict=True):
            exposures[i] = exposure
        mismatches += missing
    mismatches += _compare_counts(observation, [rows[i] for i, k in enumerate(index_of_row) if k == 0])
    for index, parallel in enumerate(observation.parallels, start=1):
        expected, found_count = index_of_row.count(0), index_of_row.count(index)
        acquisitions = sum(r.specification == 0 for r, k in zip(rows, index_of_row, strict=True) if k == 0)
        if found_count != expected - acquisitions:
            asked = f"{counted(expected - acquisitions, 'parallel exposure')} ({parallel.template})"
            mismatches.append(Mismatch(number, 0, asked, str(found_count)))
    return [e for e in exposures if e is not None], mismatches


def _without_pointing(observation: Observation) -> tuple[list[Exposure], list[Mismatch]]:
    """Return the exposures of an observation that the report does not list."""
    number, visit = observation.number, observation.visits[0]
    if observation.prime.internal and observation.prime.specifications:
        return [
            Exposure(number, visit, 1, observation.template, specification, None, observation.prime.reason)
            for specification in observation.prime.specifications
            for _ in range(specification.repeats)
        ], []
    reason = observation.prime.reason or "it has no exposures in the pointing report"
    exposure = Exposure(number, visit, 1, observation.template, None, None, reason)
    expected = sum(_points(observation)) * observation.tiles
    silent = observation.prime.internal or not expected
    return [exposure], [] if silent else [Mismatch(number, 0, counted(expected, "exposure"), "none")]


def _sequence_indices(observation: Observation, rows: Iterable[PointingRow]) -> Iterator[int]:
    """Yield the index of the sequence that each row belongs to: 0 for the prime, 1 and up for parallels."""
    prime: PointingRow | None = None
    taken: list[int] = []
    for row in rows:
        if prime is None or not _accompanies(row, prime):
            prime, taken = row, []
            yield 0
            continue
        free = [i for i in range(1, len(observation.sequences)) if i not in taken]
        same = [i for i in free if observation.sequences[i].instrument == row.instrument]
        index = (same or free or [len(observation.sequences)])[0]
        taken.append(index)
        yield index


def _accompanies(row: PointingRow, prime: PointingRow) -> bool:
    """Return whether a row is a coordinated parallel of the prime row before it."""
    place = (row.visit, row.tile, row.specification, row.dither)
    same = place == (prime.visit, prime.tile, prime.specification, prime.dither)
    together = same and abs(row.v2 - prime.v2) < 0.01 and abs(row.v3 - prime.v3) < 0.01
    other = row.type == PARALLEL != prime.type or row.instrument != prime.instrument
    return together and other and row.specification > 0


def _with_dithers(parallel: Sequence, prime: Sequence) -> Sequence:
    """Return a parallel sequence of which each exposure without a pattern has that of the prime exposure of its number."""
    specifications = list(parallel.specifications)
    for i, (own, leader) in enumerate(zip(parallel.specifications, prime.specifications, strict=False)):
        if not own.dithers.primary_type and own.dithers.points <= 1:
            pattern = replace(leader.dithers, size=own.dithers.size or leader.dithers.size)
            specifications[i] = replace(own, dithers=pattern)
    return replace(parallel, specifications=tuple(specifications))


def _with_counts(
    specifications: dict[int, ExposureSpecification], rows: list[PointingRow]
) -> dict[int, ExposureSpecification]:
    """Return specifications with the dither points that the report counts for each."""
    mine: dict[int, list[PointingRow]] = defaultdict(list)
    for row in rows:
        mine[row.specification].append(row)
    return {n: replace(s, dithers=s.dithers.counted(mine[n])) for n, s in specifications.items()}


def _exposures_of(
    observation: Observation, index: int, sequence: Sequence | None, rows: list[PointingRow]
) -> tuple[list[Exposure], list[Mismatch]]:
    """Return one exposure for each row of one sequence."""
    number = observation.number
    if sequence is None:
        asked = "no coordinated parallel"
        reason = "coordinated parallel that is not in the XML"
        found = [Exposure(number, r.visit, index + 1, "", None, r, reason) for r in rows]
        return found, [Mismatch(number, 0, asked, counted(len(rows), "parallel exposure"))]
    specifications = _with_counts(_specifications(sequence, rows), rows)
    exposures: list[Exposure] = []
    wrong: dict[tuple[int, str, str], int] = defaultdict(int)
    acquired: dict[int, int] = defaultdict(int)
    for row in rows:
        specification = specifications.get(row.specification)
        if row.specification == 0:
            acquired[row.visit] += 1
            specification = _acquisition(sequence.acquisition, acquired[row.visit])
        reason = sequence.reason
        if not reason:
            reason, expected, kind = _disagreement(observation, sequence, specification, row)
            if reason:
                wrong[row.visit, expected, kind] += 1
        exposures.append(
            Exposure(number, row.visit, index + 1, sequence.template, specification, row, reason)
        )
    return exposures, [
        Mismatch(number, visit, expected, f"{counted(count, 'exposure')} {kind}")
        for (visit, expected, kind), count in wrong.items()
    ]


def _acquisition(acquisition: ExposureSpecification | None, number: int) -> ExposureSpecification | None:
    """Return the specification of a visit's n-th target acquisition, from 1; the last of several confirms the others."""
    if acquisition is None or not 1 < acquisition.dithers.points == number:
        return acquisition
    return replace(acquisition, type=CONFIRMATION)


def _disagreement(
    observation: Observation,
    sequence: Sequence,
    specification: ExposureSpecification | None,
    row: PointingRow,
) -> tuple[str, str, str]:
    """Return (reason, what the XML expects, what the row is) if the two do not fit; empty texts if they do."""
    if specification is None and row.specification == 0:
        return "the XML has no target acquisition for it", "no target acquisition", "of that kind"
    if specification is None:
        have = f"{counted(len(sequence.specifications), 'exposure specification')} ({sequence.template})"
        return (
            f"the XML has no exposure specification {row.specification}",
            have,
            f"of number {row.specification}",
        )
    if row.instrument != specification.instrument and not observation.fiducial_override:
        reason = f"the pointing report puts it at {row.aperture}, which is not an aperture of {specification.instrument}"
        return reason, f"apertures of {specification.instrument}", f"at {row.aperture}"
    return "", "", ""


def _specifications(sequence: Sequence, rows: list[PointingRow]) -> dict[int, ExposureSpecification]:
    """Return the specification of each number in column Exp.

    Normally the number is the place in the sequence. Where types contradict that (one version of APT puts direct images
    after each exposure, another at the end), the n-th row of a type is paired with the n-th specification of that type.
    """
    types = {r.specification: r.type for r in rows if r.specification > 0 and r.type in _SPECIFIC}
    numbers = sorted({r.specification for r in rows if r.specification > 0})
    by_place = {n: s for n, s in enumerate(sequence.specifications, start=1) if n in numbers}
    if all(types.get(n, s.type) == s.type for n, s in by_place.items()):
        return by_place
    by_type: dict[int, ExposureSpecification] = {}
    for kind in set(types.values()):
        mine = [s for s in sequence.specifications if s.type == kind]
        places = [n for n in numbers if types.get(n) == kind]
        by_type.update(zip(places, mine, strict=False))
    return by_type if len(by_type) >= len(by_place) else by_place


def _points(observation: Observation) -> list[int]:
    """Return the number of exposures in one tile that each specification of the prime requests.

    With slitless spectroscopy of NIRISS in parallel, only grism exposures may be dithered: the parallel's counts hold.
    """
    points = [s.dithers.points * s.repeats for s in observation.prime.specifications]
    for parallel in observation.parallels:
        if parallel.template == "NirissWfss" and observation.template == "NircamImaging":
            own = [s.dithers.points for s in parallel.specifications]
            points = [*own, *points[len(own) :]][: len(points)] if len(own) <= len(points) else points
    return points


def _compare_counts(observation: Observation, prime: list[PointingRow]) -> list[Mismatch]:
    """Compare the number of prime exposures with the number that the template requests."""
    points = _points(observation)
    if observation.prime.reason or not points or 0 in points:
        return []
    science = [r for r in prime if r.specification > 0]
    expected = observation.tiles * sum(points)
    if len(science) == expected:
        return []
    tiles = f"{counted(observation.tiles, 'tile')} × ({' + '.join(map(str, points))})"
    found = ", ".join(
        f"{len(list(group))} of number {n}" for n, group in groupby(sorted(r.specification for r in science))
    )
    return [
        Mismatch(
            observation.number,
            0,
            f"{counted(expected, 'exposure')}: {tiles}",
            f"{counted(len(science), 'exposure')}: {found or 'none'}",
        )
    ]
