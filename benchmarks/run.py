"""Run the benchmarks: every `measure()` of the bench_*.py files beside this one, each in a process of its own.

make bench
make bench ARGS=truth
make bench ARGS="process --rows exposures plan --checkouts ../other"
.venv/bin/python benchmarks/run.py kernel --json benchmarks.json
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="kernel for bench_kernel.py, …; default: all")
    parser.add_argument("--json", metavar="FILE", help="write the numbers and the machine here too")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="of process: only these rows")
    parser.add_argument(
        "--checkouts", nargs="+", metavar="DIR", help="of process: measure those checkouts too"
    )
    parser.add_argument("--inside", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    options = {k: v for k in ("rows", "checkouts") if (v := getattr(arguments, k))}
    if options and "process" not in (arguments.names or [arguments.inside]):
        parser.error("--rows and --checkouts belong to process")
    if arguments.inside:
        measurements = importlib.import_module(f"bench_{arguments.inside}").measure(**options)
        json.dump([m.to_dict() for m in measurements], sys.stdout)
        return 0

    found = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    unknown = sorted(set(arguments.names) - set(found))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(found) or 'none'}")
    results: dict[str, list[dict]] = {}
    failed = False
    for name in arguments.names or found:
        passed = _passed(arguments) if name == "process" else []
        # A fresh process: peak memory and caches of one benchmark say nothing about another's.
        answer = subprocess.run(
            [sys.executable, __file__, "--inside", name, *passed],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            cwd=HERE,
        )
        if answer.returncode:
            failed = True
            print(f"bench_{name}.py failed", file=sys.stderr)
            continue
        results[name] = json.loads(answer.stdout)
        show(name, results[name])
    if arguments.json:
        document = {"machine": machine(), "package": package(), "measurements": results}
        Path(arguments.json).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return int(failed)


def _passed(arguments: argparse.Namespace) -> list[str]:
    """Return the options of one benchmark as arguments; its process works in another folder."""
    rows = ["--rows", *arguments.rows] if arguments.rows else []
    checkouts = [str(Path(folder).resolve()) for folder in arguments.checkouts or ()]
    return rows + (["--checkouts", *checkouts] if checkouts else [])


MARKS = {None: " ", True: "✓", False: "✗"}


def show(name: str, rows: list[dict]) -> None:
    """Print numbers beside their goals, and those that have a reference as one table."""
    for m in (m for m in rows if m["reference"] is None and m["value"] is not None):
        goal = (
            f"  ({'at least' if m['more_is_better'] else 'at most'} {m['goal']:g})"
            if m["goal"] is not None
            else ""
        )
        print(
            f"{MARKS[m['met']]} {name:10} {m['name']:<76} {m['value']:>10.4g} {m['unit']:<2}{goal}{beside(m)}",
            flush=True,
        )
    compared = [m for m in rows if m["reference"] is not None or m["value"] is None]
    if not compared:
        return
    head = ("what", "simulated", "reference", "unit", "difference", "tolerance")
    lines = [(" ", *head), *(compared_line(m) for m in compared)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for m, line in zip([None, *compared], lines, strict=True):
        cells = [
            t.ljust(w) if i in (0, 1, 4) else t.rjust(w)
            for i, (t, w) in enumerate(zip(line, widths, strict=True))
        ]
        reason = f"  {m['note']}" if m and m["value"] is None else ""
        print("  ".join(cells).rstrip() + reason, flush=True)
    met = [m["met"] for m in compared]
    print(f"{met.count(True)} met, {met.count(False)} not met, {met.count(None)} without a verdict")


def beside(m: dict) -> str:
    """Return the median of a row, and what other checkouts need and how much of that this one does."""
    median = "" if m["median"] is None else f"  median {m['median']:.4g}"
    others = [f"{c} {v:.4g} ({m['value'] / v:.2f} of it)" for c, v in m["others"] if v]
    return "  ".join([f"{median:16}", *others, m["note"]]).rstrip()


def compared_line(m: dict) -> tuple[str, ...]:
    """Return the cells of a row with a reference: mark, what, simulated, reference, unit, difference, tolerance."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"

    def departure(value: float | None, sign: str = "") -> str:
        if value is None:
            return "–"
        return f"{100 * value:{sign}.3g} %" if m["relative"] else f"{value:{sign}.3g}"

    cells = (m["name"], number(m["value"]), number(m["reference"]), m["unit"])
    return (MARKS[m["met"]], *cells, departure(m["difference"], "+"), departure(m["tolerance"]))


def machine() -> dict[str, str | int | None]:
    """What the numbers were measured on."""
    import numba
    import numpy

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "numba": numba.__version__,
    }


def package() -> dict[str, str | int]:
    """What was measured: the version, that of the values of pixels, and that of the built-in references."""
    import mirage_dask
    from mirage_dask.reference.builtin.locations import builtin_version
    from mirage_dask.spec import VALUES

    return {"version": mirage_dask.__version__, "values": VALUES, "builtin": builtin_version()}


if __name__ == "__main__":
    sys.exit(main())
