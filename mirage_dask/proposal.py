"""A proposal with its settings: what it would observe, as a table, as lazy arrays, as a plan and as a run.

import mirage_dask as md

proposal = md.open_proposal("my.aptx", settings="my.yaml")
proposal.table                                          # every detector exposure, a pandas DataFrame
proposal.plan()                                         # how large it is, before anything runs
exposure = proposal.exposure("jw42424001001_01101_00001_nrcb1")
exposure.raw[0, 3, 100:200, 300:400].compute()          # costs that window
proposal.simulate("my.zarr", workers=2)                 # the whole proposal, one graph
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.apt import ProposalFile, exposure_table
from mirage_dask.formatting import counted
from mirage_dask.inspection import CatalogReport, misread_settings, report_catalogs, unused_settings
from mirage_dask.io.progress import Progress
from mirage_dask.on_sky import OnSky
from mirage_dask.planning.settings_columns import add_settings, launch_notes, roll_notes
from mirage_dask.planning.tracks import track_finder
from mirage_dask.selection import Selection, ready_names, select_exposure
from mirage_dask.settings import Settings
from mirage_dask.truth.planned import PlannedTruth

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import xarray as xr
    from distributed import Client
    from distributed.deploy import Cluster

    from mirage_dask.run.report import RunReport
    from mirage_dask.run.summary import PlanSummary
    from mirage_dask.store.plan import Plan

_LOG = logging.getLogger(__name__)

SHOWN_COLUMNS = (
    *("name", "mode", "aperture", "filter", "pupil"),
    *("readpatt", "ngroup", "nint", "target", "status"),
)
"""Columns of `Proposal.exposures`, and of the command `exposures`."""


class Proposal(OnSky, PlannedTruth):
    """A proposal with its settings: its exposures as a table, as lazy arrays, as a plan and as a run.

    Attributes
    ----------
    file : ProposalFile
        What the files of APT say.
    settings : Settings
        What was added.
    naming : str
        How exposures are numbered.
    table : pandas.DataFrame
        Given where it does not follow from file and settings: Mirage's YAML files hold both.
    """

    def __init__(
        self,
        file: ProposalFile,
        settings: Settings,
        *,
        naming: str = "mirage",
        table: pd.DataFrame | None = None,
    ):
        self.file = file
        self.settings = settings
        self.naming = naming
        self._plans: list[Plan] = []
        """What was prepared so far."""
        if table is not None:
            self.__dict__["table"] = table

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per detector exposure; what cannot be simulated has status 'unsupported' and a reason."""
        roll, dates = self.settings.roll_angle, self.settings.dates
        tracks = track_finder(self.settings, self.file)
        table = exposure_table(self.file, roll_angle=roll, dates=dates, naming=self.naming, tracks=tracks)
        return add_settings(table, self.settings)

    def _exposure_table(self) -> pd.DataFrame:
        return self.table

    @property
    def exposures(self) -> pd.DataFrame:
        """The ten columns of the table that matter most, `SHOWN_COLUMNS`; `table` has all."""
        return self.table[list(SHOWN_COLUMNS)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found odd and does not stop anything; one sentence each.

        Where the user gave both date and roll, that includes observations that JWST could not point so on that day; with the
        observatory's CRDS, exposures before the launch. Settings, and columns of catalogs, that change nothing are among
        them, effects that a list has switched off, and catalogs of which no source falls on any detector.
        """
        catalogs = self.catalog_report
        found = (
            *self.file.notes,
            *self._roll_notes,
            *unused_settings(self.settings, self.table),
            *misread_settings(self.settings),
            *catalogs.empty,
            *catalogs.notes,
            *launch_notes(self.table),
        )
        return tuple(dict.fromkeys(found))

    @cached_property
    def catalog_report(self) -> CatalogReport:
        """How many sources of each catalog fall on detectors, and what of the catalogs changes nothing."""
        return report_catalogs(self.table)

    @cached_property
    def _roll_notes(self) -> tuple[str, ...]:
        given = {"roll_angle", "dates"} <= set(self.settings.given)
        return roll_notes(self.table) if given else ()

    @property
    def mismatches(self) -> pd.DataFrame:
        """Where XML and pointing report disagree: observation, visit (0: all of it), expected, found, a sentence."""
        import pandas as pd

        columns = ["observation", "visit", "expected", "found", "sentence"]
        rows = [asdict(m) | {"sentence": m.sentence} for m in self.file.mismatches]
        return pd.DataFrame(rows, columns=columns)

    def write_yaml(
        self,
        folder: str | os.PathLike[str],
        *,
        datatype: str = "linear, raw",
        simdata_directory: str = "./",
        progress: Progress | None = None,
    ) -> list[Path]:
        """Write one YAML file for each detector exposure, as Mirage's generator does; return their paths.

        With reference files by `crds_full_name` these are looked up (and fetched) now, and the files name them.

        Parameters
        ----------
        folder
            Where they go.
        datatype
            'linear', 'raw' or 'linear, raw', for the key Output:datatype.
        simdata_directory
            For the key Output:directory.
        progress
            Called with (what is being done, how many are done, how many there are).

        Raises
        ------
        InputError
            If there is nothing to write, or the folder cannot be written.
        ReferenceFileError
            If the names of reference files are to be written, and one cannot be had.
        """
        from mirage_dask.mirage_yaml import write_yaml

        table = self.table
        if self.settings.full_names:
            from mirage_dask.reference.pinning import pin_files

            table = pin_files(table, progress=progress)
        return write_yaml(table, folder, datatype=datatype, directory=simdata_directory)

    def prepare(
        self,
        select: Selection = None,
        *,
        store: str | os.PathLike[str] | None = None,
        progress: Progress | bool = True,
    ) -> Plan:
        """Resolve catalogs and references of exposures and return the plan of them.

        Only what is asked for is prepared, once; a later session finds it in the cache. The other methods call this.

        Parameters
        ----------
        select
            Exposures: a condition on the columns of the table, names, positions or rows of it, a boolean mask; default all
            that can be simulated.
        store
            A store that the exposures go into: those that it was made for are prepared too where a file that they depend on
            has changed, so that it is known whether they are still right.
        progress
            True for a display in the notebook or terminal, where preparing takes longer than a second; or called with
            (what is being done, how many are done, how many there are).

        Raises
        ------
        InputError, ReferenceFileError, StoreError
            If nothing is selected that can be simulated, a catalog or a reference file cannot be used, or the cache
            cannot be written.
        """
        names = ready_names(self.table, select)
        if store is not None:
            from mirage_dask.planning.keys import stale_names

            names += [name for name in stale_names(self.table, store) if name not in set(names)]
        found = next((plan for plan in reversed(self._plans) if set(names) <= set(plan.names)), None)
        if found is None:
            from mirage_dask.planning.making import make_plan
            from mirage_dask.run.display.preparing import preparing

            with preparing(progress) as told:
                found = make_plan(self.table, self.settings, names=names, progress=told)
            self._plans.append(found)
        return found

    def plan(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        select: Selection = None,
        workers: int | None = None,
        tile_bytes: str | int | None = None,
        measure: bool = True,
        progress: Progress | bool = True,
    ) -> PlanSummary:
        """Return the size of a simulation before it runs: exposures, tasks, bytes, memory, time, sources of references.

        Parameters
        ----------
        out
            The store, if it is known: adds what it contains already, what would be simulated again, and its free disk.
        select
            Exposures, as for `prepare`; nothing else is prepared.
        workers
            Number of workers for the stated time; default one per processor of this machine.
        tile_bytes
            Largest tile, as for `simulate`.
        measure
            Compute up to three tiles here to measure their cost, once for each plan; else the time follows from another
            machine.
        progress
            As for `prepare`.

        Raises
        ------
        InputError
            If the selection cannot be used.
        StoreError
            If something other than a simulation exists at `out`.
        """
        from mirage_dask.run.display.preparing import preparing
        from mirage_dask.run.summary import summarise

        began = time.monotonic()
        with preparing(progress) as told:
            summary = summarise(
                self.prepare(select, store=out, progress=told),
                out,
                unsupported=int((self.table["status"] != "ready").sum()),
                select=select,
                workers=workers,
                tile_bytes=tile_bytes,
                measure=measure,
                progress=told,
                began=began,
            )
        return replace(summary, catalogs=self.catalog_report.lines)

    @property
    def stacks(self) -> tuple[xr.Dataset, ...]:
        """All exposures as lazy stacks (exposure, integration, group, y, x), one for each shape; prepares all."""
        from mirage_dask.lazy import stacks

        return stacks(self.prepare())

    def exposure(self, which: Selection, truth: str | Iterable[str] = (), **replaced: Any) -> xr.Dataset:
        """Return one exposure as a lazy dataset: raw, linear, dark, cosmic_rays, seed; `.md` says where it lies on the sky.

        Its catalogs and reference data are prepared now, those of other exposures are not; pixels are computed later: what
        is selected, in one step (`raw[0, 3, 100:200]`) or in several (`raw[0].isel(y=...)`). The arrays are dask's, in
        chunks that are tiles of the store: reductions run in parallel, and in the memory of a few tiles.

        Parameters
        ----------
        which
            Root name, position or row of the table, or anything else that selects one exposure.
        truth
            Variables that exist on request: names of effects, 'photons', 'groupdq', … (docs/settings.md, Effects).
        **replaced
            Arrays to use instead of computed ones, by the name of the variable (see `mirage_dask.variables`): `seed` (y, x),
            `dark`, … (integration, group, y, x); None leaves it as it is. `raw` and `linear` are made from them.

        Raises
        ------
        InputError
            If there is no such exposure, a variable cannot be replaced or an array does not fit.
        """
        import mirage_dask.accessor  # noqa: F401 - registers it
        from mirage_dask.lazy import exposure_dataset

        name = select_exposure(self.table, which, argument="which=")
        return exposure_dataset(self.prepare(name), name, truth, **replaced)

    def simulate(
        self,
        out: str | os.PathLike[str],
        *,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
        select: Selection = None,
        on_error: str = "record",
        update: bool = False,
        tile_bytes: str | int | None = None,
        progress: Any = True,
        performance_report: str | os.PathLike[str] | None = None,
        truth: bool | str | Iterable[str] = True,
    ) -> RunReport:
        """Simulate into one Zarr store; tiles that it contains already are kept.

        Parameters
        ----------
        out
            The store: a directory or any fsspec URL.
        client
            A dask client, a cluster, or the address of a scheduler.
        workers, memory
            Start this many processes for the run, each limited to this memory ("2GB"). In a script, its lines stand below
            `if __name__ == "__main__":`, since the processes import it again.
        scheduler
            'serial': a plain loop in this process; 'threads': threads of this process. Default, without client and workers:
            the active dask client, else threads.
        threads
            Number of threads; default one per processor.
        select
            Exposures, as for `prepare`; nothing else is prepared.
        on_error
            'record' keeps the traceback of an exposure that fails and continues; 'raise' stops.
        update
            Accept a store of another plan: what changed is simulated again.
        tile_bytes
            Largest tile, bytes of raw data, such as "2MiB" (default 8 MiB, or that of the store): less memory, more files.
        progress
            True for a display in the notebook or terminal, of preparing and of the run; or a subscriber of run events.
        performance_report
            Write dask's report of the run into this HTML file; needs a client or workers, and bokeh.
        truth
            Make the table of sources, which `open_simulation(out).truth()` reads; names as for `exposure`: store these too.
        """
        from mirage_dask.exposure.contributions.variables import check_truth
        from mirage_dask.run.execute import run_plan
        from mirage_dask.run.executors.resources import Resources

        resources = Resources(client, workers, memory, scheduler, threads)
        truth = truth if isinstance(truth, bool) else check_truth(truth)
        for line in self.catalog_report.empty:
            _LOG.warning("%s", line)
        return run_plan(
            self.prepare(select, store=out, progress=progress is True),
            out,
            resources=resources,
            select=select,
            on_error=on_error,
            update=update,
            tile_bytes=tile_bytes,
            progress=progress,
            performance_report=performance_report,
            truth=truth,
        )

    def truth(self, select: Selection = None, *, progress: Progress | bool = True) -> pd.DataFrame:
        """Return the sources whose light reaches exposures, computed now and without a run.

        One row for each source and exposure: catalog and index, place, magnitude, electrons/s, what part of them falls on
        the array, whether it saturates. The columns are in `mirage_dask.truth.columns`, with their units in `attrs`.

        Parameters
        ----------
        select
            Exposures, as for `prepare`; nothing else is prepared.
        progress
            As for `prepare`.

        Raises
        ------
        InputError, ReferenceFileError, StoreError
            As `prepare`.
        """
        from mirage_dask.truth.files import computed_truth

        plan = self.prepare(select, progress=progress)
        return computed_truth(plan, [plan.row(name) for name in ready_names(self.table, select)])

    def _repr_html_(self) -> str:
        from mirage_dask.representation.exposures import proposal_page

        file, given = self.file, ", ".join(self.settings.given)
        facts = [("settings", given or "none given")]
        if file.mismatches:
            facts.append(
                ("XML and report", f"disagree in {counted(len(file.mismatches), 'place')}, see `mismatches`")
            )
        about = " · ".join(word for word in (file.title, file.pi, file.category) if word)
        return proposal_page(f"Proposal {file.program}", about, self.table, SHOWN_COLUMNS, facts)

    def __str__(self) -> str:
        return f"{self!r}\n{self.exposures.to_string(index=False, max_rows=20)}"

    def __repr__(self) -> str:
        ready = int((self.table["status"] == "ready").sum())
        return (
            f"<Proposal {self.file.program} {self.file.title!r}: {counted(len(self.table), 'detector exposure')}, "
            f"{ready} can be simulated>"
        )
