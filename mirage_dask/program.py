"""A program as it was executed: its exposures from FITS files, which can be simulated again, and take new sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirage_dask.apt import ProposalFile
from mirage_dask.proposal import Proposal
from mirage_dask.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


class Program(Proposal):
    """A program as it was executed, with settings: all that a `Proposal` does, for the exposures of files.

    Attributes
    ----------
    files : dict of str to tuple of str
        The files of each exposure by its name: of the lowest level that is there, all segments, in order.
    """

    def __init__(
        self,
        file: ProposalFile,
        settings: Settings,
        *,
        table: pd.DataFrame,
        files: dict[str, tuple[str, ...]],
    ):
        super().__init__(file, settings, table=table)
        self.files = files
