"""Locations of the built-in references on this machine.

    <cache>/builtin-<version>/crds         the built-in CRDS cache: mappings and reference files
    <cache>/builtin-<version>/mirage_data  the built-in libraries, in the layout of MIRAGE_DATA
    <cache>/builtin-<version>/masks        what the occulting masks of coronagraphs transmit

`<cache>` is `mirage_dask.io.locations.cache_directory`. The version includes a hash of the instrument tables: if a gain or
a zero point changes, a new set is built in a new directory.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mirage_dask.instruments.tables import read_table
from mirage_dask.io.locations import cache_directory
from mirage_dask.reference.builtin.stops import nrm

BUILTIN_VERSION = 3
"""Incremented whenever the code for the built-in reference files makes other files than before; maps of detectors have other
random numbers then."""
REVISION = 1
"""Incremented instead if the maps of detectors stay as they are: files are made again in a new directory."""

TABLES = (
    *("detectors", "detector_noise", "zeropoints", "bandpasses", "readouts", "subarrays", "frame_times"),
    *("optics", "aperture_corrections", "coronagraph_throughput"),
)
"""Instrument tables on which the set depends."""
OTHER_TABLES = (("grism_traces", "grisms"), ("soss_traces", "soss"), ("soss_throughput", "soss"))
"""Tables of folders of `mirage_dask.reference`, likewise."""


@cache
def builtin_version() -> str:
    """Return the version of the built-in set, such as '1-5f0c33ab'."""
    try:
        siaf = version("pysiaf")  # source of the distortion
    except PackageNotFoundError:
        siaf = "none"
    tables = [read_table(name) for name in TABLES]
    tables += [read_table(name, f"mirage_dask.reference.{folder}") for name, folder in OTHER_TABLES]
    text = json.dumps([siaf, tables, nrm.HOLES, nrm.AFFINE, REVISION], sort_keys=True)
    return f"{BUILTIN_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def builtin_directory() -> Path:
    """Return the directory of the built-in set."""
    return cache_directory() / f"builtin-{builtin_version()}"


def crds_directory() -> Path:
    """Return the root of the built-in CRDS cache, the value for CRDS_PATH."""
    return builtin_directory() / "crds"


def mirage_data_directory() -> Path:
    """Return the root of the built-in libraries, which has the layout of MIRAGE_DATA."""
    return builtin_directory() / "mirage_data"


def reference_path(root: Path, name: str) -> Path:
    """Return the path of a reference file in a CRDS cache; its name contains the instrument."""
    return root / "references" / "jwst" / name.split("_")[1] / name
