"""Read the observing templates that can be simulated. A template is a row in `READERS`; all others give a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from mirage_dask.apt.records import ExposureSpecification, NircamImaging
from mirage_dask.errors import InputError
from mirage_dask.instruments import channel_of, get_readout, split_optics, subarrays


class Reader:
    """Access to the children of one element that collects problems instead of stopping at the first.

    Parameters
    ----------
    element
        The template or one of its exposure specifications.
    place
        'proposal.xml, observation 3', for problems.
    problems
        The list they are added to.
    """

    def __init__(self, element: Any, place: str, problems: list[str]):
        self.element, self.place, self.problems = element, place, problems

    def text(self, name: str, default: str = "") -> str:
        """Return the text of a child in any namespace, stripped."""
        return (self.element.findtext(f"{{*}}{name}") or "").strip() or default

    def report(self, name: str, problem: str) -> None:
        """Add a problem with a child, with its line."""
        child = self.element.find(f"{{*}}{name}")
        line = (child if child is not None else self.element).sourceline
        self.problems.append(f"{self.place}, line {line}: {name}: {problem.rstrip('.')}.")

    def positive(self, name: str) -> int:
        """Return a child as an integer above zero; 1 after reporting a problem."""
        text = self.text(name)
        if text.isdecimal() and 0 < int(text) < 2**31:
            return int(text)
        self.report(name, f"expected a whole number above zero, not {text!r}" if text else "is missing")
        return 1

    def check(self, name: str, look_up: Callable[[str], Any], default: Any) -> Any:
        """Return `look_up` of a child's text; `default` after reporting what it raised."""
        text = self.text(name)
        if not text:
            self.report(name, "is missing")
            return default
        try:
            return look_up(text)
        except InputError as error:
            self.report(name, str(error))
            return default

    def children(self, name: str) -> list[Reader]:
        """Return readers of all descendants of a name."""
        return [Reader(e, self.place, self.problems) for e in self.element.iterfind(f".//{{*}}{name}")]


def leading_number(text: str) -> int:
    """Return the number that a dither count starts with: 3 for '3' and '3TIGHT', 8 for '8NIRSPEC', 1 for none."""
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return max(int(digits), 1) if digits else 1


def _filter_of(channel: str) -> Callable[[str], tuple[str, str]]:
    def look_up(text: str) -> tuple[str, str]:
        filter, pupil = split_optics(text)
        if channel_of(filter, pupil) != channel:
            raise InputError(f"{text!r} is no filter of the {channel.lower()}-wavelength channel.")
        return filter, pupil

    return look_up


def _nircam_specification(config: Reader) -> ExposureSpecification:
    short = config.check("ShortFilter", _filter_of("SHORT"), ("", ""))
    long = config.check("LongFilter", _filter_of("LONG"), ("", ""))
    pattern = config.check("ReadoutPattern", lambda t: get_readout("NIRCAM", t).name, "")
    groups, integrations = config.positive("Groups"), config.positive("Integrations")
    return ExposureSpecification(
        short_filter=short[0],
        short_pupil=short[1],
        long_filter=long[0],
        long_pupil=long[1],
        readpatt=pattern,
        ngroup=groups,
        nint=integrations,
    )


def read_nircam_imaging(template: Reader) -> NircamImaging:
    """Read the template NircamImaging; problems go to the reader's list."""
    module = template.text("Module").upper()
    if module not in ("A", "B", "ALL"):
        template.report("Module", f"expected A, B or ALL, not {module!r}")
        module = "ALL"

    def known(name: str) -> str:
        return subarrays(name, module, use="imaging")[0].name

    subarray = template.check("Subarray", known, "FULL")
    primary_type = template.text("PrimaryDitherType", "NONE")
    primary = leading_number(template.text("PrimaryDithers"))
    # Wavefront sensing dithers have one type for both levels.
    subpixel_type = "WFSC" if primary_type == "WFSC" else template.text("SubpixelDitherType", "NONE")
    positions = leading_number(template.text("SubpixelPositions"))
    if "-WITH-" in subpixel_type:
        subpixel = leading_number(subpixel_type)
    else:
        subpixel = positions if subpixel_type in ("STANDARD", "IMAGING", "SMALL-GRID-DITHER") else 1
    configs = template.children("FilterConfig")
    if not configs:
        template.report("Filters", "the observation has no filter configuration")
    # With a NIRISS WFSS parallel, configurations come in threes (direct, grism, direct) and only the grism is dithered.
    threes = template.text("DitherNirissWfssDirectImages") == "NO_DITHERING"

    def dithered(index: int) -> bool:
        return not threes or index % 3 == 1

    return NircamImaging(
        module=module,
        subarray=subarray,
        primary_dither_type=primary_type,
        primary_dithers=primary,
        subpixel_dither_type=subpixel_type,
        subpixel_positions=positions,
        dithers=tuple(primary * subpixel if dithered(i) else 1 for i in range(len(configs))),
        specifications=tuple(_nircam_specification(c) for c in configs),
    )


READERS: dict[str, Callable[[Reader], NircamImaging]] = {"NircamImaging": read_nircam_imaging}
"""Templates that can be simulated."""


def read_template(element: Any, place: str, problems: list[str]) -> tuple[str, NircamImaging | None]:
    """Read the template of an observation.

    Parameters
    ----------
    element
        The lxml element below Template, or None.

    Returns
    -------
    name : str
    template : NircamImaging or None
        None for a template that cannot be simulated.
    """
    if element is None:
        return "", None
    name = etree.QName(element).localname
    reader = READERS.get(name)
    return name, reader(Reader(element, place, problems)) if reader else None
