"""Turn the XML of a proposal into targets and observations.

Elements are found by their local names: namespaces, order and unknown extras change between versions of APT.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from typing import Any

from mirage_dask.apt.elements import Reader, child_text, local_name, parse_integer
from mirage_dask.apt.records import Observation, ProposalContents, Sequence, Target
from mirage_dask.apt.templates import read_template


def parse_coordinates(text: str) -> tuple[float, float]:
    """Convert 'hh mm ss.s +dd mm ss.s' to degrees; (NaN, NaN) if the text is invalid.

    Blanks, colons and the unit letters h, m, s, d are accepted between the numbers.
    """
    parts = re.split(r"[\s:hmsd'\"]+", text.strip().rstrip("\"'s"))
    try:
        numbers = [abs(float(p)) for p in parts]
    except ValueError:
        return math.nan, math.nan
    if len(parts) != 6 or not all(math.isfinite(n) for n in numbers):
        return math.nan, math.nan
    ra = 15.0 * (numbers[0] + numbers[1] / 60.0 + numbers[2] / 3600.0)
    dec = numbers[3] + numbers[4] / 60.0 + numbers[5] / 3600.0
    if ra >= 360.0 or dec > 90.0 or max(numbers[1], numbers[2], numbers[4], numbers[5]) > 60.0:
        return math.nan, math.nan
    return ra, -dec if parts[3].startswith("-") else dec


def _targets(root: Any, name: str, problems: list[str]) -> dict[str, Target]:
    targets: dict[str, Target] = {}
    for element in root.iterfind("{*}Targets/{*}Target"):
        target = child_text(element, "TargetName")
        number = child_text(element, "Number")
        kinds = " ".join(str(v) for k, v in element.attrib.items() if "type" in k.lower())
        moving = "SolarSystem" in kinds
        coordinates = element.find("{*}EquatorialCoordinates")
        ra = dec = math.nan
        if coordinates is not None and not moving:
            value = coordinates.get("Value") or ""
            ra, dec = parse_coordinates(value)
            if math.isnan(ra):
                problems.append(
                    f"{name}, line {coordinates.sourceline}: target {target}: {value!r} is not a valid position; "
                    "expected 'hh mm ss.s +dd mm ss.s'."
                )
        (ra_motion, dec_motion), epoch = _proper_motion(element, dec)
        targets[target] = Target(
            number=parse_integer(number) or 0,
            name=target,
            ra=ra,
            dec=dec,
            moving=moving,
            motion=math.hypot(ra_motion, dec_motion),
            epoch=epoch,
            catalog_name=child_text(element, "TargetArchiveName"),
            ra_motion=ra_motion,
            dec_motion=dec_motion,
        )
    # Fields around one object are several targets: the pipeline's associations tell them apart by this name.
    counts = Counter(target.catalog_name for target in targets.values())
    return {
        name: replace(target, catalog_name="") if counts[target.catalog_name] > 1 else target
        for name, target in targets.items()
    }


def _proper_motion(element: Any, dec: float) -> tuple[tuple[float, float], float]:
    """Return the proper motion towards east and north, arcsec per year, and the epoch of the position, a year."""
    components = []
    for axis in ("RA", "Dec"):
        value = _number(child_text(element, f"{axis}ProperMotion"), 0.0)
        unit = child_text(element, f"{axis}ProperMotionUnits")
        scale = 1e-3 if unit.startswith("mas") else 1.0
        if "sec of time" in unit:
            scale = 15.0 * math.cos(math.radians(dec))
        components.append(scale * value)
    epoch = _number(child_text(element, "Epoch"), 2000.0)
    east, north = components
    return ((east, north) if math.isfinite(math.hypot(east, north)) else (0.0, 0.0)), epoch


def _number(text: str, default: float) -> float:
    """Return a finite number; the default for any other text."""
    try:
        value = float(text)
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def _guider(element: Any) -> str:
    """Return the guider that a special requirement names, 'GUIDER1' or 'GUIDER2'; an empty string otherwise."""
    text = child_text(element, "SpecialRequirements/GuideStarID/Guider").upper().replace(" ", "")
    return text if text in ("GUIDER1", "GUIDER2") else ""


def _sequences(element: Any, place: str, problems: list[str]) -> tuple[Sequence, ...]:
    """Return the sequences of an observation: the prime's, then those of coordinated parallels."""
    requirements = {
        "guider": _guider(element),
        "sensing_only": child_text(element, "SpecialRequirements/WavefrontSensing") == "SENSING_ONLY",
    }
    holders = [element.find("{*}Template")]
    if child_text(element, "CoordinatedParallel").lower() == "true":
        holders += [e for e in element.iterchildren("{*}*") if local_name(e).endswith("CoordinatedTemplate")]
    templates = [h[0] if h is not None and len(h) else None for h in holders]
    prime = templates[0]
    found = [read_template(prime, place, problems, **requirements)]
    for template in templates[1:]:
        found.append(
            read_template(
                template,
                f"{place}, parallel",
                problems,
                prime=None if prime is None else Reader(prime, place, problems),
                prime_template="" if prime is None else local_name(prime),
                **requirements,
            )
        )
    return tuple(found)


