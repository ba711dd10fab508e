"""The pipeline's reference files of NIRCam's grism time series: traces and wavelengths that are extracted.

They say what those of slitless spectroscopy say (`reference_files`), for exposures of the type NRC_TSGRISM, with two
differences of the pipeline's:

The pipeline takes the source to be at (XREF_SCI, YREF_SCI), which count from 1, as if they counted from 0. So its source is
`OFFSET` to the right of the true one, and all wavelengths would be wrong by as many pixels. The offset along the
dispersion in the file is shorter by that, so that wavelengths are right; scenes know nothing of it. Source: jwst 3.0.0,
assign_wcs/nircam.py, tsgrism (spacetelescope/jwst issue 10369). Versions of jwst that count from 0 need a file without it,
`write_specwcs` with `offset=0`.

The pipeline's white light is the sum over all wavelengths that are calibrated. At the edges of the band it would be light of
other wavelengths, blurred there and divided by next to nothing, so that there `photom` calibrates only what is above
`LEAST` of the peak of the sensitivity.

Entries of `wavelengthrange` have five values: between order and filter there is the name of a stripe of Hartmann sensors.

NOT modelled: the row of the trace, for which the pipeline has a constant of its own (34).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage_dask.instruments import exp_type, get_detector
from mirage_dask.reference.files.asdf_trees import asdf_meta, write_asdf
from mirage_dask.reference.grisms.builtin import Wheels
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.reference_files import EXTRACTED
from mirage_dask.reference.grisms.trace_models import extracted_range, trace_models

OFFSET = 1.0
"""Pixels by which jwst 3.0.0 misplaces the source."""
LEAST = 0.1
"""Of the peak of the sensitivity: what is calibrated."""
MODE = "ts_grism"
EXP_TYPE = exp_type("NIRCAM", MODE)
ANY = "any"
"""Stands for no stripe."""


def write_specwcs(
    path: Path, configuration: GrismConfiguration, *, detector: str, optics: Wheels, offset: float = OFFSET
) -> None:
    """Write the traces of one filter.

    Parameters
    ----------
    path
        ASDF file.
    configuration
        With GRISMR.
    detector
        'NRCA5'.
    optics
        Elements of the wheels.
    offset
        Pixels by which the pipeline misplaces the source.

    Raises
    ------
    InputError
        If the pipeline's polynomials do not fit the traces.
    """
    spec = get_detector(detector)
    tree = dict(trace_models(configuration, instrument=spec.instrument).tree)
    for (along,), inverse in zip(tree["dispx"], tree["invdispx"], strict=True):
        along.c0 = along.c0.value - offset
        inverse.c0 = -along.c0.value / along.c1.value
    about = {"name": spec.instrument, "detector": spec.fits_name, "filter": optics[0], "pupil": optics[1]}
    meta = asdf_meta(
        kind="specwcs",
        model="NIRCAMGrismModel",
        instrument=about | {"module": spec.module, "channel": spec.channel},
        exp_type=EXP_TYPE,
        description=f"Traces of {configuration.name}, the source {offset:g} pixels to the right",
    )
    write_asdf(path, {"meta": meta | {"input_units": "micron", "output_units": "micron"}, **tree})


def write_wavelength_range(path: Path, configurations: Mapping[str, GrismConfiguration]) -> None:
    """Write which wavelengths of each filter and order are extracted.

    Parameters
    ----------
    path
        ASDF file.
    configurations
        By filter.
    """
    ranges: list[list[Any]] = [
        [order.order, ANY, name, *extracted_range(order)]
        for name, configuration in configurations.items()
        for order in configuration.orders
    ]
    meta = asdf_meta(
        kind="wavelengthrange",
        model="WavelengthrangeModel",
        instrument={"name": "NIRCAM"},
        exp_type=EXP_TYPE,
        description="Wavelengths that are extracted",
    )
    tree = {
        "waverange_selector": sorted(configurations),
        "wavelengthrange": ranges,
        "order": sorted({one[0] for one in ranges}),
        "extract_orders": [[name, list(EXTRACTED)] for name in sorted(configurations)],
    }
    write_asdf(path, {"meta": meta | {"wavelength_units": "micron"}, **tree})
