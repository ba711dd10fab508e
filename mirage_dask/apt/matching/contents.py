"""Compare what XML and pointing report state twice: targets and their positions, apertures, visits.

A proposal that was edited after its report was exported may have as many exposures as before: counts tell nothing. What both
files name is compared: number and name of the target (APT cuts the pair to 10 characters), its position, the aperture
against module and subarray of the template, and how often a visit is listed. What APT makes differ is left alone: proper
motion since the epoch of the coordinates, a fiducial point override, target acquisitions on another target, apertures that
no table knows.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Rows
from functools import cache

from mirage_dask.apt.records import (
    Exposure,
    ExposureSpecification,
    Mismatch,
    Observation,
    PointingRow,
    Target,
)
from mirage_dask.errors import InputError
from mirage_dask.instruments import instruments, subarray_names, subarray_of

POSITION_TOLERANCE = 3.0 / 60.0
"""Separation that counts as the same position, degrees."""
LAST_YEAR = 2040.0
"""Proper motion is allowed for until then."""
_PAIR = 10
"""Characters of target number and name in the report."""
_MASKS = ("210R", "335R", "430R", "LWB", "SWB")
"""Coronagraphic masks, as names of subarrays and apertures contain them."""


def compare_contents(
    targets: Mapping[str, Target],
    observations: Rows[Observation],
    exposures: Iterable[Exposure],
    visits: Rows[tuple[int, int]],
) -> tuple[Mismatch, ...]:
    """Return where XML and pointing report disagree in content; one entry for each observation and kind.

    Parameters
    ----------
    targets
        Targets of the XML by name.
    observations
        Observations of the XML.
    exposures
        Exposures of both files; those that the files do not describe alike in number are left out.
    visits
        (observation, visit) as the report opens them, in order; empty for a file without such lines.
    """
    of_observation: dict[int, list[tuple[Exposure, PointingRow]]] = defaultdict(list)
    for exposure in exposures:
        if exposure.row is not None:
            of_observation[exposure.observation].append((exposure, exposure.row))
    found: list[Mismatch] = []
    for observation in observations:
        pairs = of_observation[observation.number]
        target = targets.get(observation.target)
        prime = [row for e, row in pairs if e.sequence == 1 and row.specification > 0]
        if target is not None and prime:
            found += _compare_target(observation.number, target, prime)
        found += _compare_apertures(observation, pairs)
        if pairs and visits:
            found += _compare_visits(observation, [v for o, v in visits if o == observation.number])
    return tuple(found)


def _compare_target(number: int, target: Target, rows: list[PointingRow]) -> Iterator[Mismatch]:
    """Yield disagreements about the target of an observation."""
    wanted = f"{target.number} {target.name}"
    names = dict.fromkeys(f"{row.target_number} {row.target}" for row in rows)
    if others := [name for name in names if name[:_PAIR].rstrip() != wanted[:_PAIR].rstrip()]:
        yield Mismatch(number, 0, f"target {wanted}", f"target {', '.join(others)}")
    places = list(dict.fromkeys((row.ra, row.dec) for row in rows))
    if target.moving:
        if fixed := [place for place in places if place != (0.0, 0.0)]:
            yield Mismatch(number, 0, f"moving target {target.name}", f"target at {_shown(*fixed[0])}")
        return
    distance, place = max((_separation(target.ra, target.dec, *place), place) for place in places)
    if distance > POSITION_TOLERANCE + target.motion / 3600.0 * abs(LAST_YEAR - target.epoch):
        unit = f"{distance:.1f} deg" if distance >= 1.0 else f"{60.0 * distance:.1f} arcmin"
        where = f"target {target.name} is at {_shown(target.ra, target.dec)}"
        yield Mismatch(number, 0, where, f"{_shown(*place)} ({unit} away)")


def _shown(ra: float, dec: float) -> str:
    return f"{ra:.5f} {dec:+.5f}"


def _separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Return the angle between two positions; all in degrees. 0 where the XML gives no position."""
    a, d, b, e = (math.radians(angle) for angle in (ra, dec, other_ra, other_dec))
    half = math.sin((e - d) / 2) ** 2 + math.cos(d) * math.cos(e) * math.sin((b - a) / 2) ** 2
    return 0.0 if math.isnan(half) else math.degrees(2 * math.asin(min(math.sqrt(half), 1.0)))


def _compare_apertures(
    observation: Observation, pairs: Iterable[tuple[Exposure, PointingRow]]
) -> Iterator[Mismatch]:
    """Yield disagreements of apertures with the templates of an observation; one for each word of the XML."""
    if observation.fiducial_override:
        return
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for exposure, row in pairs:
        specification = exposure.specification
        if specification is None or exposure.reason:
            continue
        if wanted := _contradicted(specification, row.aperture):
            found[wanted][row.aperture] = None
    for wanted, apertures in found.items():
        yield Mismatch(observation.number, 0, wanted, f"aperture {', '.join(apertures)}")


def _contradicted(specification: ExposureSpecification, aperture: str) -> str:
    """Return the words of the XML that an aperture contradicts; empty if it does not."""
    instrument, name = specification.instrument, specification.subarray
    if instrument == "FGS":
        guider = specification.detectors[0]
        return "" if aperture.startswith(f"FGS{guider[-1]}") else guider
    if instrument not in instruments():
        return ""
    if instrument == "NIRCAM" and specification.use == "aperture":
        wanted, pointed = _mask_in(name), _mask_in(aperture)
        return f"mask {wanted}" if wanted and pointed and wanted != pointed else ""
    module = _other_module(specification, aperture)
    pointed = _subarray(instrument, aperture)
    other = name and pointed and pointed != name.upper()
    # The subarrays of wavefront sensing are parts of apertures that the report may name whole.
    if other and specification.use != "wavefront":
        return f"{f'module {specification.module}, ' if instrument == 'NIRCAM' else ''}subarray {name}"
    return module


def _other_module(specification: ExposureSpecification, aperture: str) -> str:
    """Return the module of the XML if a NIRCam aperture is of another; else an empty text."""
    if specification.instrument != "NIRCAM" or not aperture.startswith("NRC"):
        return ""
    pointed = "ALL" if aperture.startswith("NRCALL") else aperture[3]
    # Subarrays of both modules are pointed at by the aperture of one.
    both = specification.module == "ALL" and specification.subarray != "FULL"
    same = both or specification.module in ("", pointed)
    return "" if same else f"module {specification.module}"


def _mask_in(name: str) -> str:
    return next((mask for mask in _MASKS if mask in name), "")


@cache
def _subarray(instrument: str, aperture: str) -> str:
    """Return the subarray that an aperture stands for; empty if no table knows."""
    try:
        name = subarray_of(aperture).name
    except InputError:
        _, _, name = aperture.partition("_")
        name = "FULL" if name.endswith("_WFSS") else name
    known = subarray_names(instrument, "imaging", "grism", "ami", "soss", "acquisition")
    return name if name in known and name != "SOMETHING" else ""


def _compare_visits(observation: Observation, reported: list[int]) -> Iterator[Mismatch]:
    """Yield visits that one of the files lists more than once.

    Which visits there are is not compared: APT divides an observation into visits when it makes the report.
    """
    in_xml, in_report = Counter(observation.visits), Counter(reported)
    for visit in sorted(set(in_xml) | set(in_report)):
        xml, report = in_xml[visit], in_report[visit]
        if max(xml, report) > 1:
            yield Mismatch(observation.number, visit, _times(xml), _times(report))


def _times(count: int) -> str:
    return ("not there", "once", "twice")[count] if count < 3 else f"{count} times"
