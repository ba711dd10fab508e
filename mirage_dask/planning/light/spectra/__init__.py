"""Spectra of the sources of catalogs behind a grism.

given   what files say of them
light   their light at the nodes of a grism
"""

from mirage_dask.planning.light.spectra.given import check_spectra, filter_columns, read_given
from mirage_dask.planning.light.spectra.light import FLAT, flat_spectrum, source_light, target_spectrum

__all__ = [
    "FLAT",
    "check_spectra",
    "filter_columns",
    "flat_spectrum",
    "read_given",
    "source_light",
    "target_spectrum",
]
