r"""Columns whose level jumps: from one frame to the next, a whole column of the detector is higher or lower.

The level of a column is the sum of its jumps since the reset,

.. math:: D_{\text{column}}(f) = A \sum_{j \le f} s_j,

with :math:`s_j` = 1 or -1 with the probability :math:`r\, t_f / 2` each, else 0, in every frame, dropped ones included; r is
the rate per column and second, :math:`t_f` the frame time, A the size of a jump [DN]. A group has the mean over its frames.
Columns are those of the detector frame, of constant place along the fast axis, with their reference pixels.

Source: about 50 columns of NIRISS jump in a ramp of 100 groups NISRAPID, 1,074 s (github chriswillott/jwst, README); NIRCam
has jumps of the same kind. The size of jumps is not published: it is chosen.

Counters (key stream `column_jumps`): ``(column, frame >> 2, 0, integration)``; word frame & 3 says in its upper 31 bits
whether there is a jump, in its lowest bit which way.

Not modelled: a distribution of sizes; a level that outlasts the reset, as that of an electronic source does; columns that
jump more often than others.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int64, uint32

from mirage_dask.compiled import kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.random.philox import philox


def add_column_jumps(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the levels of columns, a `DarkFunction`."""
    name = "column_jumps"
    chance = exposure.parameter(name, "rate") * exposure.spec.tframe
    size = np.float32(exposure.parameter(name, "amplitude"))
    if chance <= 0 or size == 0:
        return False
    threshold = min(int(chance * 2**31), 2**31)
    added: bool = column_jump_groups(exposure.keys.stream(name), exposure.readout, box, threshold, size, dark)
    return added


@kernel
def column_jump_groups(key, readout, box, threshold, size, dark):
    """Add the levels of the columns of a box; return whether any column jumps.

    Parameters
    ----------
    key : Key
        Of the stream `column_jumps`.
    readout : Readout
    box : Box
        What `dark` covers.
    threshold : int
        Probability of a jump in a frame, times 2**31.
    size : float32
        Of a jump, DN.
    dark : float32, (integrations, groups, rows, columns)
        Linear counts; changed in place, DN.
    """
    integrations, groups, rows, columns = dark.shape
    nframes, stride = readout.nframes, readout.nframes + readout.groupgap
    summed = np.empty(groups, np.int64)
    any_jump = False
    for t in range(integrations):
        for x in range(columns):
            level = int64(0)
            summed[:] = 0
            moved = False
            block = int64(-1)
            a = b = c = d = uint32(0)
            for frame in range((groups - 1) * stride + nframes):
                if frame >> 2 != block:
                    block = frame >> 2
                    a, b, c, d = philox(
                        key.k0,
                        key.k1,
                        uint32(box.column + x),
                        uint32(block),
                        uint32(0),
                        uint32(box.integration + t),
                    )
                which = frame & 3
                word = a if which == 0 else b if which == 1 else c if which == 2 else d
                if int64(word >> uint32(1)) < threshold:
                    level += int64(1) - int64(2) * int64(word & uint32(1))
                    moved = True
                if frame % stride < nframes:
                    summed[frame // stride] += level
            if moved:
                any_jump = True
                for g in range(groups):
                    value = size * (f4(summed[g]) / f4(nframes))
                    if value != f4(0):
                        for r in range(rows):
                            dark[t, g, r, x] += value
    return any_jump
