"""Compare the rows that the XML of a proposal gives with those of its pointing report, in the SIAF of the report.

A report rounds offsets to 0.001 arcsec and positions to 0.00001 degree (0.036 arcsec). Old versions of APT do not name their
SIAF, and pysiaf does not bring every one: then the one of those it brings that fits best is used.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from mirage_dask.apt.documents import read_pointing_text, read_xml
from mirage_dask.apt.geometry import Computed, compute_pointings
from mirage_dask.apt.geometry.frames import Frames, find_frame
from mirage_dask.apt.geometry.versions import parse_version
from mirage_dask.apt.pointing_report import parse_pointing
from mirage_dask.apt.proposal_xml import parse_proposal
from mirage_dask.apt.records import Observation, PointingRow, ProposalContents
from mirage_dask.instruments import instrument_of_aperture, instruments
from mirage_dask.pointing import (
    attitude_matrix,
    julian_year,
    unit_to_radec,
    v2v3_to_unit,
    with_proper_motion,
)
from mirage_dask.pointing.siaf import siaf_file

OFFSETS = ("base_x", "base_y", "dither_x", "dither_y", "ideal_x", "ideal_y", "v2", "v3")
PROPER_MOTION_SINCE = (2022, 1)
"""Version of APT from which on reports have the position of the day on which they are made."""
GOOD = 0.002
"""Arcsec; a version of the SIAF that fits so well is that of the report."""
PA_V3 = 37.5
"""Degrees; a report has none."""
_OLD = (
    "G-011",
    "G-012",
    "G-013",
    "H-014",
    "H-015",
    "M-024",
    "M-025",
    "M-026",
    "028",
    "029",
    "031",
    "034",
    "036",
    "039",
    "040",
)
"""Versions of the SIAF in pysiaf among which that of an old report is looked for."""

Place = tuple[int, int, int, int, str, str, int]
"""Visit, tile, specification, dither, aperture, type and number of the target: what a row must have alike."""


@dataclass
class Comparison:
    """One proposal and its report."""

    name: str
    siaf: str
    """Version of the SIAF that was used; in brackets where it is not the one that the report names."""
    observations: int
    reported: int = 0
    """Rows of the report."""
    ours: int = 0
    """Of these, those of instruments that are simulated."""
    computed: int = 0
    """Of these, those of observations that are computed."""
    different: list[str] = field(default_factory=list)
    """Observations with other rows than the report, in number, order, visits, apertures or types."""
    offset: float = 0.0
    """Largest difference of an offset, an ideal coordinate, V2 or V3, arcsec."""
    sky: float = 0.0
    """Largest difference in RA cos Dec or Dec of the reference point of an exposure's aperture, arcsec."""
    farthest: str = ""
    """Observation and target of that."""
    refused: Counter[str] = field(default_factory=Counter)
    """Rows of simulated instruments by the reason for which they are not computed."""


def proposals(folder: Path) -> Iterator[Path]:
    """Yield the XML files in a folder that have a pointing report beside them."""
    return (path for path in sorted(folder.rglob("*.xml")) if path.with_suffix(".pointing").is_file())


def compare(path: Path) -> Comparison:
    """Compare one proposal with the report beside it."""
    text = read_pointing_text(path.with_suffix(".pointing"))
    report = parse_pointing(text, str(path))
    root, problems = read_xml(path), []
    contents = parse_proposal(root, str(path), problems)
    assert not problems, problems
    rows = by_observation(row for row in report.rows if row.type != "BASE")
    siaf = report.prd_version.removeprefix("PRDOPSSOC-")
    candidates = [siaf] if _folder(siaf).is_dir() and siaf else _OLD
    tried: dict[str, Computed] = {}
    misfit: dict[str, tuple[int, float]] = {}
    for name in candidates:
        tried[name] = compute_pointings(root, contents, frames=frames_of(name))
        misfit[name] = _misfit(rows, by_observation(tried[name].rows))
        if misfit[name][1] < GOOD:
            break
    best = min(misfit, key=lambda name: misfit[name])
    shown = best if siaf == best else f"{siaf or '?'} [{best}]"
    found = Comparison(path.stem, shown, len(contents.observations))
    motion = _Motion(text, contents)
    for observation in contents.observations:
        _add(found, observation, rows[observation.number], tried[best], frames_of(best), motion)
    return found


