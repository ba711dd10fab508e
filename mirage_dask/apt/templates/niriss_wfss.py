"""NirissWfss: for each blocking filter a direct image, dithered grism exposures, a direct image; five with both grisms.

Grism exposures are dithered; direct images are dithered only if the template states it. As a parallel of NIRCam, the prime
defines the dithers and whether they apply to direct images; as a parallel of MIRI, all exposures follow the prime.
"""

from __future__ import annotations

from dataclasses import replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import DIRECT, Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, nircam_dithers, read_readout
from mirage_dask.apt.templates.niriss import wheels

GRISMS = {"GR150R": ("GR150R",), "GR150C": ("GR150C",), "BOTH": ("GR150R", "GR150C")}


def _grism_dithers(template: Reader, context: Context) -> Dithers:
    if context.prime is None:
        points = leading_number(template.text("PrimaryDithers"))
        return Dithers(primary=points, points=points)
    if context.prime_template != "NircamImaging":
        return Dithers(points=0)
    prime = nircam_dithers(context.prime)
    shared = context.prime.text("CoordinatedParallelSubpixelPositions")
    # "NIRCam Only" means the subpixel dithers of NIRCam.
    subpixel = leading_number(shared) if shared[:1].isdigit() else prime.subpixel
    return replace(prime, subpixel_type=shared or prime.subpixel_type, subpixel=subpixel)


def _direct_points(template: Reader, context: Context, exposure: Reader, count: int) -> list[Dithers]:
    """Return the dithers of the direct images around `count` grisms; there is one more image than grisms."""
    if context.prime is not None:
        dithers = _grism_dithers(template, context)
        if context.prime.text("DitherNirissWfssDirectImages") == "NO_DITHERING":
            dithers = Dithers()
        return [replace(dithers, points=dithers.points * n) for n in ((1, 1) if count == 1 else (1, 2, 1))]
    extra = exposure.flag("ShouldDither")
    numbers = {1: (1, 3 if extra else 1), 2: (1, 4, 3) if extra else (1, 2, 1)}[count]
    return [Dithers(primary=n, points=n) for n in numbers]


def read_wfss(template: Reader, context: Context) -> Sequence:
    """Read NirissWfss; problems are appended to the reader's list."""
    dithers = _grism_dithers(template, context)
    configs = template.children("ExposureSequences")
    if not configs:
        template.report("ExposureList", "the observation has no exposures")
    found: list[ExposureSpecification] = []
    for config in configs:
        filter, pupil = config.check("Filter", wheels, ("", ""))
        direct, dispersed = config.child("DiExposure"), config.child("GrismExposure")
        grisms = GRISMS.get(config.text("Sequence").upper())
        if grisms is None or direct is None or dispersed is None:
            config.report(
                "Sequence", "expected GR150R, GR150C or BOTH, with a DiExposure and a GrismExposure"
            )
            continue
        image = read_readout(
            direct, ExposureSpecification(instrument="NIRISS", type=DIRECT, optics={"": (filter, pupil)})
        )
        spectrum = read_readout(dispersed, replace(image, mode="wfss", type="SCIENCE", dithers=dithers))
        points = _direct_points(template, context, direct, len(grisms))
        found.append(replace(image, dithers=points[0]))
        for grism, after in zip(grisms, points[1:], strict=True):
            found.append(replace(spectrum, optics={"": (grism, pupil)}))
            found.append(replace(image, dithers=after))
    return Sequence(context.template, "NIRISS", tuple(found))
