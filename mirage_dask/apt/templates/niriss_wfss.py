"""NirissWfss: for each blocking filter a direct image, dithered grism exposures, a direct image; five with both grisms.

Grism exposures are dithered; direct images are dithered only if the template states it. As a parallel of NIRCam, the prime
defines the dithers and whether they apply to direct images; as a parallel of MIRI, all exposures follow the prime.
"""

from __future__ import annotations

from dataclasses import replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import DIRECT, Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, dither_size, nircam_dithers, read_readout
from mirage_dask.apt.templates.niriss import wheels

GRISMS = {"GR150R": ("GR150R",), "GR150C": ("GR150C",), "BOTH": ("GR150R", "GR150C")}


def _grism_dithers(template: Reader, context: Context) -> Dithers:
    size = dither_size(template)
    if context.prime is None:
        name = template.text("PrimaryDithers")
        points = leading_number(name)
        return Dithers(_pattern_type(name, points), points, points=points, size=size)
    if context.prime_template != "NircamImaging":
        return Dithers(points=0, size=size)
    prime = nircam_dithers(context.prime)
    shared = context.prime.text("CoordinatedParallelSubpixelPositions")
    # "NIRCam Only" means the subpixel dithers of NIRCam.
    subpixel = leading_number(shared) if shared[:1].isdigit() else prime.subpixel
    named = shared if shared[:1].isdigit() else prime.subpixel_type
    return replace(prime, subpixel_type=named, subpixel=subpixel, size=size or prime.size)


def _pattern_type(name: str, points: int) -> str:
    """Return the keyword PATTTYPE for the name of a pattern, which may be shared with another instrument.

    '4' is WFSS, '2-POINT-LARGE-NIRCam' is NIS-NRC-2L, '3-POINT-MIRI-F560W' is NIS-MIR056-3.
    """
    words = name.upper().split("-")
    if "NIRCAM" in words and len(words) > 3:
        return f"NIS-NRC-{points}{words[2][0]}"
    if "MIRI" in words and words[-1][1:-1].isdigit():
        return f"NIS-MIR{int(words[-1][1:-1]) // 10:03d}-{points}"
    return "WFSS"


def _direct_points(template: Reader, context: Context, exposure: Reader, count: int) -> list[Dithers]:
    """Return the dithers of the direct images around `count` grisms; there is one more image than grisms."""
    if context.prime is not None:
        dithers = _grism_dithers(template, context)
        if context.prime.text("DitherNirissWfssDirectImages") == "NO_DITHERING":
            dithers = Dithers()
        return [replace(dithers, points=dithers.points * n) for n in ((1, 1) if count == 1 else (1, 2, 1))]
    extra = exposure.flag("ShouldDither")
    numbers = {1: (1, 3 if extra else 1), 2: (1, 4, 3) if extra else (1, 2, 1)}[count]
    return [Dithers("WFSS", n, points=n, size=dither_size(template)) for n in numbers]


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
