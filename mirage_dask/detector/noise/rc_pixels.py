r"""Pixels whose dark signal rises fast after the reset and levels off: RC pixels, after the circuit that they look like.

.. math:: D(t) = \frac{A\, (1/2 + u)}{G}\, \frac{t}{t + \tau}

at the time t after the reset, with A the mean charge that a pixel comes to [e-], u uniform in 0 … 1 for each pixel, G the
mean gain and :math:`\tau` the time in which it has half of it [s]. An exponential would do as well; this needs no library
function. A group has the mean over its frames, of which frame f, from 0, is read at t = (f + 1) :math:`t_f`.

The pixels are the same in all exposures of a detector (`rare_pixels.py`). That there are such pixels says the flag RC of the
pipeline's masks; fraction, charge and time are chosen: none is published.

Not modelled: inverse RC pixels, whose signal falls; shot noise of this charge; reference pixels.
"""

from __future__ import annotations

import numpy as np

from mirage_dask.compiled import kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.noise.rare_pixels import kind_of, rare_pixels

NAME = "rc_pixels"


def add_rc_pixels(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the signal of RC pixels, a `DarkFunction`."""
    spec, kind = exposure.spec, kind_of(NAME, exposure.spec, exposure.array)
    if not kind.fraction:
        return False
    row, column, strength = rare_pixels(kind, (box.row, box.column), (dark.shape[2], dark.shape[3]))
    if not row.size:
        return False
    amplitude, time = (exposure.parameter(NAME, name) for name in ("amplitude", "time"))
    frames = np.arange(dark.shape[1])[:, None] * spec.frames_per_group + np.arange(1, spec.nframes + 1)
    seconds = frames * spec.tframe
    shape = np.mean(seconds / (seconds + time), axis=1).astype(np.float32)
    rc_groups(row, column, strength, np.float32(amplitude / exposure.pack.meta["mean_gain"]), shape, dark)
    return True


@kernel
def rc_groups(row, column, strength, size, shape, dark):
    """Add the signal of the RC pixels of a box.

    Parameters
    ----------
    row, column, strength : (n,)
        The pixels, see `rare_pixels`.
    size : float32
        Mean signal that they come to, DN.
    shape : float32, (groups,)
        Part of it in each group.
    dark : float32, (integrations, groups, rows, columns)
        Linear counts; changed in place, DN.
    """
    integrations, groups = dark.shape[:2]
    for k in range(row.size):
        own = size * strength[k]
        for t in range(integrations):
            for g in range(groups):
                dark[t, g, row[k], column[k]] += own * shape[g]
