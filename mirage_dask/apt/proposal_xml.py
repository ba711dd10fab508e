"""Turn the XML of a proposal into targets and observations.

Elements are found by their local names: namespaces, order and unknown extras change between versions of APT.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

from mirage_dask.apt.records import Observation, Target
from mirage_dask.apt.templates import READERS, read_template

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(frozen=True)
class ProposalXml:
    """What the XML alone says."""

    program: int | None
    """None for a draft without a number."""
    title: str
    pi: str
    category: str
    targets: dict[str, Target]
    observations: tuple[Observation, ...]


def _text(element: Any, path: str, default: str = "") -> str:
    """Return the text at a path of local names, blanks collapsed."""
    if element is None:
        return default
    found = element.findtext("/".join(f"{{*}}{name}" for name in path.split("/")))
    return " ".join((found or "").split()) or default


def parse_coordinates(text: str) -> tuple[float, float]:
    """Turn 'hh mm ss.s +dd mm ss.s' into degrees; NaN, NaN when it is not that.

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
        target = _text(element, "TargetName")
        number = _text(element, "Number")
        kinds = " ".join(str(v) for k, v in element.attrib.items() if "type" in k.lower())
        moving = "SolarSystem" in kinds
        coordinates = element.find("{*}EquatorialCoordinates")
        ra = dec = math.nan
        if coordinates is not None and not moving:
            value = coordinates.get("Value") or ""
            ra, dec = parse_coordinates(value)
            if math.isnan(ra):
                problems.append(
                    f"{name}, line {coordinates.sourceline}: target {target}: {value!r} is no position; "
                    "expected 'hh mm ss.s +dd mm ss.s'."
                )
        targets[target] = Target(int(number) if number.isdecimal() else 0, target, ra, dec, moving)
    return targets


def _reason(template: str, target: Target | None, target_name: str) -> str:
    """Return why an observation cannot be simulated, or an empty string."""
    if template not in READERS:
        return f"template {template or '(none)'} is not simulated yet; simulated: {', '.join(READERS)}"
    if target is None:
        return f"target {target_name!r} is not in the proposal's list" if target_name else "it has no target"
    return f"target {target.name} moves; moving targets are not simulated yet" if target.moving else ""


def _observation(
    element: Any, name: str, targets: dict[str, Target], problems: list[str]
) -> Observation | None:
    number = _text(element, "Number")
    if not number.isdecimal() or not 0 < int(number) < 1000:
        problems.append(
            f"{name}, line {element.sourceline}: Observation: Number must be 1 to 999, not {number!r}."
        )
        return None
    place = f"{name}, observation {int(number)}"
    holder = element.find("{*}Template")
    template, imaging = read_template(
        holder[0] if holder is not None and len(holder) else None, place, problems
    )
    # TargetID is "<number> <name>"; calibrations without a target say NONE.
    words = _text(element, "TargetID").split(maxsplit=1)
    target_name = words[-1] if words and words[-1] != "NONE" else ""
    parallel = element.find("{*}FirstCoordinatedTemplate")
    is_parallel = _text(element, "CoordinatedParallel").lower() == "true"
    states = [_text(tile, "TileState") for tile in element.iterfind(".//{*}MosaicTiles")]
    visits = [v.get("Number") or "" for v in element.iterfind("{*}Visit")]
    return Observation(
        number=int(number),
        label=_text(element, "Label"),
        target=target_name,
        instrument=_text(element, "Instrument").upper(),
        template=template,
        parallel_template=(
            etree.QName(parallel[0]).localname
            if is_parallel and parallel is not None and len(parallel)
            else ""
        ),
        tiles=max(states.count("Tile Included"), 1),
        visits=tuple(int(v) for v in visits if v.isdecimal()),
        imaging=imaging,
        reason=_reason(template, targets.get(target_name), target_name),
    )


def parse_proposal(root: Any, name: str, problems: list[str]) -> ProposalXml:
    """Parse the root element of a proposal.

    Parameters
    ----------
    root
        The lxml element JwstProposal.
    name
        File name, for problems.
    problems
        List that problems are added to; they carry the line of the XML.
    """
    information = root.find("{*}ProposalInformation")
    identifier = _text(information, "ProposalID")
    if identifier and not (identifier.isdecimal() and int(identifier) < 100000):
        problems.append(
            f"{name}: ProposalID: expected a program number of at most 5 digits, not {identifier!r}."
        )
    category = information.find("{*}ProposalCategory") if information is not None else None
    kind = _text(information, "ProposalCategory")
    if category is not None and len(category):  # an element up to APT 25.4.1, a word later
        kind = etree.QName(category[0]).localname
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
        if etree.QName(e.getparent()).localname in ("DataRequests", "ObservationGroup")
    ]
    read = [o for e in elements if (o := _observation(e, name, targets, problems)) is not None]
    numbers = [o.number for o in read]
    problems += [
        f"{name}: observation {n} is there {numbers.count(n)} times; numbers must be unique."
        for n in sorted(set(numbers))
        if numbers.count(n) > 1
    ]
    if not elements:
        problems.append(f"{name}: the proposal has no observations.")
    return ProposalXml(
        program=int(identifier) if identifier.isdecimal() else None,
        title=_text(information, "Title"),
        pi=" ".join(n for n in names if n),
        category=kind or "GO",
        targets=targets,
        observations=tuple(read),
    )
