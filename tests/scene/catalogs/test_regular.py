"""Text parsed in one go gives what reading line by line gives: the same values to the bit, the same messages."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.catalogs import reading as module
from mirage_dask.scene.catalogs.formats import read_table
from mirage_dask.scene.catalogs.regular import parse_regular

OPTICS = [("NIRCAM", "F200W", "CLEAR")]
HEADS = ["", "# vegamag\n#\n", "# a remark, é\n\n", "\ufeff# stmag\n", "# position_pixels\n"]
NUMBERS = st.one_of(
    st.floats(0.0, 90.0).map(repr),
    st.floats(0.0, 90.0).map("{:.3f}".format),
    st.floats(0.0, 90.0).map("{:.20e}".format),
    st.integers(0, 90).map(str),
    st.decimals(0, 90, places=25).map(str),
    st.sampled_from(["+5", "05", ".5", "5.", "1E1", "1e-400", "0x1", "1_0", "1d1", "-0", "  7"]),
)
ODD = st.one_of(
    NUMBERS,
    st.sampled_from(
        ["", "nan", "inf", "1e999", "True", "none", "03:32:24", "5h6m7s", '"1"', "1 #", "#", "x", "1\r", "\x0b1", "١",
         "1,5", "1\t2", "7\n", "-", "---", "\xa0"]
    ),
)  # fmt: skip
WORDS = st.sampled_from(["star", "22", "a b", "True", "", "nan", "None", "007", "1e5", "é"])


def read(path, careful, monkeypatch):
    """Return every value of a catalog as bytes, or the sentences of the error."""
    with monkeypatch.context() as patch:
        if careful:
            patch.setattr(module, "read_table", lambda p, **_: read_table(p, careful=True))
        try:
            found = read_catalog(path, "point_source", optics=OPTICS)
        except InputError as error:
            return error.problems
        values = [found.index, found.x, found.y, *found.magnitudes.values(), found.lines]
        comments = [(c.place, c.text, c.above) for c in found.table.comments]
        return [v.tobytes() for v in values], found.system, found.pixels, found.table.names, comments


@st.composite
def catalogs(draw, cells=ODD):
    separator = draw(st.sampled_from([" ", "   ", "\t", ",", ", ", " | "]))
    names = [
        "x_or_RA",
        "y_or_Dec",
        "magnitude",
        *draw(st.permutations(["index", "name", "nircam_f200w_magnitude"])),
    ]
    order = draw(st.permutations(names[: draw(st.integers(3, 6))]))
    rows = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        kinds = {
            "index": st.just(str(number)) | draw(st.sampled_from([st.just(str(number)), cells])),
            "name": WORDS,
        }
        row = [draw(kinds.get(name, cells)) for name in order]
        change = draw(st.integers(0, 30))
        rows.append(
            row[:-1] if change == 1 else [*row, "1"] if change == 2 else [*row, ""] if change == 3 else row
        )
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    last = draw(st.sampled_from(["", end, end * 2, end + "  ", end + "# the end"]))
    sign = draw(st.sampled_from(["", "", "# "]))
    ruler = draw(st.sampled_from(["", "", separator.join("---" for _ in order) + end]))
    body = end.join(separator.join(row) for row in rows)
    return draw(st.sampled_from(HEADS)) + sign + separator.join(order) + end + ruler + body + last


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(catalogs(), catalogs(cells=NUMBERS)))
def test_the_same_as_line_by_line(tmp_path, monkeypatch, text):
    path = tmp_path / "stars.cat"
    path.write_bytes(text.encode())
    assert read(path, False, monkeypatch) == read(path, True, monkeypatch)


@pytest.mark.parametrize("separator", [" ", "  ", "\t", ",", ", "])
@pytest.mark.parametrize("head", HEADS[:4])
def test_what_is_parsed_in_one_go(tmp_path, separator, head):
    """Ordinary catalogs are regular: this is not decided by luck."""
    rows = [["index", "x_or_RA", "y_or_Dec", "magnitude", "name"], ["1", "150.1", "2.2", "18.5", "A1"],
            ["2", "150.2", "-2.25", "9e1", "B"]]  # fmt: skip
    text = head + "".join(separator.join(row) + "\n" for row in rows)
    table = parse_regular(tmp_path / "stars.cat", text.encode())
    assert table is not None
    assert table.columns["x_or_ra"].tolist() == [150.1, 150.2]
    assert table.columns["index"].dtype == np.int64
    assert table.columns["name"].tolist() == ["A1", "B"]


@pytest.mark.parametrize(
    "row",
    ["1 2", "1 2 18 4", "1 nan 18", "1 2 '18", '1 "2" 18', "1 2 1_8", "1 2 18 # bright", "", "1 2 1e999"],
)
def test_what_is_left_to_the_careful_reader(tmp_path, row):
    text = f"x_or_RA y_or_Dec magnitude\n1 2 18\n{row}\n3 4 19\n"
    assert parse_regular(tmp_path / "stars.cat", text.encode()) is None


def test_a_wrong_cell_far_down_is_named_as_it_is_written(tmp_path):
    rows = [f"{k % 360} 2.0 18.0" for k in range(50_000)]
    rows[40_000] = "10.00 -95.50 18.0"
    path = tmp_path / "stars.cat"
    path.write_text("x_or_RA y_or_Dec magnitude\n" + "\n".join(rows) + "\n")
    with pytest.raises(InputError, match=r"'y_or_Dec' in line 40002 \(-95\.50\): declination must be"):
        read_catalog(path, "point_source")


def test_two_hundred_thousand_rows_take_no_time(tmp_path):
    """0.15 seconds of processor time; line by line it is 1.3."""
    path = tmp_path / "stars.cat"
    place = np.random.default_rng(1).uniform(0, 1, (200_000, 3))
    np.savetxt(path, place + np.array([150, 2, 20]), fmt="%.8f", header="x_or_RA y_or_Dec magnitude")
    start = time.process_time()
    assert len(read_catalog(path, "point_source")) == 200_000
    assert time.process_time() - start < 0.8
