"""The seed: electrons per second that a scene leaves in each pixel of a window, without noise.

    seed(x, y) = max(0, background area(x, y) + stars(x, y) + galaxies(x, y))

in float32 and in that order, stars and galaxies each in catalog order. Every term is a function of the pixel alone: a
window has the bits of the whole frame. `area` is the relative pixel area: surface brightness falls on a pixel by its
area, the light of a star or galaxy is counted in electrons whatever the pixel's area is. The maximum removes the ringing
of transforms and splines, about 1e-8 of a source's flux.

NOT modelled here: extended images, moving sources, time series, ghosts, dispersion, the reference pixels (which see no
light; the detector's response plane is 0 there).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.stamps import add_galaxies
from mirage_dask.scene.placement import SceneSources
from mirage_dask.scene.stars import add_points


def seed_window(
    scene: SceneSources,
    psf: PsfLibrary,
    *,
    x: slice,
    y: slice,
    background: float = 0.0,
    area: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the electrons per second in a window.

    Parameters
    ----------
    scene
        Sources projected for this exposure, `project_scene`.
    psf
        The library that was given to `project_scene`.
    x, y
        Columns and rows in full-frame science pixels: slices with start and stop, step 1.
    background
        e-/s in a pixel of mean area.
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
    if area is None:
        out = np.full(shape, background, dtype=np.float32)
    else:
        if np.shape(area) != shape:
            raise ValueError(f"the pixel area has shape {np.shape(area)}, the window {shape}")
        out = np.float32(background) * np.asarray(area, dtype=np.float32)
        out = np.ascontiguousarray(out)
    if out.size == 0:
        return out
    add_points(
        out, psf, x=scene.x, y=scene.y, flux=scene.flux, half_width=scene.half_width, x0=x.start, y0=y.start
    )
    add_galaxies(out, scene.galaxies, psf, x0=x.start, y0=y.start)
    np.maximum(out, np.float32(0), out=out)
    return out
