"""The sky in a window of a detector, in electrons per second: catalogs, stars, galaxies, background, what varies.

At plan time, on the client: `read_catalog` -> `SOURCE_TABLES` (tables in electrons/s, saved by content).
At run time, on any worker: `layers.open_layers` once per exposure, then `seed_window` for each window.
"""

from mirage_dask.scene.catalogs import Catalog, magnitude_columns, magnitude_owner, read_catalog
from mirage_dask.scene.layers import Light, UniformBackground, View, in_order, open_layers
from mirage_dask.scene.moving_sources import MOVING_TABLES
from mirage_dask.scene.seed import seed_window
from mirage_dask.scene.sky.background import LEVELS, background_rate
from mirage_dask.scene.sources import SOURCE_TABLES, Galaxies, PointSources, galaxy_table, point_source_table

TRACKED = "moving_target_to_track"
"""Type of the catalog of the target that the telescope follows."""
SIMULATED_TYPES = (*SOURCE_TABLES, *MOVING_TABLES, TRACKED)
"""Types of catalogs that are simulated."""

__all__ = [
    "LEVELS",
    "MOVING_TABLES",
    "SIMULATED_TYPES",
    "SOURCE_TABLES",
    "TRACKED",
    "Catalog",
    "Galaxies",
    "Light",
    "PointSources",
    "UniformBackground",
    "View",
    "background_rate",
    "galaxy_table",
    "in_order",
    "magnitude_columns",
    "magnitude_owner",
    "open_layers",
    "point_source_table",
    "read_catalog",
    "seed_window",
]
