"""records.json: the same values as from XML and pointing report, and one clear error for everything that is wrong in it."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.apt.records import ACQUISITION, DIRECT, OUT_OF_FIELD, Dithers
from mirage_dask.apt.records_json.reader import RecordsProposal, parse_records
from mirage_dask.apt.records_json.templates import TEMPLATES, template_of
from mirage_dask.errors import InputError
from mirage_dask.instruments import split_optics


def knows_niriss() -> bool:
    try:
        split_optics("F200W", instrument="NIRISS")
    except InputError:
        return False
    return True


niriss = pytest.mark.skipif(not knows_niriss(), reason="the tables of instruments have no NIRISS")

RECORDS = "APT_test_4RPtool.records.json"


def row(observation: int, **values: Any) -> dict[str, Any]:
    return {"program": 1234, "observation": observation, "visit": 1, **values}


def exposure(observation: int, aperture: str, x: float, **values: Any) -> dict[str, Any]:
    pointing = {
        "exposure": 1,
        "pointing_sequence_number": 1,
        "exposure_spec_order_number": 1,
        "target_id": 1,
        "AperName": aperture,
        "apt_label": "SCIENCE",
        "dither_point_index": 1,
        "ideal_x_position": x,
        "ideal_y_position": 0,
        "mosaic_tile_order_number": 1,
        "pointing_type": "SCIENCE",
        "v2": 80.5 - x,
        "v3": -500.0,
    }
    return row(observation, **{**pointing, **values})


def example() -> dict[str, Any]:
    """Return NIRCam imaging with NIRISS imaging in parallel and two dithers, and a grism time series with acquisition."""
    imaging = [
        exposure(
            1,
            aperture,
            x + 5.0 * dither,
            dither_point_index=dither,
            exposure=dither,
            pointing_sequence_number=dither,
            visit_file_sequence=place,
            number_of_groups=groups,
        )
        for dither in (1, 2)
        for place, (aperture, x, groups) in enumerate((("NRCALL_FULL", 0.0, 6), ("NIS_CEN", 300.0, 4)), 1)
    ]
    base = {"pointing_type": "BASE", "apt_label": "BASE", "exposure_spec_order_number": 0, "exposure": 0}
    zero = {"exposure_spec_order_number": 0, "dither_point_index": 0, "mosaic_tile_order_number": 0}
    acquisition = {"pointing_type": "TARGET_ACQUISITION", "apt_label": "TARGET_ACQ_IMAGE", **zero}
    return {
        "program": [{"program": 1234, "category": "GO", "title": "Two  looks"}],
        "observation": [
            {"program": 1234, "observation": 1, "label": "a field"},
            {"program": 1234, "observation": 2},
        ],
        "mosaic": [{"observation": 1, "rows": 1, "columns": 2, "tile_state": "10"}],
        "target": [{"target_id": 1, "target_name": "M-92", "target_type": "FIXED"}],
        "fixed_target": [{"target_id": 1, "ra_computed": 259.28, "dec_computed": 43.136}],
        "instruments": [row(1, prime_si="NIRCAM", parallel_si="NIRISS"), row(2, prime_si="NIRCAM")],
        "visit": [
            row(
                1,
                template="NIRCam Imaging",
                template_coord_parallel_1="NIRISS Imaging",
                apt_prd_name="PRDAPTSOC-068-002",
            ),
            row(2, template="NIRCam Grism Time Series"),
        ],
        "visit_targets": [row(1, target_id=1), row(2, target_id=1)],
        "nircam_templates": [row(1, modules="ALL"), row(2, modules="A")],
        "nircam_exposure_specification": [
            row(
                1,
                dither_id=1,
                filter_short="F150W2",
                pupil_short="F164N",
                filter_long="F444W",
                number_of_detector_outputs=4,
                number_of_groups=6,
                number_of_integrations=1,
                order_number=1,
                readout_pattern="SHALLOW4",
                subarray="FULL",
            ),
            row(
                2,
                filter_short="F210M",
                pupil_short="WLP8",
                filter_long="F322W2",
                pupil_long="GRISMR",
                number_of_detector_outputs=1,
                number_of_groups=7,
                number_of_integrations=90,
                order_number=1,
                readout_pattern="BRIGHT1",
                subarray="SUBGRISM256",
            ),
        ],
        "nircam_imaging_dither": [
            row(
                1,
                dither_id=1,
                primary_dither_type="INTRAMODULE",
                primary_dithers="2TIGHT",
                subpixel_dither_type="STANDARD",
                subpixel_positions=1,
            )
        ],
        "nircam_target_acq": [row(2, filter="F335M", number_of_groups=65, readout_pattern="RAPID")],
        "niriss_exposure_specification": [
            row(
                1,
                filter="F200W",
                number_of_groups=4,
                number_of_integrations=1,
                order_number=1,
                readout_pattern="NIS",
                subarray="FULL",
            )
        ],
        "special_requirements": [
            row(1, special_requirement="Offset", argument_1="4.5", argument_2="-1 Arcsec")
        ],
        "exposures": [
            exposure(1, "NRCALL_FULL", 5.0, **base),
            *imaging,
            exposure(2, "NRCA5_TAGRISMTS32", 0.0, **acquisition),
            exposure(2, "NRCA5_GRISM256_F322W2", 0.0, pointing_sequence_number=2),
        ],
    }


def parsed(content: Any) -> tuple[RecordsProposal, list[str]]:
    problems: list[str] = []
    return parse_records(json.dumps(content).encode(), "p.json", problems), problems


def problems_of(content: Any) -> list[str]:
    """Return the problems of a changed example, those of a table that has no NIRISS left out."""
    _, problems = parsed(content)
    return [p for p in problems if knows_niriss() or "niriss_" not in p]


def test_the_example_has_no_problem():
    assert problems_of(example()) == []


def test_program_and_targets():
    proposal, _ = parsed(example())
    assert (proposal.program, proposal.title, proposal.category) == (1234, "Two looks", "GO")
    assert (proposal.pi, proposal.prd_version) == ("", "PRDAPTSOC-068-002")
    target = proposal.targets["M-92"]
    assert (target.number, target.ra, target.dec, target.moving) == (1, 259.28, 43.136, False)


def test_a_draft_has_no_number():
    content = example()
    content["program"][0]["program"] = 0
    assert parsed(content)[0].program is None


def test_observations():
    proposal, _ = parsed(example())
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
    rows = parsed(example())[0].rows
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
    first = parsed(content)[0].rows
    content["exposures"].reverse()
    last = parsed(content)[0].rows
    assert [(r.aperture, r.dither) for r in last] == [(r.aperture, r.dither) for r in first]
    assert [r.line for r in last] == [6 - r.line for r in first]


def test_a_moving_target():
    content = example()
    content["target"][0]["target_type"] = "SOLAR_SYSTEM"
    del content["fixed_target"]
    assert problems_of(content) == []
    proposal, _ = parsed(content)
    target = proposal.targets["M-92"]
    assert target.moving
    assert math.isnan(target.ra)
    assert {(r.ra, r.dec) for r in proposal.rows} == {(0.0, 0.0)}


def test_an_unknown_template_gives_a_reason():
    content = example()
    content["visit"][1]["template"] = "NIRCam Holography"
    proposal, _ = parsed(content)
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


def put(table: str, index: int, key: str, value: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        if value is None:
            del content[table][index][key]
        else:
            content[table][index][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("exposures", 2, "AperName", None), "p.json, exposures[2]: AperName is missing."),
        (
            put("exposures", 1, "v2", "far"),
            "exposures[1]: v2: expected a number from -3600 to 3600, not 'far'.",
        ),
        (put("exposures", 1, "v3", math.nan), "exposures[1]: v3: expected a number"),
        (put("exposures", 1, "v3", 10**400), "exposures[1]: v3: expected a number"),
        (put("exposures", 1, "v2", True), "v2: expected a number from -3600 to 3600, not true"),
        (put("exposures", 1, "visit", 7), "visit 7 of observation 1 is not in table visit"),
        (put("exposures", 1, "target_id", 9), "exposures[1]: target_id 9 is not in table target"),
        (
            put("exposures", 1, "exposure_spec_order_number", 3),
            "exposures[1]: exposure_spec_order_number 3 is not in table nircam_exposure_specification",
        ),
        (
            put("exposures", 1, "visit_file_sequence", 3),
            "coordinated parallel that table visit does not name",
        ),
        (put("exposures", 1, "number_of_groups", 5), "number_of_groups is not 6 as in its specification"),
        (
            put("nircam_exposure_specification", 0, "filter_long", "F445W"),
            "nircam_exposure_specification[0]: filter_long: NIRCAM has no filter 'F445W'; did you mean",
        ),
        (
            put("nircam_exposure_specification", 0, "filter_long", "F150W"),
            "is not a filter of the long-wavelength",
        ),
        (put("nircam_exposure_specification", 0, "filter_long", None), "filter_long is missing"),
        (put("nircam_exposure_specification", 0, "order_number", 2), "order_number 1 of this observation"),
        (
            put("nircam_exposure_specification", 0, "dither_id", 8),
            "dither_id 8 is not in table nircam_",
        ),
        (put("nircam_exposure_specification", 0, "number_of_groups", 0), "whole number, 1 or more, not 0"),
        (put("nircam_exposure_specification", 0, "subarray", "SUB1"), "NIRCAM has no subarray 'SUB1'"),
        (put("nircam_exposure_specification", 0, "readout_pattern", "SHALOW4"), "mean 'SHALLOW4'"),
        (put("nircam_templates", 0, "modules", "C"), "nircam_templates[0]: modules: expected A, B or ALL"),
        (put("nircam_target_acq", 0, "filter", "F1W"), "nircam_target_acq[0]: filter: NIRCAM has no filter"),
        (put("fixed_target", 0, "dec_computed", 91), "fixed_target[0]: dec_computed: expected a number from"),
        (put("observation", 1, "observation", 1), "observation 1 is repeated; numbers must be unique"),
        (put("visit", 1, "observation", 1), "visit 1 of observation 1 is repeated"),
        (put("program", 0, "program", 123456), "program[0]: program: expected a whole number, 0 to 99999"),
        (put("special_requirements", 0, "argument_1", "left"), "expected an offset in arcsec"),
        (lambda c: c.update(exposures=[]), "p.json, exposures: the proposal has no exposures."),
        (
            lambda c: c.update(exposures={"a": 1}),
            "p.json, exposures: expected a list of rows, not an object.",
        ),
        (lambda c: c["exposures"].append(3), "p.json, exposures[7]: expected an object, not 3."),
        (lambda c: c.pop("nircam_target_acq"), "has target acquisitions, but no row in a table of them"),
        (lambda c: c.pop("fixed_target"), "target[0]: target_id 1 is not in table fixed_target"),
        (
            lambda c: c["nircam_exposure_specification"].append(
                {**c["nircam_exposure_specification"][0], "number_of_groups": 3}
            ),
            "nircam_exposure_specification[2]: order_number 1 differs from the same order_number in another visit",
        ),
    ],
)
def test_problems_name_their_place(change, words):
    content = example()
    change(content)
    found = problems_of(content)
    assert any(words in p for p in found), found
    assert all(p.startswith("p.json") and p.endswith(".") for p in found)


def test_all_problems_come_together():
    content = example()
    del content["exposures"][1]["AperName"], content["exposures"][6]["v2"], content["visit"][0]["template"]
    content["target"][0]["target_name"] = " "
    assert len(problems_of(content)) >= 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON: line 1, column 1"),
        (b"[1, 2]", "not a records.json"),
        (b"{}", "the tables observation and visit are missing"),
        (b'{"observation": ', "not valid JSON: line 1"),
        (b'{"a": "\xff"}', "not valid UTF-8: byte 7 is 0xff"),
        (b"[" * 200_000, "nested too deeply"),
        (b"1" * 5000, "too many digits"),
        (b'{"a": 1, "a": 2}', "the key 'a' is repeated in one object."),
    ],
)
def test_what_is_no_records_file(data, words):
    with pytest.raises(InputError) as caught:
        parse_records(data, "p.json", [])
    assert any(words in p for p in caught.value.problems)
    assert all(p.startswith("p.json: ") for p in caught.value.problems)


def test_problems_found_before_are_raised_too():
    with pytest.raises(InputError) as caught:
        parse_records(b"", "p.json", ["one before"])
    assert caught.value.problems[0] == "one before"


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400), 2**31])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "Y", "NIRISS Wide Field Slitless Spectroscopy", "NIRCam Dark", "FGS1_FULL"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw: Any) -> Any:
    content: Any = copy.deepcopy(example())
    for _ in range(draw(st.integers(1, 6))):
        table = draw(st.sampled_from(sorted(content)))
        rows = content[table]
        if not isinstance(rows, list) or not rows or draw(st.integers(0, 9)) == 0:
            content[table] = draw(JUNK)
            continue
        chosen = draw(st.integers(0, len(rows) - 1))
        if not isinstance(rows[chosen], dict) or not rows[chosen] or draw(st.integers(0, 9)) == 0:
            rows[chosen] = draw(JUNK)
            continue
        key = draw(st.sampled_from(sorted(rows[chosen])))
        if draw(st.booleans()):
            rows[chosen][key] = draw(JUNK)
        else:
            del rows[chosen][key]
    return content


@settings(max_examples=50)
@given(mutated())
def test_changed_files_raise_nothing_else(content):
    problems: list[str] = []
    try:
        parse_records(json.dumps(content).encode(), "p.json", problems)
    except InputError as error:
        problems = error.problems
    for problem in problems:
        assert problem.startswith("p.json")
        problem.encode()


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.binary(max_size=4))
def test_damaged_bytes_raise_nothing_else(place, damage):
    data = json.dumps(example()).encode()
    place = min(place, len(data))
    problems: list[str] = []
    try:
        parse_records(data[:place] + damage + data[place + len(damage) :], "p.json", problems)
    except InputError as error:
        problems = error.problems
    for problem in problems:
        problem.encode()


@pytest.fixture(scope="module")
def real(shared):
    """A proposal exported by APT 2025.1, as JSON and parsed."""
    path = shared / "apt" / "apt2025_records_json" / RECORDS
    problems: list[str] = []
    proposal = parse_records(path.read_bytes(), path.name, problems)
    assert [p for p in problems if knows_niriss() or "niriss_" not in p] == []
    return json.loads(path.read_bytes()), proposal


def test_real_rows(real):
    content, proposal = real
    kept = [e for e in content["exposures"] if e["pointing_type"] != "BASE"]
    assert Counter(r.observation for r in proposal.rows) == Counter(e["observation"] for e in kept)
    for r in proposal.rows:
        source = content["exposures"][r.line]
        assert (r.visit, r.tile, r.dither) == (
            source["visit"],
            source["mosaic_tile_order_number"],
            source["dither_point_index"],
        )
        assert (r.aperture, r.v2, r.v3) == (source["AperName"], source["v2"], source["v3"])
        assert r.base_x + r.dither_x == pytest.approx(r.ideal_x)
    assert [r.line for r in proposal.rows] == sorted(r.line for r in proposal.rows)


def test_real_specifications_resolve(real):
    content, proposal = real
    observations = {o.number: o for o in proposal.observations}
    for r in proposal.rows:
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
    _, proposal = real
    for observation in proposal.observations:
        prime = [
            r
            for r in proposal.rows
            if r.observation == observation.number and r.instrument == observation.instrument
        ]
        for place, specification in enumerate(observation.prime.specifications, start=1):
            made = sum(r.specification == place for r in prime)
            assert made == observation.tiles * specification.dithers.points


def test_real_templates(real):
    content, proposal = real
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
