"""A program as it was executed: its exposures from FITS files, which can be simulated again, and take new sources."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from mirage_dask.apt import ProposalFile
from mirage_dask.proposal import Proposal
from mirage_dask.selection import Selection, select_rows
from mirage_dask.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client
    from distributed.deploy import Cluster

    from mirage_dask.run.files.inject import InjectionReport


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

    @cached_property
    def sources_only(self) -> Proposal:
        """The same exposures with the light of the catalogs alone: no sky, no cosmic rays, no noise of the detector."""
        from mirage_dask.injection import with_sources_only

        return Proposal(self.file, self.settings, table=with_sources_only(self.table))

    def inject(
        self,
        folder: str | os.PathLike[str],
        *,
        select: Selection = None,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        threads: int | None = None,
        overwrite: bool = False,
        progress: bool = True,
    ) -> InjectionReport:
        """Write copies of the files with the sources of the catalogs added: for tests of completeness in real data.

        Raw files get the electrons of the sources with their own photon noise, through the detector's response; rates and
        calibrated images get their rate and its variance. Noise, sky, artefacts, flags and headers stay, and pixels without
        new light keep their values bit for bit. A table of the sources of each exposure lies beside the copies.

        Parameters
        ----------
        folder
            Where the copies go.
        select
            Exposures, as for `prepare`; default all that can be simulated.
        client, workers, memory, threads
            Where it is done, as for `simulate`.
        overwrite
            Make copies again that are there with the same sources.
        progress
            Whether it is shown, where it takes longer than a second.

        Raises
        ------
        InputError, ReferenceFileError
            As `prepare`; or the files cannot be used.
        """
        from mirage_dask.run.display.preparing import preparing
        from mirage_dask.run.executors.resources import Resources
        from mirage_dask.run.files.inject import inject_files

        proposal = self.sources_only
        rows = self.table.iloc[select_rows(self.table, select)]
        names = list(rows["name"][rows["status"] == "ready"])
        with preparing(progress) as told:
            plan = proposal.prepare(names or select, progress=told)
            return inject_files(
                plan,
                {name: self.files[name] for name in names},
                folder,
                resources=Resources(client, workers, memory, None, threads),
                overwrite=overwrite,
                progress=told,
            )
