"""Peak memory of an exposure by its length and by the frames of its groups, full frames: RAPID of 2 groups x 1 integration,
DEEP8 of 20 x 10; of 20 groups, RAPID with one frame a group and DEEP8 with eight.

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

SHORT, LONG = ("RAPID", 2, 1), ("DEEP8", 20, 10)
ONE_FRAME, EIGHT_FRAMES = ("RAPID", 20, 1), ("DEEP8", 20, 1)
SHAPES = (SHORT, LONG, ONE_FRAME, EIGHT_FRAMES)
"""Readout pattern, groups, integrations."""

RUN = """
import sys
from measure import peak_megabytes
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
assert run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler="serial")).ok
print(peak_megabytes())
"""


def lengthened(folder: Path, pattern: str, groups: int, integrations: int) -> Plan:
    """Write a plan of one full frame in another readout pattern."""
    plan = full_frames(folder, 1)
    readout = get_readout("NIRCAM", pattern)
    shape: dict[str, Any] = {"nframes": readout.nframes, "groupgap": readout.groupgap}
    spec = replace(plan.spec(0), ngroups=groups, nints=integrations, **shape)
    return save_plan(plan.url, plan.table.assign(readpatt=pattern, ngroup=groups, nint=integrations), [spec])


def measure() -> list[Measurement]:
    """Return the peaks and their ratios."""
    peaks: dict[tuple[str, int, int], float] = {}
    for shape in (SHORT, *SHAPES):  # the first time compiles
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [sys.executable, "-c", RUN, lengthened(folder, *shape).url, str(folder / "s.zarr")]
            here = Path(__file__).parent
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=here)
            peaks[shape] = float(done.stdout.split()[-1])
    ratio = peaks[LONG] / peaks[SHORT]
    return [
        *(Measurement(f"{p} {g} groups x {i} integrations", peaks[p, g, i], "MB") for p, g, i in SHAPES),
        Measurement("long over short", ratio, "", 1.2),
        Measurement("short over long", 1 / ratio, "", 1.2),
        Measurement("eight frames a group over one", peaks[EIGHT_FRAMES] / peaks[ONE_FRAME], "", 1.1),
    ]
