"""Which pixels of a detector are of a rare kind: the same ones in every exposure, whatever the random seed.

A pixel (x, y) is one if the upper 31 bits of word 0 of ``(x, y, 0, 0)`` under a key of the detector are below the fraction;
words 1 to 3 are a pixel's own: how strong it is, and how slow. The key is that of a stream named after the kind, of the
identity "pixels of DETECTOR": no part of an exposure.
"""

from __future__ import annotations

from numba import int64, uint32

from mirage_dask.compiled import inline
from mirage_dask.detector.context import ExposureContext
from mirage_dask.detector.random.keys import ExposureKeys, Key


def pixels_key(exposure: ExposureContext, kind: str) -> Key:
    """Return the key by which the pixels of a kind are chosen on the detector of an exposure."""
    return ExposureKeys(f"pixels of {exposure.spec.detector}").stream(kind)


def threshold_of(probability: float) -> int:
    """Return a probability, at most 1, times 2**31."""
    return min(int(probability * 2**31), 2**31)


@inline
def happens(word, threshold):
    """Return whether something happens with the probability threshold / 2**31, by the upper 31 bits of a word."""
    return int64(word >> uint32(1)) < threshold
