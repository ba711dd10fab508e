"""Steps of the templates of NIRISS, FGS, wavefront sensing, and of MIRI and NIRSpec beside which others observe."""

from __future__ import annotations

from collections.abc import Iterator

from mirage_dask.apt.elements import leading_number, local_name, parse_integer
from mirage_dask.apt.geometry.request import Request
from mirage_dask.apt.geometry.steps import (
    ONE_POINT,
    Step,
    acquisitions,
    aperture_for,
    combined,
    dithered,
    pattern,
    plain,
    pointed,
    without_acquisition_target,
)
from mirage_dask.apt.geometry.versions import NotKnown
from mirage_dask.apt.records import DIRECT

NIRISS, FGS = "NIRISS", "FGS"


def _named(request: Request, kind: str, count: str) -> tuple[tuple[float, float], ...]:
    """Return the points of a pattern of NIRISS that has a size."""
    number = leading_number(request.template.text(count))
    if kind in ("", "NONE") or number == 1:
        return ONE_POINT
    return pattern(request, f"{kind} {request.template.text('DitherSize').upper()}".strip(), number)


def niriss_imaging(request: Request) -> Iterator[Step]:
    """Yield the steps of NirissImaging."""
    template = request.template
    points = _named(request, template.text("DitherPatternType", "IMAGING").upper(), "ImageDithers")
    use = f"imaging {template.text('Subarray')}".strip()
    for number, _ in enumerate(request.observation.prime.specifications, start=1):
        yield from dithered(number, pointed(request, use, NIRISS), plain(points))


def niriss_calibration(request: Request) -> Iterator[Step]:
    """Yield the steps of NirissExternalCalibration."""
    template = request.template
    kind = template.text("DitherPatternType", "NONE").upper()
    if kind not in ("NONE", "IMAGING"):
        raise NotKnown(f"dithers {kind} of NirissExternalCalibration are not known")
    if request.observation.prime.acquisition is not None:
        raise NotKnown("target acquisitions of NirissExternalCalibration are not known")
    points = plain(_named(request, kind, "ImageDithers"))
    for number, exposure in enumerate(template.children("Exposure"), start=1):
        use = f"calibration {exposure.text('Subarray', template.text('Subarray', 'FULL'))}"
        yield from dithered(number, pointed(request, use, NIRISS), points)


def niriss_ami(request: Request) -> Iterator[Step]:
    """Yield the steps of NirissAmi: four images of the acquisition, then exposures behind the mask."""
    template, sequence = request.template, request.observation.prime
    if any(s.type == DIRECT for s in sequence.specifications):
        raise NotKnown("the pointing of direct images of NirissAmi is not known")
    yield from _acquisition(request, "SUBTAAMI")
    counts = [leading_number(template.text(name)) for name in ("PrimaryDithers", "SubpixelPositions")]
    if min(counts) > 1:
        raise NotKnown("primary and subpixel dithers of NirissAmi together are not known")
    primary, fine = (
        ONE_POINT if n == 1 else pattern(request, name, n)
        for name, n in zip(("AMI", "AMI SUBPIXEL"), counts, strict=True)
    )
    aperture = pointed(request, f"ami {template.text('Subarray')}", NIRISS)
    for number, _ in enumerate(sequence.specifications, start=1):
        yield from dithered(number, aperture, combined(primary, fine))


def niriss_soss(request: Request) -> Iterator[Step]:
    """Yield the steps of NirissSoss."""
    yield from _acquisition(request, "SUBTASOSS")
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        aperture = pointed(request, f"soss {specification.subarray}", NIRISS)
        yield from dithered(number, aperture, plain(ONE_POINT), repeats=specification.repeats)


def _acquisition(request: Request, subarray: str) -> Iterator[Step]:
    if not without_acquisition_target(request, "AcqTarget"):
        aperture = aperture_for(request, f"acquisition {subarray}", NIRISS)
        yield from acquisitions(aperture, pattern(request, "TARGET ACQUISITION", 4))


