"""Mistakes in a proposal: one clear error that names file, line and remedy; nothing else ever comes out."""

from __future__ import annotations

import re
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage_dask import open_proposal
from mirage_dask.apt import documents, exposure_table, read_proposal
from mirage_dask.apt.pointing_report import parse_pointing
from mirage_dask.apt.proposal_xml import parse_coordinates
from mirage_dask.errors import InputError

NUMBER = "<Number>{}</Number>\n                <TargetID>"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
ENTITIES = "".join(
    f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
BOMB = f"""<!DOCTYPE JwstProposal [<!ENTITY a "aaaaaaaaaa">{ENTITIES}]>"""
EXTERNAL = """<!DOCTYPE JwstProposal [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


def error_of(draft, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        read_proposal(draft.xml, **options)
    assert all(str(draft.folder) in p for p in caught.value.problems)
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "<nci:ShortFilter>F150W<",
            "<nci:ShortFilter>F151W<",
            "ShortFilter: NIRCAM has no filter 'F151W'; did you mean",
        ),
        (
            "<nci:ShortFilter>F150W<",
            "<nci:ShortFilter>F444W<",
            "is not a filter of the short-wavelength channel",
        ),
        ("<nci:LongFilter>F444W<", "<nci:LongFilter>F405N+F150W2<", "different channels"),
        ("<nci:LongFilter>F444W<", "<nci:LongFilter><", "LongFilter: is missing"),
        ("<nci:ReadoutPattern>RAPID<", "<nci:ReadoutPattern>RAPIT<", "did you mean 'RAPID'"),
        ("<nci:Subarray>SUB400P<", "<nci:Subarray>SUB401P<", "did you mean 'SUB400P'"),
        ("<nci:Subarray>FULL<", "<nci:Subarray>SUBGRISM64<", "no imaging aperture"),
        ("<nci:Module>B<", "<nci:Module>C<", "Module: expected A, B or ALL"),
        ("<nci:Groups>4<", "<nci:Groups>NaN<", "Groups: expected a whole number above zero, not 'NaN'"),
        ("<nci:Groups>4<", "<nci:Groups>0<", "whole number above zero"),
        ("<nci:Groups>4<", "<nci:Groups>99999999999<", "whole number above zero"),
        ("<nci:Integrations>1<", "<nci:Integrations>-1<", "Integrations: expected"),
        ("<nci:Integrations>1</nci:Integrations>", "", "Integrations: is missing"),
        ("10 00 30.0000 +02 12 0.00", "10 00 nan +02 12 0.00", "is not a valid position"),
        ("10 00 30.0000 +02 12 0.00", "10 00 30.0000", "is not a valid position"),
        (
            "<Number>1</Number>\n                <TargetID>",
            "<Number>x</Number>\n                <TargetID>",
            "Number must be",
        ),
        (
            "<Number>2</Number>\n                <TargetID>",
            "<Number>1</Number>\n                <TargetID>",
            "2 times",
        ),
        ("<ProposalID>99001<", "<ProposalID>ninety<", "program number"),
        ("<ProposalID>99001<", "<ProposalID>99002<", "pointing report of program 99001"),
    ],
)
def test_mistakes_in_the_xml(draft, old, new, words):
    draft.change(draft.xml, (old, new))
    error = error_of(draft)
    assert words in str(error)
    if "Filter" in old or "Groups" in old:
        assert re.search(r"observation \d, line \d+", str(error))


def test_all_problems_at_once(draft):
    draft.change(
        draft.xml, ("F150W<", "F151W<"), (">RAPID<", ">RAPIT<"), (">4<", ">four<"), ("SUB400P", "SUB4")
    )
    draft.change(draft.pointing, ("+150.12500", "+1x0.12500"), ("** Visit 2:1", "** Visit two"))
    problems = error_of(draft).problems
    assert len(problems) >= 6
    assert len({p.split(":")[0] for p in problems}) > 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not well-formed"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not well-formed"),
        (b"hello", "not well-formed"),
        (b"<JwstProposal>", "not well-formed"),
        (b"<Hubble/>", "root element is Hubble"),
        (b"<JwstProposal/>", "no observations"),
        (
            '<?xml version="1.0" encoding="UTF-8"?><JwstProposal>é</JwstProposal>'.encode("latin-1"),
            "not well-formed",
        ),
    ],
)
def test_no_proposal_at_all(draft, content, words):
    draft.xml.write_bytes(content)
    assert words in str(error_of(draft))


@pytest.mark.parametrize(
    "doctype", [BOMB, EXTERNAL, "<!DOCTYPE JwstProposal SYSTEM 'http://localhost/x.dtd'>"]
)
def test_no_entities(draft, doctype):
    letter = "&j;" if doctype == BOMB else "&a;"
    draft.change(draft.xml, (DECLARATION, DECLARATION + doctype))
    if "ENTITY" in doctype:
        draft.change(draft.xml, ("A small mosaic", letter))
    error = error_of(draft)
    assert "DOCTYPE" in str(error) or "well-formed" in str(error)
    assert "root:" not in str(error)


def test_huge_text_and_depth(draft):
    original = draft.xml.read_text()
    draft.change(draft.xml, ("A small mosaic", "x" * 11_000_000))
    assert "well-formed" in str(error_of(draft))
    draft.xml.write_text(original.replace("<SpecialRequirements/>", "<a>" * 5000 + "</a>" * 5000, 1))
    assert "well-formed" in str(error_of(draft))


def test_size_bounds(draft, monkeypatch):
    monkeypatch.setattr(documents, "MAX_XML", 2**10)
    assert "larger than" in str(error_of(draft))
    monkeypatch.undo()
    monkeypatch.setattr(documents, "MAX_POINTING", 2**10)
    assert "larger than" in str(error_of(draft))


def test_missing_files(draft, tmp_path):
    with pytest.raises(InputError, match=r"the file does not exist"):
        read_proposal(tmp_path / "absent.xml")
    with pytest.raises(InputError, match=r"the file does not exist"):
        read_proposal(tmp_path)
    with pytest.raises(InputError, match=r"this is a pointing report.*--pointing"):
        read_proposal(draft.pointing)
    with pytest.raises(InputError, match=r"the pointing report does not exist"):
        read_proposal(draft.xml, pointing=tmp_path / "absent.pointing")
    draft.pointing.rename(tmp_path / "other.pointing")
    missing = (
        "there is no pointing report mosaic_2x2.pointing beside mosaic_2x2.xml (found: other.pointing); "
    )
    (note,) = read_proposal(draft.xml).notes
    assert missing + "the pointings of 8 exposures are computed" in note
    draft.change(draft.xml, ("SUBARRAY_DITHER", "SUBARRAY_DANCE"))
    (reason,) = set(exposure_table(read_proposal(draft.xml))["reason"]) - {""}
    assert missing + "export it in APT" in reason
    assert "pointing=FILE (--pointing FILE)" in reason
    assert read_proposal(draft.xml, pointing=tmp_path / "other.pointing").program == 99001


def pack(draft, members: dict[str, bytes], name="mosaic_2x2.aptx"):
    path = draft.folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return path


def test_aptx(draft):
    manifest = b"Manifest-Version: 1.0\nProposalFilename: mosaic_2x2.xml\n"
    path = pack(
        draft,
        {"mosaic_2x2.xml": draft.xml.read_bytes(), "META-INF/MANIFEST.MF": manifest, "extra.xml": b"<x/>"},
    )
    assert read_proposal(path).observations == read_proposal(draft.xml).observations
    path = pack(draft, {"99001.xml": draft.xml.read_bytes(), "state.json": b"{}"})
    assert len(exposure_table(read_proposal(path))) == 28


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "holds none"),
        ({"notes.txt": b"hello"}, "holds none"),
        ({"../../evil.xml": b"<JwstProposal/>"}, "holds none"),
        ({"/etc/evil.xml": b"<JwstProposal/>"}, "holds none"),
        ({"a.xml": b"<x/>", "b.xml": b"<x/>"}, "a.xml, b.xml"),
        (
            {"a.xml": b"<x/>", "b.xml": b"<x/>", "META-INF/MANIFEST.MF": b"ProposalFilename: ../c.xml"},
            "a.xml, b.xml",
        ),
        ({"a.xml": b"<x/>"}, "root element is x"),
        ({f"{i}.txt": b"" for i in range(1001)}, "1001 members"),
    ],
)
def test_bad_aptx(draft, members, words):
    path = pack(draft, members)
    before = sorted(draft.folder.rglob("*"))
    with pytest.raises(InputError, match=re.escape(words)):
        read_proposal(path)
    assert sorted(draft.folder.rglob("*")) == before  # nothing was unpacked


def test_zip_bomb_and_broken_zip(draft, monkeypatch):
    path = pack(draft, {"a.xml": b"<JwstProposal>" + b" " * 5_000_000})
    monkeypatch.setattr(documents, "MAX_XML", 2**20)
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_proposal(path)
    # The directory claims that it is small.
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_proposal(path)
    for cut in (10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:cut])
        with pytest.raises(InputError, match="archive"):
            read_proposal(path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(InputError, match="archive"):
        read_proposal(path)
    path = pack(draft, {"é.xml": draft.xml.read_bytes()})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))  # a name that is no UTF-8
    with pytest.raises(InputError, match="archive"):
        read_proposal(path)


FIRST = "  1    1   1    1 NRCBS_FULL                1 DEMO-FIE +150.12500   +2.20000"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("+150.12500", "+nan", "not a valid line of a pointing report"),
        ("+150.12500", "+450.12500", "is not a valid position on the sky"),
        ("+2.20000", "+92.20000", "is not a valid position on the sky"),
        ("-24.688", "-24688.000", "outside the focal plane"),
        ("-24.688", "", "not a valid line of a pointing report"),
        (FIRST, FIRST.replace("1    1   1    1", "1    1   1    0"), "dither 0"),
        (FIRST, "  1    1   1", "not a valid line of a pointing report"),
        ("** Visit 1:1", "** Visit 1", "** Visit <observation>:<visit>"),
        ("** Visit 1:1\n", "", "before any '** Visit' line"),
        ("Proposal 99001", "Proposal 1234", "pointing report of program 1234"),
        ("JWST Pointing Report", "A report", "not a pointing report"),
    ],
)
def test_mistakes_in_the_pointing_report(draft, old, new, words):
    draft.change(draft.pointing, (old, new))
    error = error_of(draft)
    assert words in str(error)
    if "line of" in words or "sky" in words:
        assert re.search(r"mosaic_2x2\.pointing, line \d+", str(error))


def test_reports_of_other_things(draft):
    for content, words in [
        (b"", "not a pointing report"),
        (b"\0\0\0", "not a text file"),
        (b"\xff\xfe" * 100, "not a pointing report"),
        (draft.xml.read_bytes(), "not a pointing report"),
        (draft.pointing.read_bytes().partition(b"=====")[0], "no exposures"),
    ]:
        draft.pointing.write_bytes(content)
        assert words in str(error_of(draft))


def only_mismatch(draft) -> tuple:
    """The one place where XML and report of a draft disagree; all rows are there, the others stay ready."""
    proposal = read_proposal(draft.xml)
    (mismatch,) = proposal.mismatches
    table = exposure_table(proposal)
    assert table.name.is_unique
    return mismatch, table


def test_exposure_without_specification(draft):
    draft.change(draft.pointing, (FIRST, FIRST.replace("1    1   1    1", "1    1   2    1")))
    mismatch, table = only_mismatch(draft)
    assert (mismatch.observation, mismatch.visit) == (1, 1)
    assert mismatch.expected == "1 exposure specification (NircamImaging)"
    assert mismatch.found == "1 exposure of number 2"
    odd = table[table.status == "unsupported"]
    assert list(odd.reason) == ["the XML has no exposure specification 2"]
    assert (table.status == "ready").sum() == 23


def test_observation_that_the_xml_lacks(draft):
    draft.change(draft.pointing, ("** Visit 1:1", "** Visit 7:1"))
    proposal = read_proposal(draft.xml)
    table = exposure_table(proposal)
    assert (7, 0, "no such observation", "2 exposures") in [
        (m.observation, m.visit, m.expected, m.found) for m in proposal.mismatches
    ]
    assert list(table[table.observation == 7].reason) == ["observation 7 is not in the XML"] * 2
    assert (table[table.observation == 2].status == "ready").all()


def test_other_instrument(draft):
    text = draft.pointing.read_text()
    draft.pointing.write_text(text.replace("NRCBS_FULL   ", "MIRIM_ILLUM  "))
    proposal = read_proposal(draft.xml)
    assert {(m.expected, m.found) for m in proposal.mismatches} == {
        ("apertures of NIRCAM", "2 exposures at MIRIM_ILLUM")
    }
    table = exposure_table(proposal)
    assert table[table.observation == 1].reason.str.contains("which is not an aperture of NIRCAM").all()
    assert (table[table.observation == 2].status == "ready").all()


def test_counts_are_reported(draft):
    """Fewer or repeated exposures: the report is followed, and the difference is told."""
    lines = draft.pointing.read_text().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("  1    1"))
    draft.pointing.write_text("".join(lines[:first] + lines[first + 1 :]))
    mismatch, table = only_mismatch(draft)
    assert mismatch.expected == "4 exposures: 4 tiles × (1)"
    assert mismatch.found == "3 exposures: 3 of number 1"
    assert len(table) == 23
    draft.pointing.write_text("".join([*lines[: first + 1], *lines[first:]]))
    proposal = read_proposal(draft.xml)
    assert "dither 1 occurs 2 times" in " ".join(proposal.notes)
    assert exposure_table(proposal).name.is_unique


def test_unknown_templates_have_rows_with_reasons(draft):
    draft.change(
        draft.xml,
        ("<nci:NircamImaging>", "<nci:NircamHolograms>"),
        ("</nci:NircamImaging>", "</nci:NircamHolograms>"),
    )
    table = exposure_table(read_proposal(draft.xml))
    other = table[table.observation == 1]
    assert len(other) == 4
    assert (other.status == "unsupported").all()
    assert other.reason.str.startswith("template NircamHolograms is not known").all()
    assert (table[table.observation == 2].status == "ready").all()


def test_strict_lists_all_that_cannot_be_simulated(draft):
    draft.change(draft.xml, ("1 DEMO-FIELD", "NONE"))
    with pytest.raises(
        InputError, match=r"^observation 1: 20 exposures cannot be simulated: it has no target\.$"
    ):
        open_proposal(draft.xml, strict=True)
    assert len(open_proposal(draft.xml).table) == 28


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([("FixedTargetType", "SolarSystemTargetType")], "moves"),
        ([("1 DEMO-FIELD", "1 ELSEWHERE")], "'ELSEWHERE' is not in the proposal's list"),
        ([("1 DEMO-FIELD", "NONE")], "no target"),
    ],
)
def test_targets_that_cannot_be_simulated(draft, changes, reason):
    draft.change(draft.xml, *changes)
    table = exposure_table(read_proposal(draft.xml))
    assert table[table.observation == 1].reason.str.contains(reason).all()
    assert (table[table.observation == 2].status == "ready").all()


def test_observation_without_exposures(draft):
    text = draft.pointing.read_text()
    draft.pointing.write_text(text[: text.index("* Subarray")])
    table = exposure_table(read_proposal(draft.xml))
    assert [m.found for m in read_proposal(draft.xml).mismatches] == ["none"]
    (row,) = table[table.observation == 2].itertuples()
    assert (row.status, row.reason) == ("unsupported", "it has no exposures in the pointing report")


def test_endings_of_newer_reports(draft):
    with draft.pointing.open("a") as stream:
        stream.write("Glossary of terms\n1 2 3 not a row\n")
    text = draft.pointing.read_text().replace("\n", "\r\n")
    draft.pointing.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(exposure_table(read_proposal(draft.xml))) == 28


def test_numbers_that_touch():
    text = (
        "JWST Pointing Report for JWST Draft Proposal (x.aptx)\n** Visit 3:2\n"
        "  1   12   3    4 MIRIM_ILLUM               1 A STAR   +53.17789  -27.79991-1460.875-1083.018  -40.547  -46.205"
        "  +36.523 -541.802-1501.423-1129.221 TARGET     PARALLEL       0      0\n"
    )
    (row,) = parse_pointing(text, "x.pointing").rows
    assert (row.observation, row.visit, row.tile, row.specification, row.dither) == (3, 2, 12, 3, 4)
    assert (row.target, row.base_x, row.ideal_y, row.v3) == ("A STAR", -1460.875, -1129.221, -541.802)
    assert (row.instrument, row.type) == ("MIRI", "PARALLEL")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("03 32 24.0000 -27 48 0.00", (53.1, -27.8)),
        ("00:00:01.5 -00:00:36", (0.00625, -0.01)),
        ("03h32m24s +27d48m00s", (53.1, 27.8)),
        ("23 59 59.99 +89 59 59.9", (359.99995833333333, 89.99997222222222)),
    ],
)
def test_coordinates(text, expected):
    assert parse_coordinates(text) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 6)), min_size=1, max_size=4),
    st.booleans(),
)
def test_damaged_files_never_crash(draft, edits, in_xml):
    """Random bytes replaced anywhere: a table or an InputError, nothing else."""
    fresh = type(draft)(draft.folder)
    path = fresh.xml if in_xml else fresh.pointing
    data = path.read_bytes()
    for where, new, length in edits:
        at = int(where * len(data))
        data = data[:at] + new + data[at + length :]
    path.write_bytes(data)
    try:
        table = exposure_table(read_proposal(fresh.xml))
    except InputError:
        return
    assert len(table) > 0


@given(st.text(max_size=300))
def test_random_reports_never_crash(text):
    with pytest.raises(InputError):
        parse_pointing("JWST Pointing Report for JWST Draft Proposal (x)\n" + text, "x.pointing")
