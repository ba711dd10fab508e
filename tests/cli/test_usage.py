"""The command line before any work: help, misspelt words, wrong addresses, errors without tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mirage_dask import cli, example_proposal
from mirage_dask.cli import arguments as options
from mirage_dask.cli.arguments import check_scheduler
from mirage_dask.cli.console import plain, print_pairs, print_table
from mirage_dask.cli.proposals import selected
from mirage_dask.errors import InputError, StoreError
from mirage_dask.formatting import duration, size

COMMANDS = ("exposures", "plan", "simulate", "status", "verify", "export", "show", "reference", "demo")


def test_every_command_teaches_by_examples(capsys):
    for command in COMMANDS:
        assert cli.main([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert f"mirage-dask {command}" in shown.split("examples\n")[1], command


def test_help_and_version(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {command}" in shown for command in COMMANDS)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out[0].isdigit()


def test_no_command_is_wrong_usage(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "simulate" in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["simulte", "a.aptx"], "did you mean 'simulate'?"),
        (["simulate", "a.aptx", "--out", "b.zarr", "--worker", "2"], "did you mean '--workers'?"),
        (["simulate", "a.aptx"], "--out"),
        (["simulate", "a.aptx", "--out", "b", "--workers", "0"], "whole number of at least 1"),
        (["simulate", "a.aptx", "--out", "b", "--workers", "2", "--serial"], "not allowed with"),
        (["show", "a.aptx", "--what", "footprnt"], "did you mean 'footprint'?"),
    ],
)
def test_misspelt_words(words, hint, capsys):
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert hint in err
    assert not out


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "tcp://localhost", "tcp://localhost:port", "nonsense"]
)
def test_dead_scheduler_is_one_sentence_in_seconds(address, capsys):
    start = time.monotonic()
    words = ["simulate", str(example_proposal()), "--out", "never.zarr", "--scheduler", address]
    assert cli.main(words) == 2
    assert time.monotonic() - start < 8
    err = capsys.readouterr().err
    assert err.count("error:") == 1
    assert "tcp://" in err or address in err
    assert not Path("never.zarr").exists()


def test_scheduler_file_is_explained(tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text("{}")
    with pytest.raises(InputError, match="this is a file"):
        check_scheduler(str(file))
    check_scheduler(None)
    check_scheduler("ucx://somewhere:8786")  # a transport that only Dask can judge


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError(["a: one.", "b: two."]), 2, ["error: a: one.", "error: b: two."]),
        (StoreError("no [store] here"), 2, ["error: no [store] here"]),
        (FileNotFoundError(2, "No such file", "x.xml"), 2, ["error: x.xml: No such file"]),
        (KeyboardInterrupt(), 130, ["same command again to continue"]),
        (ZeroDivisionError("oops"), 1, ["error: ZeroDivisionError: oops", "--debug"]),
    ],
)
def test_errors_become_sentences(error, code, words, monkeypatch, capsys):
    def fail(_):
        raise error

    monkeypatch.setattr("mirage_dask.cli.proposals.open_given", fail)
    assert cli.main(["exposures", "a.xml"]) == code
    out, err = capsys.readouterr()
    assert all(word in err for word in words)
    assert "Traceback" not in err
    assert not out
    if isinstance(error, Exception):
        assert cli.main(["exposures", "a.xml", "--debug"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_closed_pipe_is_no_error():
    """`mirage-dask … | head -1` ends quietly."""
    script = (
        "import pandas as pd, sys\n"
        "from types import SimpleNamespace\n"
        "import mirage_dask.cli.proposals as p\n"
        "table = pd.DataFrame({'name': [f'jw{i}' for i in range(100000)]})\n"
        "p.open_given = lambda arguments: SimpleNamespace(table=table)\n"
        "from mirage_dask.cli import main\n"
        "sys.exit(main(['exposures', 'a.xml', '--csv', '-']))\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    err = run.stderr.read()
    run.stderr.close()
    assert run.wait(timeout=60) == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_selection():
    table = pd.DataFrame({"name": ["a", "b"], "observation": [1, 2], "detector": ["NRCB1", "NRCB5"]})
    assert selected(table, None) is table
    assert list(selected(table, "detector == 'NRCB5'")["observation"]) == [2]
    with pytest.raises(InputError, match="no column 'detectr'; did you mean 'detector'"):
        selected(table, "detectr == 'NRCB5'")
    with pytest.raises(
        InputError, match="holds no exposure: no row has observation 3; the column holds 1, 2"
    ):
        selected(table, "observation == 3")


def test_json_is_plain():
    table = pd.DataFrame({"a": np.array([1, 2]), "b": [np.nan, 1.5], "c": ["x", "y"]})
    assert json.loads(json.dumps(plain(table), allow_nan=False)) == [
        {"a": 1, "b": None, "c": "x"},
        {"a": 2, "b": 1.5, "c": "y"},
    ]
    assert plain({"p": Path("a"), "s": {3, 1}, "n": np.float32(0.5), "i": float("inf"), "t": (1, None)}) == {
        "p": "a", "s": [1, 3], "n": 0.5, "i": None, "t": [1, None],
    }  # fmt: skip


def test_numbers_for_people():
    assert [size(n) for n in (0, 999, 41_943_040, 510e9, 3e15)] == [
        "0 B",
        "999 B",
        "41.9 MB",
        "510 GB",
        "3e+03 TB",
    ]
    assert [duration(s) for s in (3.21, 245, 7800)] == ["3.2 s", "4 min 05 s", "2 h 10 min"]


def test_tables_elsewhere_than_a_terminal_are_one_line_per_row(capsys):
    print_table(["name", "n"], [("x" * 150, 1), ("[b]", 2)], right=["n"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "[b]" in lines[2]
    print_pairs([("a", "1"), ("long name", "2\n3")])
    assert capsys.readouterr().out == "a          1\nlong name  2\n           3\n"


def test_words_may_stand_after_options():
    parser = cli.parser()
    assert parser.parse_args(["show", "a.aptx", "--png", "x.png", "jw1"]).exposure == "jw1"
    assert parser.parse_args(["demo", "--workers", "2", "here"]).directory == "here"
    assert parser.parse_args(["reference", "build", "--settings", "s.yaml", "a.aptx"]).proposal == "a.aptx"
    with pytest.raises(SystemExit):
        parser.parse_args(["show", "a.aptx", "jw1", "--png", "x.png", "jw2"])


def test_abbreviations_are_not_accepted():
    """What a script may abbreviate today would be ambiguous tomorrow."""
    parser = options.Parser(prog="x")
    parser.add_argument("--memory")
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--mem", "2GB"])
    assert stop.value.code == 2
