"""Settings: what a user adds to a proposal: catalogs, background, roll angle, dates, cosmic rays, effects, seed."""

from mirage_dask.settings.catalogs import CATALOG_TYPES
from mirage_dask.settings.loading import load_settings
from mirage_dask.settings.model import ROW_COLUMNS, SETTINGS_COLUMNS, Settings
from mirage_dask.settings.records import CosmicRays, Effects, ExposureSettings
from mirage_dask.settings.yaml_reader import YamlProposal, read_yaml
from mirage_dask.settings.yaml_writer import write_yaml

__all__ = [
    "CATALOG_TYPES",
    "ROW_COLUMNS",
    "SETTINGS_COLUMNS",
    "CosmicRays",
    "Effects",
    "ExposureSettings",
    "Settings",
    "YamlProposal",
    "load_settings",
    "read_yaml",
    "write_yaml",
]
