"""records.json: one clear error for everything that is wrong in it."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records_example import example, problems_of

from mirage_dask.apt.records_json.reader import parse_records
from mirage_dask.errors import InputError


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
