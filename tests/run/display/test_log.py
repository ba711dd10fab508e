"""A run in the log of Python: few lines, at the levels that people expect."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys

import pytest
from support.small_plans import SMALL_TILE, make_spec, sky, small_plan, small_specs

from mirage_dask.cli.console import RUN_LOG, logged
from mirage_dask.run.display import log
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources

SERIAL = Resources(scheduler="serial")


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == RUN_LOG and r.levelno == level]


def test_a_run(fake, tmp_path, caplog):
    assert log.__name__ == RUN_LOG
    plan = small_plan(tmp_path / "plan", [make_spec(n, nints=9) for n in range(1, 8)])
    with caplog.at_level(logging.DEBUG, "mirage_dask"):
        run_plan(plan, tmp_path / "s.zarr", resources=SERIAL, tile_bytes=SMALL_TILE)
    info, details = lines(caplog, logging.INFO), lines(caplog, logging.DEBUG)
    assert len(details) == sum(plan.with_tile_bytes(SMALL_TILE).grid(row).count for row in range(7)) == 42
    assert info[0].startswith(
        f"run into {plan.url.replace('/plan', '/s.zarr')}: 7 exposures, 0 of them complete; "
    )
    assert info[-1].startswith("7 of 7 exposures complete")
    steps = [line for line in info if "exposures, " in line and "elapsed" in line]
    assert len(steps) == 9, "one for each tenth between start and end"
    assert len(info) < 15
    caplog.clear()
    with caplog.at_level(logging.INFO, "mirage_dask"):
        run_plan(plan, tmp_path / "s.zarr", resources=SERIAL)
    assert "7 exposures, 7 of them complete" in lines(caplog, logging.INFO)[0]
    assert lines(caplog, logging.DEBUG) == []


@pytest.mark.parametrize(("progress", "level"), [(False, logging.WARNING), (lambda _: None, logging.INFO)])
def test_failures_are_warnings_where_nothing_else_names_them(fake, tmp_path, caplog, progress, level):
    specs = small_specs()
    specs[0] = dataclasses.replace(specs[0], layers=sky(-1.0))
    plan = small_plan(tmp_path / "plan", specs)
    with caplog.at_level(logging.INFO, "mirage_dask"):
        run_plan(plan, tmp_path / "s.zarr", resources=SERIAL, progress=progress)
    (failed,) = [line for line in lines(caplog, level) if "tile 0 failed" in line]
    assert specs[0].name in failed
    assert "poisoned" in failed


@pytest.mark.parametrize(("verbose", "seen"), [(0, "w"), (1, "wi"), (2, "wid")])
def test_the_command_line_writes_to_stderr(capsys, verbose, seen):
    own, runs = logging.getLogger("mirage_dask.anything"), logging.getLogger(RUN_LOG)
    with logged(verbose, runs=False):
        own.debug("d")
        own.info("i")
        own.warning("[bold]w")
        runs.info("twice")
        logging.getLogger("distributed").info("other")
    out, err = capsys.readouterr()
    assert out == ""
    assert "twice" not in err
    assert "other" not in err
    assert {line.split(" ", 1)[1].removeprefix("[bold]") for line in err.splitlines()} == set(seen)
    assert "warning: [bold]w" in err, "a message is no markup"
    own.warning("after")
    assert capsys.readouterr().err == ""
    with logged(1):
        runs.info("once")
    assert "once" in capsys.readouterr().err


def test_without_configuration_warnings_are_seen_and_nothing_else():
    script = (
        "import logging, mirage_dask; log = logging.getLogger('mirage_dask.planning'); "
        "log.info('quiet'); log.warning('changes the result')"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "changes the result\n")
