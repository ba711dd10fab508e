"""The source catalog of a direct image as the pipeline's own: it says where the spectra of an exposure with a grism are.

Stage 2 of slitless spectroscopy reads these columns (jwst 3.0, `assign_wcs.util.get_object_info`): a label, the centroid in
pixels and on the sky, an AB magnitude, the corners of a box around the source on the sky, and whether it is extended.

NOT modelled: errors of the measurement; they are 0, for the catalog is of what was put in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_dask.errors import InputError

Floats = NDArray[np.float64]
ToSky = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""From 0-based pixels x, y to right ascension and declination, degrees."""

CORNERS = {"ll": (-1.0, -1.0), "lr": (1.0, -1.0), "ul": (-1.0, 1.0), "ur": (1.0, 1.0)}
"""Of a box, by the end of the column's name: signs of the half widths in x and y."""


def source_catalog(
    *,
    label: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    half_width: ArrayLike,
    abmag: ArrayLike,
    extended: ArrayLike,
    to_sky: ToSky,
) -> Any:
    """Return the catalog as an astropy `QTable`, to be written as ECSV.

    Parameters
    ----------
    label
        (n,) of sources, above 0: their values in the segmentation map.
    x, y
        (n,) 0-based pixels of the direct image.
    half_width
        (n,) of the box around a source, pixels.
    abmag
        (n,) AB magnitudes in the filter.
    extended
        (n,) whether the pipeline takes the source as extended.
    to_sky
        Of the direct image.

    Raises
    ------
    InputError
        If labels are not positive and different.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    labels = np.asarray(label, np.int64)
    if (labels < 1).any() or np.unique(labels).size != labels.size:
        raise InputError("labels of a source catalog must be positive, each once.")
    px, py, half = (np.asarray(v, np.float64) for v in (x, y, half_width))

    def sky(signs: tuple[float, float]) -> Any:
        ra, dec = to_sky(px + signs[0] * half, py + signs[1] * half)
        return SkyCoord(ra, dec, unit="deg", frame="icrs")

    columns = {
        "label": labels,
        "xcentroid": px * u.pix,
        "ycentroid": py * u.pix,
        "sky_centroid": sky((0.0, 0.0)),
        "isophotal_abmag": np.asarray(abmag, np.float64),
        "isophotal_abmag_err": np.zeros(labels.size),
        **{f"sky_bbox_{name}": sky(signs) for name, signs in CORNERS.items()},
        "is_extended": np.asarray(extended, bool),
    }
    return QTable(columns)
