"""Where a centroid finds a star whose place is known: its bias on the PSF itself.

The place of a star is where the PSF library has its origin (the chief ray), and a PSF with coma is not symmetric about it:
a Gaussian fitted to the core lies up to 0.03 pixel beside it (NIRCam B1, F115W: +0.025 in y), and the centroid of all light
above an isophote farther on the other side (-0.044). That is no error of an image, and a comparison must know it.

NOT modelled: how the bias depends on the place of a star in its pixel and on the detector, of which it is the mean; noise,
and neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mirage_dask.psf.library import PsfLibrary

BOX = 7
"""Pixels on a side in which a Gaussian is fitted to a star."""
PLACES = (0.2, 0.5, 0.8)
"""Of the PSF, as parts of the detector."""
PHASES = 4
"""Places in a pixel, along each axis."""
_HALF = 10
"""Pixels around a star that are looked at."""


def centroid_bias(library: PsfLibrary, rows: int, columns: int) -> tuple[float, float]:
    """Return by how much the centroid of a fitted Gaussian is off, (x, y) in pixels: the mean over a detector.

    Parameters
    ----------
    library
        The PSF.
    rows, columns
        Size of the full frame, science orientation.
    """
    from photutils.centroids import centroid_2dg, centroid_sources

    phases = (np.arange(PHASES) + 0.5) / PHASES - 0.5
    found = []
    for part_x in PLACES:
        for part_y in PLACES:
            for phase_x, phase_y in np.stack(np.meshgrid(phases, phases), -1).reshape(-1, 2):
                x0, y0 = round(part_x * columns) + phase_x, round(part_y * rows) + phase_y
                x = np.round(x0) + np.arange(-_HALF, _HALF + 1)
                y = np.round(y0) + np.arange(-_HALF, _HALF + 1)
                image = library.evaluate(x[None, :], y[:, None], x0, y0)
                at_x, at_y = centroid_sources(
                    image, x0 - x[0], y0 - y[0], box_size=BOX, centroid_func=centroid_2dg
                )
                found.append((at_x[0] + x[0] - x0, at_y[0] + y[0] - y0))
    dx, dy = np.median(found, axis=0)
    return float(dx), float(dy)
