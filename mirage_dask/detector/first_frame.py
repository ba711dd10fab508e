r"""Read noise of the first frame of an integration, beside that of the group whose mean it is part of.

Read noise is drawn once a group: the mean of n frames has the noise :math:`\sigma z / \sqrt{n}` with one standard normal
deviate z (`dark.py`). The first frame alone then has

.. math:: e = \sigma \Big( \frac{z}{\sqrt{n}} + \sqrt{1 - \frac{1}{n}}\; z' \Big)

with z' independent of everything else: its variance is :math:`\sigma^2`, and its covariance with the mean of the group is
:math:`\sigma^2 / n`, as for n independent reads. The deviates z' have a stream of their own, `first_frame`, with counters
as the pixel stream's: word 0 at (x, y, 0, integration).
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4

from mirage_dask.compiled import kernel
from mirage_dask.detector.random.keys import SLOT_DARK
from mirage_dask.detector.random.normal import normal_row
from mirage_dask.detector.random.philox import philox_row


@kernel
def share_read_noise(key, own, box, nframes, sigma, dark):
    r"""Turn the read noise :math:`\sigma z` of a ramp of single frames into that of the first of n averaged frames.

    Parameters
    ----------
    key : Key
        Of the stream `pixel`.
    own : Key
        Of the stream `first_frame`.
    box : Box
        What `dark` covers.
    nframes : int
        n, frames averaged into a group.
    sigma : float32, (rows, columns)
        Read noise of one frame, DN.
    dark : float32, (integrations, rows, columns)
        The first frame, with the noise sigma * z; changed in place, DN.
    """
    integrations, rows, n = dark.shape
    w0 = np.empty(n, np.uint32)
    w1 = np.empty(n, np.uint32)
    w2 = np.empty(n, np.uint32)
    w3 = np.empty(n, np.uint32)
    common = np.empty(n, np.float32)
    other = np.empty(n, np.float32)
    tails = np.empty(n + 1, np.int32)
    share = np.sqrt(f4(1) / f4(nframes))
    rest = np.sqrt(f4(1) - f4(1) / f4(nframes))
    for t in range(integrations):
        integration = box.integration + t
        for r in range(rows):
            y = box.row + r
            philox_row(key.k0, key.k1, SLOT_DARK, box.column, y, 0, integration, n, w0, w1, w2, w3)
            normal_row(w1, n, common, tails)
            philox_row(own.k0, own.k1, 0, box.column, y, 0, integration, n, w0, w1, w2, w3)
            normal_row(w0, n, other, tails)
            for i in range(n):
                dark[t, r, i] += sigma[r, i] * ((share - f4(1)) * common[i] + rest * other[i])
