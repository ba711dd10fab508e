"""Level-1b files: what the pipeline needs stands where it looks, the times are right, nothing half-written stays."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from support.real_stores import pixels_of, real_exposure, real_store, windows_of
from support.small_plans import make_spec

from mirage_dask.errors import InputError
from mirage_dask.fits.headers import direction, keyword_values, name_parts
from mirage_dask.fits.provenance import carried_keywords, carried_log, provenance_cards
from mirage_dask.fits.ramp_models import RampProduct
from mirage_dask.fits.times import barycentric, exposure_times, group_table, integration_table, start_time
from mirage_dask.fits.uncal import uncal_name, write_uncal
from mirage_dask.run.export import export_store
from mirage_dask.store import tiles
from mirage_dask.store.tiles import tile_grid


@pytest.fixture
def store(tmp_path):
    return real_store(tmp_path / "s.zarr", [real_exposure()])


NEEDED = re.findall(
    r"\S+",
    """
    DATAMODL DATE-OBS TIME-OBS INSTRUME DETECTOR FILTER PUPIL EXP_TYPE NGROUPS NFRAMES TFRAME TGROUP
    SUBSTRT1 SUBSTRT2 SUBSIZE1 SUBSIZE2 FASTAXIS SLOWAXIS V2_REF V3_REF RA_REF DEC_REF ROLL_REF GROUPGAP
    SUBARRAY VPARITY V3I_YANG EFFEXPTM EXPSTART EXPMID EXPEND TELESCOP TITLE PI_NAME CATEGORY OBS_ID
    VISIT_ID PROGRAM OBSERVTN VISIT VISITGRP SEQ_ID ACT_ID EXPOSURE TARGPROP TARG_RA TARG_DEC MODULE
    CHANNEL READPATT NOUTPUTS NINTS INTSTART INTEND TSAMPLE EFFINTTM DURATION NRSTSTRT NRESETS PATTTYPE
    PATT_NUM NUMDTHPT SUBPXPTS XOFFSET YOFFSET APERNAME RADESYS RA_V1 DEC_V1 PA_V3 WCSAXES CRPIX1 CRPIX2
    CRVAL1 CRVAL2 CTYPE1 CTYPE2 CUNIT1 CUNIT2 CDELT1 CDELT2 PC1_1 PC1_2 PC2_1 PC2_2 XREF_SCI YREF_SCI
    S_REGION MDBKGD CRLIB TSOVISIT VSTSTART FRMDIVSR OBSLABEL REFFRAME
    """,
)


def test_file_has_the_data_and_every_keyword(store, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        report = export_store(store, tmp_path / "fits", calibrate_env=lambda: "export CRDS_PATH=/somewhere\n")
    assert report.ok
    (name,) = report.written
    spec = store.plan.spec(0)
    assert name == "jw42424001001_02101_00001_nrcb1_uncal.fits"
    assert (tmp_path / "fits" / "calibrate.env").read_text().startswith("export CRDS_PATH")
    with fits.open(tmp_path / "fits" / name) as hdus:
        assert [h.name for h in hdus] == ["PRIMARY", "SCI", "GROUP", "INT_TIMES", "ASDF"]
        header = hdus[1].header.copy()
        header.update(hdus[0].header)
        assert [key for key in NEEDED if key not in header] == []
        assert np.array_equal(hdus["SCI"].data, pixels_of(spec))
        assert hdus["SCI"].data.dtype == np.uint16
    assert header["PROGRAM"] == "42424"
    assert header["OBS_ID"] == "V42424001001P0000000002101"
    assert (header["FILENAME"], header["DATAMODL"]) == (name, "Level1bModel")
    assert (header["NFRAMES"], header["FRMDIVSR"], header["GROUPGAP"]) == (4, 4, 1)
    assert (header["SUBSTRT1"], header["SUBSIZE1"], header["FASTAXIS"]) == (1, 160, 1)
    assert header["PA_V3"] == pytest.approx(37.5, abs=1e-3)
    assert header["MDSPEC"] == spec.digest


def saved_by_the_model(path, spec, row, cards):
    """The judge: the same exposure, whole in memory, saved by the pipeline's data model itself."""
    from stdatamodels.jwst.datamodels import Level1bModel

    start = start_time(row["start_time"], spec.name)
    towards = direction(row)
    path.parent.mkdir()
    with Level1bModel(pixels_of(spec)) as model:
        for key, value in (keyword_values(row, spec) | carried_keywords(cards)).items():
            model[key] = value
        model.cal_logs = carried_log(cards)
        model.group = group_table(spec, start, *towards)
        model.int_times = integration_table(spec, start, *towards)
        model.extra_fits = {"PRIMARY": {"header": [list(card) for card in cards]}}
        model.save(str(path))


@pytest.fixture
def one_moment(monkeypatch):
    """Let it be one moment for ever: files carry the date of their making."""
    moment = Time("2026-01-02T03:04:05.678")
    monkeypatch.setattr("stdatamodels.jwst.datamodels.model_base.Time", SimpleNamespace(now=lambda: moment))
    monkeypatch.setattr("mirage_dask.fits.header_templates.current_time", lambda: moment.isot)


