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

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.apt import ProposalFile, exposure_table, read_proposal, require_all
from mirage_dask.errors import InputError
from mirage_dask.io.progress import Progress
from mirage_dask.mirage_yaml import read_yaml, write_yaml
from mirage_dask.planning import add_settings, launch_notes, make_plan, refuse_catalogs
from mirage_dask.pointing import roll_warning
from mirage_dask.reference.pinning import pin_files
from mirage_dask.settings import Settings, load_settings

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from distributed import Client
    from distributed.deploy import Cluster

    from mirage_dask.run.report import RunReport
    from mirage_dask.run.summary import PlanSummary
    from mirage_dask.store.plan import Plan


def open_proposal(
    path: str | os.PathLike[str],
    *,
    pointing: str | os.PathLike[str] | None = None,
    settings: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    naming: str = "mirage",
    strict: bool = False,
    **arguments: Any,
) -> Proposal:
    """Read a proposal that APT exported and what you add to it; nothing is computed yet.

    Parameters
    ----------
    path
        An .aptx file, the XML that APT exports, the records.json of APT 2025, or a folder of Mirage's YAML files.
    pointing
        The pointing report; default the .pointing file beside it.
    settings
        YAML file, or the same as a dictionary.
    naming
        'mirage': names numbered as Mirage does; 'mast': as the archive does.
    strict
        Raise one error that lists everything that cannot be simulated, instead of rows with a reason.
    **arguments
        Settings given here instead: catalogs, background, roll_angle, dates, cosmic_rays, references,
        reffile_overrides, psf_paths, darks, effects, random_seed (old name: seed). They win over the file.

    Raises
    ------
    InputError
        With every problem of the files and settings.
    """
    if Path(path).is_dir():
        if settings is not None or any(value is not None for value in arguments.values()):
            raise InputError(
                f"{path}: a folder of YAML files holds its settings; leave the others out, or open the proposal of APT."
            )
        return open_yaml(path, strict=strict)
    chosen = load_settings(settings, **arguments)  # type: ignore[arg-type]
    proposal = Proposal(read_proposal(Path(path), pointing=pointing), chosen, naming=naming)  # type: ignore[arg-type]
    if strict:
        require_all(proposal.table)
    return proposal


def open_yaml(path: str | os.PathLike[str], *, strict: bool = False) -> Proposal:
    """Open YAML files that Mirage's generator wrote, or `Proposal.write_yaml`: the same exposures, ready to simulate.

    Parameters
    ----------
    path
        A folder of them, or one file.
    strict
        Raise one error that lists everything that cannot be simulated, instead of rows with a reason.

    Raises
    ------
    InputError
        With every problem of every file.
    """
    found = read_yaml(path)
    first = found.table.iloc[0]
    file = ProposalFile(
        path=found.path,
        pointing_path="",
        program=int(first["program"]),
        title=str(first["title"]),
        pi=str(first["pi"]),
        category=str(first["category"]),
        targets={},
        observations=(),
        exposures=(),
        notes=found.notes,
    )
    proposal = Proposal(file, Settings(source=found.path), table=refuse_catalogs(found.table))
    if strict:
        require_all(proposal.table)
    return proposal


