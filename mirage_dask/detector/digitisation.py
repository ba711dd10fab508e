r"""What digitisation has taken from counts that were observed: the part of a DN between the signal and the whole number.

A signal R* is sent down as R = round(R*). What is added to R and rounded again would be lost where it is less than half a
DN, as the wings of a faint star are. So the part that was lost is drawn anew,

.. math:: R^* = R + u, \qquad u \sim U(-1/2, 1/2),

as it is distributed where the noise is more than half a DN: round(R + u + q) is R + q in the mean, for any q, and R where
nothing is added. The deviates u have a stream of their own, `digitisation`, with counters as the pixel stream's: groups of
an integration in fours, a word each, at (x, y, group // 4, integration).

NOT modelled: noise of less than half a DN, after which u is not uniform; errors of the converter.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4

from mirage_dask.compiled import kernel
from mirage_dask.detector.random.philox import philox_row

STREAM = "digitisation"


@kernel
def lost_parts(key, box, lost):
    """Fill an array with the parts that digitisation has taken, DN: above -0.5 and below 0.5.

    Parameters
    ----------
    key : Key
        Of the stream `STREAM`.
    box : Box
        What `lost` covers; its groups are those from the first.
    lost : float32, (integrations, groups, rows, columns)
        Filled.
    """
    integrations, groups, rows, n = lost.shape
    words = np.empty((4, n), np.uint32)
    for t in range(integrations):
        for r in range(rows):
            for g in range(groups):
                if g % 4 == 0:
                    place, when = box.row + r, box.integration + t
                    philox_row(
                        key.k0, key.k1, 0, box.column, place, g // 4, when, n,
                        words[0], words[1], words[2], words[3],
                    )  # fmt: skip
                target = lost[t, g, r]
                for i in range(n):
                    # 23 bits and a half: the sum is exact.
                    target[i] = (f4(words[g % 4, i] >> 9) + f4(0.5)) * f4(2.0**-23) - f4(0.5)