@pytest.mark.parametrize("tile_bytes", [2**23, 2**16, 2**14])
@pytest.mark.parametrize(
    ("detector", "aperture_name", "changes"),
    [
        ("NRCB1", "SUB160", {}),  # several integrations, or rows of one, in a tile
        ("NIS", "SUB64", {"fast_axis": -2, "slow_axis": -1}),  # columns
        ("NRCB1", "SUB160", {"nints": 1, "ngroups": 1}),
    ],
)
def test_a_streamed_file_is_what_the_data_model_saves(
    tmp_path, monkeypatch, one_moment, detector, aperture_name, changes, tile_bytes
):
    exposure = real_exposure(1, detector, aperture_name, **changes)
    store = real_store(tmp_path / "s.zarr", [exposure], tile_bytes)
    spec = store.plan.spec(0)
    monkeypatch.setattr(tiles, "BAND_BYTES", tile_bytes)
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path / "cache"))
    assert export_store(store, tmp_path / "first").ok  # by the model itself; from now on by its template
    assert export_store(store, tmp_path / "fits").ok
    path = tmp_path / "fits" / uncal_name(spec.name)
    judge = tmp_path / "judge" / path.name
    saved_by_the_model(judge, spec, store.plan.table_row(spec.name), provenance_cards(store.plan, spec))
    with fits.open(path) as hdus, fits.open(judge) as expected:
        hdus.verify("exception")
        assert [str(hdu.header) for hdu in hdus] == [str(hdu.header) for hdu in expected]
    assert path.read_bytes() == (tmp_path / "first" / path.name).read_bytes() == judge.read_bytes()


def test_bands_cover_columns_in_the_order_of_the_file():
    grid = tile_grid((3, 50, 2048, 2048), 2)
    assert grid.counts[2] > 1
    bands = list(grid.bands())
    assert {band.columns for band in bands} == {(0, 2048)}
    assert [(b.integrations[0], b.rows[0]) for b in bands] == sorted(
        (b.integrations[0], b.rows[0]) for b in bands
    )
    assert sum(np.prod(band.shape) for band in bands) == np.prod(grid.shape)
    assert max(2 * np.prod(band.shape) for band in bands) <= tiles.BAND_BYTES


def test_the_data_model_opens_it(store, tmp_path):
    from stdatamodels.jwst import datamodels

    export_store(store, tmp_path / "fits")
    with datamodels.open(tmp_path / "fits" / uncal_name(store.plan.names[0])) as model:
        assert isinstance(model, datamodels.Level1bModel)
        assert model.meta.exposure.type == "NRC_IMAGE"
        assert model.meta.instrument.detector == "NRCB1"
        assert model.meta.wcsinfo.siaf_xref_sci == 80.5
        assert model.meta.observation.program_number == "42424"
        assert model.data.shape == (2, 3, 160, 160)
        assert len(model.group) == 6
        assert list(model.int_times["integration_number"]) == [1, 2]


@pytest.mark.parametrize("detector", ["NRCB1", "NRCA3", "NRCB5", "NRCA4"])
def test_wcs_agrees_with_the_siaf(detector):
    import pysiaf

    spec, table = real_exposure(detector=detector, name="FULL")
    values = keyword_values(table.iloc[0].to_dict(), spec)
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = values["meta.wcsinfo.crpix1"], values["meta.wcsinfo.crpix2"]
    wcs.wcs.crval = values["meta.wcsinfo.crval1"], values["meta.wcsinfo.crval2"]
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = values["meta.wcsinfo.cdelt1"], values["meta.wcsinfo.cdelt2"]
    wcs.wcs.pc = [[values[f"meta.wcsinfo.pc{i}_{j}"] for j in (1, 2)] for i in (1, 2)]
    siaf = pysiaf.Siaf("NIRCam")[f"{detector}_FULL"]
    at = {k: values[f"meta.wcsinfo.{k}"] for k in ("v2_ref", "v3_ref", "ra_ref", "dec_ref", "roll_ref")}
    attitude = pysiaf.utils.rotations.attitude(*at.values())
    siaf.set_attitude_matrix(attitude)
    x, y = 1124.5, 974.5
    ra, dec = siaf.sci_to_sky(x, y)
    found = wcs.pixel_to_world_values(x - 1, y - 1)
    offset = np.hypot((found[0] - ra) * np.cos(np.radians(dec)), found[1] - dec) * 3600
    assert offset < 0.05  # arcsec; the linear WCS ignores distortion over 100 pixels
    v1 = pysiaf.utils.rotations.pointing(attitude, 0, 0)
    assert v1 == pytest.approx((values["meta.pointing.ra_v1"], values["meta.pointing.dec_v1"]), abs=1e-9)
    assert pysiaf.utils.rotations.posangle(attitude, 0, 0) == pytest.approx(
        values["meta.pointing.pa_v3"], abs=1e-9
    )


