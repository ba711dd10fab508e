"""The orders of GR700XD: against figures of pastasoss, its package where there is one, turned, filtered, and of the user."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.reference.soss.orders import (
    COMMANDED,
    STRIP_ROW,
    builtin_orders,
    orders_with,
    read_orders,
)
from mirage_dask.settings import spectra

COLUMNS = np.array([10.0, 512.0, 1024.0, 1536.0, 2030.0])
ROWS = {1: (84.4, 63.7, 46.4, 39.4, 72.8), 2: (104.2, 95.5, 105.0, 162.4)}
"""Of pastasoss 1.2.4 at the commanded angle."""


def row_at(order, column):
    return order.place(order.wavelengths(np.atleast_1d(np.asarray(column, float))))[1]


def test_traces_are_those_of_flight():
    one, two = builtin_orders()
    assert (one.order, two.order) == (1, 2)
    np.testing.assert_allclose(row_at(one, COLUMNS), ROWS[1], atol=0.06)
    np.testing.assert_allclose(row_at(two, COLUMNS[:4]), ROWS[2], atol=0.06)
    assert row_at(two, 1814.0)[0] == pytest.approx(254.85, abs=0.05)


def test_wavelengths_fall_with_the_column():
    one, two = builtin_orders()
    np.testing.assert_allclose(one.wavelengths(np.array([4.0, 2043.0])), [2.8289, 0.8508], atol=1e-3)
    np.testing.assert_allclose(two.wavelengths(np.array([0.0, 1814.0])), [1.4184, 0.5734], atol=1e-3)
    for order in (one, two):
        assert (np.diff(order.wavelengths(np.arange(2048.0))) < 0).all()


def test_the_wheel_turns_the_trace():
    """245.60 instead of 245.76 moves the left end by 5.2 rows; light changes its column, too."""
    one = builtin_orders()[0]
    turned = one.turned(245.60)
    assert row_at(turned, 10.0)[0] - row_at(one, 10.0)[0] == pytest.approx(5.2, abs=0.1)
    assert one.turned(COMMANDED) is one
    column = np.array([300.0, 1000.0, 1700.0])
    moved = one.turned(COMMANDED + 0.1).wavelengths(column) - one.wavelengths(column)
    assert (moved < -5e-4).all()
    assert (moved > -2e-3).all()


@pytest.mark.parametrize("angle", [COMMANDED, 245.70, 245.85])
def test_as_its_package(angle):
    judge = pytest.importorskip("pastasoss")
    for order in builtin_orders():
        found = judge.get_soss_traces(angle, order=str(order.order))
        turned = order.turned(angle)
        x = np.asarray(found.x, float)[20:-20]
        np.testing.assert_allclose(row_at(turned, x), found.y[20:-20], atol=0.05)
        np.testing.assert_allclose(turned.wavelengths(x), found.wavelength[20:-20], atol=1e-4)


def test_response_is_that_of_photons():
    """55 % of the photons at 1.2 micron (Albert et al. 2023)."""
    one = builtin_orders()[0]
    response = np.interp(1.2, one.sample_wavelength, one.response)
    energy = 6.62607015e-27 * 2.99792458e10 / 1.2e-4
    assert response * energy / 25.326e4 == pytest.approx(0.55, abs=1e-3)


def test_a_filter_lets_its_band_through():
    one, two = (order.through(2.413, 3.142) for order in builtin_orders())
    assert np.interp(2.40, one.sample_wavelength, one.throughput) == 0.0
    assert np.interp(2.42, one.sample_wavelength, one.throughput) > 0.1
    assert not two.throughput.any()


def test_settings_and_traces_mean_the_same_angle():
    assert spectra.COMMANDED == COMMANDED
    assert STRIP_ROW == 1792


# -- of the user -----------------------------------------------------------------------------------------------------

HEAD = "order column row wavelength throughput\n"
NODES = "".join(f"3 {c} {150 + c / 50} {0.95 - c * 2e-4} 0.1\n" for c in (0, 400, 800, 1200, 1600))


def test_an_order_of_the_user_is_added(tmp_path):
    (tmp_path / "a.txt").write_text("# order 3\n" + HEAD + NODES)
    (three,) = read_orders(tmp_path / "a.txt")
    assert [order.order for order in orders_with([three])] == [1, 2, 3]
    column, row = three.place(np.array([0.85]))
    assert (column[0], row[0]) == (pytest.approx(500.0), pytest.approx(160.0))
    assert orders_with([three])[:2] == builtin_orders()


def test_an_order_of_the_user_takes_the_place_of_a_builtin_one(tmp_path):
    (tmp_path / "a.txt").write_text(HEAD + NODES.replace("3 ", "2 "))
    found = orders_with(read_orders(tmp_path / "a.txt"))
    assert [order.order for order in found] == [1, 2]
    assert found[1].throughput.max() == 0.1
    assert found[1].pivot == builtin_orders()[1].pivot


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no column order, column, row, wavelength, throughput"),
        ("order column row wavelength\n1 2 3 4\n", "it has no column throughput"),
        (HEAD, "it has no nodes"),
        (HEAD + "1 2 3\n" + NODES, "line 2: '1 2 3' is not 5 numbers"),
        (HEAD + "1 2 three 1.0 0.1\n" + NODES, "line 2: '1 2 three 1.0 0.1' is not 5 numbers"),
        (HEAD + NODES.replace("3 0 ", "4 0 "), "line 2: there is no order 4; it must be 1, 2 or 3"),
        (HEAD + NODES.replace("0.95 0.1", "nan 0.1"), "line 2: a value is not finite"),
        (HEAD + NODES.replace("0.95 0.1", "9500 0.1"), "line 2: the wavelength 9500 is not between 0.3 and 6 micron"),
        (HEAD + NODES.replace("0.95 0.1", "0.95 1.5"), "line 2: the throughput 1.5 is not between 0 and 1"),
        (HEAD + NODES.replace("3 0 ", "3 90000 "), "is far from the detector"),
        (HEAD + "3 1 2 0.9 0.1\n", "order 3 has 1 node; give 4 to 4096"),
        (HEAD + NODES + "3 900 160 0.70 0.1\n", "order 3 does not go one way"),
        (HEAD + NODES.replace(" 0.1\n", " 0\n"), "order 3 has no light"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_orders(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_problems_of_a_file_are_told(tmp_path):
    (tmp_path / "a.txt").write_text(HEAD + "7 1 2 0.9 0.1\n1 2 3\n" + NODES)
    with pytest.raises(InputError) as caught:
        read_orders(tmp_path / "a.txt")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("what", ["missing", "binary", "large", "folder"])
def test_files_that_are_no_text(tmp_path, what):
    path = tmp_path / "a.txt"
    if what == "binary":
        path.write_bytes(b"\xff\xfe\x00\x81")
    elif what == "large":
        path.write_bytes(b"#" * 4_000_001)
    elif what == "folder":
        path.mkdir()
    with pytest.raises(InputError, match=r"a\.txt: it (cannot be read|is larger)"):
        read_orders(path)
