"""Steps of the templates of NIRCam but wavefront sensing: imaging, slitless spectroscopy, time series, coronagraphy."""

from __future__ import annotations

from collections.abc import Iterator

from mirage_dask.apt.elements import leading_number
from mirage_dask.apt.geometry.request import Request
from mirage_dask.apt.geometry.steps import (
    ONE_POINT,
    Step,
    acquisitions,
    aperture_for,
    combined,
    counted_pattern,
    dithered,
    pattern,
    plain,
    pointed,
    without_acquisition_target,
)
from mirage_dask.apt.geometry.versions import NotKnown
from mirage_dask.apt.records import CONFIRMATION, DIRECT, OUT_OF_FIELD, ExposureSpecification

NIRCAM = "NIRCAM"


def imaging_aperture(request: Request, specification: ExposureSpecification) -> str:
    """Return the aperture of an image, as prime or in parallel."""
    use = f"imaging {specification.subarray} {specification.module}"
    if "GRISM" in specification.subarray:
        use += f" {specification.optics['LONG'][0]}"
    return pointed(request, use, NIRCAM)


def imaging_points(request: Request) -> list[tuple[float, float, str]]:
    """Return (x, y, level) of the dithers of an imaging template: primary ones, and subpixel ones at each."""
    template = request.template
    kind, size = template.text("PrimaryDitherType", "NONE").upper(), template.text("DitherSize").upper()
    primary = counted_pattern(
        request, f"{kind} {size}".strip() if kind != "NONE" else kind, template.text("PrimaryDithers").upper()
    )
    if kind == "WFSC":
        return plain(primary)
    return combined(primary, _subpixel(request))


def _subpixel(request: Request) -> tuple[tuple[float, float], ...]:
    template = request.template
    kind = template.text("SubpixelDitherType", "NONE").upper()
    count = template.text("SubpixelPositions", "1").upper()
    shared = template.text("CoordinatedParallelSubpixelPositions").upper()
    if "-WITH-" in kind:
        return pattern(request, kind, leading_number(kind))
    if shared[:1].isdigit():
        raise NotKnown(f"subpixel dithers {kind} with a parallel's {shared} are not known")
    # IMAGING is what APT before 27 calls STANDARD beside a coordinated parallel.
    return counted_pattern(request, "STANDARD" if kind == "IMAGING" else kind, count)


def imaging(request: Request) -> Iterator[Step]:
    """Yield the steps of NircamImaging and NircamEngineeringImaging.

    With slitless spectroscopy of NIRISS in parallel, direct images of NIRISS may be exempt from dithers.
    """
    parallel = request.observation.parallels[0] if request.observation.parallels else None
    beside_niriss = parallel is not None and parallel.template == "NirissWfss"
    still = request.template.text("DitherNirissWfssDirectImages") == "NO_DITHERING"
    if beside_niriss and parallel is not None:
        grisms = {s.optics[""][0] for s in parallel.specifications if s.mode == "wfss"}
        if len(grisms) > 1:
            raise NotKnown("dithers of NIRCam beside both grisms of NIRISS are not known")
    points = imaging_points(request)
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        aperture = imaging_aperture(request, specification)
        direct = (
            beside_niriss
            and parallel is not None
            and number <= len(parallel.specifications)
            and parallel.specifications[number - 1].type == DIRECT
        )
        yield from dithered(number, aperture, plain(ONE_POINT) if direct and still else points)


def wfss(request: Request) -> Iterator[Step]:
    """Yield the steps of NircamWfss: dithered grism exposures, direct images at their last point, out-of-field images."""
    template = request.template
    kind = template.text("PrimaryDitherType", "NONE").upper()
    primary = counted_pattern(request, kind, template.text("PrimaryDithers").upper())
    fine = template.text("SubpixelPositions", "NONE").upper()
    if "-WITH-" in fine:
        secondary = pattern(request, fine, leading_number(fine))
    else:
        secondary = ONE_POINT if leading_number(fine) == 1 else pattern(request, "WFSS", leading_number(fine))
    points = combined(primary, secondary)
    grism = ""
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        if specification.mode == "wfss":
            grism = specification.optics["LONG"][1]
        use = f"wfss {specification.subarray} {specification.module}"
        aperture = pointed(request, use, NIRCAM, grism=grism)
        own = points
        if specification.type == OUT_OF_FIELD:
            own = plain(pattern(request, f"{aperture} OUT-OF-FIELD", 2), small=True)
        elif specification.type == DIRECT:
            own = points[-1:]
        yield from dithered(number, aperture, own, kind=specification.type)


