r"""Random telegraph noise: pixels that switch between two levels.

.. math:: D(f) = \frac{A\, (1/2 + u)}{G}\, s(f), \qquad s = \pm 1/2,

with A the mean difference of the levels [e-], u uniform in 0 … 1 for each pixel, G the mean gain. The first level of an
integration is either with equal probability; in each frame, dropped ones included, a pixel changes its level with the
probability :math:`p = t_f / T`, at most 1/2, T being the mean time between changes [s]. So the correlation of two frames
that are k apart is :math:`(1 - 2p)^k`. A group has the mean over its frames.

The pixels are the same in all exposures of a detector (`rare_pixels.py`). That there are such pixels says the flag TELEGRAPH
of the pipeline's masks; fraction, size and time are chosen: none is published for these detectors.

Counters (key stream `telegraph_noise`): ``(x, y, 0, integration)``, word 0, lowest bit: the first level; ``(x, y, 1 + (frame
>> 2), integration)``, word frame & 3: whether the level changes before frame 1, 2, ….

Not modelled: more than two levels, levels of unequal duration, a pixel's own T, reference pixels.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int64, uint32

from mirage_dask.compiled import kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.noise.rare_pixels import happens, kind_of, rare_pixels, threshold_of
from mirage_dask.detector.random.philox import philox

NAME = "telegraph_noise"


def add_telegraph_noise(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the levels of the pixels that switch, a `DarkFunction`."""
    kind = kind_of(NAME, exposure.spec, exposure.array)
    if not kind.fraction:
        return False
    row, column, strength = rare_pixels(kind, (box.row, box.column), (dark.shape[2], dark.shape[3]))
    if not row.size:
        return False
    amplitude, period = (exposure.parameter(NAME, name) for name in ("amplitude", "period"))
    telegraph_groups(
        exposure.keys.stream(NAME), exposure.readout, box, row, column, strength,
        threshold_of(min(exposure.spec.tframe / period, 0.5)),
        np.float32(amplitude / exposure.pack.meta["mean_gain"]), dark,
    )  # fmt: skip
    return True


@kernel
def telegraph_groups(key, readout, box, row, column, strength, change, size, dark):
    """Add the levels of the pixels of a box that switch.

    Parameters
    ----------
    key : Key
        Of the stream.
    readout : Readout
    box : Box
        What `dark` covers.
    row, column, strength : (n,)
        The pixels, see `rare_pixels`.
    change : int
        Probability that a pixel switches in a frame, times 2**31.
    size : float32
        Mean difference of the levels, DN.
    dark : float32, (integrations, groups, rows, columns)
        Linear counts; changed in place, DN.
    """
    integrations, groups = dark.shape[:2]
    nframes, stride = readout.nframes, readout.nframes + readout.groupgap
    summed = np.empty(groups, np.int64)
    for k in range(row.size):
        x, y = box.column + column[k], box.row + row[k]
        half = size * strength[k] * f4(0.5)
        for t in range(integrations):
            integration = uint32(box.integration + t)
            a, b, c, d = philox(key.k0, key.k1, uint32(x), uint32(y), uint32(0), integration)
            level = int64(1) - int64(2) * int64(a & uint32(1))
            summed[:] = 0
            block = int64(-1)
            for frame in range((groups - 1) * stride + nframes):
                if frame >> 2 != block:
                    block = frame >> 2
                    a, b, c, d = philox(key.k0, key.k1, uint32(x), uint32(y), uint32(block + 1), integration)
                which = frame & 3
                word = a if which == 0 else b if which == 1 else c if which == 2 else d
                if frame > 0 and happens(word, change):
                    level = -level
                if frame % stride < nframes:
                    summed[frame // stride] += level
            for g in range(groups):
                dark[t, g, row[k], column[k]] += half * (f4(summed[g]) / f4(nframes))
