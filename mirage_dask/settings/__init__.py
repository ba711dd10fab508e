"""Settings: what a user adds to a proposal: catalogs, background, roll angle, dates, cosmic rays, effects, seed."""

from mirage_dask.settings.catalogs import CATALOG_TYPES
from mirage_dask.settings.loading import load_settings
from mirage_dask.settings.model import ROW_COLUMNS, SETTINGS_COLUMNS, Settings
from mirage_dask.settings.records import CosmicRays, Effects, ExposureSettings

__all__ = [
    "CATALOG_TYPES",
    "ROW_COLUMNS",
    "SETTINGS_COLUMNS",
    "CosmicRays",
    "Effects",
    "ExposureSettings",
    "Settings",
    "load_settings",
]
