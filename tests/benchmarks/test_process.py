"""The benchmark of whole processes: what it counts, what it takes off, and what it says of a row that does not run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    """Let the modules of the folder import each other, as they do when they are run."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("measure", "run", "process", "bench_process"):
            del sys.modules[name]


@pytest.fixture
def checkout(tmp_path):
    from process.checkouts import Checkout

    (tmp_path / "mirage_dask").mkdir()
    return Checkout(tmp_path, tmp_path / "cache", tmp_path, tmp_path)


CHILD = "sum(i for i in range(3_000_000)); held = bytearray(200_000_000)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"


def test_children_count(checkout, tmp_path):
    alone = checkout.run(("-c", CHILD), new=tmp_path)
    with_child = checkout.run(("-c", PARENT), new=tmp_path)
    assert with_child.megabytes > 200
    assert with_child.cpu > alone.cpu / 3


def test_sources_and_cache_are_those_of_the_checkout(checkout, tmp_path):
    (tmp_path / "mirage_dask" / "__init__.py").write_text("here = 7\n")
    script = (
        "import json, os, mirage_dask; "
        "print(json.dumps({'here': mirage_dask.here, 'cache': os.environ['MIRAGE_DASK_CACHE']}))"
    )
    assert checkout.run(("-c", script), new=tmp_path).parts == {"here": 7, "cache": str(tmp_path / "cache")}
    new = tmp_path / "new"
    new.mkdir()
    found = checkout.run(("-c", script), new=new, empty_cache=True).parts
    assert found["cache"] == str(new / "cache")


def test_a_row_that_fails_says_why(checkout, monkeypatch):
    from process import checkouts
    from process.rows import Difference, Row

    rows = {
        "some": Row("some", "a loop", ("-c", "sum(range(1000))"), repeats=2),
        "wrong": Row("wrong", "an error", ("-c", "raise LookupError('not in this version')")),
        "unready": Row("unready", "a loop", ("-c", "pass"), needs=("thing",)),
        "more": Difference("more", "each", "some", "wrong", 2),
    }
    monkeypatch.setattr(checkouts, "BY_NAME", rows)
    monkeypatch.setattr(checkouts, "PREPARATIONS", {"thing": ("-c", "import sys; sys.exit('no thing')")})
    bench = checkouts.Bench([checkout])
    (some,) = bench.measure("some")
    assert some.problem == ""
    assert 0 < some.cpu.least <= some.cpu.median
    assert bench.measure("wrong")[0].problem == "LookupError: not in this version"
    assert bench.measure("unready")[0].problem == "no thing"
    assert bench.measure("more")[0].problem == "LookupError: not in this version"


def test_a_program_may_name_its_figures(checkout, monkeypatch):
    import bench_process
    from process import checkouts
    from process.rows import Row

    row = Row(
        "prices",
        "of two",
        ("-c", 'print(\'{"one, ns": 1.5, "two, ns": -0.25}\')'),
        repeats=1,
        names_parts=True,
    )
    monkeypatch.setattr(checkouts, "BY_NAME", {"prices": row})
    monkeypatch.setattr(bench_process, "BY_NAME", {"prices": row})
    found = list(bench_process.measurements("prices", checkouts.Bench([checkout])))
    assert [(m.name, m.value, m.unit) for m in found] == [
        ("prices: one", 1.5, "ns"),
        ("prices: two", -0.25, "ns"),
    ]


def test_each_of_many_more():
    from process.checkouts import Figure, Measured, taken_off

    larger, smaller = Measured(Figure(30.0, 34.0)), Measured(Figure(10.0, 10.0))
    assert taken_off(larger, smaller, 8).cpu == Figure(2.5, 3.0)


def test_rows_are_named_once_and_have_what_they_need():
    from process.rows import BY_NAME, PREPARATIONS, ROWS, Difference

    assert len(BY_NAME) == len(ROWS)
    for row in ROWS:
        if isinstance(row, Difference):
            assert {row.larger, row.smaller} <= set(BY_NAME)
        else:
            assert set(row.needs) <= set(PREPARATIONS)
            programs = [word.format(programs=BENCHMARKS / "process/programs") for word in row.command[:1]]
            assert all(Path(word).is_file() for word in programs if word != "-c")


def test_other_checkouts_stand_beside(capsys):
    import run
    from measure import Measurement

    row = Measurement("exposures: listed", 2.0, "s", median=2.5, others=(("abc1234", 4.0), ("def5678", None)))
    run.show("process", [row.to_dict()])
    text = capsys.readouterr().out
    assert "median 2.5" in text
    assert "abc1234 4 (0.50 of it)" in text
    assert "def5678" not in text
