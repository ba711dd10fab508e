"""Cells of plain text: tabs, commas, bars and blanks; empty cells; encodings; integers of 64 bits."""

import codecs
import time

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.sources import point_source_table

OPTICS = [("NIRCAM", "F150W", "CLEAR"), ("NIRCAM", "F444W", "CLEAR")]
NAMES = ("index", "x_or_RA", "y_or_Dec", "nircam_f150w_magnitude", "nircam_f444w_magnitude", "name")


def read(folder, text, **options):
    path = folder / "stars.cat"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_catalog(path, "point_source", **options)


def lines(separator, *rows):
    return "".join(separator.join(row) + "\n" for row in rows)


def problem(folder, text, optics=()):
    with pytest.raises(InputError) as caught:
        read(folder, text, optics=optics)
    (found,) = caught.value.problems
    return found


@pytest.mark.parametrize("separator", ["\t", ",", ", ", "|", " | "])
def test_a_cell_is_what_stands_between_separators(tmp_path, separator):
    text = lines(separator, NAMES, ("7", "150.225", "2.3", "18.0", "22", "22 Tau"))
    found = read(tmp_path, text, optics=OPTICS)
    assert found.index.tolist() == [7]
    assert (found.x[0], found.y[0]) == (150.225, 2.3)
    assert found.magnitude("NIRCAM", "F444W")[0] == 22.0
    assert found.table.columns["name"][0] == "22 Tau"


@pytest.mark.parametrize("separator", ["\t", ","])
def test_an_empty_cell_stays_empty_and_is_named(tmp_path, separator):
    text = lines(separator, NAMES, ("1", "150.225", "2.3", "", "18.0", "22 Tau"))
    assert "line 2: column 'nircam_f150w_magnitude' is empty; write 99" in problem(tmp_path, text, OPTICS)
    found = read(tmp_path, text, optics=OPTICS[1:])  # a filter that nothing uses may be empty
    assert found.magnitude("NIRCAM", "F444W")[0] == 18.0
    text = lines(separator, NAMES[1:5], ("150.225", "", "20.0", "18.0"))
    assert "line 2: column 'y_or_Dec' is empty" in problem(tmp_path, text)


def test_the_last_cell_may_be_empty(tmp_path):
    text = lines("\t", NAMES[1:5], ("150.225", "2.3", "18.0", ""), ("150.226", "2.301", "20.0", "21.0"))
    assert "line 2: column 'nircam_f444w_magnitude' is empty" in problem(tmp_path, text, OPTICS)


def test_tabs_that_only_align(tmp_path):
    text = "index\tx_or_RA\t\ty_or_Dec magnitude\n1\t150.225\t2.3\t\t18\n"
    assert read(tmp_path, text).magnitudes["magnitude"].tolist() == [18.0]


def test_quoted_cells(tmp_path):
    found = read(tmp_path, 'name x_or_RA y_or_Dec magnitude\n"22 Tau" 1 2 18\n"" 1 2 19\n')
    assert found.table.columns["name"].tolist() == ["22 Tau", ""]
    found = read(tmp_path, 'name,x_or_RA,y_or_Dec,magnitude\n"A, B",1,2,18\n')
    assert found.table.columns["name"].tolist() == ["A, B"]


@pytest.mark.parametrize("sign", ["# ", "#"])
@pytest.mark.parametrize("separator", [" ", ","])
def test_names_in_a_comment(tmp_path, sign, separator):
    text = sign + lines(separator, NAMES[:4], ("1", "150.2", "2.3", "18")) + "# a remark\n"
    assert read(tmp_path, text).magnitudes["nircam_f150w_magnitude"].tolist() == [18.0]
    assert read(tmp_path, "# vegamag\n" + text).system == "vegamag"


def test_a_line_of_dashes_below_the_names(tmp_path):
    text = "# vegamag\nx_or_RA y_or_Dec magnitude\n------- -------- ---------\n    1.5     2.5      20.0\n"
    assert read(tmp_path, text).x.tolist() == [1.5]


def test_long_lines_of_signs_take_no_time(tmp_path):
    """Patterns must not try all ways to cut a line: a damaged line of dashes once took half a minute."""
    start = time.process_time()
    names = "x_or_RA y_or_Dec magnitude\n"
    texts = (
        names + "-" * 60 + "x",
        "# " + "radius " * 20_000,
        "# " + "x" * 100_000,
        "\n" * 100_000,
        "|" * 50_000,
    )
    for text in texts:
        with pytest.raises(InputError):
            read(tmp_path, text + "\n")
    assert time.process_time() - start < 10


def test_encodings(tmp_path):
    text = "# catalogue de Gérard\n# vegamag\nx_or_RA y_or_Dec magnitude\n1 2 20\n"
    for data in (text.encode("latin-1"), text.encode("utf-8-sig"), text.encode("utf-16")):
        assert read(tmp_path, data).system == "vegamag"
    assert read(tmp_path, codecs.BOM_UTF16_BE + text.encode("utf-16-be")).system == "vegamag"
    assert "not a text file" in problem(tmp_path, b"\x00\x01" + text.encode())


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"\x1f\x8b\x08", "a gzip file; unpack it"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"PK\x03\x04", "a zip file"),
        (b"\x93NUMPY", "a NumPy file"),
        (b"<html>", "HTML, XML or JSON"),
    ],
)
def test_other_formats_are_named(tmp_path, first, words):
    assert words in problem(tmp_path, first + b" x_or_RA y_or_Dec\n")


def test_identifiers_of_gaia_keep_64_bits(tmp_path):
    ids = [4611686018427387905, 4611686018427387906, 2**63 - 1, 0]
    rows = "".join(f"{i} 150.2 2.3 18\n" for i in ids)
    found = read(tmp_path, "index x_or_RA y_or_Dec magnitude\n" + rows)
    assert found.index.dtype == np.int64
    assert found.index.tolist() == ids
    table = point_source_table(found, "NRCB5", "F444W", "CLEAR")
    key = table.save(tmp_path)
    assert type(table).load(tmp_path, key).index.tolist() == ids


@pytest.mark.parametrize("index", ["-1", "1.5", str(2**63), "one", "1e30", "1_0"])
def test_wrong_identifiers(tmp_path, index):
    text = f"index x_or_RA y_or_Dec magnitude\n{index} 150.2 2.3 18\n"
    assert f"column 'index' in line 2 ({index}): must be an integer of 0 or more" in problem(tmp_path, text)


def test_numbers_of_python_only_are_refused(tmp_path):
    assert "must be decimal degrees" in problem(tmp_path, "x_or_RA y_or_Dec magnitude\n1_5 2 20\n")
