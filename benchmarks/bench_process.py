"""Whole processes as users run them: CPU seconds of all their processes, and the peak memory of the largest.

make bench ARGS="process"
make bench ARGS="process --rows exposures plan"
make bench ARGS="process --checkouts ../other"     that checkout too, in turn, side by side

A figure is the least of a few runs, each into a new folder. Before its first one, a checkout builds references and compiles
kernels for a minute or two, which only the row `cold` counts; other checkouts keep them in .cache/bench/COMMIT.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from measure import Measurement
from process.checkouts import Bench, Checkout, Figure, commit
from process.rows import BY_NAME, Row

from mirage_dask.io.locations import cache_directory

ROOT = Path(__file__).resolve().parent.parent


def measure(rows: Sequence[str] = (), checkouts: Sequence[str] = ()) -> list[Measurement]:
    """Measure rows of this checkout, and of others beside it.

    Parameters
    ----------
    rows
        Names in `process.rows.ROWS`; default all.
    checkouts
        Folders of the others.
    """
    if unknown := sorted(set(rows) - set(BY_NAME)):
        sys.exit(f"no row {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    caches = {ROOT: cache_directory()}
    for other in (Path(folder).resolve() for folder in checkouts):
        caches[other] = ROOT / ".cache" / "bench" / commit(other)
    with ExitStack() as stack:
        folders = []
        for cache in caches.values():  # plans share files with the cache by hard links
            cache.mkdir(parents=True, exist_ok=True)
            folders.append(Path(stack.enter_context(tempfile.TemporaryDirectory(dir=cache))))
        inputs = folders[0] / "inputs"
        inputs.mkdir()
        making = [sys.executable, "-m", "process.inputs", str(inputs)]
        subprocess.run(making, check=True, cwd=ROOT / "benchmarks", stdout=subprocess.DEVNULL)
        places = zip(caches.items(), folders, strict=True)
        bench = Bench([Checkout(path, cache, folder, inputs) for (path, cache), folder in places])
        found: list[Measurement] = []
        for name in rows or BY_NAME:
            new = list(measurements(name, bench))
            print(
                *(f"{m.name} {m.value} {dict(m.others)}" for m in new), sep="\n", file=sys.stderr, flush=True
            )
            found += new
        return found


def measurements(name: str, bench: Bench) -> Iterator[Measurement]:
    """Yield the figures of a row: CPU seconds and memory, or what its program measures itself."""
    row = BY_NAME[name]
    commits = [commit(checkout.path) for checkout in bench.checkouts]
    measured = bench.measure(name)
    problems = [f"{c}: {m.problem}" for c, m in zip(commits, measured, strict=True) if m.problem]

    def one(what: str, unit: str, figures: list[Figure | None]) -> Measurement:
        own, *others = figures
        return Measurement(
            f"{name}: {what}",
            own and own.least,
            unit,
            median=own and own.median,
            others=tuple((c, f and f.least) for c, f in zip(commits[1:], others, strict=True)),
            note="; ".join(problems),
        )

    parts = row.parts if isinstance(row, Row) else {}
    if isinstance(row, Row) and row.names_parts:
        parts = {key: key.rpartition(" ")[0].rstrip(",") for m in measured for key in m.parts}
    for key, what in parts.items():
        unit = key.rpartition(" ")[2] if " " in key else "s"
        yield one(what, unit, [m.parts.get(key) for m in measured])
    if not parts:
        yield one(row.what, "s", [m.cpu for m in measured])
    if not parts and isinstance(row, Row):
        yield one("peak memory", "MB", [m.megabytes for m in measured])
