"""Which exposures are in one field of the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.footprints.plane import Floats

FIELD_DEGREES = 0.5
"""Exposures further apart than this are in different fields."""


def fields(sky: Floats, degrees: float = FIELD_DEGREES) -> NDArray[np.int_]:
    """Return the number of the field of each exposure, the largest field first.

    Parameters
    ----------
    sky
        (exposure, corner, 2) ra and dec, degrees.
    degrees
        Exposures nearer to each other than this are in one field, and so are those that a chain of such neighbours connects.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    a, d = np.radians(sky.mean(axis=1) if np.ptp(sky[..., 0]) < 180.0 else sky[:, 0]).T
    points = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)
    # A mosaic has thousands of exposures in one place: neighbours are looked for between cells of a tenth of the distance.
    cells, cell = np.unique(
        np.round(points / np.radians(0.1 * degrees)).astype(int), axis=0, return_inverse=True
    )
    pairs = cKDTree(cells * np.radians(0.1 * degrees)).query_pairs(np.radians(degrees), output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    _, labels = connected_components(links, directed=False)
    found = labels[cell.ravel()]
    order = np.argsort(-np.bincount(found), kind="stable")
    return np.argsort(order)[found]
