"""Run the benchmarks: every `measure()` of the bench_*.py files beside this one, each in a process of its own.

make bench
.venv/bin/python benchmarks/run.py kernel --json benchmarks.json
"""

from __future__ import annotations

import argparse
import dataclasses
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
    parser.add_argument("--inside", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        measurements = importlib.import_module(f"bench_{arguments.inside}").measure()
        json.dump([{**dataclasses.asdict(m), "met": m.met} for m in measurements], sys.stdout)
        return 0

    found = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    unknown = sorted(set(arguments.names) - set(found))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(found) or 'none'}")
    results: dict[str, list[dict]] = {}
    failed = False
    for name in arguments.names or found:
        # A fresh process: peak memory and caches of one benchmark say nothing about another's.
        answer = subprocess.run(
            [sys.executable, __file__, "--inside", name],
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
        for m in results[name]:
            mark = {None: " ", True: "✓", False: "✗"}[m["met"]]
            goal = (
                ""
                if m["goal"] is None
                else f"  ({'at least' if m['more_is_better'] else 'at most'} {m['goal']:g})"
            )
            print(f"{mark} {name:10} {m['name']:<56} {m['value']:>10.4g} {m['unit']}{goal}", flush=True)
    if arguments.json:
        document = {"machine": machine(), "measurements": results}
        Path(arguments.json).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return int(failed)


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


if __name__ == "__main__":
    sys.exit(main())
