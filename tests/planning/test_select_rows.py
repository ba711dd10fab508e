"""Every way to say which exposures are meant gives positions in the table, and what is wrong is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.small_plans import small_specs, table_of

from mirage_dask.errors import InputError
from mirage_dask.selection import select_rows

TABLE = table_of(small_specs())
NAMES = list(TABLE["name"])


@pytest.mark.parametrize(
    ("which", "positions"),
    [
        (None, [0, 1, 2, 3, 4]),
        ("observation == 2", [3, 4]),
        ("observation == 9", []),
        (NAMES[1], [1]),
        ([NAMES[4], NAMES[1], NAMES[1]], [1, 4]),
        (3, [3]),
        (np.int64(-1), [4]),
        ([0, 2], [0, 2]),
        (range(2), [0, 1]),
        (TABLE["observation"] == 2, [3, 4]),
        ((TABLE["observation"] == 2).to_numpy(), [3, 4]),
        ([True, False, False, False, True], [0, 4]),
        (TABLE.iloc[2], [2]),
        (next(TABLE.itertuples()), [0]),
        (TABLE[TABLE["observation"] == 2], [3, 4]),
        ([TABLE.iloc[2], NAMES[0], 4], [0, 2, 4]),
        (TABLE["name"][3:], [3, 4]),
        ([], []),
    ],
)
def test_positions(which, positions):
    assert select_rows(TABLE, which) == positions
    assert select_rows(TABLE.set_index(TABLE.index + 100), which) == positions


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("observtion == 2", "pandas query over the columns"),
        ([NAMES[0][:-1] + "9"], "did you mean"),
        (NAMES[0][:-1] + "9", "did you mean"),
        ("nrcb9", "There is no exposure 'nrcb9'"),
        ([True, False], "each of the 5 rows of the table, not 2"),
        (5, "no exposure at position 5; the table has 5 rows"),
        (2.5, "float is not a valid selection"),
        ([[1], [2]], "list is not a valid selection"),
        (pd.DataFrame({"x": [1]}), "DataFrame is not a valid selection"),
        (True, "bool is not a valid selection"),
    ],
)
def test_what_is_wrong_is_said(which, message):
    with pytest.raises(InputError, match=message):
        select_rows(TABLE, which)


def test_all_unknown_names_are_said():
    with pytest.raises(InputError) as error:
        select_rows(TABLE, ["a", NAMES[0], "b"])
    assert len(error.value.problems) == 2
