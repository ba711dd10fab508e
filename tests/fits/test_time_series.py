"""Headers, names and times of time series, as the archive and the pipeline have them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.time import Time
from support.real_stores import real_exposure, real_store
from support.small_plans import make_spec

from mirage_dask.fits.headers import direction, dispersion_axis, keyword_values
from mirage_dask.fits.segments import file_name, segments_of
from mirage_dask.fits.times import barycentric, exposure_times, group_table, integration_table, start_time
from mirage_dask.run.executors.resources import Resources
from mirage_dask.run.export import export_store

GRISM_256 = (2367, 3, 256, 2048)
WASP_96 = (280, 14, 256, 2048)
"""jw02734002001_04101_00001 of the archive, whose files are seg001 to seg003."""


@pytest.mark.parametrize(
    ("exp_type", "shape", "count"),
    [
        ("NRC_TSIMAGE", (70, 5, 400, 400), 1),
        ("NRC_TSGRISM", GRISM_256, 15),
        ("NIS_SOSS", WASP_96, 3),
        ("NIS_AMI", (70, 5, 80, 80), 1),
        ("NRC_IMAGE", (2, 5, 64, 64), 1),
    ],
)
def test_segments_of_time_series_are_always_numbered(exp_type, shape, count):
    found = segments_of(shape, exp_type=exp_type)
    assert len(found) == count
    named = exp_type not in ("NIS_AMI", "NRC_IMAGE")
    name = file_name("jw02734002001_04101_00001_nis", "uncal", found[0])
    assert name == f"jw02734002001_04101_00001{'-seg001' if named else ''}_nis_uncal.fits"
    assert (found[0].cards["EXSEGNUM"], found[0].cards["EXSEGTOT"]) == ((1, count) if named else (None, None))
    assert [s.integrations[0] for s in found[1:]] == [s.integrations[1] for s in found[:-1]]


@pytest.mark.parametrize(
    ("exp_type", "tsovisit"),
    [("NRC_TSIMAGE", True), ("NRC_TSGRISM", True), ("NIS_SOSS", True), ("NIS_AMI", False)],
)
def test_keywords(exp_type, tsovisit):
    spec, table = real_exposure(detector="NRCB1", name="SUB160")
    row = table.assign(exp_type=exp_type, xoffset=0.0, yoffset=1.449).iloc[0].to_dict()
    values = keyword_values(row, spec)
    assert values["meta.exposure.type"] == exp_type
    assert values["meta.visit.tsovisit"] is tsovisit
    assert (values["meta.dither.x_offset"], values["meta.dither.y_offset"]) == (0.0, 1.449)
    assert values["meta.exposure.noutputs"] == spec.amplifiers
    assert (values["meta.wcsinfo.siaf_xref_sci"], values["meta.wcsinfo.siaf_yref_sci"]) == (80.5, 80.5)
    assert values["meta.exposure.nints"] == spec.nints
    assert dispersion_axis("NIS_SOSS", "CLEAR", "GR700XD") == 1


def test_a_file_of_a_time_series_is_a_segment(tmp_path):
    from astropy.io import fits

    spec, table = real_exposure()
    store = real_store(tmp_path / "s.zarr", [(spec, table.assign(exp_type="NRC_TSIMAGE"))])
    options = {"resources": Resources(scheduler="serial")}
    (name,) = export_store(store, tmp_path / "fits", **options).written
    assert name == "jw42424001001_02101_00001-seg001_nrcb1_uncal.fits"
    header = fits.getheader(tmp_path / "fits" / name)
    keys = ("EXP_TYPE", "TSOVISIT", "EXSEGNUM", "EXSEGTOT", "INTSTART", "INTEND", "NINTS")
    assert [header[key] for key in keys] == ["NRC_TSIMAGE", True, 1, 1, 1, spec.nints, spec.nints]
    assert export_store(store, tmp_path / "fits", **options).skipped == (name,)


def test_times_of_thousands_of_integrations():
    """Barycentric times of 2 days are those of each moment to 2 microseconds, and the same in any segment."""
    spec = make_spec(nints=8417, ngroups=5, nframes=1, groupgap=0, tframe=4.0)
    start = start_time("2022-10-31T12:00:00", spec.name)
    assert exposure_times(spec).duration > 2 * 86400
    table = integration_table(spec, start, 53.0, -27.0)
    some = np.linspace(0, spec.nints - 1, 60).astype(int)
    for part in ("start", "mid", "end"):
        utc = Time(table[f"int_{part}_MJD_UTC"][some], format="mjd", scale="utc")
        exact = barycentric(utc, 53.0, -27.0)[0]
        assert np.abs(table[f"int_{part}_BJD_TDB"][some] - exact).max() * 86400 < 2e-6
    segment = integration_table(spec, start, 53.0, -27.0, (4000, 4100))
    assert np.array_equal(segment, table[4000:4100])
    groups = group_table(spec, start, 53.0, -27.0, (4000, 4002))
    assert groups["bary_end_time"][4] == pytest.approx(table["int_end_BJD_TDB"][4000], abs=1e-10)


def test_times_are_those_of_the_target():
    """An arcmin beside it, light arrives 0.1 s earlier or later."""
    row = {
        "ra_ref": 10.0,
        "dec_ref": 20.0,
        "ra_pointing": 10.02,
        "dec_pointing": 20.01,
        "target_ra": 10.03,
        "target_dec": 20.0,
    }
    assert direction(row) == (10.02, 20.01)
    assert direction({**row, "ra_pointing": float("nan")}) == (10.03, 20.0)
    assert direction({"ra_ref": 10.0, "dec_ref": 20.0}) == (10.0, 20.0)
