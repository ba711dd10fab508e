"""FgsExternalCalibration: images of one guider, as prime or as coordinated parallel."""

from __future__ import annotations

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, read_readout

DETECTORS = ("GUIDER1", "GUIDER2")


def read_external_calibration(template: Reader, context: Context) -> Sequence:
    """Read FgsExternalCalibration; problems are appended to the reader's list.

    The detector is taken from the template, else from the guide star in the special requirements.
    """
    detector = template.text("Detector", context.guider).upper().replace(" ", "")
    if detector not in DETECTORS:
        template.report("Detector", f"expected GUIDER1 or GUIDER2, not {detector!r}")
        detector = DETECTORS[0]
    primary = leading_number(template.text("PrimaryDithers"))
    subpixel = leading_number(template.text("SubpixelDithers"))
    dithers = (
        Dithers() if context.prime else Dithers(primary=primary, subpixel=subpixel, points=primary * subpixel)
    )
    dark = template.text("TargetType").upper() == "DARK"
    base = ExposureSpecification(
        instrument="FGS",
        mode="dark" if dark else "imaging",
        optics={"": ("", "")},
        detectors=(detector,),
        dithers=dithers,
    )
    exposures = template.children("Exposure")
    if not exposures:
        template.report("Exposures", "the observation has no exposures")
    return Sequence(context.template, "FGS", tuple(read_readout(e, base) for e in exposures), internal=dark)
