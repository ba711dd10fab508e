"""Tiles of mosaics: places and orders as pointing reports have them, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mirage_dask.apt.geometry.frames import Frame
from mirage_dask.apt.geometry.mosaic import hilbert, tiles
from mirage_dask.apt.geometry.request import Mosaic
from mirage_dask.apt.geometry.versions import NotKnown

CORNERS = ((-153.3893, -67.025), (153.3893, -64.1614), (151.4693, 66.9665), (-151.4693, 64.2199))
ALL = Frame("NRCALL_FULL", -0.5172, -492.665942, -0.112526, -1, CORNERS)
"""In PRDOPSSOC-H-015."""


def grid(rows: int, columns: int, order: str = "DEFAULT", **options) -> Mosaic:
    return Mosaic(rows, columns, included=(True,) * (rows * columns), order=order, **options)


def test_tiles_of_program_1134():
    """Rows of the report of APT 26.0.2: the first four tiles of 13 x 3 with overlaps of 19 % and 64 %."""
    mosaic = grid(13, 3, row_overlap=0.19, column_overlap=0.64)
    found = tiles(mosaic, ALL, several_visits=True)
    reported = [(-101.105, -639.536), (9.341, -637.918), (7.784, -531.599), (-102.661, -533.216)]
    for (number, x, y), (n, place) in zip(found, enumerate(reported, start=1), strict=False):
        assert number == n
        assert (x, y) == pytest.approx(place, abs=0.001)


def test_tiles_of_program_1134_in_apt_25_2():
    """Before 25.4.4: no turn, and the extent of the corners."""
    mosaic = grid(13, 12, "", row_overlap=0.19, column_overlap=0.64)
    corners = ((-153.4509, -66.7528), (153.4509, -64.4723), (151.7218, 66.657), (-151.7218, 64.5681))
    found = tiles(mosaic, Frame("NRCALL_FULL", 0.0, 0.0, 0.0, -1, corners), several_visits=True)
    assert found[0][1:] == pytest.approx((-607.666, -648.372), abs=0.001)
    assert found[12][1:] == pytest.approx((-607.666, -540.310), abs=0.001)


def order_of(rows: int, columns: int, *, several_visits: bool = True) -> list[tuple[int, int]]:
    """(row, column) of the tiles of a square aperture of 1 arcsec as they are taken."""
    square = Frame("ANY", 0.0, 0.0, 0.0, -1, ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)))
    found = tiles(grid(rows, columns), square, several_visits=several_visits)
    return [(round(y + (rows - 1) / 2), round(x + (columns - 1) / 2)) for _, x, y in found]


def test_orders_of_reports():
    """Programs 1069 (2 x 2 in four visits), 1140 (in one), 1111 (2 x 3) and 1134 (5 x 9, the first 24 tiles)."""
    assert order_of(2, 2) == [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert order_of(2, 2, several_visits=False) == [(0, 0), (0, 1), (1, 1), (1, 0)]
    assert order_of(2, 3) == [(0, 0), (0, 1), (1, 1), (1, 0), (1, 2), (0, 2)]
    assert order_of(5, 9)[:24] == [
        *[(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (3, 0), (3, 1), (2, 1)],
        *[(2, 2), (3, 2), (3, 3), (2, 3), (1, 3), (1, 2), (0, 2), (0, 3)],
        *[(0, 4), (1, 4), (1, 5), (0, 5), (0, 6), (0, 7), (1, 7), (1, 6)],
    ]


@given(st.integers(0, 6))
def test_the_curve_visits_every_tile_by_steps_of_one(power):
    side = 2**power
    path = [hilbert(step, side) for step in range(side * side)]
    assert len(set(path)) == side * side
    assert all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in pairwise(path))


@given(st.integers(1, 30))
def test_one_row_or_column_is_taken_from_end_to_end(count):
    """As the curve would: the edges of its square are monotonous."""
    assert order_of(1, count) == [(0, n) for n in range(count)]
    assert order_of(count, 1) == [(n, 0) for n in range(count)]
    side = 2 ** (count - 1).bit_length()
    steps = {hilbert(step, side): step for step in range(side * side)}
    for edge in ([(n, 0) for n in range(count)], [(0, n) for n in range(count)]):
        assert [steps[tile] for tile in edge] == sorted(steps[tile] for tile in edge)


def test_removed_tiles_of_rows_keep_their_numbers():
    mosaic = Mosaic(2, 2, included=(True, False, True, False), order="ROW_ORDER")
    assert [number for number, _, _ in tiles(mosaic, ALL, several_visits=False)] == [1, 3]


@pytest.mark.parametrize(
    ("mosaic", "several", "why"),
    [
        (grid(2, 2, skew=(5.0, 0.0)), True, "skewed mosaic"),
        (grid(2, 2, "COLUMN_ORDER"), True, "the order COLUMN_ORDER"),
        (Mosaic(2, 2, included=(True, False, True, True), order="DEFAULT"), True, "left out"),
        (grid(2, 3), False, "2 x 3 tiles in one visit"),
        (grid(6, 3), True, "a mosaic of 6 x 3 tiles"),
        (Mosaic(1, 2, included=(False, False), order="ROW_ORDER"), False, "no tile"),
    ],
)
def test_what_no_report_shows_is_refused(mosaic, several, why):
    with pytest.raises(NotKnown, match=why):
        tiles(mosaic, ALL, several_visits=several)


def test_an_aperture_without_corners_or_with_others_is_refused():
    with pytest.raises(NotKnown, match="no corners of ANY"):
        tiles(grid(2, 1), Frame("ANY", 0.0, 0.0, 0.0, 1), several_visits=False)
    with pytest.raises(NotKnown, match="another order"):
        tiles(grid(2, 1), Frame("ANY", 0.0, 0.0, 0.0, 1, CORNERS[::-1]), several_visits=False)
