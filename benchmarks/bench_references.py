"""The reference data of one NIRCam imaging proposal (the example: five detectors) on a machine that has nothing.

Making the built-in set and the packs of the plan, their size on disk, and reading windows of a pack: 512 whole rows of every
plane, first as a worker that has just opened the pack, then again from its cache. Compiled kernels are not counted: planning
runs none.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from measure import Measurement


def size_on_disk(folder: Path) -> float:
    """Return the MB (10^6 bytes) of the files below a folder, a file with several names counted once."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values()) / 1e6


def measure() -> list[Measurement]:
    """Build everything in an empty cache and read it."""
    cache = Path(tempfile.mkdtemp(prefix="mirage_dask-references-"))
    os.environ["MIRAGE_DASK_CACHE"] = str(cache)
    try:
        return _measured(cache)
    finally:
        shutil.rmtree(cache)


def _measured(cache: Path) -> list[Measurement]:
    import mirage_dask as md
    from mirage_dask.reference.packs.pack import ReferencePack
    from mirage_dask.reference.packs.plane_store import CACHE
    from mirage_dask.reference.packs.planes import PLANE_INPUTS

    proposal = md.open_proposal(
        md.example_proposal(), settings=md.example_proposal().with_name("settings.yaml")
    )
    began, cpu = time.perf_counter(), time.process_time()
    plan = proposal.prepare()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    packs = sorted({plan.spec(row).pack for row in range(len(plan))})

    pack = ReferencePack.open(plan.url, packs[0])
    names = [name for name in PLANE_INPUTS if name in pack.names]

    def read() -> float:
        start = time.perf_counter()
        for name in names:
            pack.plane(
                name, slice(512, 1024), slice(0, 2048)
            ).max()  # every value is looked at, not only mapped
        return 1e3 * (time.perf_counter() - start)

    first = read()
    again = min(read() for _ in range(5))
    made = f"512 rows of all {len(names)} planes"
    whole, of_packs = size_on_disk(cache), size_on_disk(cache / "packs")
    return [
        Measurement("from nothing to a plan, wall time", wall, "s", 60.0),
        Measurement("the same, CPU", cpu, "CPU s"),
        Measurement("built-in set on disk", whole - of_packs, "MB", 1000.0),
        Measurement(f"{len(packs)} packs of the plan, uncompressed", of_packs, "MB"),
        Measurement(f"{made}, first time", first, "ms"),
        Measurement(f"{made}, again", again, "ms"),
        Measurement("what a process keeps of planes, at most", CACHE.limit / 1e6, "MB"),
    ]