def niriss_wfss(request: Request) -> Iterator[Step]:
    """Yield the steps of NirissWfss.

    Each grism shifts its exposures. A direct image is taken at the first point of the first grism, one at the last point of
    the last, and between two grisms one at the last point of the first and one at the first point of the second.
    """
    template, sequence = request.template, request.observation.prime
    if any(e.flag("ShouldDither") for e in template.children("DiExposure")):
        raise NotKnown("dithers of the direct images of NirissWfss are not known")
    name = template.text("PrimaryDithers", "NONE").upper()
    count = leading_number(name)
    if name in ("NONE", "1"):
        points = ONE_POINT
    elif name.isdigit():
        points = pattern(request, f"WFSS {template.text('DitherSize').upper()}".strip(), count)
    else:
        points = pattern(request, name, count)
    beside = request.observation.parallels
    together = f" WITH {beside[0].instrument}" if beside else ""
    aperture = pointed(request, "wfss", NIRISS)
    specifications = sequence.specifications
    shifted: dict[int, list[tuple[float, float, str]]] = {}
    for number, specification in enumerate(specifications, start=1):
        if specification.mode == "wfss":
            ((dx, dy),) = pattern(request, f"{specification.optics[''][0]}{together}", 1)
            shifted[number] = plain((x + dx, y + dy) for x, y in points)
    for number, specification in enumerate(specifications, start=1):
        own = shifted.get(number)
        if own is None:  # a direct image, beside grism exposures of its filter
            filters = [s.optics[""][1] for s in specifications]
            before, after = shifted.get(number - 1, []), shifted.get(number + 1, [])
            first = not before or filters[number - 1] != filters[number - 2]
            own = after[:1] if first else [*before[-1:], *_next(specification.dithers.points, after)]
        yield from dithered(number, aperture, own, kind=specification.type)


def _next(count: int, after: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Return the first point of the grism after a direct image, if that is taken twice."""
    return after[:1] if count > 1 else []


def fgs(request: Request) -> Iterator[Step]:
    """Yield the steps of FgsExternalCalibration."""
    template = request.template
    if leading_number(template.text("SubpixelDithers")) > 1:
        raise NotKnown("subpixel dithers of FgsExternalCalibration are not known")
    count = leading_number(template.text("PrimaryDithers"))
    points = plain(ONE_POINT if count == 1 else pattern(request, "PRIMARY", count))
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        yield from dithered(number, pointed(request, specification.detectors[0], FGS), points)


def miri_imaging(request: Request) -> Iterator[Step]:
    """Yield the steps of MiriImaging beside another instrument."""
    template = request.template
    dithers = template.children("DitherSpecification")
    aperture = pointed(request, f"imaging {template.text('Subarray')}", "MIRI")
    for number, config in enumerate(template.children("FilterConfig"), start=1):
        chosen = parse_integer(config.text("Dither").rpartition(" ")[2]) if config.text("Dither") else None
        if chosen is None:
            points = ONE_POINT
        elif not 0 < chosen <= len(dithers):
            raise NotKnown(f"its filter {number} names a dither that it does not have")
        else:
            points = _miri_points(
                request,
                *(
                    dithers[chosen - 1].text(name).upper()
                    for name in ("DitherType", "OptimizeFor", "Direction", "PatternSize")
                ),
            )
        yield from dithered(number, aperture, plain(points), repeats=leading_number(config.text("Exposures")))


MIRI_COUNTS = {"REULEAUX": 12, "4-POINT-SETS": 8}
"""Points of the patterns of MIRI in `data/dithers.ecsv` whose names do not begin with them."""


def _miri_points(
    request: Request, kind: str, optimized: str, direction: str, size: str
) -> tuple[tuple[float, float], ...]:
    if "-WITH-" in kind:
        return pattern(request, kind, leading_number(kind))
    if size not in ("", "DEFAULT"):
        raise NotKnown(f"dithers {kind} of MIRI of size {size} are not known")
    name = " ".join(part for part in (kind, optimized, direction) if part)
    return pattern(request, name, MIRI_COUNTS.get(kind, leading_number(kind)))


def miri_mrs(request: Request) -> Iterator[Step]:
    """Yield the steps of MiriMRS beside another instrument."""
    template = request.template
    dithers = template.children("MrsDitherSpecification")
    channel = template.text("PrimaryChannel").upper()
    exposures = [e for e in template.children("Exposure") if e.child("ReadoutPatternLong") is not None]
    if len(dithers) != 1 or len(exposures) != 1:
        raise NotKnown("the pointing of several exposures of MiriMRS is not known")
    if template.text("AcqTargetID", "NONE").upper() != "NONE":
        raise NotKnown("target acquisitions of MiriMRS are not known")
    kind, direction = (dithers[0].text(name).upper() for name in ("DitherType", "Direction"))
    name = f"MRS CHANNEL{channel.removeprefix('CHANNEL').strip()} {kind} {direction}"
    aperture = pointed(request, f"mrs CHANNEL{channel.removeprefix('CHANNEL').strip()}", "MIRI")
    yield from dithered(1, aperture, plain(pattern(request, name, leading_number(kind))))


def nirspec_imaging(request: Request) -> Iterator[Step]:
    """Yield the steps of NirspecImaging without dithers beside another instrument."""
    if any("Dither" in local_name(e) for e in request.template.element.iterdescendants("{*}*")):
        raise NotKnown("dithers of NirspecImaging are not known")
    aperture = pointed(request, "imaging", "NIRSPEC")
    for number, _ in enumerate(request.observation.prime.specifications, start=1):
        yield from dithered(number, aperture, plain(ONE_POINT))
