r"""Means over frames without drawing each frame: when events of a group happened, given how many there were.

Events of a Poisson process (photons, dark current) that fall into the n frames of a group are N in all, Poisson, and each is
in any of the frames with the same chance, independently of the others. An event in frame f = 0 … n-1 is seen by the reads at
the ends of frames f … n-1: by 1 + u of them, u uniform over 0 … n-1. The mean over the frames is

.. math:: Q_g = Q + \frac{1}{n} \sum_{e=1}^{N} (1 + u_e)

with Q the charge at the end of the frame before. For n a power of two the binary digits of u are independent and fair:

.. math:: \sum_e u_e = \sum_k 2^k B_k, \qquad B_k \sim \mathrm{Binomial}(N, 1/2)

with :math:`B_k` the number of ones among N random bits: exact, and what up to `FEW_EVENTS` events get. The sum of more of
them is :math:`N (n - 1) / 2 + z \sqrt{N (n^2 - 1) / 12}` with a standard normal deviate z: of the same mean and variance,
without the excess kurtosis of -1.2 / N. Expectation, variance, and covariance of groups are those of single frames in both
cases.

Frames that are dropped between groups are seen by all reads that follow: one Poisson draw for all of them together.

The first group of an integration is drawn frame by frame, because its first frame is sent down by itself
(`mirage_dask.exposure.first_frame`); so are groups of other numbers of frames than `TOGETHER`.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numba import int32, uint32

from mirage_dask.compiled import inline

TOGETHER = (4, 8)
"""Frames of a group that are drawn together: of two, each by itself costs as little."""
FEW_EVENTS = 9
"""Events whose frames are drawn one by one."""


@inline
def drawn_together(nframes):
    """Return whether the frames of a group, but the first one, are drawn together."""
    return nframes == TOGETHER[0] or nframes == TOGETHER[1]


@inline
def sum_of_few(events, word, nframes):
    """Return the sum of u over at most `FEW_EVENTS` events (int32), from the bits of a word.

    Byte k of the word has digit k of the first eight events, the highest byte the digits of the ninth.
    """
    first = uint32((uint32(1) << uint32(min(events, int32(8)))) - uint32(1))
    bytes_of_digits = uint32(0x010101) if nframes == TOGETHER[1] else uint32(0x0101)
    x = uint32(uint32(word) & uint32(first * bytes_of_digits))
    # The ones of each byte are counted in pairs, then fours, then all eight.
    x = uint32(x - uint32(uint32(x >> uint32(1)) & uint32(0x555555)))
    x = uint32(uint32(x & uint32(0x333333)) + uint32(uint32(x >> uint32(2)) & uint32(0x333333)))
    x = uint32(uint32(x + uint32(x >> uint32(4))) & uint32(0x0F0F0F))
    total = uint32(
        uint32(x & uint32(0xFF))
        + uint32(uint32(x >> uint32(7)) & uint32(0x1FE))
        + uint32(x >> uint32(16)) * uint32(4)
    )
    ninth = uint32(uint32(word) >> uint32(24)) & uint32(nframes - 1)
    return int32(total + (ninth if events > int32(8) else uint32(0)))


@inline
def sum_of_many(events, z, nframes):
    """Return the sum of u over many events (float32) from a standard normal deviate."""
    middle = events * f4(0.5 * (nframes - 1))
    spread = np.sqrt(events * f4((nframes * nframes - 1) / 12.0))
    return min(max(middle + spread * z, f4(0)), f4(2) * middle)
