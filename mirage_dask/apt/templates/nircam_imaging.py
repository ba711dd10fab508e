"""NircamImaging, NircamEngineeringImaging and NircamDark: one specification for each filter configuration.

Engineering imaging names the elements of both wheels; it may read subarrays of other templates, including those of grism
and wavefront sensing templates. As a coordinated parallel, imaging takes its dithers from the prime.
"""

from __future__ import annotations

from mirage_dask.apt.elements import Reader
from mirage_dask.apt.records import Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import (
    Context,
    nircam_dithers,
    optics_of,
    read_module,
    read_readout,
    read_subarray,
    with_pupil,
)


def _optics(config: Reader, channel: str) -> tuple[str, str]:
    """Return (filter, pupil); engineering templates name the pupil separately."""
    word = channel.title()
    pupil = config.text(f"{word}Pupil")
    look_up = optics_of(channel)
    found: tuple[str, str] = config.check(
        f"{word}Filter", with_pupil(look_up, pupil) if pupil else look_up, ("", "")
    )
    return found


def read_imaging(template: Reader, context: Context) -> Sequence:
    """Read NircamImaging or NircamEngineeringImaging; problems are appended to the reader's list."""
    module = read_module(template)
    engineering = context.template == "NircamEngineeringImaging"
    subarray = read_subarray(template, module, use=None if engineering else "imaging")
    dithers = Dithers() if context.prime else nircam_dithers(template)
    configs = template.children("FilterConfig")
    if not configs:
        template.report("Filters", "the observation has no filter configuration")
    specifications = tuple(
        read_readout(
            config,
            ExposureSpecification(
                instrument="NIRCAM",
                optics={channel: _optics(config, channel) for channel in ("SHORT", "LONG")},
                module=module,
                subarray=subarray,
                use="" if engineering else "imaging",
                dithers=dithers,
            ),
        )
        for config in configs
    )
    return Sequence(context.template, "NIRCAM", specifications)


def read_dark(template: Reader, context: Context) -> Sequence:
    """Read NircamDark: internal exposures, for which APT lists no pointing."""
    module = read_module(template)
    subarray = read_subarray(template, module)
    outputs = template.positive("NumOutputs", default=0)
    specifications = tuple(
        read_readout(
            config,
            ExposureSpecification(
                instrument="NIRCAM",
                mode="dark",
                optics={"SHORT": ("", ""), "LONG": ("", "")},
                module=module,
                subarray=subarray,
                use="",
                outputs=outputs,
                repeats=config.positive("Exposures", default=1),
            ),
        )
        for config in template.children("ExposureConfig")
    )
    return Sequence(context.template, "NIRCAM", specifications, internal=True)
