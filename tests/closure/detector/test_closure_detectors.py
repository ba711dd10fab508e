"""One table of dark ramps of all ten NIRCam detectors, NIRISS and FGS: `make closure ARGS=detector`.

Noise of a correlated double sample and of 1,000 s against JWST User Documentation, fractions of hot and dead pixels, and
what steps of the stock pipeline find, against what was put in. Effects that are off by default and declared are switched on:
`ALSO_ON`; a column is shown where the effect exists.

MIRAGE_DASK_DETECTOR_ROWS is the height of the strip of each detector (default 64), MIRAGE_DASK_DETECTOR_GROUPS the number of
groups (default 93). Nightly: 512 rows, which take 2.5 GB.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from support.dark_noise import GROUPS, MEASURED, noise
from support.detector_ramps import DetectorRamp, beside, counted, make_ramp, spots

from mirage_dask.detector.effects import EFFECTS
from mirage_dask.instruments.tables import read_table
from mirage_dask.reference.files.quality import FLAGS

pytestmark = pytest.mark.closure

DETECTORS = tuple(row["name"] for row in read_table("detectors"))
ROWS = int(os.environ.get("MIRAGE_DASK_DETECTOR_ROWS", "64"))
RAMP = int(os.environ.get("MIRAGE_DASK_DETECTOR_GROUPS", str(GROUPS)))
ALSO_ON = (
    "snowballs",
    "charge_migration",
    "telegraph_noise",
    "column_jumps",
)
"""Effects that a dark ramp may show, switched on where they are declared."""
SECONDS = 1000.0
STEPS_SEE = 20
"""Groups that the pipeline is given: all of them would take it ten times as long, and show nothing else."""

Row = dict[str, float]


def measure(ramp: DetectorRamp, found: dict[str, Any]) -> Row:
    """Return the figures of one detector: fractions in percent, noise in electrons."""
    axis = 2 if ramp.spec.nx >= ramp.spec.ny else 1  # along the rows as they are read
    whole = ramp.good.mean(axis=axis - 1) > 0.5  # not rows of reference pixels
    dark = np.where(ramp.good, ramp.linear * ramp.gain, np.nan)
    dark = dark[:, whole] if axis == 2 else dark[:, :, whole].swapaxes(1, 2)
    double, long = noise(dark)
    row = {"CDS": double}
    if ramp.spec.detector in MEASURED:
        row["JDox"] = MEASURED[ramp.spec.detector][0]
    row["1000 s"] = long * SECONDS / (ramp.spec.ngroups * ramp.spec.tframe)
    if ramp.spec.detector in MEASURED:
        row["JDox "] = MEASURED[ramp.spec.detector][1]
    active = (ramp.mask & FLAGS["REFERENCE_PIXEL"]) == 0
    ramp = ramp.until(STEPS_SEE)
    row |= {
        "hot": 100.0 * ((ramp.mask & FLAGS["HOT"]) > 0)[active].mean(),
        "dead": 100.0 * ((ramp.mask & FLAGS["DEAD"]) > 0)[active].mean(),
        "refpix": found["refpix"][1] / found["refpix"][0],
    }
    usable = np.broadcast_to((ramp.mask & FLAGS["DO_NOT_USE"]) == 0, ramp.flags.shape) & active
    saturated = (ramp.flags & FLAGS["SATURATED"]) > 0
    called = (found["saturation"] & FLAGS["SATURATED"]) > 0
    row["sat. found"], _ = counted(called & usable, saturated & usable)
    _, row["sat. true"] = counted(beside(saturated) & usable, called & usable)
    clear = usable & ~called
    jumps, truth = (found["jump"] & FLAGS["JUMP_DET"]) > 0, (ramp.flags & FLAGS["JUMP_DET"]) > 0
    steps = np.diff(ramp.charge["cosmic_rays"], axis=0, prepend=0)
    # The step looks for 4 sigma of a difference: what is far above is found whatever the noise.
    row["jumps found"], _ = counted(jumps & clear, (steps > 10 * double) & truth & clear)
    near = beside(truth)
    near[1:] |= near[:-1].copy()  # the step marks neighbours, and the group after a large jump
    row["jumps true"] = float((jumps & clear & near).sum() / max((jumps & clear).sum(), 1))
    quiet = ramp.good & (found["dq"] == 0)
    row["rows before"], row["rows after"] = (
        ramp.gain * SECONDS * rows_of(found[name], quiet, axis) for name in ("rate", "clean")
    )
    lost = ((found["charge_migration"] & FLAGS["CHARGELOSS"]) > 0).any(axis=0)
    row["charge loss"] = 100.0 * lost[spots(ramp.spec) > 0].mean()
    if ramp.charge.get("snowballs", np.zeros(1)).any():
        struck = np.diff(ramp.charge["snowballs"], axis=0, prepend=0) > 1000.0
        row["snowballs found"], _ = counted(found["jump"] > 0, struck & usable)
    return row


def rows_of(image: np.ndarray, quiet: np.ndarray, axis: int) -> float:
    """Return the scatter of the medians of rows as they are read."""
    masked = np.where(quiet, image, np.nan)
    masked = masked if axis == 2 else masked.T
    return float(np.std(np.nanmedian(masked[np.isfinite(masked).mean(axis=1) > 0.5], axis=1)))


def as_table(rows: dict[str, Row]) -> str:
    """Return the table as text."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = f"{'':8}" + "".join(f"{name:>{max(len(name), 7) + 2}}" for name in columns)
    lines = [
        f"{detector:8}" + "".join(f"{row.get(name, np.nan):{max(len(name), 7) + 2}.3g}" for name in columns)
        for detector, row in rows.items()
    ]
    units = "CDS, 1000 s and rows in e-; hot, dead and charge loss in %; found, true: parts of 1"
    return "\n".join([f"{RAMP} groups of RAPID, {ROWS} rows; {units}", head, *lines])


@pytest.fixture(scope="module")
def table(steps, tmp_path_factory) -> dict[str, Row]:
    found = {}
    for name in DETECTORS:
        folder = tmp_path_factory.mktemp(name)
        ramp = make_ramp(name, folder, rows=ROWS, groups=RAMP, also_on=ALSO_ON)
        found[name] = measure(ramp, steps(ramp.until(STEPS_SEE), folder))
        for path in folder.iterdir():
            path.unlink()
    return found


def test_all_detectors(table, capsys):
    with capsys.disabled():
        print(f"\n{as_table(table)}")
    on = {effect.name for effect in EFFECTS}
    with capsys.disabled():
        print(f"on besides the defaults: {', '.join(name for name in ALSO_ON if name in on) or 'none'}")
    assert set(table) == set(DETECTORS)
    for name, row in table.items():
        if name in MEASURED:
            assert row["CDS"] == pytest.approx(row["JDox"], rel=0.07), name
            if RAMP == GROUPS:
                assert row["1000 s"] == pytest.approx(row["JDox "], rel=0.15), name
        assert 0.01 < row["hot"] < 1.0, name
        assert 0.005 < row["dead"] < 0.5, name
        # What is left of the noise of rows: side reference pixels, smoothed over 11 rows, take little of ours away.
        assert row["refpix"] < 1.1, name
        assert row["sat. found"] > 0.95, name
        assert row["sat. true"] > 0.95, name
        assert row["jumps found"] > 0.95, name
        assert row["jumps true"] > 0.5, name
        assert row["rows after"] < row["rows before"], name
