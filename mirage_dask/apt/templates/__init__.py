"""Observing templates: read the exposures that each one requests as a `Sequence` of exposure specifications.

There is one file for each family; `READERS` lists all templates that have a reader. The exposures of an unknown template
get rows with the reason that it is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mirage_dask.apt.elements import Reader, local_name
from mirage_dask.apt.records import Sequence, instrument_of
from mirage_dask.apt.templates import (
    fgs,
    nircam_coronagraphy,
    nircam_imaging,
    nircam_time_series,
    nircam_wfss,
    niriss,
    niriss_wfss,
    others,
    wavefront,
)
from mirage_dask.apt.templates.context import Context

READERS: dict[str, Callable[[Reader, Context], Sequence]] = {
    "NircamImaging": nircam_imaging.read_imaging,
    "NircamEngineeringImaging": nircam_imaging.read_imaging,
    "NircamDark": nircam_imaging.read_dark,
    "NircamWfss": nircam_wfss.read_wfss,
    "NircamTimeSeries": nircam_time_series.read_imaging_time_series,
    "NircamGrismTimeSeries": nircam_time_series.read_grism_time_series,
    "NircamCoron": nircam_coronagraphy.read_coronagraphy,
    "NirissImaging": niriss.read_imaging,
    "NirissExternalCalibration": niriss.read_external_calibration,
    "NirissAmi": niriss.read_ami,
    "NirissSoss": niriss.read_soss,
    "NirissDark": niriss.read_dark,
    "NirissWfss": niriss_wfss.read_wfss,
    "FgsExternalCalibration": fgs.read_external_calibration,
    "WfscCommissioning": wavefront.read_commissioning,
    "WfscGlobalAlignment": wavefront.read_global_alignment,
    "WfscCoarsePhasing": wavefront.read_coarse_phasing,
    "WfscFinePhasing": wavefront.read_fine_phasing,
    **dict.fromkeys(others.TEMPLATES, others.read_other),
}
"""Readers by the name of the template."""


def read_template(element: Any, place: str, problems: list[str], **context: Any) -> Sequence:
    """Read the template of an observation.

    Parameters
    ----------
    element
        The lxml element below Template or FirstCoordinatedTemplate, or None.
    place
        'proposal.xml, observation 3', for problems.
    problems
        List to which problems are appended.
    **context
        Fields of `Context`: what a reader needs besides its element.
    """
    if element is None:
        return Sequence("", "", reason="it has no template")
    name = local_name(element)
    reader = READERS.get(name)
    if reader is None:
        known = ", ".join(READERS)
        return Sequence(
            name, instrument_of(name), reason=f"template {name} is not known; templates that are: {known}"
        )
    return reader(Reader(element, place, problems), Context(name, **context))