def test_times():
    spec = make_spec()  # 2 integrations, 3 groups of 4 frames of 0.5 s, one dropped between groups
    about = exposure_times(spec)
    assert about.integration_time == 7.0  # 4 + 1 + 4 + 1 + 4 frames
    assert about.exposure_time == 14.0
    assert about.starts == (0.5, 8.0)  # a reset frame before each
    assert about.duration == 15.0
    start = start_time("2022-10-31T23:59:55Z", spec.name)
    groups = group_table(spec, start, 53.0, -27.0)
    assert list(groups["group_end_time"][[0, 5]]) == [
        b"2022-10-31T23:59:57.500000",
        b"2022-11-01T00:00:10.000000",
    ]
    assert list(groups["end_day"][[0, 5]]) == [8339, 8340]
    assert list(groups["end_milliseconds"][[0, 5]]) == [86397500, 10000]
    assert (groups["number_of_columns"][0], groups["number_of_rows"][0]) == (64, 48)
    ends = Time(groups["group_end_time"].astype(str)).mjd
    table = integration_table(spec, start, 53.0, -27.0)
    assert ends[[2, 5]] == pytest.approx(table["int_end_MJD_UTC"], abs=1e-9)
    assert table["int_mid_MJD_UTC"] == pytest.approx(
        (table["int_start_MJD_UTC"] + table["int_end_MJD_UTC"]) / 2, abs=1e-10
    )
    full = exposure_times(make_spec(nx=2048, ny=2048))
    assert full.starts == (0.0, 7.5)  # full frames are reset all the time


def test_barycentric_times():
    """Against astropy's own light travel time for the Earth: JWST is 1.5 million km, at most 5 s, away from it."""
    from astropy import units
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.utils import iers

    times = Time(["2022-10-31T12:00:00", "2023-03-01T00:00:00"], scale="utc")
    bary, helio = barycentric(times, 53.0, -27.0)
    place = EarthLocation.from_geocentric(0, 0, 0, unit=units.m)
    with iers.conf.set_temp("auto_download", False):
        towards = SkyCoord(53.0, -27.0, unit="deg")
        by_bary = (times.tdb + times.light_travel_time(towards, "barycentric", place)).mjd
        by_sun = (times + times.light_travel_time(towards, "heliocentric", place)).mjd
    assert np.abs(bary - by_bary).max() * 86400 < 6
    assert np.abs(helio - by_sun).max() * 86400 < 6


def test_values_that_the_schema_refuses_are_left_out_loudly(tmp_path):
    spec, table = real_exposure()
    row = table.assign(primary_dither_type="ODDLY").iloc[0].to_dict()
    with pytest.warns(UserWarning, match="meta.dither.primary_type = 'ODDLY' is left out"):
        write_uncal(tmp_path / "x_uncal.fits", windows_of(spec), RampProduct(spec, row))
    assert "PATTTYPE" not in fits.getheader(tmp_path / "x_uncal.fits")


def test_rows_that_make_no_header():
    spec, table = real_exposure()
    row = table.iloc[0].to_dict()
    with pytest.raises(InputError, match="gives no readpatt, start_time"):
        keyword_values({**row, "readpatt": "", "start_time": None}, spec)
    with pytest.raises(InputError, match=r"start_time of .* is 'soon'"):
        keyword_values({**row, "start_time": "soon"}, spec)
    with pytest.raises(InputError, match="not a JWST root name"):
        name_parts("exposure-7")
    assert name_parts("jw01234567890_0a2b1_00007_nrcblong")["activity"] == "b1"


def test_target_visit_and_program():
    """Where the telescope was pointed, beside the proposer's position; one start for the visit; the science category."""
    spec, table = real_exposure()
    row = table.iloc[0].to_dict() | {
        "ra_pointing": 53.1601,
        "dec_pointing": -27.8001,
        "catalog_name": "NGC 9999",
        "visit_start": "2022-10-31T11:00:00.000",
        "science_category": "Galaxies",
    }
    values = keyword_values(row, spec)
    assert (values["meta.target.ra"], values["meta.target.dec"]) == (53.1601, -27.8001)
    assert values["meta.target.proposer_ra"] == row["target_ra"]
    assert values["meta.target.proposer_name"] == row["target"]
    assert values["meta.target.catalog_name"] == "NGC 9999"
    assert values["meta.visit.start_time"] == "2022-10-31 11:00:00.000"
    assert values["meta.visit.start_time"] < values["meta.observation.date_beg"].replace("T", " ")
    assert values["meta.program.science_category"] == "Galaxies"
    bare = keyword_values(row | {"catalog_name": "", "visit_start": "", "target": ""}, spec)
    assert bare["meta.target.catalog_name"] == bare["meta.target.proposer_name"] == "UNKNOWN"
    assert bare["meta.visit.start_time"] == bare["meta.observation.date_beg"].replace("T", " ")


def test_other_alphabets_become_question_marks():
    spec, table = real_exposure()
    values = keyword_values({**table.iloc[0].to_dict(), "pi": "Å. Ångström"}, spec)
    assert values["meta.program.pi_name"] == "?. ?ngstr?m"
