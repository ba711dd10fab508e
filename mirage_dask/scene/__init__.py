"""The sky in a window of a detector: catalogs, stars, galaxies and background, in electrons per second.

At plan time, on the client: `read_catalog` -> `point_sources` / `galaxies` (tables in electrons/s, saved by content).
At run time, on any worker: `project_scene` once per exposure, then `seed_window` for each window.
"""

from mirage_dask.scene.catalogs import Catalog, magnitude_columns, magnitude_owner, read_catalog
from mirage_dask.scene.placement import SceneSources, project_scene
from mirage_dask.scene.seed import seed_window
from mirage_dask.scene.sky.background import LEVELS, background_rate
from mirage_dask.scene.sources import Galaxies, PointSources, galaxies, point_sources

__all__ = [
    "LEVELS",
    "Catalog",
    "Galaxies",
    "PointSources",
    "SceneSources",
    "background_rate",
    "galaxies",
    "magnitude_columns",
    "magnitude_owner",
    "point_sources",
    "project_scene",
    "read_catalog",
    "seed_window",
]
