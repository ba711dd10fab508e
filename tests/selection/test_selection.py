"""What names exposures: a closed language of conditions, names, positions, rows, masks; never executed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mirage_dask.errors import InputError
from mirage_dask.selection import is_condition, select_exposure, select_rows

NAMES = [f"jw00001001001_0{k}101_00001_{d}" for k in (1, 2) for d in ("nrca1", "nrcb1", "nrcb5")]
TABLE = pd.DataFrame(
    {
        "name": NAMES,
        "observation": [1, 1, 1, 2, 2, 2],
        "activity": ["01", "01", "02", "02", "03", "03"],
        "detector": ["NRCA1", "NRCB1", "NRCB5"] * 2,
        "filter": ["F150W", "F150W", "F356W"] * 2,
        "ngroup": [4, 4, 5, 4, 4, 10],
        "dec": [0.5, -0.5, np.nan, 1.5, 2.5, -3.5],
        "bright": [True, False, False, True, True, False],
    },
    index=[10, 11, 12, 13, 14, 15],
)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("observation == 2", [3, 4, 5]),
        ("observation == 2 and detector == 'NRCB5'", [5]),
        ("observation == 2 & detector == 'NRCB5'", [5]),
        ("(detector == 'NRCB5') | (detector == 'NRCA1')", [0, 2, 3, 5]),
        ("not observation == 2", [0, 1, 2]),
        ("~(observation == 2)", [0, 1, 2]),
        ("detector in ['NRCB5', 'NRCA1'] and 1 <= observation < 2", [0, 2]),
        ("detector not in ('NRCB5', 'NRCA1')", [1, 4]),
        ("filter != 'F150W' or ngroup >= 10", [2, 5]),
        ("dec < -0.5", [5]),
        ("2 == observation and bright", [3, 4]),
        ("activity\n  == '03'", [4, 5]),
        ("True", [0, 1, 2, 3, 4, 5]),
        (NAMES[3], [3]),
        (f"{NAMES[3]}, {NAMES[0]}", [0, 3]),
    ],
)
def test_expressions(expression, rows):
    assert select_rows(TABLE, expression) == rows


@pytest.mark.parametrize(
    "which",
    [
        TABLE.detector == "NRCB5",
        (TABLE.detector == "NRCB5").to_numpy(),
        (TABLE.detector == "NRCB5").tolist(),
        TABLE[TABLE.ngroup > 4].detector == "NRCB5",
        [2, 5],
        [2, -1],
        [NAMES[5], NAMES[2]],
        TABLE.iloc[[2, 5]],
        [TABLE.iloc[2], TABLE.iloc[5]],
        [row for row in TABLE.itertuples() if row.detector == "NRCB5"],
        TABLE.name[TABLE.detector == "NRCB5"],
    ],
)
def test_masks_positions_rows_and_names(which):
    assert select_rows(TABLE, which) == [2, 5]


def test_a_mask_of_another_numbering_counts_by_position():
    assert select_rows(TABLE.reset_index(drop=True), TABLE.detector == "NRCB5") == [2, 5]


@pytest.mark.parametrize("which", [NAMES[2], 2, np.int64(2), TABLE.iloc[2], next(TABLE[2:].itertuples())])
def test_one_exposure(which):
    assert select_exposure(TABLE, which) == NAMES[2]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("detector = 'NRCB5'", "write '=='"),
        ("detector == NRCB5", "quote it: 'NRCB5'"),
        ("detector == nrcb5", "quote it: 'NRCB5'"),
        ("detector in [NRCB5]", "quote it: 'NRCB5'"),
        ("filt == 'F356W'", "no column 'filt'; did you mean 'filter'"),
        (
            "detector == 'nrcb5'",
            "holds no exposure: no row has detector 'nrcb5'; the nearest value is 'NRCB5'",
        ),
        ("observation == 9", "the column holds 1, 2"),
        ("observation == '2'", "write observation == 2, without quotes"),
        ("activity == 1", "write activity == '01', in quotes"),
        ("detector == ['NRCB5']", "compared with 'in'"),
        ("detector in 'NRCB5'", "with a list of values"),
        ("detector", "write detector == 'NRCA1'"),
        ("nrcb5", f"did you mean '{NAMES[2]}'"),
        ("detector is 'NRCB5'", "write detector == 'NRCB5'"),
        ("observation == 1 && ngroup == 4", "write 'and'"),
        ("observation == 1 and ngroup == 10", "no row fulfils all of it together"),
        ("observation ==", "cannot be read"),
        ("'open", "cannot be read"),
        ("", "is empty"),
    ],
)
def test_messages(expression, says):
    with pytest.raises(InputError) as refused:
        select_rows(TABLE, expression, argument="--select ")
    assert all(problem.startswith("--select ") for problem in refused.value.problems)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "expression",
    [
        "@pd.io.common.os.system('touch {}')",
        "__import__('os').system('touch {}')",
        "detector.str.contains('x')",
        "observation == __import__('os').system('touch {}')",
        "[open('{}', 'w') for x in (1,)] == 1",
        "(lambda: open('{}', 'w'))() == 1",
        "observation == 9 ** 9 ** 9 ** 9",
        "observation == ngroup[open('{}', 'w')]",
        'f\'{{open("{}", "w")}}\' == name',
        "(x := 1) == observation",
        "observation == 1; open('{}', 'w')",
        "observation == 1\nopen('{}', 'w')",
        "not " * 200_000 + "True",
        "(" * 100_000,
        "-" * 100_000 + "1 == observation",
        "observation == " + "1" * 100_000,
        "observation == 'a\0b'",
        "`observation` == 1",
        "observation == None",
        "observation == b'1'",
        "observation == 1j",
    ],
)
def test_nothing_is_executed(expression, tmp_path):
    witness = tmp_path / "witness"
    with pytest.raises(InputError):
        select_rows(TABLE, expression.replace("{}", str(witness)))
    assert not witness.exists()


@pytest.mark.parametrize(
    ("which", "says"),
    [
        (99, "position 99; the table has 6 rows"),
        ([True, False], "mask of shape (2,)"),
        (pd.Series([True], index=[3]), "mask of shape (1,); the table has 6 rows"),
        ([[1], [2]], "type list"),
        (pd.DataFrame({"x": [1]}), "table without a column 'name'"),
        (TABLE.detector == "NRCB9", "select= holds no exposure"),
        ([], "select= holds no exposure"),
        (["nrcb5"], f"select='nrcb5': there is no such exposure; did you mean '{NAMES[2]}'"),
        (3.5, "type float"),
        (True, "type bool"),
        (object(), "type object"),
    ],
)
def test_what_is_not_understood(which, says):
    with pytest.raises(InputError) as refused:
        select_rows(TABLE, which)
    assert says in str(refused.value)


@pytest.mark.parametrize("which", [None, 99, "nrcb5", "observation == 1", [1, 2]])
def test_what_is_not_one_exposure(which):
    with pytest.raises(InputError, match="name="):
        select_exposure(TABLE, which)


def test_what_leaves_out_and_what_names():
    assert is_condition(TABLE, "observation == 2")
    assert is_condition(TABLE, TABLE.observation == 2)
    assert not is_condition(TABLE, NAMES[0])
    assert not is_condition(TABLE, [0])
