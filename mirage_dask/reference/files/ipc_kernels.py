"""Inter-pixel capacitance as 3 x 3 kernels: a pixel's signal appears in its neighbours.

A kernel [j, i] is the fraction of a pixel's signal that appears in the neighbour at (j - 1, i - 1). The observatory's
files contain the inverse, the kernel that *removes* the effect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import Detector

_PADDED = 33


def ipc_kernel(detector: Detector) -> NDArray[np.float64]:
    """Return the kernel of a detector from the tables: coupling to the four edge neighbours, sum 1."""
    a = detector.ipc
    return np.array([[0.0, a, 0.0], [a, 1.0 - 4.0 * a, a], [0.0, a, 0.0]])


def inverse_kernel(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 3 x 3 kernel that best inverts a 3 x 3 kernel: the centre of its inverse, scaled to the sum 1."""
    middle = _PADDED // 2
    box = np.s_[middle - 1 : middle + 2, middle - 1 : middle + 2]
    padded = np.zeros((_PADDED, _PADDED))
    padded[box] = kernel
    response = np.fft.fft2(np.fft.ifftshift(padded))
    inverse = np.fft.fftshift(np.fft.ifft2(1.0 / response).real)[box]
    return np.asarray(inverse / inverse.sum())


def convolve(plane: NDArray[np.floating], kernel: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convolve with a 3 x 3 kernel; values beyond the edges are zero."""
    padded = np.pad(plane, 1)
    ny, nx = plane.shape
    result = np.zeros(plane.shape)
    for j in range(3):
        for i in range(3):
            if kernel[j, i]:
                result += kernel[j, i] * padded[2 - j : 2 - j + ny, 2 - i : 2 - i + nx]
    return result
