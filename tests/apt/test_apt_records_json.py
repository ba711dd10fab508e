"""records.json: the same values as from XML and pointing report."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from support.records_example import example, knows_niriss, niriss, parsed, problems_of

from mirage_dask.apt.records import ACQUISITION, DIRECT, OUT_OF_FIELD, Dithers
from mirage_dask.apt.records_json.reader import parse_records
from mirage_dask.apt.records_json.templates import TEMPLATES, template_of

RECORDS = "APT_test_4RPtool.records.json"


def test_the_example_has_no_problem():
    assert problems_of(example()) == []


def test_program_and_targets():
    proposal, report, _ = parsed(example())
    assert (proposal.program, proposal.title, proposal.category) == (1234, "Two looks", "GO")
    assert report.program == 1234
    assert (proposal.pi, report.prd_version) == ("", "PRDAPTSOC-068-002")
    target = proposal.targets["M-92"]
    assert (target.number, target.ra, target.dec, target.moving) == (1, 259.28, 43.136, False)


def test_a_draft_has_no_number():
    content = example()
    content["program"][0]["program"] = 0
    assert parsed(content)[0].program is None


def test_observations():
    proposal, *_ = parsed(example())
    field, series = proposal.observations
    assert (field.number, field.label, field.target, field.visits, field.tiles) == (
        1,
        "a field",
        "M-92",
        (1,),
        1,
    )
    assert [s.template for s in field.sequences] == ["NircamImaging", "NirissImaging"]
    assert [s.instrument for s in field.sequences] == ["NIRCAM", "NIRISS"]
    assert [s.reason for o in (field, series) for s in o.sequences] == ["", "", ""]
    (imaging,) = field.prime.specifications
    assert imaging.optics == {"SHORT": ("F150W2", "F164N"), "LONG": ("F444W", "CLEAR")}
    assert (imaging.readpatt, imaging.ngroup, imaging.nint, imaging.outputs) == ("SHALLOW4", 6, 1, 4)
    assert (imaging.module, imaging.subarray, imaging.mode) == ("ALL", "FULL", "imaging")
    assert imaging.dithers == Dithers("INTRAMODULE", 2, "STANDARD", 1, 2)
    assert field.parallels[0].specifications[0].dithers == Dithers()


@niriss
def test_niriss_wheels():
    (parallel,) = parsed(example())[0].observations[0].parallels
    assert parallel.specifications[0].optics == {"": ("CLEAR", "F200W")}


def test_target_acquisition():
    series = parsed(example())[0].observations[1].prime
    (specification,) = series.specifications
    assert (series.template, specification.mode, specification.nint) == (
        "NircamGrismTimeSeries",
        "ts_grism",
        90,
    )
    assert specification.optics == {"SHORT": ("F210M", "WLP8"), "LONG": ("F322W2", "GRISMR")}
    acquisition = series.acquisition
    assert acquisition is not None
    assert (acquisition.type, acquisition.ngroup, acquisition.readpatt) == (ACQUISITION, 65, "RAPID")
    assert acquisition.optics == {"LONG": ("F335M", "CLEAR")}
    assert acquisition.subarray == "SUB32TATSGRISM"


def test_pointing_rows():
    rows = parsed(example())[1].rows
    assert [(r.observation, r.specification, r.dither, r.type, r.line) for r in rows] == [
        (1, 1, 1, "SCIENCE", 1),
        (1, 1, 1, "PARALLEL", 2),
        (1, 1, 2, "SCIENCE", 3),
        (1, 1, 2, "PARALLEL", 4),
        (2, 0, 0, "T_ACQ", 5),
        (2, 1, 1, "SCIENCE", 6),
    ]
    prime, parallel = rows[2:4]
    assert (prime.aperture, prime.tile, prime.target, prime.target_number) == ("NRCALL_FULL", 1, "M-92", 1)
    assert (prime.ra, prime.dec, prime.v2, prime.v3) == (259.28, 43.136, 70.5, -500.0)
    assert (prime.ideal_x, prime.base_x, prime.dither_x, prime.base_y) == (10.0, 4.5, 5.5, -1.0)
    assert (parallel.ideal_x, parallel.base_x, parallel.dither_x) == (310.0, 0.0, 310.0)


def test_rows_are_put_in_order():
    content = example()
    first = parsed(content)[1].rows
    content["exposures"].reverse()
    last = parsed(content)[1].rows
    assert [(r.aperture, r.dither) for r in last] == [(r.aperture, r.dither) for r in first]
    assert [r.line for r in last] == [6 - r.line for r in first]


def test_a_moving_target():
    content = example()
    content["target"][0]["target_type"] = "SOLAR_SYSTEM"
    del content["fixed_target"]
    assert problems_of(content) == []
    proposal, report, _ = parsed(content)
    target = proposal.targets["M-92"]
    assert target.moving
    assert math.isnan(target.ra)
    assert {(r.ra, r.dec) for r in report.rows} == {(0.0, 0.0)}


def test_an_unknown_template_gives_a_reason():
    content = example()
    content["visit"][1]["template"] = "NIRCam Holography"
    proposal, *_ = parsed(content)
    assert problems_of(content) == []
    prime = proposal.observations[1].prime
    assert (prime.template, prime.instrument) == ("NIRCam Holography", "NIRCAM")
    assert "'NIRCam Holography' is not known" in prime.reason


def test_templates_have_the_names_of_the_xml():
    assert template_of("NIRISS Single-Object Slitless Spectroscopy").name == "NirissSoss"
    assert template_of("nircam wide field slitless spectroscopy").name == "NircamWfss"
    for text, template in TEMPLATES.items():
        assert " " not in template.name
        assert template.reason or template.mode, text


@pytest.fixture(scope="module")
def real(shared):
    """A proposal exported by APT 2025.1, as JSON and parsed."""
    path = shared / "apt" / "apt2025_records_json" / RECORDS
    problems: list[str] = []
    proposal, report = parse_records(path.read_bytes(), path.name, problems)
    assert [p for p in problems if knows_niriss() or "niriss_" not in p] == []
    return json.loads(path.read_bytes()), proposal, report


def test_real_rows(real):
    content, _, report = real
    kept = [e for e in content["exposures"] if e["pointing_type"] != "BASE"]
    assert Counter(r.observation for r in report.rows) == Counter(e["observation"] for e in kept)
    for r in report.rows:
        source = content["exposures"][r.line]
        assert (r.visit, r.tile, r.dither) == (
            source["visit"],
            source["mosaic_tile_order_number"],
            source["dither_point_index"],
        )
        assert (r.aperture, r.v2, r.v3) == (source["AperName"], source["v2"], source["v3"])
        assert r.base_x + r.dither_x == pytest.approx(r.ideal_x)
    assert [r.line for r in report.rows] == sorted(r.line for r in report.rows)


def test_real_specifications_resolve(real):
    content, proposal, report = real
    observations = {o.number: o for o in proposal.observations}
    for r in report.rows:
        source = content["exposures"][r.line]
        sequence = next(s for s in observations[r.observation].sequences if s.instrument == r.instrument)
        if r.specification == 0:
            assert sequence.acquisition is not None
            assert sequence.acquisition.ngroup == source["number_of_groups"]
            continue
        specification = sequence.specifications[r.specification - 1]
        assert specification.ngroup == source["number_of_groups"]
        assert specification.nint == source["number_of_integrations"]
        if r.type in (DIRECT, OUT_OF_FIELD):
            assert specification.type == r.type


def test_real_counts_are_those_asked_for(real):
    _, proposal, report = real
    for observation in proposal.observations:
        prime = [
            r
            for r in report.rows
            if r.observation == observation.number and r.instrument == observation.instrument
        ]
        for place, specification in enumerate(observation.prime.specifications, start=1):
            made = sum(r.specification == place for r in prime)
            assert made == observation.tiles * specification.dithers.points


def test_real_templates(real):
    content, proposal, _ = real
    found = {
        o.number: [TEMPLATES[v[k]].name for k in ("template", "template_coord_parallel_1") if k in v]
        for o in proposal.observations
        for v in content["visit"]
        if v["observation"] == o.number
    }
    assert {o.number: [s.template for s in o.sequences] for o in proposal.observations} == found
    assert {o.number: len(o.visits) for o in proposal.observations} == Counter(
        v["observation"] for v in content["visit"]
    )
    unread = {s.template for o in proposal.observations for s in o.sequences if s.reason}
    assert unread == {"MiriImaging"}


def test_real_slitless_spectroscopy(real):
    prime = real[1].observations[2].prime
    words = ["wfss SCIENCE", "imaging DIRECT", "wfss SCIENCE", "imaging DIRECT", "imaging OUTOFFLD"]
    assert [f"{s.mode} {s.type}" for s in prime.specifications] == words * 2
    assert [s.optics["LONG"][1] for s in prime.specifications[::5]] == ["GRISMR", "GRISMC"]
    assert prime.specifications[0].dithers == Dithers("INTRAMODULE", 3, "2-Point", 2, 6)


@niriss
def test_real_niriss(real):
    soss = real[1].observations[8].prime
    assert [s.optics for s in soss.specifications] == [{"": ("CLEAR", "GR700XD")}]
    assert soss.acquisition.optics == {"": ("F480M", "NRM")}
    wfss = real[1].observations[7].prime.specifications
    assert [s.optics[""][0] for s in wfss] == ["CLEAR", "GR150R", "CLEAR", "GR150C", "CLEAR"]
    assert {s.optics[""][1] for s in wfss} == {"F150W"}
