"""What the pipeline's jump step flags: hits, and noise as often as a Monte Carlo says.

Strips of NIRISS, FGS and NIRCam under a sky of 50 electrons a group. With 5 groups, two thirds of the flags of the step, at
its default parameters, are noise; with 20 groups, a tenth (`support.jump_rates` says why). Were GAIN and READNOISE not those
of the noise that is simulated, the rates would tell: 4 % more noise than the step expects is flagged 1.4 times as often.
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from support.closure_stars import count_flags
from support.detector_ramps import beside, make_ramp
from support.jump_rates import expected_rate, rate_of

from mirage_dask.instruments import get_detector
from mirage_dask.reference.files.quality import FLAGS

pytestmark = pytest.mark.closure

ROWS = 128
FEW, MANY = 5, 20
"""Groups."""
SKY = 4.8
"""e-/s."""


@pytest.mark.parametrize("name", ["NIS", "GUIDER1", "NRCA1"])
def test_hits_and_noise_are_flagged_as_they_should_be(name, steps, tmp_path, capsys):
    """Without the 1/f noise of the read-out, which pixels have in common: the others are counted one by one."""
    detector = get_detector(name)
    light = np.full((ROWS, 2048) if abs(detector.fast_axis) == 1 else (2048, ROWS), SKY, np.float32)
    ramp = make_ramp(name, tmp_path, rows=ROWS, groups=MANY, off=("pink_noise",), seed=light)
    gain, noise = (
        fits.getdata(ramp.files[kind])[: ramp.spec.ny, : ramp.spec.nx] for kind in ("gain", "readnoise")
    )
    good = (ramp.mask & (FLAGS["DO_NOT_USE"] | FLAGS["REFERENCE_PIXEL"])) == 0
    sigma = np.hypot(detector.cds_noise, np.sqrt(SKY * ramp.spec.tframe))
    for groups in (FEW, MANY):
        charge = ramp.until(groups).charge["cosmic_rays"]
        flags = steps(ramp.until(groups), tmp_path, jumps_only=True)["jump"]
        found = count_flags(charge[None], flags[None], sigma, good)
        quiet = good & ~beside(charge[-1] > 0)
        measured = rate_of((flags[1:, quiet] & FLAGS["JUMP_DET"]) > 0)
        theory = expected_rate(
            name, light[quiet], (noise * gain)[quiet], gain[quiet], groups=groups, tframe=ramp.spec.tframe
        )
        pull = measured.pull(theory)
        with capsys.disabled():
            print(
                f"\n{name}, {groups} groups: {found.hits} hits, completeness {found.completeness:.4f}, purity "
                f"{found.purity:.3f}; far from hits {1e6 * measured.value:.0f} flags in a million differences, expected "
                f"{1e6 * theory.value:.0f}: {pull:+.1f} sigma"
            )
        assert found.hits > 200
        assert found.completeness > 0.99
        assert abs(pull) < 4.0
    assert found.purity > 0.85  # of many groups
