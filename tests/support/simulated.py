"""The example proposal, planned once for all tests that need real references."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

import mirage_dask as md
from mirage_dask.exposure.references import References, open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.plan import Plan
from mirage_dask.variables import VARIABLES

SUBARRAY_SW = "jw99001002001_01101_00002_nrcb1"
SUBARRAY_LW = "jw99001002001_01101_00002_nrcb5"
FULL_SW = "jw99001001001_01101_00001_nrcb2"
FULL_LW = "jw99001001001_01101_00001_nrcb5"


@cache
def example_plan() -> Plan:
    """Plan the example, building the built-in references if they are not there yet."""
    source = md.example_proposal()
    return md.open_proposal(source, settings=source.with_name("settings.yaml")).prepare()


@cache
def exposure(name: str) -> tuple[ExposureSpec, References]:
    """Return the spec and the opened references of an exposure of the example."""
    plan = example_plan()
    spec = plan.spec(plan.row(name))
    return spec, open_references(spec, plan.url)


@cache
def whole(name: str) -> dict[str, np.ndarray]:
    """Return every variable of an exposure, computed at once."""
    spec, references = exposure(name)
    return simulate_window(spec, references, Window.whole(spec), want=VARIABLES)


def checksum(*arrays: np.ndarray) -> str:
    """Return a hash of the bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
