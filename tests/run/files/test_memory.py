"""Memory does not grow with the number of files that sources are added to."""

from __future__ import annotations

import shutil

import psutil
from astropy.io import fits
from support.injected import observed, star_catalog

import mirage_dask as md

FILES = 5
RAW = 2 * 8 * 400 * 400 * 2
"""Bytes of the ramp of a file."""


def test_memory_stays_from_file_to_file(tmp_path):
    """The last three files together add less than the ramp of one; what is kept for the next one is there after two."""
    (path,) = observed(tmp_path / "one").glob("*.fits")
    (tmp_path / "many").mkdir()
    for number in range(FILES):
        copy = tmp_path / "many" / path.name.replace("_00002_", f"_{number + 2:05d}_")
        shutil.copyfile(path, copy)
        fits.setval(copy, "FILENAME", value=copy.name)
    catalogs = {"point_source": str(star_catalog(tmp_path / "stars.cat"))}
    program = md.open_exposures(tmp_path / "many", catalogs=catalogs)
    assert len(program.table) == FILES
    held = []

    def told(what: str, done: int, count: int) -> None:
        if what == "files":
            held.append(psutil.Process().memory_info().rss)

    report = program.inject(tmp_path / "out", scheduler="serial", progress=told)
    assert len(report.made) == len(held) == FILES
    assert held[-1] - held[1] < RAW, [size >> 20 for size in held]
