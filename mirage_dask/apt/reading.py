"""Read a proposal: find its files, read each, and combine their contents.

A proposal is exported as XML (or .aptx) with a pointing report, or, from APT 2025 on, as a single records.json. Without a
report the pointings are computed from the XML (`apt.geometry`); the exposures of an observation for which that is not
possible are listed with the reason. A report of another program is an error; where the two files of one program disagree,
counts and positions are taken from the report, parameters from the XML, and `ProposalFile.mismatches` lists the
disagreement.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mirage_dask.apt.documents import (
    HOW_TO_EXPORT,
    find_pointing,
    is_records,
    missing_pointing,
    read_pointing_text,
    read_records,
    read_xml,
)
from mirage_dask.apt.geometry import compare_pointings, compute_pointings
from mirage_dask.apt.matching import compare_contents, match_exposures
from mirage_dask.apt.pointing_report import parse_pointing
from mirage_dask.apt.proposal_xml import parse_proposal
from mirage_dask.apt.records import (
    Exposure,
    Observation,
    PointingReport,
    PointingRow,
    ProposalContents,
    ProposalFile,
    Sequence,
)
from mirage_dask.apt.records_json.reader import parse_records
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted

DRAFT_PROGRAM = 42
"""Program number given to a draft without one, as in Mirage."""
_POSITION = ("ra", "dec", "base_x", "base_y", "dither_x", "dither_y", "v2", "v3", "ideal_x", "ideal_y")
BASE = "BASE"
"""Type of pseudo rows in reports of old versions: guide-star bases, not exposures."""


OTHER_FILES = {
    ".yaml": "a YAML file: settings are named beside the proposal (settings=, --settings)",
    ".yml": "a YAML file: settings are named beside the proposal (settings=, --settings)",
    ".cat": "a catalog: catalogs are named in the settings",
    ".zarr": "a store: open it with open_simulation, or with the commands status, show, export, verify",
}
"""What people give in place of a proposal, by suffix."""


def read_proposal(path: str | Path, *, pointing: str | Path | None = None) -> ProposalFile:
    """Read a proposal exported from APT.

    Parameters
    ----------
    path
        The XML file, the .aptx file, or the records.json of APT 2025.
    pointing
        The pointing report. By default the file of the same name with suffix .pointing beside `path`; a
        records.json needs none. Where there is none, pointings are computed from the XML.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another program, or a template names an unknown filter, subarray
        or readout pattern. All problems of both files are collected.
    """
    path = Path(path)
    if what := OTHER_FILES.get(path.suffix.lower()):
        raise InputError(
            f"{path}: this is not a proposal but {what}; a proposal is an .aptx, .xml or .json file."
        )
    return _read_records(path) if is_records(path) else _read_xml_and_pointing(path, pointing)


def _read_records(path: Path) -> ProposalFile:
    problems: list[str] = []
    contents, report = parse_records(read_records(path), str(path), problems)
    if problems:
        raise InputError(problems)
    return _join(contents, report, str(path))


def _read_xml_and_pointing(path: Path, pointing: str | Path | None) -> ProposalFile:
    root = read_xml(path)
    problems: list[str] = []
    xml = parse_proposal(root, str(path), problems)
    report = None
    try:
        report_path = find_pointing(path, pointing)
        if report_path is None:
            report = PointingReport("", xml.program, "", ())
        else:
            internal = xml.observations and all(o.prime.internal for o in xml.observations)
            report = parse_pointing(
                read_pointing_text(report_path), str(report_path), may_be_empty=bool(internal)
            )
    except InputError as error:
        problems += error.problems
    if report is not None and None not in (xml.program, report.program) and xml.program != report.program:
        problems.append(
            f"{report.path}: this is the pointing report of program {report.program}, but {path} is program "
            f"{xml.program}; give the report of the same proposal."
        )
    if problems or report is None:
        raise InputError(problems)
    computed = compute_pointings(root, xml)
    if report.path:
        joined = _join(xml, report, str(path))
        wrong = compare_pointings(computed.rows, report.rows)
        return replace(joined, mismatches=(*joined.mismatches, *wrong))
    joined = _join(xml, replace(report, rows=computed.rows), str(path))
    missing = missing_pointing(path)
    exposures = _placed(xml.observations, joined.exposures, computed.unknown, f"{missing}; {HOW_TO_EXPORT}")
    note = f"{path}: {missing}; the pointings of {counted(len(computed.rows), 'exposure')} are computed from the XML."
    return replace(joined, exposures=tuple(exposures), mismatches=(), notes=(*joined.notes, note))


def _placed(
    observations: tuple[Observation, ...],
    computed: tuple[Exposure, ...],
    unknown: Mapping[int, str],
    missing: str,
) -> Iterator[Exposure]:
    """Yield exposures with computed pointings; those of observations without, as their templates request them."""
    of_observation: dict[int, list[Exposure]] = defaultdict(list)
    for exposure in computed:
        of_observation[exposure.observation].append(exposure)
    for observation in observations:
        if why := unknown.get(observation.number):
            yield from _unplaced(observation, f"{why}; and {missing}")
        else:
            yield from of_observation[observation.number]


def _unplaced(observation: Observation, missing: str) -> Iterator[Exposure]:
    """Yield the exposures that the templates request, without positions: all of them in the first visit."""
    prime = observation.prime
    if not prime.specifications:
        reason = prime.reason or missing
        yield Exposure(observation.number, observation.visits[0], 1, prime.template, None, None, reason)
    for tile in range(1, observation.tiles + 1):
        for number, leader in enumerate(prime.specifications, start=1):
            for dither in range(1, max(leader.dithers.points, 1) * leader.repeats + 1):
                yield from _simultaneous(observation, tile, number, dither, missing)


def _simultaneous(
    observation: Observation, tile: int, number: int, dither: int, missing: str
) -> Iterator[Exposure]:
    """Yield the prime exposure and its coordinated parallels."""
    for place, sequence in enumerate(observation.sequences, start=1):
        if number > len(sequence.specifications):
            continue
        row = PointingRow(
            observation=observation.number,
            visit=observation.visits[0],
            tile=tile,
            specification=number,
            dither=dither,
            aperture="",
            target_number=0,
            target=observation.target,
            **dict.fromkeys(_POSITION, math.nan),  # type: ignore[arg-type]
            level="",
            type="PARALLEL" if place > 1 else sequence.specifications[number - 1].type,
            line=0,
        )
        yield Exposure(
            observation.number,
            row.visit,
            place,
            sequence.template,
            sequence.specifications[number - 1],
            row,
            sequence.reason or f"its position cannot be computed: {missing}",
        )


def _join(contents: ProposalContents, report: PointingReport, path: str) -> ProposalFile:
    """Pair observations and rows; collect notes about oddities."""
    rows = [r for r in report.rows if r.type != BASE]
    exposures, mismatches = match_exposures(contents.observations, rows)
    mismatches += compare_contents(contents.targets, contents.observations, exposures, report.visits)
    notes = [*_repeated(contents.observations, rows, report.path)]
    program = contents.program if contents.program is not None else report.program
    if program is None:
        program = DRAFT_PROGRAM
        notes.append(f"{path}: the draft has no program number; {DRAFT_PROGRAM} is used.")
    known = {o.number for o in contents.observations}
    unknown = {e.observation: e for e in exposures if e.observation not in known}
    stand_ins = [
        Observation(number, "", e.row.target if e.row else "", Sequence("", e.instrument, reason=e.reason))
        for number, e in unknown.items()
    ]
    return ProposalFile(
        path=path,
        pointing_path=report.path,
        program=program,
        title=contents.title,
        pi=contents.pi,
        category=contents.category,
        science_category=contents.science_category,
        targets=contents.targets,
        observations=(*contents.observations, *stand_ins),
        exposures=exposures,
        notes=tuple(notes),
        mismatches=mismatches,
        prd_version=report.prd_version,
    )


def _repeated(observations: tuple[Observation, ...], rows: list[PointingRow], path: str) -> list[str]:
    """Return a note for exposures that occur in the report more often than their template requests."""
    wanted = {
        (o.number, i): s.repeats
        for o in observations
        for i, s in enumerate(o.prime.specifications, start=1)
        if not o.prime.reason
    }
    prime = [r for r in rows if (r.observation, r.specification) in wanted and r.type != "PARALLEL"]
    counts = Counter((r.observation, r.visit, r.tile, r.specification, r.dither, r.instrument) for r in prime)
    return [
        f"{path}: observation {number}, visit {visit}: tile {tile}, exposure {specification}, dither {dither} occurs "
        f"{count} times."
        for (number, visit, tile, specification, dither, _), count in counts.items()
        if count > wanted[number, specification]
    ]
