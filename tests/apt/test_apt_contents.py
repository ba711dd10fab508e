"""XML and report that no longer belong together: what both name is compared, not only the number of exposures."""

from __future__ import annotations

import pytest

from mirage_dask import open_proposal
from mirage_dask.apt import read_proposal
from mirage_dask.cli import main
from mirage_dask.errors import InputError

ROW = "NRCB1_SUB400P             2 DEMO-STA"
AFTER = ": export both again"


def sentences(draft) -> list[str]:
    found = [m.sentence for m in read_proposal(draft.xml).mismatches]
    assert all(s.endswith(AFTER) for s in found)
    return [s.removesuffix(AFTER) for s in found]


EDITS = {
    "moved": (
        "10 00 30.0000 +02 12 0.00",
        "11 00 30.0000 +02 12 0.00",
        "observation 1: target DEMO-FIELD is at 165.12500 +2.20000 in the XML, 150.12500 +2.20000 (15.0 deg away) in the "
        "report",
    ),
    "sign of Dec": (
        "10 00 54.0000 +02 18 0.00",
        "10 00 54.0000 -02 18 0.00",
        "observation 2: target DEMO-STARS is at 150.22500 -2.30000 in the XML, 150.22500 +2.30000 (4.6 deg away) in the "
        "report",
    ),
    "some arcmin": (
        "10 00 54.0000 +02 18 0.00",
        "10 00 54.0000 +02 22 0.00",
        "observation 2: target DEMO-STARS is at 150.22500 +2.36667 in the XML, 150.22500 +2.30000 (4.0 arcmin away) in the "
        "report",
    ),
    "module": (
        "<nci:Module>B</nci:Module>",
        "<nci:Module>A</nci:Module>",
        "observation 1: module A in the XML, aperture NRCBS_FULL in the report",
    ),
    "both modules": (
        "<nci:Module>B</nci:Module>",
        "<nci:Module>ALL</nci:Module>",
        "observation 1: module ALL in the XML, aperture NRCBS_FULL in the report",
    ),
    "subarray": (
        "SUB400P",
        "SUB160P",
        "observation 2: module B, subarray SUB160P in the XML, aperture NRCB1_SUB400P in the report",
    ),
    "subarray for a full frame": (
        "SUB400P",
        "FULL",
        "observation 2: module B, subarray FULL in the XML, aperture NRCB1_SUB400P in the report",
    ),
    "visit listed twice": (
        '<Visit Number="2"/>',
        '<Visit Number="1"/>',
        "observation 1, visit 1: twice in the XML, once in the report",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_of_the_xml_is_a_mismatch(draft, old, new, expected):
    draft.change(draft.xml, (old, new))
    assert sentences(draft) == [expected]


def test_another_target(draft):
    text = draft.xml.read_text()
    draft.xml.write_text(text.replace("DEMO-FIELD", "NGC-9999"))
    assert sentences(draft) == [
        "observation 1: target 1 NGC-9999 in the XML, target 1 DEMO-FIE in the report"
    ]
    draft.xml.write_text(
        text.replace("<Number>2</Number>\n            <TargetName>", "<Number>3</Number><TargetName>")
    )
    assert sentences(draft) == [
        "observation 2: target 3 DEMO-STARS in the XML, target 2 DEMO-STA in the report"
    ]


def test_a_name_that_differs_only_where_the_report_is_cut(draft):
    draft.xml.write_text(draft.xml.read_text().replace("DEMO-FIELD", "DEMO-FIELD-SOUTH"))
    assert sentences(draft) == []


def test_a_visit_that_the_report_has_twice(draft):
    text = draft.pointing.read_text()
    head, mark, rest = text.partition("** Visit 2:1")
    draft.pointing.write_text(head + mark + rest.rstrip() + "\n" + mark + rest)
    assert "observation 2, visit 1: once in the XML, twice in the report" in sentences(draft)


MOTION = "<Epoch>2000.0</Epoch>"


@pytest.mark.parametrize(
    ("motion", "units", "agree"),
    [
        ("10.3", "arcsec/yr", True),
        ("10300", "mas/yr", True),
        ("0.7", "sec of time/yr", True),
        ("1", "mas/yr", False),
    ],
)
def test_proper_motion_is_allowed_for(draft, motion, units, agree):
    """A star that moves 10 arcsec a year is 4 arcmin from its position of 2000 when JWST observes it."""
    fields = f"<RAProperMotion>{motion}</RAProperMotion><RAProperMotionUnits>{units}</RAProperMotionUnits>"
    draft.change(draft.xml, (MOTION, MOTION + fields), ("+02 12 0.00", "+02 16 0.00"))
    assert (sentences(draft) == []) is agree


def test_a_moving_target_has_no_position(draft):
    draft.change(draft.xml, ("FixedTargetType", "SolarSystemTargetType"))
    assert sentences(draft) == [
        "observation 1: moving target DEMO-FIELD in the XML, target at 150.12500 +2.20000 in the report"
    ]
    report = draft.pointing.read_text()
    draft.pointing.write_text(report.replace("+150.12500   +2.20000", "  +0.00000   +0.00000"))
    assert sentences(draft) == []


def test_what_apt_makes_differ_is_no_mismatch(draft):
    """A fiducial point override; an aperture that no table knows."""
    override = "<SpecialRequirements><FiducialPointOverride/></SpecialRequirements>"
    report = draft.pointing.read_text()
    draft.pointing.write_text(report.replace("NRCB1_SUB400P", "NRCA3_FP1    "))
    assert len(sentences(draft)) == 1
    head, requirements, tail = draft.xml.read_text().rpartition("<SpecialRequirements/>")
    assert requirements
    draft.xml.write_text(head + override + tail)
    assert sentences(draft) == []
    draft.xml.write_text(head + requirements + tail)
    draft.pointing.write_text(report.replace("NRCB1_SUB400P", "NRCB1_TOMORROW"))
    assert sentences(draft) == []


def test_an_offset_is_that_of_the_xml(draft):
    """The special requirement Offset moves every exposure; a report with another one is of another proposal."""
    report = draft.pointing.read_text()
    draft.pointing.write_text(
        report.replace("+150.22500   +2.30000   +0.000", "+150.22500   +2.30000 +120.000")
    )
    assert sentences(draft) == [
        "observation 2: tile 1, exposure 1, dither 1 at offset -0.335 -0.335 in the XML, +119.665 -0.335 (4 exposures up to "
        "120.0 arcsec elsewhere) in the report"
    ]
    head, requirements, tail = draft.xml.read_text().rpartition("<SpecialRequirements/>")
    assert requirements
    offset = '<SpecialRequirements><Offset Xvalue="120" Yvalue="0"/></SpecialRequirements>'
    draft.xml.write_text(head + offset + tail)
    assert sentences(draft) == []


def test_strict_refuses_and_others_are_told(draft, capsys, caplog):
    draft.change(draft.xml, ("10 00 30.0000", "11 00 30.0000"))
    with pytest.raises(InputError, match=r"15\.0 deg away.* in the report: export both again\."):
        open_proposal(draft.xml, strict=True)
    proposal = open_proposal(draft.xml)
    assert "15.0 deg away) in the report: export both again; the report is followed" in caplog.text
    assert list(proposal.mismatches.observation) == [1]
    assert "15.0 deg away" in proposal.mismatches.sentence.iloc[0]
    assert main(["exposures", str(draft.xml), "--strict"]) == 2
    assert "165.12500 +2.20000 in the XML" in " ".join(capsys.readouterr().err.split())
