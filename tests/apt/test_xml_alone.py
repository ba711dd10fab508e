"""An .aptx or XML without a pointing report: what the XML says is listed, with what is missing; nothing is simulated."""

from __future__ import annotations

import shutil
import zipfile

import pytest

import mirage_dask as md
from mirage_dask.errors import InputError

KNOWN = [
    "instrument",
    "detector",
    "aperture",
    "filter",
    "pupil",
    "readpatt",
    "ngroup",
    "nint",
    "target",
    "template",
]


@pytest.fixture
def alone(tmp_path):
    path = tmp_path / "my.aptx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(md.example_proposal(), "my.xml")
    return path


def test_exposures_are_listed(alone):
    listed, whole = md.open_proposal(alone).table, md.open_proposal(md.example_proposal()).table
    assert listed[KNOWN].equals(whole[KNOWN])
    assert listed["name"].is_unique
    assert listed[["ra_ref", "dec_ref", "ra_pointing"]].isna().all(axis=None)
    assert listed[["target_ra", "target_dec"]].equals(whole[["target_ra", "target_dec"]])
    assert set(listed["status"]) == {"unsupported"}
    assert set(listed["reason"]) == {
        "its position is not known: there is no pointing report my.pointing beside my.aptx; export it in APT (File > "
        "Export... > pointing file), or name another one with pointing=FILE (--pointing FILE)"
    }


def test_parallels_are_listed(tmp_path):
    xml = md.example_proposal("three_instruments")
    shutil.copy(xml, tmp_path / "my.xml")
    listed, whole = md.open_proposal(tmp_path / "my.xml").table, md.open_proposal(xml).table
    assert (listed["status"] == "unsupported").all()
    counts = [t.groupby(["observation", "sequence", "detector", "filter"]).size() for t in (listed, whole)]
    assert counts[0].equals(counts[1])


def test_nothing_is_made_of_them(alone, tmp_path):
    proposal = md.open_proposal(alone, roll_angle=30.0)
    assert len(proposal.mismatches) == 0
    for use in (
        proposal.prepare,
        lambda: proposal.write_yaml(tmp_path / "yaml"),
        lambda: md.open_proposal(alone, strict=True),
    ):
        with pytest.raises(InputError, match=r"no pointing report my\.pointing beside my\.aptx"):
            use()


def test_a_report_that_comes_later_is_used(alone):
    shutil.copy(md.example_proposal().with_suffix(".pointing"), alone.with_suffix(".pointing"))
    assert (md.open_proposal(alone).table["status"] == "ready").all()


def test_a_report_that_is_named_must_be_there(alone):
    with pytest.raises(InputError, match="the pointing report does not exist"):
        md.open_proposal(alone, pointing=alone.with_name("other.pointing"))
