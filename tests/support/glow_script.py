"""What a user does with the example plug-in installed; run as a script, it writes what it found as JSON to stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

import mirage_dask as md
from mirage_dask.settings.keys import json_schema

NAME = "jw99001002001_01101_00002_nrcb1"
EFFECTS = {"amplifier_glow": {"peak": 40.0, "scale": 120.0}, "stray_light": {"slope": 200.0}}


def opened(effects: dict[str, Any], truth: tuple[str, ...] = ()) -> Any:
    """Return an exposure of the example proposal with effects."""
    source = md.example_proposal()
    proposal = md.open_proposal(source, settings=source.with_name("settings.yaml"), effects=effects)
    return proposal, proposal.exposure(NAME, truth=list(truth))


def main(store: str) -> None:
    """Look at what the plug-in adds, then simulate one exposure into a store."""
    _, plain = opened({})
    proposal, both = opened(EFFECTS, ("amplifier_glow", "stray_light"))
    glow, light = both["amplifier_glow"].values, both["stray_light"].values
    window = {"integration": slice(0, 1), "group": slice(1, 3), "y": slice(30, 71), "x": slice(11, 90)}
    raw, seed = both.raw.values, both.seed.values - plain.seed.values
    spec = proposal.prepare(NAME).spec(0)
    found = {
        "glow": glow[0, -1].mean(axis=1).tolist(),
        "columns": glow.shape[-1],
        "seconds": spec.group_end_times[-1],
        "rows": [spec.y0, spec.ny],
        "columns read": [spec.x0, spec.nx],
        "orientation": spec.slow_axis,
        "light": float(light[0, -1].mean() / spec.group_end_times[-1]),
        "seed": [float(seed[:, 0].mean()), float(seed[:, -1].mean())],
        "window": bool(np.array_equal(both.raw.isel(window).values, raw[0:1, 1:3, 30:71, 11:90])),
        "same dark": bool(np.array_equal(both.dark.values, plain.dark.values)),
        "same rays": bool(np.array_equal(both.cosmic_rays.values, plain.cosmic_rays.values)),
        "other raw": float((raw != plain.raw.values).mean()),
        "packages": [list(pair) for pair in spec.packages],
        "schema": "amplifier_glow" in json.dumps(json_schema()),
    }
    report = proposal.simulate(store, select=f"name == '{NAME}'", workers=1)
    found["stored"] = bool(report.ok) and bool(
        np.array_equal(md.open_simulation(store).exposure(NAME).raw.values, raw)
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
