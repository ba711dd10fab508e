"""An .aptx or XML without a pointing report: pointings are computed; what cannot be computed is listed with the reason."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest

import mirage_dask as md
from mirage_dask.errors import InputError

MADE_OTHERWISE = ["pointing", "pa_v3"]
"""Columns that say where a pointing is from."""


@pytest.fixture
def alone(tmp_path):
    path = tmp_path / "my.aptx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(md.example_proposal(), "my.xml")
    return path


@pytest.fixture
def refused(tmp_path):
    """A proposal of which no pointing is known."""
    xml = md.example_proposal().read_text().replace("SUBARRAY_DITHER", "SUBARRAY_DANCE")
    path = tmp_path / "my.xml"
    path.write_text(xml.replace("<SkewDegreesX>0.0", "<SkewDegreesX>1.0"))
    return path


def test_pointings_are_those_of_the_report(alone):
    computed, reported = md.open_proposal(alone).table, md.open_proposal(md.example_proposal()).table
    assert set(computed["pointing"]) == {"computed"}
    assert set(reported["pointing"]) == {"report"}
    assert set(computed["status"]) == {"ready"}
    numbers = reported.select_dtypes("float").columns
    others = reported.columns.difference([*numbers, "pointing", "s_region"])
    assert computed[others].equals(reported[others])
    for column in numbers:  # a report is rounded to 0.001 arcsec and 0.00001 degree
        assert np.allclose(computed[column], reported[column], rtol=0, atol=2e-3, equal_nan=True), column
    sky = np.hypot(computed.ra_ref - reported.ra_ref, computed.dec_ref - reported.dec_ref) * 3600.0
    assert sky.max() < 0.005


def test_parallels_are_computed(tmp_path):
    xml = md.example_proposal("three_instruments")
    shutil.copy(xml, tmp_path / "my.xml")
    computed, reported = md.open_proposal(tmp_path / "my.xml").table, md.open_proposal(xml).table
    assert list(computed.name) == list(reported.name)
    assert computed[["pps_aperture", "visit", "status"]].equals(reported[["pps_aperture", "visit", "status"]])
    assert np.allclose(computed[["v2", "v3"]], reported[["v2", "v3"]], rtol=0, atol=0.002)


def test_what_is_not_known_is_listed(refused):
    listed, whole = md.open_proposal(refused).table, md.open_proposal(md.example_proposal()).table
    known = ["instrument", "detector", "aperture", "filter", "pupil", "readpatt", "ngroup", "nint", "target"]
    assert listed[known].equals(whole[known])
    assert listed["name"].is_unique
    assert listed[["ra_ref", "dec_ref", "ra_pointing"]].isna().all(axis=None)
    assert set(listed["pointing"]) == {""}
    assert set(listed["status"]) == {"unsupported"}
    reasons = listed.groupby("observation")["reason"].unique()
    for number, why in (
        (1, "where APT puts the tiles of a skewed mosaic is not known"),
        (2, "the dither pattern NIRCAM SUBARRAY_DANCE of 4 points is in no table"),
    ):
        (reason,) = reasons[number]
        assert reason.startswith(f"its position cannot be computed: {why}")
        assert "there is no pointing report my.pointing beside my.xml; export it in APT" in reason


def test_nothing_is_made_of_what_is_not_known(refused, tmp_path):
    proposal = md.open_proposal(refused, roll_angle=30.0)
    assert len(proposal.mismatches) == 0
    for use in (
        proposal.prepare,
        lambda: proposal.write_yaml(tmp_path / "yaml"),
        lambda: md.open_proposal(refused, strict=True),
    ):
        with pytest.raises(InputError, match=r"no pointing report my\.pointing beside my\.xml"):
            use()


def test_a_report_that_comes_later_is_used(alone):
    shutil.copy(md.example_proposal().with_suffix(".pointing"), alone.with_suffix(".pointing"))
    assert set(md.open_proposal(alone).table["pointing"]) == {"report"}


def test_a_report_that_is_named_must_be_there(alone):
    with pytest.raises(InputError, match="the pointing report does not exist"):
        md.open_proposal(alone, pointing=alone.with_name("other.pointing"))


def test_a_report_wins_and_disagreements_are_listed(alone):
    """The report of before an edit: one exposure of four was elsewhere."""
    report = md.example_proposal().with_suffix(".pointing").read_text()
    moved = report.replace("+0.335   +0.335", "+4.335   +0.335", 1)
    assert moved != report
    alone.with_suffix(".pointing").write_text(moved)
    proposal = md.open_proposal(alone)
    (sentence,) = proposal.mismatches["sentence"]
    assert sentence == (
        "observation 2: tile 1, exposure 1, dither 2 at offset +0.335 +0.335 in the XML, +4.335 +0.335 (1 exposure up to "
        "4.0 arcsec elsewhere) in the report: export both again"
    )
    assert set(proposal.table["pointing"]) == {"report"}


def test_a_computed_pointing_follows_proper_motion_to_the_date(tmp_path):
    """One arcsec a year: where the star is 20 and 21 years after its epoch, within the size of a pixel of nothing."""
    xml = md.example_proposal().read_text()
    marker = "<EquatorialCoordinates"
    moving = (
        "<RAProperMotion>600</RAProperMotion><RAProperMotionUnits>mas/yr</RAProperMotionUnits>"
        "<DecProperMotion>-0.8</DecProperMotion><DecProperMotionUnits>arcsec/yr</DecProperMotionUnits><Epoch>2000</Epoch>"
    )
    path = tmp_path / "my.xml"
    path.write_text(xml.replace(marker, moving + marker, 1))
    first, then = (
        md.open_proposal(path, dates=date).table.query("observation == 1").iloc[0]
        for date in ("2020-01-01T12:00:00", "2021-01-01T00:00:00")
    )
    still = md.open_proposal(md.example_proposal()).table.iloc[0]
    cosine = np.cos(np.radians(still.target_dec))
    for row, years in ((first, 20.0), (then, 21.0)):
        east = (row.ra_pointing - still.target_ra) * cosine * 3600.0
        north = (row.dec_pointing - still.target_dec) * 3600.0
        assert (east, north) == pytest.approx((0.6 * years, -0.8 * years), abs=0.003)
