"""Settings: what a user adds to a proposal: catalogs, background, roll angle, dates, cosmic rays, effects, seed."""

from mirage_dask.settings.loading import load_settings
from mirage_dask.settings.records import CosmicRays, Effects, ExposureSettings, Settings

__all__ = ["CosmicRays", "Effects", "ExposureSettings", "Settings", "load_settings"]
