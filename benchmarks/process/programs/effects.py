"""The price of each effect: a strip of a full frame through the chain with the effect and without it, in turn.

Arguments: proposal, settings. Prints JSON: what was measured, ending with its unit -> the difference of the least CPU times.
Effects that are on by default are switched off alone, the others on alone.
"""

import json
import sys
import time
from dataclasses import replace

import mirage_dask
from mirage_dask.detector.effects import EFFECTS, default_effects, switched_effects
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import ExposureSpec, Window

NAME = "jw99001001001_01101_00001_nrcb2"
GROUPS, ROWS, REPEATS = 10, 256, 12
NONE_FALLS = (("snowballs", "rate", 1e-9),)

proposal = mirage_dask.open_proposal(sys.argv[1], settings=sys.argv[2])
plan = proposal.prepare()
example = replace(plan.spec(plan.row(NAME)), nints=1, ngroups=GROUPS, nframes=1, groupgap=0)
references = open_references(example, plan.url)
seed = simulate_window(example, references, Window((0, 1), (0, 1), (0, 2048), (0, 2048)), want=("seed",))
window = Window((0, 1), (0, GROUPS), (512, 512 + ROWS), (0, 2048))


def cost(spec: ExposureSpec) -> float:
    """Return the CPU time of one run, ns per pixel and group."""
    start = time.process_time()
    simulate_window(spec, references, window, replaced=seed)
    return (time.process_time() - start) / (ROWS * 2048 * GROUPS) * 1e9


def price(other: ExposureSpec) -> float:
    """Return what an exposure costs more than that of the defaults."""
    cost(other)  # compiles
    pairs = [(cost(other), cost(example)) for _ in range(REPEATS)]
    least, of_defaults = (min(values) for values in zip(*pairs, strict=True))
    return least - of_defaults


found = {}
for effect in EFFECTS:
    other = replace(example, switched=switched_effects(default_effects() ^ {effect.name}))
    if effect.on:
        found[f"{effect.name}, on by default, ns"] = -price(other)
    else:
        found[f"{effect.name}, off by default, ns"] = price(other)
    if effect.name == "snowballs":
        found["snowballs where none falls, ns"] = price(replace(other, parameters=NONE_FALLS))
print(json.dumps(found))
