"""How a benchmark is measured: CPU seconds of this process, the best of a few runs, beside a goal; or a simulated number
beside a reference.

A machine that others use makes wall time useless; CPU time of the fastest run is what the code costs.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """One number, with what it should be: below or above a goal, or near a reference."""

    name: str
    value: float | None
    """None where it could not be measured; `note` says why."""
    unit: str
    goal: float | None = None
    """What the value should stay below, or above where `more_is_better`."""
    more_is_better: bool = False
    reference: float | None = None
    """What the value should be."""
    tolerance: float | None = None
    """How far it may be from the reference: a fraction of the reference where `relative`, else in the unit."""
    relative: bool = False
    median: float | None = None
    """Of the runs of which the value is the least."""
    others: tuple[tuple[str, float | None], ...] = ()
    """(commit, value) of other checkouts, measured in the same hour; None where it could not be measured."""
    note: str = ""
    """Where the reference comes from, or why there is no value."""

    @property
    def difference(self) -> float | None:
        """Value minus reference, measured as the tolerance is; None where one of them is missing."""
        if self.value is None or self.reference is None:
            return None
        return self.value / self.reference - 1 if self.relative else self.value - self.reference

    @property
    def met(self) -> bool | None:
        """Whether the value is as it should be; None where nobody said what it should be, or it could not be measured."""
        if self.difference is not None and self.tolerance is not None:
            return abs(self.difference) <= self.tolerance
        if self.value is None or self.goal is None:
            return None
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and what follows from them, ready for JSON."""
        return {**asdict(self), "difference": self.difference, "met": self.met}


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
