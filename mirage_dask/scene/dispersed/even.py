r"""The light of images that are drawn for another wavelength than that of their pixels, evened out over a pixel.

Samples of a PSF are the light of a pixel of the wavelength lambda_0. Scaled by r = lambda_0 / lambda, the pixel is scaled
too, and the pixels of a detector no longer share the light out: what they count together depends on where the source lies
in its pixel, by 1 % where pixels are large (NIRISS, at the ends of a band). So samples of the same place in a pixel, those
whole pixels apart, are multiplied by one factor,

.. math:: P(n + p)\, \frac{\langle S \rangle}{S(p)}, \qquad S(p) = \sum_n P(n + p)

with <S> the mean over places p. A cubic spline through them has the same sum at every place between samples, too.

NOT modelled: the true shape of the image in its own pixels.

Sums are in a fixed order, so that all processors agree.
"""

from __future__ import annotations

import numpy as np
from numba import float32 as f4
from numpy.typing import NDArray

from mirage_dask.compiled import kernel


def even_out(samples: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Scale samples such that those of all places in a pixel have one sum; return them.

    Parameters
    ----------
    samples
        (images, n, n), `scale` per pixel and axis; changed in place. Those at the edges count half in the sums.
    scale
        1: nothing is changed.
    """
    if scale > 1:
        for one in samples:
            _even_out(one, scale)
    return samples


@kernel
def _even_out(samples, scale):
    rows, columns = samples.shape
    sums = np.zeros((scale, scale), np.float64)
    for j in range(rows):
        weight = 0.5 if j == 0 or j == rows - 1 else 1.0
        for i in range(columns):
            part = 0.5 * weight if i == 0 or i == columns - 1 else weight
            sums[j % scale, i % scale] += part * samples[j, i]
    total = 0.0
    for j in range(scale):
        for i in range(scale):
            total += sums[j, i]
    mean = total / (scale * scale)
    for j in range(rows):
        for i in range(columns):
            found = sums[j % scale, i % scale]
            if found > 0.5 * mean:  # an image without light stays one
                samples[j, i] = f4(samples[j, i] * (mean / found))