def _observation(element: Any, name: str, problems: list[str]) -> Observation | None:
    text = child_text(element, "Number")
    number = parse_integer(text) or 0
    if not 0 < number < 1000:
        problems.append(
            f"{name}, line {element.sourceline}: Observation: Number must be 1 to 999, not {text!r}."
        )
        return None
    prime, *parallels = _sequences(element, f"{name}, observation {number}", problems)
    if not prime.instrument:
        prime = replace(prime, instrument=child_text(element, "Instrument").upper())
    # TargetID is "<number> <name>"; NONE for calibrations without a target.
    words = child_text(element, "TargetID").split(maxsplit=1)
    states = [child_text(tile, "TileState") for tile in element.iterfind(".//{*}MosaicTiles")]
    visits = [parse_integer(v.get("Number") or "") for v in element.iterfind("{*}Visit")]
    return Observation(
        number=number,
        label=child_text(element, "Label"),
        target=words[-1] if words and words[-1] != "NONE" else "",
        prime=prime,
        parallels=tuple(parallels),
        tiles=max(states.count("Tile Included"), 1),
        visits=tuple(v for v in visits if v and v < 1000) or (1,),
        fiducial_override=element.find("{*}SpecialRequirements/{*}FiducialPointOverride") is not None,
    )


def parse_proposal(root: Any, name: str, problems: list[str]) -> ProposalContents:
    """Parse the root element of a proposal.

    Parameters
    ----------
    root
        The lxml element JwstProposal.
    name
        File name, for problems.
    problems
        List to which problems are appended, with the line of the XML.
    """
    information = root.find("{*}ProposalInformation")
    identifier = child_text(information, "ProposalID")
    program = parse_integer(identifier)
    if identifier and (program is None or program > 99999):
        problems.append(
            f"{name}: ProposalID: expected a program number of at most 5 digits, not {identifier!r}."
        )
    category = information.find("{*}ProposalCategory") if information is not None else None
    kind = child_text(information, "ProposalCategory")
    if category is not None and len(category):  # an element up to APT 25.4.1, a word later
        kind = local_name(category[0])
    investigator = information.find(".//{*}PrincipalInvestigator") if information is not None else None
    names = [
        " ".join((found.text or "").split())
        for key in ("FirstName", "LastName")
        if investigator is not None and (found := investigator.find(f".//{{*}}{key}")) is not None
    ]
    targets = _targets(root, name, problems)
    requests = root.find("{*}DataRequests")
    # Special requirements may hold elements of the same name.
    elements = [
        e
        for e in (() if requests is None else requests.iterfind(".//{*}Observation"))
        if local_name(e.getparent()) in ("DataRequests", "ObservationGroup")
    ]
    read = [o for e in elements if (o := _observation(e, name, problems)) is not None]
    numbers = [o.number for o in read]
    problems += [
        f"{name}: observation {n} occurs {numbers.count(n)} times; numbers must be unique."
        for n in sorted(set(numbers))
        if numbers.count(n) > 1
    ]
    if not elements:
        problems.append(f"{name}: the proposal has no observations.")
    return ProposalContents(
        program=program,
        title=child_text(information, "Title"),
        pi=" ".join(n for n in names if n),
        category=kind or "GO",
        targets=targets,
        observations=tuple(read),
        science_category=child_text(information, "ScientificCategory"),
    )
