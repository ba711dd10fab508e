r"""Pixels whose dark signal rises fast after the reset and levels off: RC pixels, after the circuit that they look like.

.. math:: D(t) = \frac{A\, (1/2 + u)}{G}\, \frac{t}{t + \tau}

at the time t after the reset, with A the mean charge that a pixel comes to [e-], u uniform in 0 … 1 for each pixel, G the
mean gain and :math:`\tau` the time in which it has half of it [s]. An exponential would do as well; this needs no library
function. A group has the mean over its frames, of which frame f, from 0, is read at t = (f + 1) :math:`t_f`.

The pixels are the same in all exposures of a detector (`rare_pixels.py`). That there are such pixels says the flag RC of the
pipeline's masks; fraction, charge and time are chosen: none is published.

Not modelled: inverse RC pixels, whose signal falls; shot noise of this charge; flags in the mask; reference pixels.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import uint32

from mirage_dask.compiled import kernel
from mirage_dask.detector.context import Box, ExposureContext, Floats
from mirage_dask.detector.cosmic_rays import Collecting
from mirage_dask.detector.noise.rare_pixels import happens, pixels_key, threshold_of
from mirage_dask.detector.random.philox import philox_row

NAME = "rc_pixels"


def add_rc_pixels(exposure: ExposureContext, box: Box, dark: Floats) -> bool:
    """Add the signal of RC pixels, a `DarkFunction`."""
    fraction, amplitude, time = (exposure.parameter(NAME, name) for name in ("fraction", "amplitude", "time"))
    if fraction <= 0 or amplitude == 0:
        return False
    spec = exposure.spec
    frames = np.arange(dark.shape[1])[:, None] * spec.frames_per_group + np.arange(1, spec.nframes + 1)
    seconds = frames * spec.tframe
    shape = np.mean(seconds / (seconds + time), axis=1).astype(np.float32)
    added: bool = rc_groups(
        pixels_key(exposure, NAME), box, Collecting.of(exposure.array), threshold_of(fraction),
        np.float32(amplitude / exposure.pack.meta["mean_gain"]), shape, dark,
    )  # fmt: skip
    return added


@kernel
def rc_groups(pixels, box, array, fraction, size, shape, dark):
    """Add the signal of the RC pixels of a box; return whether there are any.

    Parameters
    ----------
    pixels : Key
        By which pixels are chosen.
    box : Box
        What `dark` covers.
    array : Collecting
        Pixels that are no reference pixels.
    fraction : int
        Probability that a pixel is one, times 2**31.
    size : float32
        Mean signal that they come to, DN.
    shape : float32, (groups,)
        Part of it in each group.
    dark : float32, (integrations, groups, rows, columns)
        Linear counts; changed in place, DN.
    """
    integrations, groups, rows, columns = dark.shape
    w0 = np.empty(columns, np.uint32)
    w1 = np.empty(columns, np.uint32)
    w2 = np.empty(columns, np.uint32)
    w3 = np.empty(columns, np.uint32)
    found = False
    for r in range(rows):
        y = box.row + r
        if not array.first_row <= y < array.last_row:
            continue
        philox_row(pixels.k0, pixels.k1, 0, box.column, y, 0, 0, columns, w0, w1, w2, w3)
        for i in range(columns):
            if not happens(w0[i], fraction) or not array.first_column <= box.column + i < array.last_column:
                continue
            found = True
            own = size * (f4(0.5) + f4(w1[i] >> uint32(8)) * f4(2.0**-24))
            for t in range(integrations):
                for g in range(groups):
                    dark[t, g, r, i] += own * shape[g]
    return found
