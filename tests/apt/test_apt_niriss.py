"""NIRISS templates: target acquisitions, names and sizes of dither patterns, the two parts of SOSS."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.errors import InputError
from mirage_dask.fits.headers import dither_keywords

READOUT = (
    "<t:ReadoutPattern>NISRAPID</t:ReadoutPattern><t:Groups>5</t:Groups><t:Integrations>2</t:Integrations>"
)
ACQUISITION = (
    "<t:AcqTarget>Same Target as Observation</t:AcqTarget><t:AcqMode>{mode}</t:AcqMode>"
    "<t:AcqReadoutPattern>NISRAPID</t:AcqReadoutPattern><t:AcqGroups>5</t:AcqGroups>"
)
HEAD = "JWST Pointing Report for JWST Draft Proposal 99003 (niriss.aptx)\n\n* Star (Obs 1)\n** Visit 1:1\n"
ZEROS = " +0.000" * 4


def row(exposure: int, dither: int, aperture: str, level: str, kind: str) -> str:
    """A line of the pointing report."""
    first = f"  {int(exposure > 0)}    {int(exposure > 0)}   {exposure}    {dither} {aperture}"
    return f"{first} 1 STAR +53.16000 -27.80000{ZEROS} -351.968 -686.397 +0.000 +0.000 {level} {kind} 0 0 0.000\n"


def acquired(aperture: str) -> str:
    """The four acquisition exposures of APT."""
    return "".join(row(0, 0, aperture, "TARGET", "T_ACQ") for _ in range(4))


def table_of(folder: Path, template: str, body: str, rows: str) -> pd.DataFrame:
    """Table of a proposal with one observation; XML and report agree."""
    (folder / "niriss.xml").write_text(
        # Of a version of which no dither pattern is known: offsets are zero in the report.
        '<JwstProposal xmlns="http://www.stsci.edu/JWST/APT" APTVersion="Version 2999.1">'
        "<ProposalInformation><ProposalID>99003</ProposalID>"
        "</ProposalInformation><Targets><Target><Number>1</Number><TargetName>STAR</TargetName>"
        '<EquatorialCoordinates Value="03 32 38.400 -27 48 0.00"/></Target></Targets><DataRequests><ObservationGroup>'
        "<Observation><Number>1</Number><TargetID>1 STAR</TargetID><Template>"
        f'<t:{template} xmlns:t="http://www.stsci.edu/JWST/APT/Template/{template}">{body}</t:{template}></Template>'
        '<CoordinatedParallel>false</CoordinatedParallel><Visit Number="1"/></Observation></ObservationGroup>'
        "</DataRequests></JwstProposal>"
    )
    (folder / "niriss.pointing").write_text(HEAD + rows)
    proposal = read_proposal(folder / "niriss.xml")
    assert proposal.mismatches == ()
    return exposure_table(proposal)


def keywords(table: pd.DataFrame, *names: str) -> list[tuple[object, ...]]:
    found = [dither_keywords(values) for values in table.to_dict("records")]
    return [tuple(f[f"meta.dither.{name}"] for name in names) for f in found]


def test_the_last_acquisition_of_masking_confirms_the_others(tmp_path):
    body = (
        f"{ACQUISITION.format(mode='AMIBRIGHT')}<t:Subarray>SUB80</t:Subarray><t:PrimaryDithers>2</t:PrimaryDithers>"
        "<t:SubpixelPositions>NONE</t:SubpixelPositions><t:ExposureList><t:Exposure><t:Filter>F430M</t:Filter>"
        f"{READOUT}</t:Exposure></t:ExposureList>"
    )
    rows = [row(1, dither, "NIS_AMI1", "DITHER", "SCIENCE") for dither in (1, 2)]
    table = table_of(tmp_path, "NirissAmi", body, acquired("NIS_AMITA") + "".join(rows))
    assert list(table.exp_type) == ["NIS_TACQ"] * 3 + ["NIS_TACONFIRM"] + ["NIS_AMI"] * 2
    names = ("primary_type", "position_number", "total_points", "pattern_size")
    assert keywords(table[4:], *names) == [("AMI", 1, 2, "NONE"), ("AMI", 2, 2, "NONE")]
    assert set(keywords(table[:4], "position_number", "total_points")) == {(1, 1)}


MASKED = (
    f"{ACQUISITION.format(mode='AMIBRIGHT')}<t:Subarray>SUB80</t:Subarray><t:PrimaryDithers>1</t:PrimaryDithers>"
    "<t:SubpixelPositions>NONE</t:SubpixelPositions><t:ExposureList><t:Exposure><t:Filter>F430M</t:Filter>"
    f"{READOUT}</t:Exposure></t:ExposureList>"
)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("Filter>F430M", "Filter>F150W", "F150W is in the pupil wheel, and so is the mask"),
        ("Filter>F430M", "Filter>F999M", "NIRISS has no filter 'F999M'"),
        ("Filter>F430M", "Filter>", "Filter: is missing"),
        ("AcqMode>AMIBRIGHT", "AcqMode>SUN", "expected a mode for bright or for faint stars, not 'SUN'"),
        ("AcqGroups>5", "AcqGroups>0", "AcqGroups: expected a whole number above zero, not '0'"),
        ("t:Groups>5", "t:Groups>five", "Groups: expected a whole number above zero, not 'five'"),
        ("Integrations>2", "Integrations>-1", "Integrations: expected a whole number above zero, not '-1'"),
        ("t:ReadoutPattern>NISRAPID", "t:ReadoutPattern>RAPID", "no readout pattern 'RAPID'; did you mean 'NISRAPID'"),
    ],
)  # fmt: skip
def test_masking_that_cannot_be(tmp_path, right, wrong, message):
    assert right in MASKED
    rows = acquired("NIS_AMITA") + row(1, 1, "NIS_AMI1", "DITHER", "SCIENCE")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        table_of(tmp_path, "NirissAmi", MASKED.replace(right, wrong), rows)
    assert "niriss.xml, observation 1, line" in str(caught.value)


def test_both_parts_of_soss(tmp_path):
    """The exposure through F277W stands beside the first in the XML."""
    body = (
        f"{ACQUISITION.format(mode='SOSSFAINT')}<t:Subarray>SUBSTRIP256</t:Subarray><t:Exposure>{READOUT}</t:Exposure>"
        f"<t:F277WExposure>{READOUT}</t:F277WExposure><t:IncludeF277W>true</t:IncludeF277W>"
    )
    rows = [row(number, 1, "NIS_SUBSTRIP256", "FILTER", "SCIENCE") for number in (1, 2)]
    table = table_of(tmp_path, "NirissSoss", body, acquired("NIS_SOSSTA") + "".join(rows))
    assert list(table.exp_type) == ["NIS_TACQ"] * 3 + ["NIS_TACONFIRM"] + ["NIS_SOSS"] * 2
    assert list(table["filter"][4:]) == ["CLEAR", "F277W"]
    assert set(keywords(table, "primary_type", "total_points")) == {("NONE", 1)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("3", "WFSS"), ("3-POINT-LARGE-NIRCam", "NIS-NRC-3L"), ("3-POINT-MIRI-F1000W", "NIS-MIR100-3")],
)
def test_patterns_of_spectroscopy(tmp_path, name, expected):
    exposure = "<t:{0}>" + READOUT + "</t:{0}>"
    body = (
        f"<t:PrimaryDithers>{name}</t:PrimaryDithers><t:DitherSize>MEDIUM</t:DitherSize><t:ExposureList>"
        "<t:ExposureSequences><t:Sequence>GR150R</t:Sequence><t:Filter>F200W</t:Filter>"
        f"{exposure.format('DiExposure')}{exposure.format('GrismExposure')}</t:ExposureSequences></t:ExposureList>"
    )
    lines = [(1, 1, "DIRECT"), (2, 1, "SCIENCE"), (2, 2, "SCIENCE"), (2, 3, "SCIENCE"), (3, 1, "DIRECT")]
    rows = [row(number, dither, "NIS_CEN", "DITHER", kind) for number, dither, kind in lines]
    table = table_of(tmp_path, "NirissWfss", body, "".join(rows))
    names = ("primary_type", "position_number", "total_points", "pattern_size")
    assert keywords(table[table["mode"] == "wfss"], *names) == [(expected, n, 3, "MEDIUM") for n in (1, 2, 3)]
    assert keywords(table[table["mode"] == "imaging"], "position_number", "total_points") == [(1, 1)] * 2
