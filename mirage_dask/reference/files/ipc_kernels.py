"""Inter-pixel capacitance as 3 x 3 kernels: a pixel's signal appears in its neighbours.

A kernel [j, i] is the fraction of a pixel's signal that appears in the neighbour at (j - 1, i - 1). The observatory's
files contain the inverse, the kernel that *removes* the effect; some contain one for each pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import Detector

TOLERANCE = 0.1
"""How far the sum of a kernel may be from 1."""

_PADDED = 33
_NARROW = 9
"""Pixels across which the inverse of a kernel is computed for each pixel: what the edges repeat is below 1e-9."""
_ROWS = 32


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


def forward_kernels(kernels: NDArray[np.floating], middle: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how pixels couple, for each pixel, from the kernels of a file.

    Parameters
    ----------
    kernels
        (3, 3, ny, nx). A kernel with a centre above 1 removes the coupling and is inverted as by `inverse_kernel`.
    middle
        (3, 3): stands in, as it is, where a kernel is undefined or its sum differs from 1 by more than 0.1.

    Returns
    -------
    float32, (3, 3, ny, nx)
        Each of sum 1.
    """
    ny, nx = kernels.shape[2:]
    # Transform to the inverse, as two products of matrices: only its middle is needed.
    place = np.mgrid[-1:2, -1:2].reshape(2, 9)
    half = _NARROW // 2
    wave = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
    wave = wave[:, : _NARROW**2 // 2 + 1]  # to the constant: the others are conjugates of those before it
    there = np.exp(-2j * np.pi / _NARROW * (wave.T @ place))
    back = there.conj().T * (2.0 / _NARROW**2)
    back[:, -1] /= 2
    result = np.empty((9, ny, nx), np.float32)
    for low in range(0, ny, _ROWS):
        given = kernels[:, :, low : low + _ROWS].reshape(9, -1).astype(np.float64)
        undefined = ~np.isfinite(given).all(axis=0)
        undefined |= np.abs(np.where(undefined, 0.0, given.sum(axis=0)) - 1.0) > TOLERANCE
        given[:, undefined] = middle.reshape(9, 1)
        removes = given[4] > 1.0
        if removes.any():
            own = given[:, removes]
            response = there.real @ own + 1j * (there.imag @ own)
            given[:, removes] = (back @ (1.0 / response)).real
        result[:, low : low + _ROWS] = (given / given.sum(axis=0)).reshape(9, -1, nx)
    return result.reshape(3, 3, ny, nx)


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
