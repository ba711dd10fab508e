# ruff: noqa: C408 - keywords read better here than quoted names
"""Small proposals for the tests of plans, stores and runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mirage_dask.reference.packs.pack import PACK_FORMAT, pack_key
from mirage_dask.reference.packs.plane_store import PlaneStore
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.plan import Plan, save_plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.virtual import VirtualArray

EMPTY_PACK = pack_key({}, {})
"""Key of a pack without planes, which `write_empty_pack` writes."""
SMALL_TILE = 4096
"""Bytes of a tile, so that the small exposures have several."""


def sky(rate: float) -> tuple[tuple[str, str], ...]:
    """Return the layers of an even background, e-/s."""
    return (("background", repr(rate)),)


def make_spec(number: int = 1, detector: str = "NRCB1", **changes: Any) -> ExposureSpec:
    """Return a small exposure: 2 integrations of 3 groups, 48 x 64 pixels."""
    values: dict[str, Any] = dict(
        name=f"jw42424001001_02101_{number:05d}_{detector.lower()}",
        program=42424, observation=1, visit=1, exposure=number, tile=1, dither=number, detector=detector,
        filter="F150W", pupil="CLEAR", nints=2, ngroups=3, nframes=4, groupgap=1, tframe=0.5, x0=100, y0=200, nx=64, ny=48,
        fast_axis=1, slow_axis=-2, amplifiers=4,
        attitude=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        layers=sky(0.25), cosmic_ray_library="SUNMIN", cosmic_ray_rate=1e-5, random_seed=42, pack=EMPTY_PACK,
    )  # fmt: skip
    return ExposureSpec(**{**values, **changes})


def table_of(specs: list[ExposureSpec], **columns: Any) -> pd.DataFrame:
    """Return an exposure table with the columns that stores and headers use."""
    rows = []
    for s in specs:
        rows.append(
            dict(
                name=s.name, program=s.program, observation=s.observation, visit=s.visit, visit_group="02", sequence=1,
                activity="01", exposure=s.exposure, tile=s.tile, dither=s.dither, template="NIRCam Imaging", mode="imaging",
                exp_type="NRC_IMAGE", instrument="NIRCAM", module="B", channel="SHORT", detector=s.detector,
                aperture="NRCB1_FULL", pps_aperture="NRCBS_FULL", subarray="FULL", filter=s.filter, pupil=s.pupil,
                readpatt="SHALLOW4", nframes=s.nframes, groupgap=s.groupgap, ngroup=s.ngroups, nint=s.nints,
                namp=s.amplifiers, tframe=s.tframe, tgroup=s.tgroup, nx=s.nx, ny=s.ny, x0=s.x0, y0=s.y0,
                fast_axis=s.fast_axis, slow_axis=s.slow_axis, ra_ref=53.16, dec_ref=-27.8, roll_ref=37.55, pa_v3=37.5,
                ra_pointing=53.2, dec_pointing=-27.8, v2=-90.0, v3=-490.0, v2_ref=-122.427986, v3_ref=-457.706754,
                v3i_yang=0.34481904, vparity=-1, s_region="POLYGON ICRS  53.1 -27.8 53.2 -27.8 53.2 -27.7 53.1 -27.7",
                xoffset=0.0, yoffset=0.0, primary_dither_type="INTRASCA", total_primary=2, primary=1,
                subpix_type="STANDARD", total_subpix=2, subpix=1, target="GOODS-S-FIELD", target_ra=53.16,
                target_dec=-27.8, start_time="2022-10-31T12:00:00.000", duration=20.0, label="Obs 1",
                title="A small proposal", pi="A. Nonymous", category="GO", status="ready", reason="",
            )
        )  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def small_specs() -> list[ExposureSpec]:
    """Return five exposures in two shapes, two of them long enough for several tiles when tiles are small."""
    return [
        make_spec(1, "NRCB1"),
        make_spec(1, "NRCB2"),
        make_spec(2, "NRCB1"),
        make_spec(1, "NRCB3", nints=1, ngroups=4, observation=2),
        make_spec(2, "NRCB4", nints=1, ngroups=4, observation=2),
    ]


def write_empty_pack(directory: Path | str) -> None:
    """Write the pack that `make_spec` names into the directory of a plan."""
    empty = {"format": PACK_FORMAT, "planes": {}, "meta": {}}
    PlaneStore(str(directory)).write_json(f"packs/{EMPTY_PACK}.json", empty)


def small_plan(directory: Path | str, specs: list[ExposureSpec] | None = None) -> Plan:
    """Write a plan of `small_specs`, plus a row that cannot be simulated."""
    specs = small_specs() if specs is None else specs
    table = table_of(specs)
    other = table.iloc[[0]].assign(
        name="jw42424009001_02101_00001_nrs1", observation=9, detector="NRS1", status="unsupported",
        reason="NIRSpec is not simulated",
    )  # fmt: skip
    write_empty_pack(directory)
    return save_plan(directory, pd.concat([table, other], ignore_index=True), specs, settings={"seed": 42})


def contents(url: Path | str) -> dict[str, np.ndarray]:
    """Return the raw pixels of every exposure in a store."""
    store = SimulationStore.open(url)
    return {name: store.raw(name)[...] for name in store.plan.names}


def expected(plan: Plan) -> dict[str, np.ndarray]:
    """Return the raw pixels of every exposure of a plan, computed here."""
    return {name: VirtualArray(plan.url, plan.digest, "raw", row)[...] for row, name in enumerate(plan.names)}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Say whether both have the same exposures with the same pixels."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def other_plans(folder: Path) -> list[Plan]:
    """Return plans that follow each other into one store: all, a part, and exposures with another seed or shape."""
    specs = small_specs()
    seed = [dataclasses.replace(s, random_seed=7) if s.detector == "NRCB2" else s for s in specs]
    shape = [dataclasses.replace(s, ngroups=5) if s.detector == "NRCB4" else s for s in specs]
    whole = small_plan(folder / "all")
    part = save_plan(folder / "part", whole.table, specs[:2])
    return [whole, part, small_plan(folder / "seed", seed), small_plan(folder / "shape", shape)]
