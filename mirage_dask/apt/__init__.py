"""APT: the files that a proposal exports, expanded to one row per exposure of each detector.

documents, pointing_report, proposal_xml, records_json    files -> values
templates/                                                 one observing template -> its sequence of specifications
matching                                                   rows of the report <-> specifications
detectors, support                                         the detectors of an exposure; what cannot be simulated yet
schedule, naming, columns, table                           times, names, the exposure table
"""

from mirage_dask.apt.columns import COLUMNS
from mirage_dask.apt.naming import NAMINGS
from mirage_dask.apt.reading import read_proposal
from mirage_dask.apt.records import (
    Dithers,
    Exposure,
    ExposureSpecification,
    Mismatch,
    Observation,
    PointingRow,
    ProposalFile,
    Sequence,
    Target,
)
from mirage_dask.apt.table import exposure_table, require_all

__all__ = [
    "COLUMNS",
    "NAMINGS",
    "Dithers",
    "Exposure",
    "ExposureSpecification",
    "Mismatch",
    "Observation",
    "PointingRow",
    "ProposalFile",
    "Sequence",
    "Target",
    "exposure_table",
    "read_proposal",
    "require_all",
]
