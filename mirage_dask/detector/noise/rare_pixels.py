"""Which pixels of a detector are of a rare kind: the same ones in every exposure, whatever the random seed.

A pixel (x, y) is one if the upper 31 bits of word 0 of ``(x, y, 0, 0)`` under a key of the detector are below the fraction;
words 1 to 3 are a pixel's own: how strong it is, and how slow. The key is that of a stream named after the kind, of the
identity "pixels of DETECTOR": no part of an exposure. A pixel is 1/2 + u times as strong as the mean, u = word 1 / 2**32 (24
bits of it). Reference pixels are of no kind.

In the pipeline's masks such pixels carry the flags of `FLAGS`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int64, uint32
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.context import Floats
from mirage_dask.detector.effects import parameter_value
from mirage_dask.detector.particles.cosmic_rays import Collecting
from mirage_dask.detector.random.keys import ExposureKeys, Key
from mirage_dask.detector.random.philox import philox_row
from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.spec import ExposureSpec

FLAGS = {"rc_pixels": "RC", "telegraph_noise": "TELEGRAPH"}
"""Effects whose pixels are chosen so, and the names of their bits of data quality."""


class Kind(NamedTuple):
    """How the pixels of a kind are chosen."""

    key: Key
    array: Collecting
    """Pixels that are no reference pixels."""
    fraction: int
    """Probability that a pixel is one, times 2**31."""


def kind_of(effect: str, spec: ExposureSpec, array: DetectorArray) -> Kind:
    """Return how the pixels of an effect are chosen in an exposure; a fraction of 0 where it does nothing.

    Parameters
    ----------
    effect
        One of `FLAGS`, with the parameters `fraction` and `amplitude`.
    spec, array
        The exposure and its detector.
    """
    fraction, amplitude = (
        float(parameter_value(effect, name, spec.parameters)) for name in ("fraction", "amplitude")
    )
    key = ExposureKeys(f"pixels of {spec.detector}").stream(effect)
    return Kind(key, Collecting.of(array), threshold_of(fraction) if fraction > 0 and amplitude else 0)


def threshold_of(probability: float) -> int:
    """Return a probability, at most 1, times 2**31."""
    return min(int(probability * 2**31), 2**31)


@inline
def happens(word, threshold):
    """Return whether something happens with the probability threshold / 2**31, by the upper 31 bits of a word."""
    return int64(word >> uint32(1)) < threshold


def rare_pixels(
    kind: Kind, first: tuple[int, int], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Return the pixels of a kind in a box: rows and columns from its first, and how strong they are over the mean.

    Parameters
    ----------
    first
        Row and column of the detector.
    shape
        Rows and columns of the box.
    """
    size = shape[0] * shape[1]
    row, column = np.empty(size, np.int32), np.empty(size, np.int32)
    strength = np.empty(size, np.float32)
    count = choose_pixels(kind, first[0], first[1], shape[0], shape[1], row, column, strength)
    return row[:count], column[:count], strength[:count]


@kernel
def choose_pixels(kind, first_row, first_column, rows, columns, row, column, strength):
    """Fill the arrays of `rare_pixels`, which are large enough; return the number of pixels."""
    w0 = np.empty(columns, np.uint32)
    w1 = np.empty(columns, np.uint32)
    w2 = np.empty(columns, np.uint32)
    w3 = np.empty(columns, np.uint32)
    count = 0
    for r in range(rows):
        y = first_row + r
        if not kind.array.first_row <= y < kind.array.last_row:
            continue
        philox_row(kind.key.k0, kind.key.k1, 0, first_column, y, 0, 0, columns, w0, w1, w2, w3)
        for i in range(columns):
            x = first_column + i
            if happens(w0[i], kind.fraction) and kind.array.first_column <= x < kind.array.last_column:
                row[count], column[count] = r, i
                strength[count] = f4(0.5) + f4(w1[i] >> uint32(8)) * f4(2.0**-24)
                count += 1
    return count
