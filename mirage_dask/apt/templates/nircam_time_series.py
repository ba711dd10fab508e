"""NircamTimeSeries and NircamGrismTimeSeries: a target acquisition, then one long exposure.

While the grism disperses the target on A5, the short-wavelength detectors image it through a weak lens: their mode is
that of an imaging time series.
"""

from __future__ import annotations

from mirage_dask.apt.elements import Reader
from mirage_dask.apt.records import ACQUISITION, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import (
    Context,
    optics_of,
    read_module,
    read_readout,
    read_subarray,
    with_pupil,
)
from mirage_dask.instruments import get_instrument, get_readout


def read_acquisition(
    template: Reader, *, channel: str, optics: tuple[str, str], subarray: str
) -> ExposureSpecification | None:
    """Return the target acquisition of a NIRCam template; None if it has none.

    Parameters
    ----------
    template
        Template with AcqTargetID, AcqReadoutPattern and AcqGroups.
    channel
        Channel that is read.
    optics
        (filter, pupil) of that channel.
    """
    if template.text("AcqTargetID", "NONE").upper() == "NONE":
        return None
    return ExposureSpecification(
        instrument="NIRCAM",
        type=ACQUISITION,
        optics={channel: optics},
        readpatt=template.check("AcqReadoutPattern", lambda t: get_readout("NIRCAM", t).name, ""),
        ngroup=template.positive("AcqGroups"),
        subarray=subarray,
        use="aperture",
    )


def _acquisition(template: Reader, subarray: str) -> ExposureSpecification | None:
    look_up = optics_of("LONG")
    optics = (
        template.check("AcqFilter", look_up, ("", ""))
        if template.text("AcqFilter")
        else look_up(get_instrument("NIRCAM").acquisition_filter)  # not named before schema 50
    )
    return read_acquisition(template, channel="LONG", optics=optics, subarray=subarray)


def read_imaging_time_series(template: Reader, context: Context) -> Sequence:
    """Read NircamTimeSeries; problems are appended to the reader's list."""
    optics = {}
    for channel in ("SHORT", "LONG"):
        pupil = template.text(f"{channel.title()}Pupil", "CLEAR")
        optics[channel] = template.check(
            f"{channel.title()}Filter", with_pupil(optics_of(channel), pupil), ("", "")
        )
    module = read_module(template)
    specification = ExposureSpecification(
        instrument="NIRCAM",
        mode="ts_imaging",
        optics=optics,
        module=module,
        subarray=read_subarray(template, module, use="imaging"),
        repeats=template.positive("NumExps", default=1),
    )
    acquisition = _acquisition(template, "SUB32TATS")
    return Sequence(context.template, "NIRCAM", (read_readout(template, specification),), acquisition)


def read_grism_time_series(template: Reader, context: Context) -> Sequence:
    """Read NircamGrismTimeSeries; problems are appended to the reader's list."""
    module = read_module(template)
    specification = ExposureSpecification(
        instrument="NIRCAM",
        mode="ts_grism",
        optics={
            channel: template.check(f"{channel.title()}PupilFilter", optics_of(channel), ("", ""))
            for channel in ("SHORT", "LONG")
        },
        module=module,
        subarray=read_subarray(template, module, use="grism"),
        use="grism",
        outputs=template.positive("NumOutputs", default=0),
        repeats=template.positive("NumExps", default=1),
    )
    acquisition = _acquisition(template, "SUB32TATSGRISM")
    return Sequence(context.template, "NIRCAM", (read_readout(template, specification),), acquisition)
