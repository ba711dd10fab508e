"""Scattered light of a window: its expected light, and a mask of where it is.

A pixel is flagged where the light of a kind (wisps, claws, dragon's breath) is `FLAGGED` of the uniform sky of the exposure
or more, both behind the transmission of the optics if there is one; without a uniform sky, where there is any. Both are zero
where the user gives the seed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Floats
from mirage_dask.exposure.boxes.areas import ArrayLike
from mirage_dask.exposure.references import References
from mirage_dask.scene.layers import SCATTERED, UniformBackground
from mirage_dask.scene.scattered.streaks import FLAGGED
from mirage_dask.scene.static_light import static_light
from mirage_dask.spec import ExposureSpec, Window


def scattered_light(
    spec: ExposureSpec, references: References, window: Window, given: Mapping[str, ArrayLike]
) -> Floats:
    """Return the expected scattered light, e-/s (y, x); parameters are those of `simulate_window`."""
    if "seed" in given:
        return np.zeros(_shape(window), np.float32)
    return _light(spec, references, window, SCATTERED)


def scattered_flags(
    spec: ExposureSpec, references: References, window: Window, given: Mapping[str, ArrayLike]
) -> NDArray[np.uint8]:
    """Return the flags of `SCATTERED` where its kinds are, uint8 (y, x); parameters are those of `simulate_window`."""
    found = np.zeros(_shape(window), np.uint8)
    kinds = {layer.kind for layer in references.light.static} & SCATTERED.keys()
    if "seed" in given or not kinds:
        return found
    least = np.float32(FLAGGED) * _light(spec, references, window, (UniformBackground.kind,))
    for flag in sorted({SCATTERED[kind] for kind in kinds}):
        light = _light(spec, references, window, [kind for kind in kinds if SCATTERED[kind] == flag])
        found[(light > 0) & (light >= least)] |= np.uint8(flag)
    return found


def _light(spec: ExposureSpec, references: References, window: Window, kinds: Collection[str]) -> Floats:
    """Return the light of the static layers of some kinds."""
    (y0, y1), (x0, x1) = window.rows, window.columns
    return static_light(
        [layer for layer in references.light.static if layer.kind in kinds],
        references.pack,
        y=(spec.y0 + y0, spec.y0 + y1),
        x=(spec.x0 + x0, spec.x0 + x1),
    )


def _shape(window: Window) -> tuple[int, int]:
    return window.shape[2], window.shape[3]
