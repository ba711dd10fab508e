r"""Removing inter-pixel capacitance (IPC) from images of a library that include it.

The detector model couples the pixels of everything it reads (`mirage_dask.detector.coupling`). A PSF or a cosmic ray whose
file includes the coupling would get it twice, so it is removed when a pack is made, with the kernel K that the detector
model will apply. The equation K * S = M, M being the file's image, is solved for S by van Cittert's iteration,

.. math:: S_{n+1} = S_n + (M - K * S_n), \qquad S_0 = M

whose error falls by the factor 1 - min(response of K), at most 8 times the coupling to one neighbour (0.05), per step: after
`STEPS` it is below 1e-9 of the image. What is read out is then M again, whatever K is: coupled once, as its makers did it.

NOT modelled: post-pixel coupling in a file stays there. Where the makers' kernel is not K, an image without the detector
model's IPC (the effect `ipc` switched off) holds the difference of both, a few 1e-4 of a pixel's signal in its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 8


def uncoupled(
    images: NDArray[Any], kernel: NDArray[np.float64], *, step: int = 1, edge: bool = False
) -> NDArray[np.float64]:
    """Return images without the coupling that they include.

    Parameters
    ----------
    images
        (…, y, x), with coupling.
    kernel
        (3, 3): [j, i] is the fraction of a pixel's signal that appears in the neighbour at (j - 1, i - 1), sum 1.
    step
        Samples per detector pixel.
    edge
        Continue the images by their outermost samples; else zero lies outside.
    """
    measured = np.asarray(images, dtype=np.float64)
    found = measured
    for _ in range(STEPS):
        found = found + (measured - _coupled(found, kernel, step, edge))
    return found


def symmetric(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a kernel (3, 3) as the detector model applies it: symmetric in both axes."""
    k = (kernel + kernel[:, ::-1]) / 2
    return (k + k[::-1]) / 2


def _coupled(
    images: NDArray[np.float64], kernel: NDArray[np.float64], step: int, edge: bool
) -> NDArray[np.float64]:
    """Return images with coupling."""
    ny, nx = images.shape[-2:]
    around = [(0, 0)] * (images.ndim - 2) + [(step, step)] * 2
    padded = np.pad(images, around, mode="edge" if edge else "constant")
    result = np.zeros(images.shape)
    for j in range(3):
        for i in range(3):
            if kernel[j, i]:
                y, x = (2 - j) * step, (2 - i) * step
                result += kernel[j, i] * padded[..., y : y + ny, x : x + nx]
    return result