class Proposal:
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
        if table is not None:
            self.__dict__["table"] = table

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per detector exposure; what cannot be simulated has status 'unsupported' and a reason."""
        roll, dates = self.settings.roll_angle, self.settings.dates
        table = exposure_table(self.file, roll_angle=roll, dates=dates, naming=self.naming)
        return add_settings(table, self.settings)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found odd and does not stop anything; one sentence each.

        Where the user gave both date and roll, that includes observations that JWST could not point so on that day; with the
        observatory's CRDS, exposures before the launch.
        """
        return (*self.file.notes, *self._roll_notes, *launch_notes(self.table))

    @cached_property
    def _roll_notes(self) -> tuple[str, ...]:
        if not {"roll_angle", "dates"} <= set(self.settings.given):
            return ()
        firsts = self.table[self.table["ra_ref"].notna()].drop_duplicates("observation")
        columns = ["observation", "ra_pointing", "dec_pointing", "start_time", "pa_v3"]
        notes = []
        for number, ra, dec, start, roll in firsts[columns].itertuples(index=False, name=None):
            if warning := roll_warning(ra, dec, datetime.fromisoformat(start), roll):
                notes.append(f"observation {number}: {warning}")
        return tuple(notes)

    @property
    def mismatches(self) -> pd.DataFrame:
        """Where XML and pointing report disagree: observation, visit (0: all of it), expected, found."""
        import pandas as pd

        columns = ["observation", "visit", "expected", "found"]
        return pd.DataFrame([asdict(m) for m in self.file.mismatches], columns=columns)

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
        table = pin_files(self.table, progress=progress) if self.settings.full_names else self.table
        return write_yaml(table, folder, datatype=datatype, directory=simdata_directory)

    def prepare(self, *, progress: Progress | None = None) -> Plan:
        """Resolve catalogs and references and return the plan; done once, and found again in the cache.

        Parameters
        ----------
        progress
            Called with (what is being done, how many are done, how many there are).

        Raises
        ------
        InputError, ReferenceFileError, StoreError
            If a catalog or a reference file cannot be used, or the cache cannot be written.
        """
        if "_plan" not in self.__dict__:
            if not (self.table["status"] == "ready").any():
                reasons = "; ".join(sorted(set(self.table["reason"])))
                raise InputError(f"None of the {len(self.table)} exposures can be simulated: {reasons}.")
            self.__dict__["_plan"] = make_plan(self.table, self.settings, progress=progress)
        plan: Plan = self.__dict__["_plan"]
        return plan

    def plan(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        select: str | Iterable[str] | None = None,
        workers: int | None = None,
        tile_bytes: str | int | None = None,
        measure: bool = True,
        progress: Progress | None = None,
    ) -> PlanSummary:
        """Return the size of a simulation before it runs: exposures, tasks, bytes, memory, time, sources of references.

        Parameters
        ----------
        out
            The store, if it is known: adds what it contains already, what would be simulated again, and its free disk.
        select
            Names, or a pandas query over the table.
        workers
            Number of workers for the stated time; default one per processor of this machine.
        tile_bytes
            Largest tile, as for `simulate`.
        measure
            Compute up to three tiles here to measure their cost; else the time follows from another machine.
        progress
            Called with (what is being done, how many are done, how many there are).

        Raises
        ------
        InputError
            If the selection cannot be used.
        StoreError
            If something other than a simulation exists at `out`.
        """
        from mirage_dask.run.summary import summarise

        return summarise(
            self.prepare(progress=progress),
            out,
            unsupported=int((self.table["status"] != "ready").sum()),
            select=select,
            workers=workers,
            tile_bytes=tile_bytes,
            measure=measure,
            progress=progress,
        )

    @property
    def stacks(self) -> tuple[xr.Dataset, ...]:
        """All exposures as lazy stacks (exposure, integration, group, y, x), one for each shape."""
        from mirage_dask.lazy import stacks

        return stacks(self.prepare())

    def exposure(self, name: str, **replaced: Any) -> xr.Dataset:
        """Return one exposure as a lazy dataset: raw, linear, dark, cosmic_rays, seed.

        What is selected is what is computed, in one step (`raw[0, 3, 100:200]`) or in several (`raw[0].isel(y=...)`). The
        arrays are dask's, in chunks that are tiles of the store: reductions over a whole exposure run in parallel, and in
        the memory of a few tiles.

        Parameters
        ----------
        name
            Root name, as in the table.
        **replaced
            Arrays to use instead of computed ones, by the name of the variable: `seed` (y, x), `dark` or `cosmic_rays`
            (integration, group, y, x), see `mirage_dask.variables`; None leaves it as it is. `raw` and `linear` are made
            from them, still lazily.

        Raises
        ------
        InputError
            If there is no such exposure, a variable cannot be replaced or an array does not fit.
        """
        from mirage_dask.lazy import exposure_dataset

        return exposure_dataset(self.prepare(), name, **replaced)

    def simulate(
        self,
        out: str | os.PathLike[str],
        *,
        client: Client | Cluster | str | None = None,
        workers: int | None = None,
        memory: str | int | None = None,
        scheduler: str | None = None,
        threads: int | None = None,
        select: str | Iterable[str] | None = None,
        on_error: str = "record",
        update: bool = False,
        tile_bytes: str | int | None = None,
        progress: Any = True,
        performance_report: str | os.PathLike[str] | None = None,
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
            Names, or a pandas query over the table.
        on_error
            'record' keeps the traceback of an exposure that fails and continues; 'raise' stops.
        update
            Accept a store of another plan: what changed is simulated again.
        tile_bytes
            Largest tile, bytes of raw data, such as "2MiB" (default 8 MiB, or that of the store): less memory, more files.
        progress
            True for a display in the notebook or terminal, or a subscriber of run events.
        performance_report
            Write dask's report of the run into this HTML file; needs a client or workers, and bokeh.
        """
        from mirage_dask.run.execute import run_plan
        from mirage_dask.run.executors.resources import Resources

        resources = Resources(client, workers, memory, scheduler, threads)
        return run_plan(
            self.prepare(),
            out,
            resources=resources,
            select=select,
            on_error=on_error,
            update=update,
            tile_bytes=tile_bytes,
            progress=progress,
            performance_report=performance_report,
        )

    def __repr__(self) -> str:
        ready = int((self.table["status"] == "ready").sum())
        return (
            f"<Proposal {self.file.program} {self.file.title!r}: {len(self.table)} detector exposures, "
            f"{ready} can be simulated>"
        )
