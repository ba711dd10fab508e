"""Stores for the tests of reports: two small exposures of the example, and the same with other pixels in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mirage_dask as md
from mirage_dask.report.checks import Section, compare
from mirage_dask.report.measure import measure_tiles, sampled_tiles
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.simulation import SimulationStore

NAMES = ["jw99001002001_01101_00001_nrcb1", "jw99001002001_01101_00002_nrcb1"]
SERIAL = Resources(scheduler="serial")


def simulated(path: Path, names: list[str] | None = None, **settings: object) -> SimulationStore:
    """Simulate exposures of the example, 400 x 400 pixels and four groups each."""
    source = md.example_proposal()
    proposal = md.open_proposal(source, settings=source.with_name("settings.yaml"), **settings)
    proposal.simulate(path, select=names or NAMES, progress=False, on_error="raise", scheduler="serial")
    return SimulationStore.open(path)


def with_pixels(
    store: SimulationStore, path: Path, change: Callable[[NDArray[np.uint16]], NDArray[np.uint16]]
) -> SimulationStore:
    """Copy a store, and put other pixels into the first exposure, with records that fit them."""
    shutil.copytree(store.url, path)
    copy = SimulationStore.open(path)
    row = copy.plan.row(NAMES[0])
    for tile in range(copy.plan.grid(row).count):
        window = copy.plan.grid(row).window(tile)
        values = np.asarray(copy.raw(NAMES[0])[tuple(slice(*span) for span in window.spans)])
        copy.write_tile(row, tile, np.ascontiguousarray(change(values), np.uint16))
    return copy


def sections_of(store: SimulationStore) -> dict[str, Section]:
    """Measure all tiles of a store, and return the sections by title."""
    tiles, _ = sampled_tiles(store, list(range(len(store.plan))), 100)
    measured = measure_tiles(store, tiles, resources=SERIAL)
    assert [m.error for m in measured if m.error] == []
    names = dict(enumerate(store.plan.names))
    return {s.title: s for s in compare(measured, names, dict.fromkeys(names, "NRCB1 F150W"))}
