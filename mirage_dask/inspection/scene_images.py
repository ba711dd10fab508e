"""How many exposures an image of the scene falls on: what tells an image of another field from one that was meant.

An exposure is taken to see an image if a corner or the middle of its array is nearer to a node of the image's mesh, the
corner of every 64th pixel, than nodes are to one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.formatting import counted
from mirage_dask.inspection.source_counts import Polygons, angle_text
from mirage_dask.settings.sky import SceneFile

if TYPE_CHECKING:
    import pandas as pd

MOST_NODES = 500
"""Nodes along an axis that are looked at."""


@dataclass(frozen=True)
class ImageCount:
    """How many exposures an image falls on."""

    path: str
    exposures: int
    """Detector exposures that name it."""
    on_detectors: int
    """Those that it falls on."""
    nearest: float
    """Degrees from the nearest node to the middle of an exposure."""

    def __str__(self) -> str:
        name, exposures = Path(self.path).name, counted(self.exposures, "detector exposure")
        if self.on_detectors:
            return f"{name}: the image falls on {self.on_detectors:,} of {exposures}"
        return f"{name}: the image falls on none of {exposures}; it is {angle_text(self.nearest)} away"


def count_image(file: SceneFile, rows: pd.DataFrame) -> ImageCount:
    """Count the exposures that an image falls on.

    Parameters
    ----------
    file
        The image.
    rows
        The rows of the exposure table that name it, with the column s_region.

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    from scipy.spatial import cKDTree

    from mirage_dask.sky_images.scenes import open_scene  # most proposals have no image
    from mirage_dask.sky_images.wcs import sky_mesh

    with open_scene(file.path) as image:
        mesh = sky_mesh(image.path, image.to_sky, image.shape)
    every = max(1, -(-max(mesh.shape[:2]) // MOST_NODES))
    ends = [np.unique([*range(0, n, every), n - 1]) for n in mesh.shape[:2]]
    nodes = mesh[np.ix_(*ends)]
    steps = [np.sqrt((np.diff(nodes, axis=axis) ** 2).sum(axis=2)).ravel() for axis in (0, 1)]
    widest = float(np.nanmax(np.concatenate(steps)))
    seen = nodes.reshape(-1, 3)
    tree = cKDTree(seen[np.isfinite(seen).all(axis=1)])
    regions, of_row = np.unique(rows["s_region"].to_numpy(dtype=str), return_inverse=True)
    polygons = Polygons.of(regions)
    distance, _ = tree.query(np.concatenate([polygons.centres[:, None], polygons.corners], axis=1))
    on = (distance < widest).any(axis=1)
    chord = float(min(distance[:, 0].min(), 2.0))
    nearest = float(np.degrees(2.0 * np.arcsin(chord / 2.0)))
    return ImageCount(file.path, len(rows), int(on[of_row.ravel()].sum()), nearest)
