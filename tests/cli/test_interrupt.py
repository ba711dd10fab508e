"""Ctrl-C as a terminal sends it, to all processes of a run: one line, exit code 130, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mirage_dask import example_proposal

COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background of a shell ignores it
from mirage_dask import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal masks on this system")
@pytest.mark.parametrize("when", ["computing", "starting"])
def test_interrupt_with_workers(tmp_path, cache_directory, when):
    source = example_proposal()
    store = tmp_path / "my.zarr"
    words = [
        "simulate",
        str(source),
        "--settings",
        str(source.with_name("settings.yaml")),
        "--out",
        str(store),
    ]
    words += ["--workers", "2", "--select", "detector == 'NRCB1'"]
    run = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        start_new_session=True,  # a process group of its own, as in a terminal
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MIRAGE_DASK_CACHE": str(cache_directory)},
    )
    deadline = time.monotonic() + 240
    wanted = "*/commit/c.*" if when == "computing" else "zarr.json"
    while not list(Path(store).glob(wanted)) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert "distributed" not in err
    lines = [line for line in err.splitlines() if line.startswith("error")]
    assert lines == ["error: Interrupted. Finished tiles are kept: run the same command again to continue."]
