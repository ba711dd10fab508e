"""NircamWfss: for each grism, dithered grism exposures and one direct image per filter pair, then out-of-field images.

The XML only states the grisms and whether there are direct images; the pointing report shows the order: all
configurations through GRISMR, then two out-of-field images with the optics of the last direct image, then the same
through GRISMC.
"""

from __future__ import annotations

from dataclasses import replace

from mirage_dask.apt.elements import Reader, leading_number
from mirage_dask.apt.records import DIRECT, OUT_OF_FIELD, Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, optics_of, read_module, read_readout, read_subarray

OUT_OF_FIELD_DITHERS = Dithers(primary=2, points=2)


def read_wfss(template: Reader, context: Context) -> Sequence:
    """Read NircamWfss; problems are appended to the reader's list."""
    module = read_module(template)
    primary = leading_number(template.text("PrimaryDithers"))
    subpixel_type = template.text("SubpixelPositions", "NONE")
    subpixel = leading_number(subpixel_type)
    dithers = Dithers(
        template.text("PrimaryDitherType", "NONE"), primary, subpixel_type, subpixel, primary * subpixel
    )
    base = ExposureSpecification(
        instrument="NIRCAM", module=module, subarray=read_subarray(template, module, use="imaging")
    )
    grisms = ["GRISMR", "GRISMC"] if template.text("Grism") == "BOTH" else [template.text("Grism")]
    if not set(grisms) <= {"GRISMR", "GRISMC"}:
        template.report("Grism", f"expected GRISMR, GRISMC or BOTH, not {grisms[0]!r}")
    configs = template.children("ExposureSequences")
    if not configs:
        template.report("ExposureList", "the observation has no exposures")
    found: list[ExposureSpecification] = []
    for grism in grisms:
        direct = None
        for config in configs:
            dispersed, undispersed = config.child("GrismExposure"), config.child("DiExposure")
            if dispersed is None:
                config.report("GrismExposure", "is missing")
                continue
            filters = _filters(dispersed)
            filters["LONG"] = (filters["LONG"][0], grism)
            found.append(read_readout(dispersed, replace(base, mode="wfss", optics=filters, dithers=dithers)))
            if config.flag("DirectImage") and undispersed is not None:
                direct = read_readout(undispersed, replace(base, type=DIRECT, optics=_filters(undispersed)))
                found.append(direct)
        if direct is not None:
            found.append(replace(direct, type=OUT_OF_FIELD, dithers=OUT_OF_FIELD_DITHERS))
    return Sequence(context.template, "NIRCAM", tuple(found))


def _filters(exposure: Reader) -> dict[str, tuple[str, str]]:
    return {
        channel: exposure.check(f"{channel.title()}Filter", optics_of(channel), ("", ""))
        for channel in ("SHORT", "LONG")
    }
