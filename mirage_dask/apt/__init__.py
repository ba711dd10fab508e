"""APT: a proposal's XML (or .aptx) and pointing report, expanded to one row per exposure of each detector."""

from mirage_dask.apt.reading import read_proposal
from mirage_dask.apt.records import (
    ExposureSpecification,
    NircamImaging,
    Observation,
    PointingRow,
    ProposalFile,
    Target,
)
from mirage_dask.apt.table import COLUMNS, exposure_table

__all__ = [
    "COLUMNS",
    "ExposureSpecification",
    "NircamImaging",
    "Observation",
    "PointingRow",
    "ProposalFile",
    "Target",
    "exposure_table",
    "read_proposal",
]