def imaging_time_series(request: Request) -> Iterator[Step]:
    """Yield the steps of NircamTimeSeries."""
    (specification,) = request.observation.prime.specifications
    if not without_acquisition_target(request, "AcqTargetID"):
        yield from acquisitions(
            aperture_for(request, f"ts_imaging acquisition {specification.module}", NIRCAM)
        )
    use = f"ts_imaging {specification.subarray} {specification.module}"
    yield from dithered(1, pointed(request, use, NIRCAM), plain(ONE_POINT), repeats=specification.repeats)


def grism_time_series(request: Request) -> Iterator[Step]:
    """Yield the steps of NircamGrismTimeSeries, whose target is above the reference point of its aperture."""
    (specification,) = request.observation.prime.specifications
    if not without_acquisition_target(request, "AcqTargetID"):
        yield from acquisitions(aperture_for(request, f"ts_grism acquisition {specification.module}", NIRCAM))
    use = f"ts_grism {specification.subarray} {specification.module}"
    aperture = pointed(request, use, NIRCAM, filter=specification.optics["LONG"][0])
    (base,) = pattern(request, f"{aperture} BASE", 1)
    yield from dithered(1, aperture, plain(ONE_POINT), repeats=specification.repeats, base=base)


def coronagraphy(request: Request) -> Iterator[Step]:
    """Yield the steps of NircamCoron: acquisition, two confirmation images on request, each filter behind the mask."""
    template, specifications = request.template, request.observation.prime.specifications
    mask = template.text("CoronMask").upper()
    science = [s for s in specifications if s.type != CONFIRMATION]
    if not science:
        raise NotKnown("it has no exposure")
    kind = template.text("DitherPattern", "NONE").upper()
    points = plain(ONE_POINT if kind == "NONE" else pattern(request, kind, leading_number(kind)), small=True)
    acquisition = ""
    if not without_acquisition_target(request, "AcqTargetID"):
        use = f"acquisition {mask} {template.text('AcqTargetBrightness').upper()}"
        if mask.endswith("WB"):  # a bar: at which end depends on the first filter
            use += f" {_filter(science[0])}"
        acquisition = aperture_for(request, use, NIRCAM)
        yield from acquisitions(acquisition)
    number = 0
    if len(specifications) > len(science):
        for name, offset in ((whole(acquisition), False), (whole(_behind(request, mask, science[0])), True)):
            number += 1
            yield Step(number, 1, name, 0.0, 0.0, CONFIRMATION, "TARGET", offset=offset)
    full = template.text("Subarray").upper() == "FULL"
    for specification in science:
        number += 1
        aperture = _behind(request, mask, specification)
        yield from dithered(number, whole(aperture) if full and not request.fiducial else aperture, points)


def _behind(request: Request, mask: str, specification: ExposureSpecification) -> str:
    """Return the aperture of a subarray behind an occulting mask; that of a bar depends on the filter."""
    return pointed(request, f"coronagraphy {mask}", NIRCAM, filter=_filter(specification))


def _filter(specification: ExposureSpecification) -> str:
    (filter, _), *_ = specification.optics.values()
    return filter


def whole(aperture: str) -> str:
    """Return the full-frame aperture at the place of a subarray: NRCA5_FULL_MASK335R of NRCA5_MASK335R."""
    detector, _, place = aperture.partition("_")
    return aperture if place.startswith("FULL") else f"{detector}_FULL_{place}"
