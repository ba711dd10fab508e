r"""Wisps: light that NIRCam's mirrors scatter onto four of its short-wavelength detectors, always at the same place.

The light is a share of the sky:

.. math:: wisp(x, y) = a\, s_d\, sky\; T_d(x, y)

with the amplitude a of the settings (the peak in NRCB4 over the sky, usually 0.1), the strength s_d of the detector
(`instruments/data/wisps.ecsv`), and a template T_d with the peak 1: the user's, such as those of the observatory, or this
one, ridges that curve about a point far off, in a circle at whose edge they fade,

.. math:: T = (1 - r^2/R^2)^2 \big( f + (1 - f) \max_k (1 - u_k^2)^2 \big), \quad u_k = (q - Q - k D R) / (W R),\ |u_k| < 1

with r the distance of the middle of the circle of radius R, q that of a point at `FAR` R from the middle, Q = `FAR` R, and
k = -2 … 2. Places and radii: regions in flight (github gbrammer/grizli, nircam_wisp.yml). That wisps are seen in F150W,
F150W2, F182M, F200W and F210M, most in B4, and differ between exposures: arXiv 2305.01175. Shape, strengths and the usual
amplitude are chosen, for no figures are published.

NOT modelled: how wisps differ between filters and exposures; that they come from certain places of the sky.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.tables import read_table

FILTERS = ("F150W", "F150W2", "F182M", "F200W", "F210M")
"""In which wisps are seen."""
FAR = 3.0
"""Distance of the point that ridges curve about, in R."""
RIDGES = (-2.0, -1.0, 0.0, 1.0, 2.0)
STEP = 0.35
"""D: distance between ridges, in R."""
WIDTH = 0.16
"""W: half width of a ridge, in R."""
FLOOR = 0.3
"""f: light between ridges."""


def has_wisps(detector: str, filter: str) -> bool:
    """Return whether a detector sees wisps in a filter."""
    return filter in FILTERS and any(row["detector"] == detector for row in read_table("wisps"))


def strength(detector: str) -> float:
    """Return the peak of a detector's wisps over that in NRCB4; 0 where there are none."""
    return next((float(r["strength"]) for r in read_table("wisps") if r["detector"] == detector), 0.0)


def wisp_template(detector: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the built-in template of a detector that has wisps.

    Parameters
    ----------
    detector
        Its name.
    shape
        (ny, nx) of the full frame.

    Returns
    -------
    float32 (ny, nx), 0 to about 1.
    """
    row = next(r for r in read_table("wisps") if r["detector"] == detector)
    x0, y0, radius = (float(row[name]) for name in ("x", "y", "radius"))
    y, x = np.ogrid[: shape[0], : shape[1]]
    r2 = ((x - x0) ** 2 + (y - y0) ** 2) / radius**2
    far = np.sqrt(((x - x0) / radius + FAR) ** 2 + ((y - y0) / radius) ** 2) - FAR
    ridges = np.zeros(shape)
    for k in RIDGES:
        u2 = ((far - k * STEP) / WIDTH) ** 2
        np.maximum(ridges, np.where(u2 < 1, (1 - u2) ** 2, 0.0), out=ridges)
    light = np.where(r2 < 1, (1 - r2) ** 2, 0.0) * (FLOOR + (1 - FLOOR) * ridges)
    return light.astype(np.float32)
