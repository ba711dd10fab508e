"""Dither patterns: the tables of the package, those of the user, and the versions of APT for which they hold."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mirage_dask.apt.geometry.patterns import add_patterns, find_pattern, own_directory, read_patterns
from mirage_dask.apt.geometry.versions import NotKnown, holds, parse_version
from mirage_dask.errors import InputError
from mirage_dask.instruments.tables import read_table

APT_2018, APT_2023, APT_2025 = (25, 4, 4), (2023, 1), (2025, 1)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A cache of its own, whose folder of dither patterns exists."""
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))
    own_directory().mkdir(parents=True)
    return own_directory()


def test_points_of_the_archives_tables():
    box = find_pattern("NIRCAM", "INTRAMODULEBOX", 16, APT_2023)
    assert (len(box), box[0], box[-1]) == (16, (-2.9, -3.1), (9.3, -8.7))
    square = find_pattern("NIRCAM", "SUBARRAY_DITHER", 4, APT_2023)
    assert square == ((-0.335, -0.335), (0.335, 0.335), (-0.295, 0.295), (0.295, -0.295))


def test_the_first_points_of_a_list_are_used():
    whole = find_pattern("NIRCAM", "INTRAMODULE", 16, APT_2018)
    assert find_pattern("NIRCAM", "intramodule", 3, APT_2018) == whole[:3]
    assert whole[:3] == ((-3.75, 3.75), (3.75, -3.75), (11.25, -11.25))


def test_versions_of_apt_have_their_own_tables():
    assert find_pattern("NIRCAM", "STANDARD", 2, APT_2018)[1] == (0.24, 0.176)
    assert find_pattern("NIRCAM", "STANDARD", 2, APT_2025)[1] == (0.2262, 0.1659)
    with pytest.raises(NotKnown, match=r"known for APT up to 26\.2 and 2025\.1 and later, not for 2023\.1"):
        find_pattern("NIRCAM", "STANDARD", 2, APT_2023)


def test_an_unknown_pattern_says_how_to_supply_it():
    with pytest.raises(NotKnown) as error:
        find_pattern("NIRCAM", "FULL", 6, APT_2018)
    assert "NIRCAM FULL of 6 points is in no table" in str(error.value)
    assert "mirage-dask reference dithers FILE" in str(error.value)
    assert "a line 'NIRCAM FULL 6' and 6 lines 'number x y'" in str(error.value)


def test_patterns_of_the_user_are_used_for_every_version(own):
    (own / "mine.txt").write_text(
        "# from the archive\nNIRCam FULL 6\n" + "\n".join(f"{n} {n}.5 -{n}" for n in range(1, 7))
    )
    for version in (APT_2018, APT_2023, APT_2025):
        assert find_pattern("NIRCAM", "FULL", 6, version)[5] == (6.5, -6.0)


def test_the_users_pattern_replaces_that_of_the_package(own):
    (own / "mine.txt").write_text("NIRCAM STANDARD 2\n1 0 0\n2 1 1\n")
    assert find_pattern("NIRCAM", "STANDARD", 2, APT_2023) == ((0.0, 0.0), (1.0, 1.0))


def test_files_that_differ_are_refused(own):
    (own / "a.txt").write_text("NIRCAM X 1\n1 0 0\n")
    (own / "b.txt").write_text("NIRCAM X 1\n1 0 1\n")
    with pytest.raises(InputError, match="the pattern NIRCAM X 1 is in another file, too"):
        find_pattern("NIRCAM", "FULL", 3, APT_2018)


def test_files_are_added(own, tmp_path):
    mine = tmp_path / "mine.dat"
    mine.write_text("INTRASCA LARGE\n1 0 0\n2 5.5 -6 # of two\n")
    assert add_patterns([mine]) == {"NIRCAM INTRASCA LARGE": ((0.0, 0.0), (5.5, -6.0))}
    assert find_pattern("NIRCAM", "INTRASCA LARGE", 2, APT_2023) == ((0.0, 0.0), (5.5, -6.0))
    mine.write_text("INTRASCA LARGE\n1 0 0\n2 5.5 -7\n")
    add_patterns([mine])  # replaces the file of its name
    assert find_pattern("NIRCAM", "INTRASCA LARGE", 2, APT_2023)[1] == (5.5, -7.0)


def test_files_that_contradict_are_not_added(own, tmp_path):
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("X\n1 0 0\n")
    second.write_text("X\n1 0 1\n")
    with pytest.raises(InputError, match="is in another file, too"):
        add_patterns([first, second])
    add_patterns([first])
    with pytest.raises(InputError, match="is known with other points; remove this file first"):
        add_patterns([second])
    assert [path.name for path in own.iterdir()] == ["first.txt"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no dither pattern"),
        ("1 0 0\n", "line 1: expected a name"),
        ("NIRCAM X\n1 0\n", "line 2: expected point 1 of NIRCAM X as 'number x y' in arcsec, not '1 0'"),
        ("NIRCAM X\n1 0 0 0\n", "expected point 1"),
        ("NIRCAM X\n1 0 a\n", "expected point 1"),
        ("NIRCAM X\n1 0 nan\n", "expected point 1"),
        ("NIRCAM X\n1 0 1e9\n", "expected point 1"),
        ("NIRCAM X\n2 0 0\n", "expected point 1"),
        ("NIRCAM X\n1 0 0\n1 0 0\n", "line 3: expected point 2"),
        ("NIRCAM X\nNIRCAM Y\n1 0 0\n", "the pattern NIRCAM X has no points"),
        ("NIRCAM X\n1 0 0\nnircam x\n1 0 0\n", "line 3: the pattern NIRCAM X occurs twice"),
    ],
)
def test_bad_files_are_refused_with_the_line(tmp_path, text, problem):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_patterns(path)
    assert problem in "\n".join(error.value.problems)


@given(st.binary(max_size=300))
def test_any_bytes_are_patterns_or_an_input_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "any.txt"
    path.write_bytes(data)
    try:
        found = read_patterns(path)
    except InputError:
        return
    assert all(points for points in found.values())


def test_tables_are_whole():
    """Points are numbered from 1, names with a number have so many points, and everything says where it was seen."""
    kinds: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in read_table("dithers"):
        kinds.setdefault((row["instrument"], row["pattern"], row["since"], row["until"]), []).append(row)
    for (_, name, _, _), rows in kinds.items():
        assert [int(row["point"]) for row in rows] == list(range(1, len(rows) + 1))
        assert not name[-2:].strip().isdigit() or int(name.split()[-1]) == len(rows)
        assert all(row["source"] and row["frame"] for row in rows)
    assert all(row["source"] for row in read_table("pointing_apertures"))


@pytest.mark.parametrize(
    ("version", "since", "until", "expected"),
    [
        ("Version 2021.3  JWST PRD: PRDOPSSOC-039 ", "", "2022.1", True),
        ("Version 2022.1.2", "", "2022.1", True),
        ("Version 2022.2", "", "2022.1", False),
        ("Version 25.4.4", "25.4.4", "", True),
        ("Version 25.4.1 Main (Tue Oct 17 2017)", "25.4.4", "", False),
        ("2025.1", "2025.1", "", True),
        ("", "", "26.2", True),
        ("", "25.2", "", False),
    ],
)
def test_ranges_of_versions(version, since, until, expected):
    assert holds(parse_version(version), since, until) is expected
