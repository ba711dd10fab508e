"""Built-in reference files of grism time series: which ones CRDS selects, and what they say."""

from __future__ import annotations

import asdf
import numpy as np

from mirage_dask.reference.builtin.rules import grism_optics, is_time_series
from mirage_dask.reference.crds.lookup import PIPELINE_TYPES, CrdsCache, question, recommend
from mirage_dask.reference.grisms import time_series
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.trace_models import trace_models
from mirage_dask.settings.row import row_of

SERIES = {
    "name": "jw00001001001_02101_00001_nrcalong", "detector": "NRCA5", "filter": "F444W", "pupil": "GRISMR",
    "subarray": "SUBGRISM64", "readpatt": "RAPID", "exp_type": "NRC_TSGRISM", "namp": 4, "start_time": "2027-07-01T12:00:00",
}  # fmt: skip


def test_what_is_selected(tmp_path):
    cache = CrdsCache.builtin(tmp_path)
    (found,) = recommend([("x", question(row_of(SERIES)))], cache=cache, types=PIPELINE_TYPES)
    assert found["specwcs"] == "jwst_nircam_specwcs_nrc-tsgrism-nrca5-f444w-grismr.asdf"
    assert found["photom"] == "jwst_nircam_photom_nrc-tsgrism-nrca5.fits"
    assert found["wavelengthrange"] == "jwst_nircam_wavelengthrange_nrc-tsgrism.asdf"
    assert found["flat"] == "jwst_nircam_flat_nrca5-f444w-grismr.fits"
    assert (found["bkg"], found["apcorr"]) == ("N/A", "N/A")


def test_only_module_a_and_the_row_grism():
    places = [place for place in grism_optics() if is_time_series(place)]
    assert {(detector, pupil) for detector, _, pupil in places} == {("NRCA5", "GRISMR")}
    assert {"F322W2", "F444W"} <= {filter_ for _, filter_, _ in places}


def test_traces_are_those_of_a_source_one_pixel_to_the_right(tmp_path):
    """A pixel has the wavelength of the true source for a pipeline that takes the source to be one pixel further."""
    configuration = builtin_configuration("NRCA5", "F444W", "GRISMR")
    usual = trace_models(configuration, instrument="NIRCAM").tree
    time_series.write_specwcs(
        tmp_path / "a.asdf", configuration, detector="NRCA5", optics=("F444W", "GRISMR")
    )
    with asdf.open(tmp_path / "a.asdf") as file:
        assert file["meta"]["exposure"]["type"] == "NRC_TSGRISM"
        along, inverse = file["dispx"][0][0], file["invdispx"][0]
        distance = np.array([-100.0, 0.0, 400.0])
        np.testing.assert_allclose(inverse(distance - 1.0), usual["invdispx"][0](distance), atol=1e-9)
        np.testing.assert_allclose(along(inverse(distance)), distance, atol=1e-9)


def test_wavelengths(tmp_path):
    configuration = builtin_configuration("NRCA5", "F444W", "GRISMR")
    time_series.write_wavelength_range(tmp_path / "a.asdf", {"F444W": configuration})
    with asdf.open(tmp_path / "a.asdf") as file:
        order, _, filter_, low, high = file["wavelengthrange"][0]
        assert (order, filter_) == (1, "F444W")
        assert 3.7 < low < 3.95 < 4.9 < high < 5.2
        assert file["extract_orders"] == [["F444W", [1]]]
