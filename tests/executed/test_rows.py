"""Rows of the exposure table from the headers of files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.executed_files import NAME, SKY, write_headers

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.pointing import attitude_matrix, pa_v3_at, radec_to_unit, unit_to_v2v3


@pytest.fixture
def written(tmp_path):
    """Return a function that writes one file of an exposure and returns its path."""

    def write(name: str = f"{NAME}_uncal.fits", **changes) -> Path:
        return write_headers(tmp_path / name, **changes)

    return write


def test_a_row_says_what_the_header_says(written):
    proposal = md.open_exposures(written())
    (row,) = proposal.table.to_dict("records")
    assert (row["status"], row["reason"], row["name"]) == ("ready", "", NAME)
    assert row["pointing"] == "header"
    assert (row["program"], row["observation"], row["visit"], row["visit_group"]) == (1234, 2, 1, 3)
    assert (row["activity"], row["exposure"], row["dither"], row["primary"], row["subpix"]) == (
        "01",
        2,
        3,
        2,
        1,
    )
    assert (row["detector"], row["filter"], row["pupil"], row["mode"]) == (
        "NRCB5",
        "F444W",
        "CLEAR",
        "imaging",
    )
    assert (row["ngroup"], row["nint"], row["nx"], row["ny"]) == (5, 2, 160, 160)
    assert (row["start_time"], row["visit_start"]) == ("2024-03-02T01:02:03.456", "2024-03-02T00:50:00.000")
    assert (row["target"], row["target_ra"], row["ra_pointing"]) == ("FIELD-1", 53.1, 53.11)


def test_the_aperture_is_where_the_files_wcs_has_it(written):
    """Its reference point is at RA_REF, DEC_REF with ROLL_REF, if the SIAF has it at the file's V2_REF, V3_REF."""
    first = md.open_exposures(written()).table.iloc[0]
    own = {"V2_REF": first["v2_ref"], "V3_REF": first["v3_ref"]}
    row = md.open_exposures(written("other/" + f"{NAME}_uncal.fits", **own)).table.iloc[0]
    assert row["ra_ref"] == pytest.approx(SKY["RA_REF"], abs=1e-9)
    assert row["dec_ref"] == pytest.approx(SKY["DEC_REF"], abs=1e-9)
    assert row["roll_ref"] == pytest.approx(SKY["ROLL_REF"], abs=1e-9)
    again = attitude_matrix(*row[["ra_pointing", "dec_pointing", "v2", "v3", "pa_v3"]])
    v2, v3 = unit_to_v2v3(radec_to_unit(SKY["RA_REF"], SKY["DEC_REF"]) @ again.T)
    assert (v2[0], v3[0]) == pytest.approx((own["V2_REF"], own["V3_REF"]), abs=1e-6)


def test_without_a_wcs_the_boresight_says_where(written):
    row = md.open_exposures(written(RA_REF=None, ROLL_REF=None)).table.iloc[0]
    attitude = attitude_matrix(*row[["ra_pointing", "dec_pointing", "v2", "v3", "pa_v3"]])
    assert attitude[0] == pytest.approx(radec_to_unit(SKY["RA_V1"], SKY["DEC_V1"])[0], abs=1e-12)
    assert row["status"] == "ready"


@given(
    st.floats(0, 359.9), st.floats(-89, 89), st.floats(0, 359.9), st.floats(-600, 600), st.floats(-800, 800)
)
@settings(max_examples=100, deadline=None)
def test_pa_v3_of_an_attitude_gives_it_back(ra, dec, pa_v3, v2, v3):
    attitude = attitude_matrix(ra, dec, v2, v3, pa_v3)
    found = pa_v3_at(attitude, ra, dec, v2, v3)
    np.testing.assert_allclose(attitude_matrix(ra, dec, v2, v3, found), attitude, rtol=0, atol=1e-12)


def test_levels_and_segments_are_one_exposure(tmp_path):
    long = f"{NAME[:-9]}-seg00"
    for name in (
        f"{long}2_nrcblong_uncal",
        f"{long}1_nrcblong_uncal",
        f"{NAME}_rate",
        f"{NAME}_cal",
        "notes",
    ):
        write_headers(tmp_path / f"{name}.fits")
    proposal = md.open_exposures(tmp_path)
    assert list(proposal.table["name"]) == [NAME]
    assert [path.rpartition("/")[2] for path in proposal.files[NAME]] == [
        f"{long}1_nrcblong_uncal.fits",
        f"{long}2_nrcblong_uncal.fits",
    ]


def test_exposures_are_in_order_of_time_and_settings_apply(tmp_path):
    for number, time in ((1, "05:00:00"), (2, "04:00:00")):
        write_headers(tmp_path / f"{NAME.replace('00002', f'0000{number}')}_cal.fits", TIME__OBS=time)
    proposal = md.open_proposal(tmp_path, settings={"background": 0.25, "random_seed": 5, "roll_angle": 3.0})
    assert list(proposal.table["exposure"]) == [2, 1]
    assert set(proposal.table["background"]) == {"0.25"}
    assert set(proposal.table["observation_start"]) == {"2024-03-02T04:00:00.000"}
    assert any("roll_angle changes nothing" in note for note in proposal.notes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "EXP_TYPE": "MIR_IMAGE"}, "MIRI is not simulated"),
        (dict.fromkeys(("RA_REF", "RA_V1")), "its header has no pointing"),
        ({"RA_REF": None, "RA_V1": "unknown"}, "its header has no pointing"),
        ({"APERNAME": "NRCB5_SUB161"}, "NRCB5_SUB161"),
        ({"APERNAME": "NRCB1_SUB160"}, "APERNAME NRCB1_SUB160 is not an aperture of DETECTOR NRCBLONG"),
        ({"DETECTOR": "NRCB9"}, "There is no detector 'NRCB9'"),
        ({"READPATT": "SLOWLY"}, "SLOWLY"),
        ({"FILTER": "F999W"}, "the throughput of F999W with CLEAR is not known"),
        ({"EXP_TYPE": "NRC_LED2"}, "exposures of EXP_TYPE NRC_LED2 are not simulated"),
        ({"NGROUPS": 0}, "no NGROUPS or NINTS of at least 1"),
        ({"SUBSTRT1": 7}, "SUBSTRT1 7 (here"),
        ({"NFRAMES": 4}, "NFRAMES 4 (here 1)"),
        ({"TFRAME": 10.7}, "TFRAME 10.70000 s (here 0.27864 s)"),
        ({"TARGTYPE": "MOVING"}, "moves and its track is not given"),
    ],
)
def test_what_cannot_be_simulated_is_a_row_with_the_reason(written, changes, reason):
    proposal = md.open_exposures(written(**changes))
    (row,) = proposal.table.to_dict("records")
    assert row["status"] == "unsupported"
    assert reason in row["reason"]
    with pytest.raises(InputError, match="cannot be simulated"):
        md.open_exposures(proposal.file.path, strict=True)


def test_a_dark_needs_no_pointing(written):
    row = md.open_exposures(written(EXP_TYPE="NRC_DARK", RA_REF=None, RA_V1=None)).table.iloc[0]
    assert "pointing" not in row["reason"]
    assert math.isnan(row["ra_ref"])
