"""XML and pointing report side by side: which exposure is which, and where the two files disagree."""

from mirage_dask.apt.matching.contents import compare_contents
from mirage_dask.apt.matching.pairing import match_exposures

__all__ = ["compare_contents", "match_exposures"]
