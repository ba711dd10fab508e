"""A toy: traps that filled in an earlier exposure let their electrons go, with a current that falls as 1 / t.

.. math:: N(t_1, t_2) = f\\, F \\ln(t_2 / t_1)

with F the fill of the pixel in the earlier exposure [e-], f the fraction that is trapped, and times since its end.
"""

from __future__ import annotations

import numpy as np

from mirage_dask.detector.context import Box, ExposureContext, Floats, Inside
from mirage_dask.detector.light import collect_varying
from mirage_dask.plugins import Effect, RandomWords

SLOT = 900
TRAPPED = 0.002

EFFECT = Effect(
    "toy_traps",
    "charge that traps release after earlier exposures",
    "charge",
    random=(RandomWords("pixel", SLOT),),
    add="support.toy_traps:add",
    variable="transients",
)


def add(exposure: ExposureContext, box: Box, charge: Floats) -> bool:
    """Add what traps release: a `ChargeFunction`."""
    history = exposure.inputs.get("toy_traps")
    if history is None:
        return False
    integrations, groups, rows, columns = charge.shape
    fill = np.zeros((rows, columns), np.float32)
    low_row, low_column = max(box.row, 0), max(box.column, 0)
    part = history["fill"][low_row : box.row + rows, low_column : box.column + columns]
    top, left = low_row - box.row, low_column - box.column
    fill[top : top + part.shape[0], left : left + part.shape[1]] = part
    if not fill.any():
        return False
    spec, since = exposure.spec, float(history["since"])
    for t in range(integrations):
        first = since + spec.integration_start(box.integration + t)
        group, frame = np.divmod(np.arange(groups * spec.nframes), spec.nframes)
        ends = first + (group * spec.frames_per_group + frame + 1) * spec.tframe
        share = np.diff(np.log(np.concatenate([[first], ends])))
        mean = (share[:, None, None] * TRAPPED * fill).astype(np.float32)
        own = box._replace(integration=box.integration + t)
        whole = Inside(0, rows, 0, columns)
        collect_varying(
            exposure.keys.stream("pixel"), SLOT, exposure.readout, own, True, whole, mean, charge[t]
        )
    return True
