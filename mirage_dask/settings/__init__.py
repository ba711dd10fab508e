"""Settings: what a user adds to a proposal: catalogs, background, roll angle, dates, cosmic rays, effects, random seed.

keys                                                     every key, declared once: parser, JSON schema, documentation
grammar, problems                                        what rules of keys are made of; problems with their places
catalogs, sky, effects, overrides, psf_paths             the rules of single keys
loading, model                                           file, dictionary or arguments -> `Settings`
row                                                      what settings say of one exposure; rows of the exposure table
starter                                                  a file to begin with
"""

from mirage_dask.settings.catalogs import CATALOG_TYPES
from mirage_dask.settings.effects import Effects
from mirage_dask.settings.loading import load_settings
from mirage_dask.settings.model import ROW_COLUMNS, Settings
from mirage_dask.settings.row import SETTINGS_COLUMNS, ExposureRow, ExposureSettings, rows_of
from mirage_dask.settings.sky import CosmicRays

__all__ = [
    "CATALOG_TYPES",
    "ROW_COLUMNS",
    "SETTINGS_COLUMNS",
    "CosmicRays",
    "Effects",
    "ExposureRow",
    "ExposureSettings",
    "Settings",
    "load_settings",
    "rows_of",
]
