"""Headers of exposures with grisms say what Stage 2 of the pipeline needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.real_stores import real_exposure, real_store

from mirage_dask.fits.headers import dispersion_axis, keyword_values
from mirage_dask.reference.grisms.builtin import builtin_configuration, builtin_grisms, wheels
from mirage_dask.reference.grisms.sky import is_along_y
from mirage_dask.settings.spectra import nominal_angle
from mirage_dask.spec import ExposureSpec

NEEDED = {
    "meta.exposure.type",
    "meta.instrument.filter",
    "meta.instrument.pupil",
    "meta.wcsinfo.dispersion_direction",
    "meta.observation.program_number",
    "meta.observation.observation_number",
    "meta.observation.visit_number",
    "meta.observation.visit_group",
    "meta.observation.sequence_id",
    "meta.observation.activity_id",
    "meta.observation.exposure_number",
    "meta.exposure.nframes",
    "meta.wcsinfo.wcsaxes",
}


CASES = {
    "NIRCam": (
        {"detector": "NRCB5", "filter": "F444W", "pupil": "GRISMC"},
        {"exp_type": "NRC_WFSS", "aperture": "NRCB5_FULL", "instrument": "NIRCAM"},
        {"filter": "F444W", "pupil": "GRISMC", "module": "B", "channel": "LONG", "detector": "NRCBLONG"},
        2,
    ),
    "NIRISS": (
        {"detector": "NIS", "filter": "GR150R", "pupil": "F150W"},
        {"exp_type": "NIS_WFSS", "aperture": "NIS_CEN", "instrument": "NIRISS"},
        {"filter": "GR150R", "pupil": "F150W", "filter_position": 33.5667, "detector": "NIS"},
        2,
    ),
}


@pytest.mark.parametrize("label", CASES)
def test_keywords_of_stage_2(label, tmp_path):
    of_spec, of_row, instrument, axis = CASES[label]
    plan = real_store(tmp_path / "s.zarr", [real_exposure()]).plan
    found = keyword_values(plan.table_row(plan.names[0]) | of_row, replace(plan.spec(0), **of_spec))
    assert sorted(NEEDED - set(found)) == []
    assert {key: found[f"meta.instrument.{key}"] for key in instrument} == instrument
    assert found["meta.wcsinfo.dispersion_direction"] == axis
    assert found["meta.exposure.type"] == of_row["exp_type"]
    # The pipeline would shift wavelengths by it; those of a simulation are at the telescope.
    assert "meta.wcsinfo.velosys" not in found


@pytest.mark.parametrize("place", builtin_grisms(), ids="-".join)
def test_the_axis_is_that_of_the_traces(place):
    instrument, filter_, grism, module = place
    detector = {"A": "NRCALONG", "B": "NRCBLONG"}.get(module, "NIS")
    mode = "NRC_WFSS" if instrument == "NIRCAM" else "NIS_WFSS"
    found = dispersion_axis(mode, *wheels(instrument, filter_, grism))
    assert found == (2 if is_along_y(builtin_configuration(detector, filter_, grism)) else 1)


def test_images_have_no_axis():
    assert dispersion_axis("NRC_IMAGE", "F444W", "CLEAR") is None
    assert dispersion_axis("NIS_IMAGE", "CLEAR", "F150W") is None


def test_the_angle_of_the_wheel(tmp_path):
    """FWCPOS is the nominal one, or what the specification says; it is part of what an exposure is."""
    of_spec, of_row, _, _ = CASES["NIRISS"]
    plan = real_store(tmp_path / "s.zarr", [real_exposure()]).plan
    row, spec = plan.table_row(plan.names[0]) | of_row, replace(plan.spec(0), **of_spec)
    turned = replace(spec, filter_wheel_angle=34.1)
    found = [keyword_values(row, one)["meta.instrument.filter_position"] for one in (spec, turned)]
    assert found == [nominal_angle("GR150R"), 34.1]
    assert turned.digest != spec.digest == replace(spec, filter_wheel_angle=None).digest
    assert ExposureSpec.from_dict(turned.to_dict()) == turned
