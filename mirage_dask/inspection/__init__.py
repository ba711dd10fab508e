"""What is to be said of a proposal's input before anything runs: skies that are empty, input that changes nothing.

source_counts     how many sources of a catalog fall on how many detectors
catalogs          that of all catalogs of a proposal; their columns that change nothing or may be meant otherwise
scene_images      how many exposures an image of the scene falls on
unused_settings   settings that change nothing
misread_settings  settings that hold, in a form that is easily taken for another
"""

from mirage_dask.inspection.catalogs import CatalogReport, report_catalogs
from mirage_dask.inspection.misread_settings import misread_settings
from mirage_dask.inspection.source_counts import SourceCount, count_sources
from mirage_dask.inspection.unused_settings import unused_settings

__all__ = [
    "CatalogReport",
    "SourceCount",
    "count_sources",
    "misread_settings",
    "report_catalogs",
    "unused_settings",
]
