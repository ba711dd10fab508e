"""Division of an observation into visits: the only one that fits their number, or none."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mirage_dask.apt.geometry.versions import NotKnown
from mirage_dask.apt.geometry.visits import divide, visits_of

PLACES = st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300)), min_size=1, max_size=30)


@given(PLACES, st.floats(1.0, 500.0))
def test_a_visit_is_as_wide_as_the_distance_and_no_narrower(places, distance):
    visits = divide(places, distance)
    assert list(visits) == sorted(visits)
    for number in range(visits[-1] + 1):
        mine = [p for p, v in zip(places, visits, strict=True) if v == number]
        assert all(math.dist(a, b) <= distance + 1e-9 for a in mine for b in mine)
        after = [p for p, v in zip(places, visits, strict=True) if v == number + 1]
        assert not after or any(math.dist(after[0], p) > distance for p in mine)


def test_grid_of_program_1087():
    """16 tiles of 26.8 x 27.0 arcsec along Hilbert's curve in four visits of four."""
    path = [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (3, 0), (3, 1), (2, 1)]
    path += [(2, 2), (3, 2), (3, 3), (2, 3), (1, 3), (1, 2), (0, 2), (0, 3)]
    places = [(26.788 * column, 26.976 * row) for row, column in path]
    assert visits_of(places, (1, 2, 3, 4)) == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


def test_several_exposures_at_a_point_stay_together():
    places = [(0.0, 0.0)] * 3 + [(100.0, 0.0)] * 2 + [(0.0, 0.0)]
    assert visits_of(places, (4, 5, 7)) == [4, 4, 4, 5, 5, 7]


def test_one_visit_holds_everything():
    assert visits_of([(0.0, 0.0), (900.0, 0.0)], (3,)) == [3, 3]


def test_without_visits_in_the_xml_only_what_is_never_divided_is_one():
    assert visits_of([(0.0, 0.0), (31.8, 0.0)], ()) == [1, 1]
    with pytest.raises(NotKnown, match="the XML lists no visits"):
        visits_of([(0.0, 0.0), (32.0, 0.0)], ())


def test_a_number_that_no_distance_gives_is_refused():
    with pytest.raises(NotKnown, match="2 visits in no way that is known"):
        visits_of([(0.0, 0.0), (0.0, 0.0)], (1, 2))


def test_ambiguous_divisions_are_refused_or_those_of_usual_distances():
    """One exposure after the other 20 or 30 arcsec further: seven or six make visits of fewer than two."""
    line = [(0.0, 0.0), (20.0, 0.0), (50.0, 0.0), (70.0, 0.0)]
    found = {d for distance in range(10, 90) if (d := divide(line, distance))[-1] == 1}
    assert len(found) > 1
    assert visits_of(line, (1, 2)) == [n + 1 for n in divide(line, 52.0)]
    near = [(x / 4.0, y) for x, y in line]  # none of its divisions is one of a usual distance
    with pytest.raises(NotKnown, match="2 visits in no way"):
        visits_of(near, (1, 2))


def test_a_large_mosaic_takes_little_time():
    places = [(60.0 * (n % 60), 60.0 * (n // 60)) for n in range(1500)]
    assert visits_of(places, range(1, 1501)) == list(range(1, 1501))
