"""The ways in to a proposal: files of APT, YAML files of Mirage, and FITS files of exposures that were executed."""

from mirage_dask.opening.program import Program, open_exposures
from mirage_dask.opening.proposals import open_proposal, open_yaml

__all__ = ["Program", "open_exposures", "open_proposal", "open_yaml"]
