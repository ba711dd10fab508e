"""Peak memory of an exposure by its length, by the frames of its groups and by its particles.

Full frames: RAPID of 2 groups x 1 integration and DEEP8 of 20 x 10; of 20 groups, RAPID with one frame a group and DEEP8
with eight; 10 groups of RAPID with the cosmic rays of SUNMIN, and with those of FLARE, 44 times as many, and snowballs. Each
is simulated by a process of its own, in one thread, into a store (0.8 GB of disk); the kernels are compiled before.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_cluster import full_frames
from measure import Measurement

import mirage_dask as md
from mirage_dask.instruments import get_readout
from mirage_dask.store.plan import Plan, copy_plan, save_plan

SHORT, LONG = ("RAPID", 2, 1), ("DEEP8", 20, 10)
ONE_FRAME, EIGHT_FRAMES = ("RAPID", 20, 1), ("DEEP8", 20, 1)
SHAPES = (SHORT, LONG, ONE_FRAME, EIGHT_FRAMES)
"""Readout pattern, groups, integrations."""

PARTICLES: dict[str, dict[str, Any]] = {
    "SUNMIN": {"cosmic_rays": "SUNMIN"},
    "FLARE x 44, snowballs": {
        "cosmic_rays": {"library": "FLARE", "scale": 44},
        "effects": {"snowballs": True},
    },
}
"""Settings by what hits the detector; the first one is what the others are compared with."""
GROUPS = 10
"""Of exposures with particles."""

RUN = """
import sys
import time
from measure import peak_megabytes
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
assert run_plan(sys.argv[1], sys.argv[2], resources=Resources(scheduler="serial")).ok
print(peak_megabytes(), time.process_time())
"""


def lengthened(folder: Path, pattern: str, groups: int, integrations: int) -> Plan:
    """Write a plan of one full frame in another readout pattern."""
    plan = full_frames(folder, 1)
    readout = get_readout("NIRCAM", pattern)
    shape: dict[str, Any] = {"nframes": readout.nframes, "groupgap": readout.groupgap}
    spec = replace(plan.spec(0), ngroups=groups, nints=integrations, **shape)
    return save_plan(plan.url, plan.table.assign(readpatt=pattern, ngroup=groups, nint=integrations), [spec])


def struck(folder: Path, particles: str) -> Plan:
    """Write a plan of one full frame of the example that particles hit."""
    example = md.example_proposal()
    settings = {"settings": example.with_name("settings.yaml"), **PARTICLES[particles]}
    proposal = md.open_proposal(example, **settings)
    (name, *_) = proposal.table.query("aperture.str.endswith('_FULL') and status == 'ready'")["name"]
    plan = proposal.prepare(name)
    copied, row = copy_plan(plan, folder / "plan"), plan.row(name)
    table = plan.table[plan.table["name"] == name].assign(ngroup=GROUPS, nint=1)
    return save_plan(copied.url, table, [replace(plan.spec(row), ngroups=GROUPS, nints=1)])


def peak_of(make: Callable[..., Plan], *what: Any) -> tuple[float, float]:
    """Return peak memory, MB, and CPU seconds of a process that simulates a plan, which is made from a folder and `what`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-c", RUN, make(folder, *what).url, str(folder / "s.zarr")]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parent
        )
    peak, seconds = done.stdout.split()[-2:]
    return float(peak), float(seconds)


def measure() -> list[Measurement]:
    """Return peaks and their ratios, and the CPU time of exposures with particles."""
    peak_of(lengthened, *SHORT)  # compiles
    peaks = {shape: peak_of(lengthened, *shape)[0] for shape in SHAPES}
    hit = {particles: peak_of(struck, particles) for particles in PARTICLES}
    ratio = peaks[LONG] / peaks[SHORT]
    usual, *_ = hit
    return [
        *(Measurement(f"{name}, {GROUPS} groups", peak, "MB") for name, (peak, _) in hit.items()),
        *(Measurement(f"{name}, CPU time", seconds, "s") for name, (_, seconds) in hit.items()),
        *(
            Measurement(f"{name} over {usual}", peak / hit[usual][0], "", 1.3)
            for name, (peak, _) in hit.items()
            if name != usual
        ),
        *(Measurement(f"{p} {g} groups x {i} integrations", peaks[p, g, i], "MB") for p, g, i in SHAPES),
        Measurement("long over short", ratio, "", 1.2),
        Measurement("short over long", 1 / ratio, "", 1.2),
        Measurement("eight frames a group over one", peaks[EIGHT_FRAMES] / peaks[ONE_FRAME], "", 1.1),
    ]
