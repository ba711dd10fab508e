"""Sources into files of real data.

fits_copy   a copy of a FITS file with more cards, whose arrays are changed window by window
exposures   raw ramps, count rates and calibrated images with the light of sources added
"""

from mirage_dask.injection.exposures import inject_file, with_sources_only

__all__ = ["inject_file", "with_sources_only"]
