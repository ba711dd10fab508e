"""The sky in a window of a detector, in electrons per second: catalogs, stars, galaxies, background, what varies.

At plan time, on the client: `catalogs.read_catalog` -> `sources.SOURCE_TABLES` (tables in electrons/s, saved by content).
At run time, on any worker: `layers.open_layers` once per exposure, then `seed.seed_window` for each window.

Here are the names that need no kernel: kernels take half a second to import.
"""

from mirage_dask.scene.catalogs import Catalog, magnitude_columns, magnitude_owner, read_catalog
from mirage_dask.scene.sky.background import LEVELS, background_rate

__all__ = ["LEVELS", "Catalog", "background_rate", "magnitude_columns", "magnitude_owner", "read_catalog"]
