"""A strip of a full frame of the example through the chain, from its light on: ns per pixel and group.

Arguments: proposal, settings. Runs in checkouts from version 0.1 on: what an earlier one lacks is left out.
"""

import json
import sys
import time
from dataclasses import replace

import mirage_dask
from mirage_dask.spec import Window

try:
    from mirage_dask.exposure.references import open_references
    from mirage_dask.exposure.simulate import simulate_window
except ModuleNotFoundError:
    from mirage_dask.exposure import open_references, simulate_window
try:
    from mirage_dask.detector.effects import effect_names
except ModuleNotFoundError:
    ADDED = ()
else:
    ADDED = tuple(sorted({"crosstalk", "post_pixel_coupling", "pixel_pink_noise"} & set(effect_names())))

NAME = "jw99001001001_01101_00001_nrcb2"
PATTERNS = {"RAPID": (1, 0), "SHALLOW4": (4, 1), "DEEP8": (8, 12)}
ROWS = 256
REPEATS = 5

proposal = mirage_dask.open_proposal(sys.argv[1], settings=sys.argv[2])
plan = proposal.prepare()
example = plan.spec(plan.row(NAME))
references = open_references(example, plan.url)
seed = simulate_window(example, references, Window((0, 1), (0, 1), (0, 2048), (0, 2048)), want=("seed",))


def cost(pattern: str, groups: int, switched: tuple[str, ...] = ()) -> float:
    """Return the least CPU time of a few, ns per pixel and group."""
    nframes, groupgap = PATTERNS[pattern]
    spec = replace(example, nints=1, ngroups=groups, nframes=nframes, groupgap=groupgap)
    if switched:
        spec = replace(spec, switched=switched)
    window = Window((0, 1), (0, groups), (512, 512 + ROWS), (0, 2048))
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        simulate_window(spec, references, window, replaced=seed)
        found.append(time.process_time() - start)
    return min(found) / (ROWS * 2048 * groups) * 1e9


cost("DEEP8", 2)  # compiles
print(
    json.dumps(
        {
            "RAPID ns": cost("RAPID", 10),
            "without ns": cost("RAPID", 10, ADDED),
            "SHALLOW4 ns": cost("SHALLOW4", 10),
            "RAPID20 ns": cost("RAPID", 20),
            "DEEP8 ns": cost("DEEP8", 20),
        }
    )
)
