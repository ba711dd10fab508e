"""Files that the snippets of pages find in their folder: small proposals under the names that the pages use."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import mirage_dask as md
from support.injected import observed
from support.moving import BEGAN, moving_proposal, write_horizons
from support.time_series import PLACE, time_series, variable_star

EXAMPLE = md.example_proposal()


def write_proposal(folder: Path) -> None:
    """my.aptx, eight exposures of a subarray, with my.yaml and its catalogs."""
    text = EXAMPLE.read_text(encoding="utf-8")
    first = re.findall(r"(?s)<Observation AutoTarget.*?</Observation>", text)[0]
    with zipfile.ZipFile(folder / "my.aptx", "w") as file:
        file.writestr("my.xml", text.replace(first, ""))
    for name in ("stars.cat", "galaxies.cat"):
        shutil.copy(EXAMPLE.with_name(name), folder)
    shutil.copy(EXAMPLE.with_name("settings.yaml"), folder / "my.yaml")


def write_time_series(folder: Path) -> None:
    """series.xml, a time series of a subarray, and a catalog of its target with a transit."""
    time_series(folder).rename(folder / "series.xml")
    (folder / "time_series.pointing").rename(folder / "series.pointing")
    times = np.linspace(0.0, 10.0, 40)
    variable_star(folder, times, 1 - 0.02 * (np.abs(times - 5.0) < 2.0), place=PLACE)


def write_moving(folder: Path) -> None:
    """moving.xml, whose target is one of the solar system, and pallas.txt, its ephemeris."""
    moving_proposal(folder, {})
    write_horizons(folder / "pallas.txt", lambda hours: (150.225 + 0.002 * hours, 2.3 - 0.001 * hours))
    assert f"{BEGAN:%Y-%m-%d}" == "2022-11-20"


def write_observed(folder: Path) -> None:
    """data/, with one raw file as the archive has it."""
    observed(folder, dates="2021-11-25").rename(folder / "data")
    shutil.rmtree(folder / "observed.zarr")
    (folder / "data" / "calibrate.env").unlink(missing_ok=True)


def write_nothing(folder: Path) -> None:
    """Nothing: a page that makes its own files."""


SETS: dict[str, Callable[[Path], None]] = {
    "my": write_proposal,
    "none": write_nothing,
    "time_series": write_time_series,
    "moving": write_moving,
    "observed": write_observed,
}
"""What a page can ask for, by the names of its comment `files`; without one it is `my`."""
