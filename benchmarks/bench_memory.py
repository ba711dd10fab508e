"""Peak memory of an exposure by its length: full frames, DEEP8 of 20 groups x 10 integrations and RAPID of 2 x 1.

Each is simulated by a process of its own, in one thread, into a store (0.8 GB of disk); the kernels are compiled before.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_cluster import full_frames
from measure import Measurement

from mirage_dask.instruments import get_readout
from mirage_dask.store.plan import Plan, save_plan

SHAPES = {"RAPID": (2, 1), "DEEP8": (20, 10)}
"""Groups and integrations by readout pattern."""

RUN = """
import sys
from measure import peak_megabytes
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
assert run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler="serial")).ok
print(peak_megabytes())
"""


def lengthened(folder: Path, pattern: str) -> Plan:
    """Write a plan of one full frame in another readout pattern."""
    plan = full_frames(folder, 1)
    groups, integrations = SHAPES[pattern]
    readout = get_readout("NIRCAM", pattern)
    shape: dict[str, Any] = {"nframes": readout.nframes, "groupgap": readout.groupgap}
    spec = replace(plan.spec(0), ngroups=groups, nints=integrations, **shape)
    return save_plan(plan.url, plan.table.assign(readpatt=pattern, ngroup=groups, nint=integrations), [spec])


def measure() -> list[Measurement]:
    """Return the two peaks and their ratio."""
    peaks: dict[str, float] = {}
    for pattern in ("RAPID", *SHAPES):  # the first time compiles
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [sys.executable, "-c", RUN, lengthened(folder, pattern).url, str(folder / "s.zarr")]
            here = Path(__file__).parent
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=here)
            peaks[pattern] = float(done.stdout.split()[-1])
    ratio = peaks["DEEP8"] / peaks["RAPID"]
    return [
        *(Measurement(f"{p} {g} groups x {i} integrations", peaks[p], "MB") for p, (g, i) in SHAPES.items()),
        Measurement("long over short", ratio, "", 1.2),
        Measurement("short over long", 1 / ratio, "", 1.2),
    ]
