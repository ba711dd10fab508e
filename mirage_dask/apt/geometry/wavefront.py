"""Steps of the templates of wavefront sensing, whose sequences are fixed."""

from __future__ import annotations

from collections.abc import Iterator

from mirage_dask.apt.geometry.request import Request
from mirage_dask.apt.geometry.steps import (
    ONE_POINT,
    Step,
    acquisitions,
    aperture_for,
    dithered,
    pattern,
    plain,
    pointed,
)
from mirage_dask.apt.geometry.versions import NotKnown

NIRCAM = "NIRCAM"


def commissioning(request: Request) -> Iterator[Step]:
    """Yield the steps of WfscCommissioning: the same point again and again."""
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        aperture = pointed(request, f"wavefront commissioning {specification.module}", NIRCAM)
        yield from dithered(number, aperture, plain(ONE_POINT), repeats=specification.repeats)


def global_alignment(request: Request) -> Iterator[Step]:
    """Yield the steps of WfscGlobalAlignment, images of the guider included.

    BSCORRECT moves the telescope after its first image.
    """
    if not request.fiducial:
        raise NotKnown("where WfscGlobalAlignment points without a fiducial point override is not known")
    moves = request.template.text("GaIteration").upper() == "BSCORRECT"
    before, after = pattern(request, "BSCORRECT", 2, instrument=NIRCAM) if moves else ONE_POINT * 2
    place, level = before, "DITHER"
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        for _ in range(specification.repeats):
            yield Step(number, 1, request.fiducial, *place, level=level)
            place = after


def coarse_phasing(request: Request) -> Iterator[Step]:
    """Yield the steps of WfscCoarsePhasing: pairs of points, in turn there and back."""
    pair = pattern(request, "WFSC PAIR", 2, instrument=NIRCAM)
    for number, specification in enumerate(request.observation.prime.specifications, start=1):
        what = "in focus" if number == 1 else "coarse"
        aperture = pointed(request, f"wavefront {what} {specification.module}", NIRCAM)
        yield from dithered(number, aperture, plain(pair if number % 2 else pair[::-1]))


def fine_phasing(request: Request) -> Iterator[Step]:
    """Yield the steps of WfscFinePhasing: an acquisition and jitter images, then pairs of points, there and back.

    Where mirrors are moved all is done twice, and begins at the first point again.
    """
    sequence = request.observation.prime
    module = sequence.specifications[0].module if sequence.specifications else ""
    if sequence.acquisition is not None:
        yield from acquisitions(aperture_for(request, f"wavefront acquisition {module}", NIRCAM))
    dithers = [s.dithers.points > 1 for s in sequence.specifications]
    half = len(dithers) // 2 if _twice(request) else len(dithers)
    pair = pattern(request, "WFSC PAIR", 2, instrument=NIRCAM) if any(dithers) else ONE_POINT
    for number, (specification, is_pair) in enumerate(
        zip(sequence.specifications, dithers, strict=True), start=1
    ):
        use = "fine" if is_pair else "jitter"
        aperture = pointed(request, f"wavefront {use} {specification.module}", NIRCAM)
        begin = (number - 1) // half * half
        forward = sum(dithers[begin : number - 1]) % 2 == 0
        points = (pair if forward else pair[::-1]) if is_pair else ONE_POINT
        yield from dithered(number, aperture, plain(points))


def _twice(request: Request) -> bool:
    specifications = request.observation.prime.specifications
    half = len(specifications) // 2
    return half > 0 and len(specifications) % 2 == 0 and specifications[:half] == specifications[half:]
