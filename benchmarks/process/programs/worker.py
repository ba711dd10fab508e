"""What this package adds to a worker of dask: its imports, and all of it until the first tile is made and compared.

Arguments: a store, and the name of a complete exposure in it.
"""

import importlib
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

import distributed.nanny  # noqa: F401


def resident() -> float:
    """Return the memory of this process, MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(found) * 1024 / 1e6


seconds, megabytes = time.process_time(), resident()
dask = seconds
for module in ("run.executors.warm", "run.warm"):  # its place in this version, and in older ones
    with suppress(ModuleNotFoundError):
        importlib.import_module(f"mirage_dask.{module}")
tasks = importlib.import_module("mirage_dask.run.tasks")
imports, added = time.process_time() - seconds, resident() - megabytes

store, name = sys.argv[1:]
digest = json.loads(Path(store, "plan", "plan.json").read_text())["digest"]
handle = tasks.RunHandle(store, digest, run=1, own_process=True, check=True)
tasks.settle()
row = importlib.import_module("mirage_dask.store.plan").load_plan(f"{store}/plan").row(name)
start = time.process_time()
handle.warm(row)
warm = time.process_time() - start
(result,) = handle.results(row, 0, 1)
assert not result.error, result.error
first = time.process_time() - seconds
memory = resident() - megabytes
parts = {"dask": dask, "imports": imports, "added MB": added, "warm": warm, "first": first, "all MB": memory}
print(json.dumps(parts))