def _add(
    found: Comparison,
    observation: Observation,
    reported: list[PointingRow],
    computed: Computed,
    frames: Frames,
    motion: _Motion,
) -> None:
    mine = [row for row in computed.rows if row.observation == observation.number]
    ours = sum(r.instrument in instruments() or observation.fiducial_override for r in reported)
    found.reported += len(reported)
    found.ours += ours
    if reason := computed.unknown.get(observation.number):
        found.refused[reason] += ours
        return
    if [place(row) for row in reported] != [place(row) for row in mine]:
        found.different.append(f"{found.name}, observation {observation.number}")
        return
    found.computed += ours
    for theirs, own in zip(reported, mine, strict=True):
        differences = [abs(getattr(theirs, name) - getattr(own, name)) for name in OFFSETS]
        found.offset = max(found.offset, *differences)
        if not observation.target or not (theirs.ra or theirs.dec):
            continue  # a moving target has no position in a report
        sky = _on_the_sky(theirs, motion.moved(own), frames)
        if sky > found.sky:
            found.sky, found.farthest = sky, f"observation {observation.number}, {observation.target}"


def place(row: PointingRow) -> Place:
    """Return what rows of the two must have alike."""
    numbers = (row.visit, row.tile, row.specification, row.dither)
    return *numbers, row.aperture, row.type, row.target_number


def by_observation(rows: Iterable[PointingRow]) -> dict[int, list[PointingRow]]:
    """Return rows by the number of their observation."""
    found: dict[int, list[PointingRow]] = defaultdict(list)
    for row in rows:
        found[row.observation].append(row)
    return found


def frames_of(siaf: str) -> Frames:
    """Return the frames of apertures in one version of the SIAF."""

    def look_up(name: str):
        instrument = instrument_of_aperture(name)
        file = None if instrument is None else _folder(siaf) / f"{instrument.label}_SIAF.xml"
        return find_frame(name, file)

    return look_up


def _folder(siaf: str) -> Path:
    """Return the folder of one version of the SIAF in pysiaf."""
    root = siaf_file("NIRCam").parents[3]
    return root / f"PRDOPSSOC-{siaf}" / "SIAFXML" / "SIAFXML"


def _misfit(
    reported: dict[int, list[PointingRow]], computed: dict[int, list[PointingRow]]
) -> tuple[int, float]:
    """Return how badly a version of the SIAF fits: rows without counterpart, then the largest difference."""
    pairs = [
        pair
        for number, rows in computed.items()
        if len(rows) == len(reported[number])
        for pair in zip(rows, reported[number], strict=True)
    ]
    differences = (abs(getattr(a, name) - getattr(b, name)) for a, b in pairs for name in OFFSETS)
    return -len(pairs), max(differences, default=0.0)


class _Motion:
    """The positions of targets on the day of a report."""

    def __init__(self, text: str, contents: ProposalContents):
        header = re.search(r"APT Version: (.*)\n.*Date: \w+ (\w+ \d+) [\d:]+ \w+ (\d+)", text)
        self.targets = {target.number: target for target in contents.targets.values()}
        self.year = None
        if header is not None and parse_version(header[1]) >= PROPER_MOTION_SINCE:
            self.year = julian_year(datetime.strptime(f"{header[2]} {header[3]}", "%b %d %Y"))

    def moved(self, row: PointingRow) -> PointingRow:
        target = self.targets[row.target_number]
        if self.year is None or not target.motion:
            return row
        motion = target.ra_motion, target.dec_motion
        ra, dec = with_proper_motion(target.ra, target.dec, motion, self.year - target.epoch)
        return replace(row, ra=ra, dec=dec)


def _on_the_sky(theirs: PointingRow, own: PointingRow, frames: Frames) -> float:
    """Return the larger difference in RA cos Dec and Dec, arcsec, of the reference point of an aperture."""
    frame = frames(own.aperture)
    middle = v2v3_to_unit(frame.v2, frame.v3)
    places = []
    for row in (theirs, own):
        ra, dec = unit_to_radec(middle @ attitude_matrix(row.ra, row.dec, row.v2, row.v3, PA_V3))
        places.append((float(ra[0]), float(dec[0])))
    (ra, dec), (other_ra, other_dec) = places
    east = (ra - other_ra + 180.0) % 360.0 - 180.0
    return float(3600.0 * max(abs(east) * np.cos(np.radians(dec)), abs(dec - other_dec)))
