"""NircamCoron: target acquisition, optionally two confirmation images, then each filter behind one mask.

Only the detector behind the mask is read; the pointing report's aperture identifies it.
"""

from __future__ import annotations

from dataclasses import replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import CONFIRMATION, Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, optics_of, read_readout, with_pupil
from mirage_dask.apt.templates.nircam_time_series import read_acquisition

SHORT_MASKS = ("MASK210R", "MASKSWB")
_SIZES = {"MASK430R": 320, "MASK335R": 320, "MASKLWB": 320, "MASK210R": 640, "MASKSWB": 640}
CONFIRMATIONS = 2
"""Confirmation images: one at the acquisition's aperture, one behind the mask."""


def read_coronagraphy(template: Reader, context: Context) -> Sequence:
    """Read NircamCoron; problems are appended to the reader's list."""
    mask = template.text("CoronMask").upper()
    if mask not in _SIZES:
        template.report("CoronMask", f"expected {', '.join(_SIZES)}, not {mask!r}")
    channel = "SHORT" if mask in SHORT_MASKS else "LONG"
    pupil = "MASKBAR" if mask.endswith("WB") else "MASKRND"

    def optics(reader: Reader, name: str) -> tuple[str, str]:
        found: tuple[str, str] = reader.check(name, with_pupil(optics_of(channel), pupil), ("", ""))
        return found

    full = template.text("Subarray").upper() == "FULL"
    subarray = "FULL" if full else f"SUB{_SIZES.get(mask, 320)}A{mask.removeprefix('MASK')}"
    base = ExposureSpecification(instrument="NIRCAM", module="A", subarray=subarray, use="aperture")
    pattern = template.text("DitherPattern", "NONE")
    points = leading_number(pattern)
    dithers = Dithers("NONE", 1, pattern, points, points)  # a small grid: subpixel steps without primary ones
    configs = template.children("FilterConfig")
    if not configs:
        template.report("Filters", "the observation has no filter configuration")
    science = [
        read_readout(config, replace(base, optics={channel: optics(config, "Filter")}, dithers=dithers))
        for config in configs
    ]
    acquisition = None
    if template.text("AcqTargetID", "NONE").upper() != "NONE":
        bright = template.text("AcqTargetBrightness").upper() == "BRIGHT"
        suffix = {"SWB": "L", "LWB": "S"} if bright else {}
        name = mask.removeprefix("MASK")
        acquisition = read_acquisition(
            template,
            channel=channel,
            optics=optics(template, "AcqFilter"),
            subarray=f"SUB{'NDA' if bright else 'FSA'}{name}{suffix.get(name, '')}",
        )
    confirmations: list[ExposureSpecification] = []
    if template.flag("OptionalConfirmationImage") and acquisition is not None:
        image = replace(base, type=CONFIRMATION, subarray="FULL", optics=acquisition.optics)
        confirmations = [read_readout(template, image, prefix="Confirmation")] * CONFIRMATIONS
    return Sequence(context.template, "NIRCAM", (*confirmations, *science), acquisition)
