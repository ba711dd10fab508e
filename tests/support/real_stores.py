"""Stores of exposures under a real attitude, whose pixels are random numbers: what is exported needs true headers only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mirage_dask.pointing import aperture, attitude_matrix, reference_point
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import save_plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.tiles import TILE_BYTES, grid_of
from support.small_plans import make_spec, table_of

INSTRUMENTS = {
    "NRC": {},
    "NIS": {"instrument": "NIRISS", "exp_type": "NIS_IMAGE", "readpatt": "NIS", "module": "", "channel": ""},
    "G1": {"instrument": "FGS", "exp_type": "FGS_IMAGE", "readpatt": "FGS", "module": "", "channel": ""},
}


APERTURES = {"NIS_FULL": "NIS_CEN", "G1_FULL": "FGS1_FULL"}
"""Whose names in the SIAF are not those of detector and subarray."""


def real_exposure(
    number: int = 1, detector: str = "NRCB1", name: str = "SUB160", **changes: Any
) -> tuple[ExposureSpec, pd.DataFrame]:
    """An exposure through an aperture of the SIAF: its spec, and a table of its row."""
    place = aperture(APERTURES.get(f"{detector}_{name}", f"{detector}_{name}"))
    attitude = attitude_matrix(53.16, -27.8, place.v2_ref, place.v3_ref, 37.5)
    ra, dec, roll = reference_point(attitude, place)
    box = {"nx": place.nx, "ny": place.ny, "x0": place.x0, "y0": place.y0}
    spec = make_spec(number, detector, attitude=tuple(attitude.ravel().tolist()), **{**box, **changes})
    table = table_of(
        [spec], aperture=place.name, subarray=name, ra_ref=ra, dec_ref=dec, roll_ref=roll,
        **INSTRUMENTS[detector[:3]],
    )  # fmt: skip
    return spec, table


def pixels_of(spec: ExposureSpec) -> np.ndarray:
    """All pixels of an exposure in `real_store`."""
    return np.random.default_rng(5).integers(0, 65536, spec.shape).astype("u2")


def windows_of(spec: ExposureSpec) -> Iterator[Any]:
    """The same tile by tile, with the windows."""
    values = pixels_of(spec)
    for w in grid_of(spec).windows():
        yield w, values[slice(*w.integrations), slice(*w.groups), slice(*w.rows), slice(*w.columns)]


def real_store(
    url: Path, exposures: list[tuple[ExposureSpec, pd.DataFrame]], tile_bytes: int = TILE_BYTES
) -> SimulationStore:
    """A store in which all these exposures are complete."""
    table = pd.concat([rows for _, rows in exposures], ignore_index=True)
    plan = save_plan(
        url.with_suffix(".plan"), table, [spec for spec, _ in exposures], provenance={"references": []}
    )
    store = SimulationStore.create(url, plan.with_tile_bytes(tile_bytes))
    for row in range(len(store.plan)):
        values = pixels_of(store.plan.spec(row))
        for tile, w in enumerate(store.plan.grid(row).windows()):
            box = (w.integrations, w.groups, w.rows, w.columns)
            store.write_tile(row, tile, values[tuple(slice(*side) for side in box)])
    return store
