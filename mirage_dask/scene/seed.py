"""The seed: electrons per second that the static layers of light leave in each pixel of a window, without noise.

    seed(x, y) = max(0, sum of the layers at (x, y))

in float32, layer by layer in the order of `mirage_dask.scene.layers.LAYERS`, sources in catalog order. Every term is a
function of the pixel alone: a window has the bits of the whole frame. The maximum removes the ringing of transforms and
splines, about 1e-8 of a source's flux.

NOT modelled here: dispersion, the reference pixels (which see no light; the detector's response plane is 0 there).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.layers.view import StaticLayer


def seed_window(
    layers: Iterable[StaticLayer],
    *,
    x: slice,
    y: slice,
    area: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the electrons per second in a window.

    Parameters
    ----------
    layers
        Static layers of the exposure, in order.
    x, y
        Columns and rows in full-frame science pixels: slices with start and stop, step 1.
    area
        (ny, nx) relative pixel area of the window, or None for 1.

    Returns
    -------
    (ny, nx) float32, C order.

    Raises
    ------
    ValueError
        If a slice has no start or stop, or the area has another shape than the window.
    """
    if x.start is None or x.stop is None or y.start is None or y.stop is None or {x.step, y.step} - {None, 1}:
        raise ValueError(f"a window needs slices with start and stop and step 1, not x={x}, y={y}")
    shape = (max(y.stop - y.start, 0), max(x.stop - x.start, 0))
    if area is not None and np.shape(area) != shape:
        raise ValueError(f"the pixel area has shape {np.shape(area)}, the window {shape}")
    out = np.zeros(shape, np.float32)
    if out.size == 0:
        return out
    for layer in layers:
        layer.add(out, x0=x.start, y0=y.start, area=area)
    np.maximum(out, np.float32(0), out=out)
    return out
