"""How a benchmark is measured: CPU seconds of this process, the best of a few runs, beside a goal.

A machine that others use makes wall time useless; CPU time of the fastest run is what the code costs.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """One number, with what it should be."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    """What the value should stay below, or above where `more_is_better`."""
    more_is_better: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal


def cpu_seconds(function: Callable[[], Any], *, repeats: int = 3, warm_up: bool = True) -> float:
    """Return the CPU seconds (all threads) of the cheapest of several calls, after one that compiles and fills caches."""
    if warm_up:
        function()
    costs = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        costs.append(time.process_time() - start)
    return min(costs)


def peak_megabytes() -> float:
    """Return the largest resident memory of this process so far, MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage on Linux counts the parent too, from before the program was loaded
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak) * 1024 / 1e6
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak_bytes if sys.platform == "darwin" else peak_bytes * 1024) / 1e6
