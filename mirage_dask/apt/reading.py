"""Read a proposal: XML and pointing report, and what must agree between them.

The pointing report rules how many exposures there are and where they point; the XML rules their parameters.
A report of another program, or exposures of observations or specifications that the XML does not have, is an
error. Counts that differ are notes: APT leaves out of a report what it could not schedule.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mirage_dask.apt.documents import find_pointing, read_pointing_text, read_xml
from mirage_dask.apt.pointing_report import PointingReport, parse_pointing
from mirage_dask.apt.proposal_xml import ProposalXml, parse_proposal
from mirage_dask.apt.records import Observation, PointingRow, ProposalFile
from mirage_dask.errors import InputError

DRAFT_PROGRAM = 42
"""Program number of a draft that has none, as in Mirage."""
REMEDY = "export XML and pointing report together"


def _check_exposures(
    observation: Observation, rows: list[PointingRow], path: str, problems: list[str], notes: list[str]
) -> None:
    """Compare the exposures of one observation with what its template asks for."""
    if observation.imaging is None:
        return
    number, specifications = observation.number, len(observation.imaging.specifications)
    prime = [r for r in rows if r.instrument == observation.instrument]
    for row in prime:
        if not 1 <= row.specification <= specifications or row.dither < 1:
            problems.append(
                f"{path}, line {row.line}: exposure {row.specification}, dither {row.dither} of observation {number}, "
                f"which has {specifications} filter configuration(s) in the XML; {REMEDY}."
            )
    if rows and not prime:
        found = ", ".join(sorted({r.instrument or r.aperture for r in rows}))
        problems.append(
            f"{path}, line {rows[0].line}: observation {number} is of {observation.instrument} in the XML, but its "
            f"apertures here are of {found}; {REMEDY}."
        )
        return
    expected = observation.tiles * sum(observation.imaging.dithers)
    if rows and len(prime) != expected:
        dithers = " + ".join(map(str, observation.imaging.dithers))
        notes.append(
            f"{path}: observation {number} has {len(prime)} exposures, the XML asks for {expected} "
            f"({observation.tiles} tile(s) x {dithers} dithers of {specifications} filter configuration(s)); "
            "the pointing report is followed."
        )
    repeated = Counter((r.visit, r.tile, r.specification, r.dither) for r in prime)
    notes += [
        f"{path}: observation {number}, visit {visit}: tile {tile}, exposure {specification}, dither {dither} is there "
        f"{count} times."
        for (visit, tile, specification, dither), count in repeated.items()
        if count > 1
    ]


def _reconcile(
    xml: ProposalXml, report: PointingReport, xml_path: str, problems: list[str], notes: list[str]
) -> tuple[PointingRow, ...]:
    """Check the report against the XML; return its exposures without pseudo rows."""
    if None not in (xml.program, report.program) and xml.program != report.program:
        problems.append(
            f"{report.path}: it is the pointing report of program {report.program}, but {xml_path} is program "
            f"{xml.program}; give the report of the same proposal."
        )
        return ()
    rows = tuple(r for r in report.rows if r.type != "BASE")  # guide-star base of old versions, no exposure
    by_number = {o.number: o for o in xml.observations}
    unknown = sorted({r.observation for r in rows} - set(by_number))
    if unknown:
        first = next(r for r in rows if r.observation in unknown)
        problems.append(
            f"{report.path}, line {first.line}: observation(s) {', '.join(map(str, unknown))} are not in {xml_path}; "
            f"{REMEDY}."
        )
    of_observation: dict[int, list[PointingRow]] = {}
    for row in rows:
        of_observation.setdefault(row.observation, []).append(row)
    for number, observation in by_number.items():
        _check_exposures(observation, of_observation.get(number, []), report.path, problems, notes)
    return rows


def read_proposal(path: str | Path, *, pointing: str | Path | None = None) -> ProposalFile:
    """Read a proposal exported from APT.

    Parameters
    ----------
    path
        The XML file, or the .aptx file.
    pointing
        The pointing report. By default the file of the same name with suffix .pointing beside `path`.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another program, or a template names an unknown filter, subarray
        or readout pattern. All problems of both files are collected.
    """
    path = Path(path)
    root = read_xml(path)
    problems: list[str] = []
    notes: list[str] = []
    xml = parse_proposal(root, str(path), problems)
    report = None
    try:
        report_path = find_pointing(path, pointing)
        report = parse_pointing(read_pointing_text(report_path), str(report_path))
    except InputError as error:
        problems += error.problems
    rows = _reconcile(xml, report, str(path), problems, notes) if report is not None else ()
    if problems or report is None:
        raise InputError(problems)
    program = xml.program if xml.program is not None else report.program
    if program is None:
        program = DRAFT_PROGRAM
        notes.append(f"{path}: a draft without a program number; it is given {DRAFT_PROGRAM}.")
    return ProposalFile(
        path=str(path),
        pointing_path=report.path,
        program=program,
        title=xml.title,
        pi=xml.pi,
        category=xml.category,
        targets=xml.targets,
        observations=xml.observations,
        pointings=rows,
        notes=tuple(notes),
        prd_version=report.prd_version,
    )
