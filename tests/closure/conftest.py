"""Exposures that the closure tests share: simulated and calibrated once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.closure_runs import Calibrated, calibrate, simulate
from support.detector_steps import Steps


@pytest.fixture(scope="session")
def exposures(tmp_path_factory) -> dict[str, Calibrated]:
    """Four exposures with stars, three of them on a dim sky too, one of 10 groups; MIRAGE_DASK_CLOSURE keeps the files."""
    pytest.importorskip("jwst")
    kept = os.environ.get("MIRAGE_DASK_CLOSURE")
    directory = Path(kept).resolve() if kept else tmp_path_factory.mktemp("closure")
    directory.mkdir(parents=True, exist_ok=True)
    found = simulate(directory)
    calibrate(found)
    return found


@pytest.fixture(scope="session")
def steps(tmp_path_factory) -> Iterator[Steps]:
    """Single steps of the pipeline, in a process that stays."""
    pytest.importorskip("jwst")
    found = Steps(tmp_path_factory.mktemp("steps"))
    yield found
    found.close()
