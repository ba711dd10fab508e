"""NIRISS: imaging, external calibration, aperture masking, single-object spectroscopy and darks.

Filters longward of 2.5 micron are in the filter wheel, the others in the pupil wheel. Target acquisitions are four
dithered images through F480M, with the non-redundant mask for bright stars.
"""

from __future__ import annotations

from dataclasses import replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import ACQUISITION, DIRECT, Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, dither_size, read_readout, with_pupil
from mirage_dask.errors import InputError
from mirage_dask.instruments import get_instrument, get_readout, split_optics


def wheels(text: str) -> tuple[str, str]:
    """Return (filter, pupil) for the name of one filter."""
    return split_optics(text, instrument="NIRISS")


def _count(template: Reader, *names: str) -> int:
    """Return the product of dither counts; a missing count or NONE counts as 1."""
    product = 1
    for name in names:
        product *= leading_number(template.text(name))
    return product


def _acquisition(template: Reader, subarray: str) -> ExposureSpecification | None:
    if template.text("AcqTarget", "NONE").upper() == "NONE":
        return None
    mode = template.text("AcqMode").upper()
    bright = mode.endswith("BRIGHT")
    if mode and not bright and not mode.endswith("FAINT"):
        template.report("AcqMode", f"expected a mode for bright or for faint stars, not {mode!r}")
    return ExposureSpecification(
        instrument="NIRISS",
        type=ACQUISITION,
        optics={"": ("F480M", "NRM" if bright else "CLEARP")},
        readpatt=template.check("AcqReadoutPattern", lambda t: get_readout("NIRISS", t).name, ""),
        ngroup=template.positive("AcqGroups"),
        subarray=subarray,
        dithers=Dithers(points=get_instrument("NIRISS").acquisition_points),
    )


def _exposures(template: Reader) -> list[Reader]:
    found = template.children("Exposure")
    if not found:
        template.report("ExposureList", "the observation has no exposures")
    return found


def read_imaging(template: Reader, context: Context) -> Sequence:
    """Read NirissImaging; as a parallel it takes its dithers from the prime."""
    dithers = Dithers()
    if not context.prime:
        points = _count(template, "ImageDithers")
        pattern = template.text("DitherPatternType", "IMAGING" if points > 1 else "NONE")
        dithers = Dithers(pattern, points, points=points, size=dither_size(template))
    specifications = tuple(
        read_readout(
            exposure,
            ExposureSpecification(
                instrument="NIRISS",
                optics={"": exposure.check("Filter", wheels, ("", ""))},
                subarray=template.text("Subarray"),
                dithers=dithers,
            ),
        )
        for exposure in _exposures(template)
    )
    return Sequence(context.template, "NIRISS", specifications)


_CALIBRATION_MODES = {"GR150R": "wfss", "GR150C": "wfss", "GR700XD": "soss", "NRM": "ami"}


def read_external_calibration(template: Reader, context: Context) -> Sequence:
    """Read NirissExternalCalibration: both wheels are named, and the mode follows from their elements."""
    kind = template.text("DitherPatternType", "NONE").upper()
    if kind == "AMI":
        dithers = _masked_dithers(template)
    elif kind == "NONE":
        dithers = Dithers(kind)
    else:
        points = _count(template, "PrimaryDithers" if kind == "WFSS" else "ImageDithers")
        dithers = Dithers(kind, points, points=points, size=dither_size(template))
    found = []
    for exposure in _exposures(template):
        pupil = exposure.text("PupilWheel")
        optics = exposure.check("FilterWheel", with_pupil(wheels, pupil), ("", ""))
        mode = next((_CALIBRATION_MODES[o] for o in optics if o in _CALIBRATION_MODES), "imaging")
        specification = ExposureSpecification(
            instrument="NIRISS", mode=mode, optics={"": optics}, dithers=dithers
        )
        found.append(read_readout(exposure, specification))
    return Sequence(context.template, "NIRISS", tuple(found), _acquisition(template, "SUBTAAMI"))


def _masked_dithers(template: Reader) -> Dithers:
    """Return the dithers of aperture masking."""
    primary = leading_number(template.text("PrimaryDithers"))
    subpixel = leading_number(template.text("SubpixelPositions"))
    return Dithers("AMI", primary, "", subpixel, primary * subpixel, dither_size(template))


def _behind_mask(text: str) -> tuple[str, str]:
    """Return (filter, pupil) of the direct image for a filter that can be combined with the mask."""
    filter, pupil = wheels(text)
    if filter == "CLEAR":
        raise InputError(
            f"{text} is in the pupil wheel, and so is the mask; give a filter of the filter wheel."
        )
    return filter, pupil


def read_ami(template: Reader, context: Context) -> Sequence:
    """Read NirissAmi: acquisition, all exposures behind the mask, then the requested direct images."""
    dithers = _masked_dithers(template)
    images = _count(template, "ImageDithers")
    science, direct = [], []
    for exposure in _exposures(template):
        filter, pupil = exposure.check("Filter", _behind_mask, ("", ""))
        masked = ExposureSpecification(
            instrument="NIRISS",
            mode="ami",
            optics={"": (filter, "NRM")},
            subarray=template.text("Subarray"),
            dithers=dithers,
        )
        science.append(read_readout(exposure, masked))
        if exposure.text("DirectReadoutPattern"):
            image = replace(
                masked,
                mode="imaging",
                type=DIRECT,
                optics={"": (filter, pupil)},
                dithers=Dithers("IMAGING", images, points=images),
            )
            direct.append(read_readout(exposure, image, prefix="Direct"))
    return Sequence(context.template, "NIRISS", (*science, *direct), _acquisition(template, "SUBTAAMI"))


def read_soss(template: Reader, context: Context) -> Sequence:
    """Read NirissSoss: the dispersed exposure, then optionally one through F277W with the first order only."""
    base = ExposureSpecification(
        instrument="NIRISS",
        mode="soss",
        optics={"": ("CLEAR", "GR700XD")},
        subarray=template.text("Subarray", "SUBSTRIP256"),
    )
    found = [
        read_readout(exposure, replace(base, repeats=exposure.positive("NumExps", default=1)))
        for exposure in template.children("Exposure")
    ]
    blocked = template.child("F277WExposure")
    if blocked is not None and template.flag("IncludeF277W"):
        found.append(read_readout(blocked, replace(base, optics={"": ("F277W", "GR700XD")})))
    if not found:
        template.report("Exposure", "is missing")
    return Sequence(context.template, "NIRISS", tuple(found), _acquisition(template, "SUBTASOSS"))


def read_dark(template: Reader, context: Context) -> Sequence:
    """Read NirissDark: internal exposures, for which APT lists no pointing."""
    subarray = template.text("Subarray", "FULL")
    found = [
        read_readout(
            exposure,
            ExposureSpecification(
                instrument="NIRISS",
                mode="dark",
                optics={"": ("", "")},
                subarray=exposure.text("Subarray", subarray),
                detectors=("NIS",),
                repeats=exposure.positive("Exposures", default=1),
            ),
        )
        for exposure in template.children("Exposure", "ExposureConfig")
    ]
    return Sequence(context.template, "NIRISS", tuple(found), internal=True)
