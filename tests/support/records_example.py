"""A small records.json: one imaging observation with a parallel, and a grism time series."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mirage_dask.apt.records import PointingReport, ProposalContents
from mirage_dask.apt.records_json.reader import parse_records
from mirage_dask.errors import InputError
from mirage_dask.instruments import split_optics


def knows_niriss() -> bool:
    try:
        split_optics("F200W", instrument="NIRISS")
    except InputError:
        return False
    return True


niriss = pytest.mark.skipif(not knows_niriss(), reason="the tables of instruments have no NIRISS")


def row(observation: int, **values: Any) -> dict[str, Any]:
    return {"program": 1234, "observation": observation, "visit": 1, **values}


def exposure(observation: int, aperture: str, x: float, **values: Any) -> dict[str, Any]:
    pointing = {
        "exposure": 1,
        "pointing_sequence_number": 1,
        "exposure_spec_order_number": 1,
        "target_id": 1,
        "AperName": aperture,
        "apt_label": "SCIENCE",
        "dither_point_index": 1,
        "ideal_x_position": x,
        "ideal_y_position": 0,
        "mosaic_tile_order_number": 1,
        "pointing_type": "SCIENCE",
        "v2": 80.5 - x,
        "v3": -500.0,
    }
    return row(observation, **{**pointing, **values})


def example() -> dict[str, Any]:
    """Return NIRCam imaging with NIRISS imaging in parallel and two dithers, and a grism time series with acquisition."""
    imaging = [
        exposure(
            1,
            aperture,
            x + 5.0 * dither,
            dither_point_index=dither,
            exposure=dither,
            pointing_sequence_number=dither,
            visit_file_sequence=place,
            number_of_groups=groups,
        )
        for dither in (1, 2)
        for place, (aperture, x, groups) in enumerate((("NRCALL_FULL", 0.0, 6), ("NIS_CEN", 300.0, 4)), 1)
    ]
    base = {"pointing_type": "BASE", "apt_label": "BASE", "exposure_spec_order_number": 0, "exposure": 0}
    zero = {"exposure_spec_order_number": 0, "dither_point_index": 0, "mosaic_tile_order_number": 0}
    acquisition = {"pointing_type": "TARGET_ACQUISITION", "apt_label": "TARGET_ACQ_IMAGE", **zero}
    return {
        "program": [{"program": 1234, "category": "GO", "title": "Two  looks"}],
        "observation": [
            {"program": 1234, "observation": 1, "label": "a field"},
            {"program": 1234, "observation": 2},
        ],
        "mosaic": [{"observation": 1, "rows": 1, "columns": 2, "tile_state": "10"}],
        "target": [{"target_id": 1, "target_name": "M-92", "target_type": "FIXED"}],
        "fixed_target": [{"target_id": 1, "ra_computed": 259.28, "dec_computed": 43.136}],
        "instruments": [row(1, prime_si="NIRCAM", parallel_si="NIRISS"), row(2, prime_si="NIRCAM")],
        "visit": [
            row(
                1,
                template="NIRCam Imaging",
                template_coord_parallel_1="NIRISS Imaging",
                apt_prd_name="PRDAPTSOC-068-002",
            ),
            row(2, template="NIRCam Grism Time Series"),
        ],
        "visit_targets": [row(1, target_id=1), row(2, target_id=1)],
        "nircam_templates": [row(1, modules="ALL"), row(2, modules="A")],
        "nircam_exposure_specification": [
            row(
                1,
                dither_id=1,
                filter_short="F150W2",
                pupil_short="F164N",
                filter_long="F444W",
                number_of_detector_outputs=4,
                number_of_groups=6,
                number_of_integrations=1,
                order_number=1,
                readout_pattern="SHALLOW4",
                subarray="FULL",
            ),
            row(
                2,
                filter_short="F210M",
                pupil_short="WLP8",
                filter_long="F322W2",
                pupil_long="GRISMR",
                number_of_detector_outputs=1,
                number_of_groups=7,
                number_of_integrations=90,
                order_number=1,
                readout_pattern="BRIGHT1",
                subarray="SUBGRISM256",
            ),
        ],
        "nircam_imaging_dither": [
            row(
                1,
                dither_id=1,
                primary_dither_type="INTRAMODULE",
                primary_dithers="2TIGHT",
                subpixel_dither_type="STANDARD",
                subpixel_positions=1,
            )
        ],
        "nircam_target_acq": [row(2, filter="F335M", number_of_groups=65, readout_pattern="RAPID")],
        "niriss_exposure_specification": [
            row(
                1,
                filter="F200W",
                number_of_groups=4,
                number_of_integrations=1,
                order_number=1,
                readout_pattern="NIS",
                subarray="FULL",
            )
        ],
        "special_requirements": [
            row(1, special_requirement="Offset", argument_1="4.5", argument_2="-1 Arcsec")
        ],
        "exposures": [
            exposure(1, "NRCALL_FULL", 5.0, **base),
            *imaging,
            exposure(2, "NRCA5_TAGRISMTS32", 0.0, **acquisition),
            exposure(2, "NRCA5_GRISM256_F322W2", 0.0, pointing_sequence_number=2),
        ],
    }


def parsed(content: Any) -> tuple[ProposalContents, PointingReport, list[str]]:
    problems: list[str] = []
    return *parse_records(json.dumps(content).encode(), "p.json", problems), problems


def problems_of(content: Any) -> list[str]:
    """Return the problems of a changed example, those of a table that has no NIRISS left out."""
    *_, problems = parsed(content)
    return [p for p in problems if knows_niriss() or "niriss_" not in p]
