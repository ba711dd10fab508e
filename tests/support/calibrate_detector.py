"""Run steps of the stock pipeline on raw ramps: a line of JSON on stdin for each, {"raw": FILE, "out": FILE, "files": {…}}.

Detector1's order, every reference file given. A line on stdout says that one is done; the steps are loaded once. What the
steps found goes into OUT: flags of the groups after saturation, charge migration and jump (with snowballs), and the rate
before and after `clean_flicker_noise`. With "window": SECONDS and "remembered": FILE the step `persistence` flags pixels
that have saturated in the last seconds, in earlier ramps too, which the file remembers. With "jumps_only": true OUT holds
the flags of the jump step with its default parameters, and reference pixels are not used: noise stays that of the pixel.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from calibrate import cut_network


def calibrate(
    raw: str,
    out: str,
    files: dict[str, str],
    window: int | None = None,
    remembered: str | None = None,
    jumps_only: bool = False,
) -> None:
    from jwst.charge_migration import ChargeMigrationStep
    from jwst.clean_flicker_noise import CleanFlickerNoiseStep
    from jwst.dq_init import DQInitStep
    from jwst.jump import JumpStep
    from jwst.linearity import LinearityStep
    from jwst.persistence import PersistenceStep
    from jwst.ramp_fitting import RampFitStep
    from jwst.refpix import RefPixStep
    from jwst.saturation import SaturationStep
    from jwst.superbias import SuperBiasStep

    def given(*kinds: str) -> dict[str, Any]:
        return {f"override_{kind}": files[kind] for kind in kinds}

    found: dict[str, Any] = {}
    model = DQInitStep.call(raw, **given("mask"))
    model = SaturationStep.call(model, **given("saturation", "superbias"))
    found["saturation"] = model.groupdq[0].copy()
    model = SuperBiasStep.call(model, **given("superbias"))
    if jumps_only:
        model = LinearityStep.call(model, **given("linearity"))
        model = JumpStep.call(model, **given("gain", "readnoise"), skip=False)
        np.savez(out, jump=model.groupdq[0])
        return
    before = model.data[0].copy()
    model = RefPixStep.call(model)
    found["refpix"] = np.array([row_noise(before), row_noise(model.data[0])])
    model = LinearityStep.call(model, **given("linearity"))
    if window is not None:
        model = PersistenceStep.call(
            model, skip=False, persistence_time=window, persistence_array_file=remembered, save_persistence=remembered
        )  # fmt: skip
        found["persistence"] = model.groupdq[0].copy()
    model = ChargeMigrationStep.call(model, skip=False)
    found["charge_migration"] = model.groupdq[0].copy()
    found["linear"] = model.data[0].copy()
    large = {"expand_large_events": True, "min_jump_area": 15.0, "use_ellipses": False, "find_showers": False}
    model = JumpStep.call(model, **given("gain", "readnoise"), **large, skip=False)
    found["jump"], found["pixel"] = model.groupdq[0].copy(), model.pixeldq.copy()
    rate = RampFitStep.call(model, **given("gain", "readnoise"))
    rate = rate[0] if isinstance(rate, tuple | list) else rate
    clean = CleanFlickerNoiseStep.call(
        rate, skip=False, background_method="median", fit_method="median", apply_flat_field=False
    )
    found["rate"], found["clean"], found["dq"] = rate.data.copy(), clean.data.copy(), rate.dq.copy()
    np.savez(out, **found)


def row_noise(ramp: Any) -> float:
    """Return the scatter of what pixels of a row have in common in a difference of groups, along the longer axis."""
    double = np.diff(ramp, axis=0)
    axis = 2 if double.shape[2] >= double.shape[1] else 1
    return float(np.median(np.std(np.median(double, axis=axis), axis=1)))


def main() -> None:
    cut_network()
    answers, sys.stdout = sys.stdout, sys.stderr  # steps may print
    for line in sys.stdin:
        calibrate(**json.loads(line))
        answers.write("done\n")
        answers.flush()


if __name__ == "__main__":
    main()
