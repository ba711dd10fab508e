"""A program as it was executed: its exposures from FITS files, which can be simulated again, and take new sources."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from mirage_dask.apt import ProposalFile, require_all
from mirage_dask.planning.settings_columns import add_settings
from mirage_dask.proposal import Proposal
from mirage_dask.selection import Selection, select_rows
from mirage_dask.settings import Settings, load_settings
from mirage_dask.settings.loading import Location, OtherArguments, given_settings

if TYPE_CHECKING:
    import pandas as pd
    from astropy.time import Time
    from astropy.units import Quantity
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
        scheduler: str | None = None,
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
        client, workers, memory, scheduler, threads
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
        from mirage_dask.run.files.inject import folder_for, inject_files

        proposal = self.sources_only
        rows = self.table.iloc[select_rows(self.table, select)]
        names = list(rows["name"][rows["status"] == "ready"])
        files = {name: self.files[name] for name in names}
        folder_for(files, folder)
        with preparing(progress) as told:
            plan = proposal.prepare(names or select, progress=told)
            return inject_files(
                plan,
                files,
                folder,
                resources=Resources(client, workers, memory, scheduler, threads),
                overwrite=overwrite,
                progress=told,
            )


def open_exposures(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    settings: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    client: Client | Cluster | str | None = None,
    strict: bool = False,
    catalogs: Mapping[str, Any] | None = None,
    background: str | float | Quantity | Sequence[Any] | Mapping[Any, Any] | None = None,
    extended: Mapping[str, Any] | None = None,
    scene_image: Location | Mapping[str, Any] | None = None,
    ghosts: bool | Mapping[str, Any] | None = None,
    spectra: Location | Mapping[str, Any] | None = None,
    grism_configurations: Location | None = None,
    filter_wheel_angle: float | Mapping[Any, Any] | None = None,
    soss: Mapping[str, Any] | None = None,
    roll_angle: float | Quantity | Mapping[int, Any] | None = None,
    dates: str | datetime | Time | Mapping[int, Any] | None = None,
    use_dateobs_for_background: bool | None = None,
    cosmic_rays: str | bool | Mapping[Any, Any] | None = None,
    scattered_light: Mapping[str, Any] | None = None,
    references: str | Sequence[str] | None = None,
    reffile_defaults: str | None = None,
    reffile_overrides: Mapping[str, Any] | None = None,
    psf_paths: Location | Sequence[Location] | Mapping[int, Location] | None = None,
    darks: str | None = None,
    effects: Mapping[str, Any] | Sequence[str] | None = None,
    segmentation_threshold: str | None = None,
    random_seed: int | None = None,
    **other_names: Unpack[OtherArguments],
) -> Program:
    """Open exposures as they were executed, from FITS files of the archive or of `Simulation.export`: ready to simulate.

    Only headers are read. Names, pointing, aperture, readout, dates, dithers and targets are those of the files; of several
    files of one exposure (levels, segments) there is one row. Files of other instruments are rows with the reason.

    Parameters
    ----------
    files
        A folder, which is searched with all that is in it; a pattern such as ``data/*_uncal.fits``; files; or URLs.
    settings
        YAML file, or the same as a dictionary.
    client
        A dask client, a cluster, or the address of a scheduler, whose workers read the headers; default threads of this
        process.
    strict
        Raise one error that lists everything that cannot be simulated, instead of rows with a reason.
    catalogs, ..., random_seed
        Settings given here instead, as for `open_proposal`; `roll_angle` and `dates` are those of the files.
    **other_names
        As for `open_proposal`.

    Raises
    ------
    InputError
        With every problem of the files and settings.
    """
    from mirage_dask.executed import executed_table, exposure_files, read_keywords
    from mirage_dask.run.executors.resources import Resources
    from mirage_dask.run.files.mapping import mapped

    chosen = load_settings(settings, **given_settings(locals()), **other_names)
    found = executed_table(mapped(read_keywords, exposure_files(files), Resources(client=client)))
    notes = tuple(
        f"{chosen.source or 'settings'}: {name} changes nothing: exposures that were executed have their own."
        for name in ("roll_angle", "dates")
        if name in chosen.given
    )
    proposal = Program(
        file_of(found.table, path=str(files), notes=(*found.notes, *notes)),
        chosen,
        table=add_settings(found.table, chosen),
        files=found.files,
    )
    if strict:
        require_all(proposal.table)
    return proposal


def file_of(table: pd.DataFrame, *, path: str, notes: tuple[str, ...]) -> ProposalFile:
    """Return what stands for the files of APT where there are none: what rows of the table say of the proposal."""
    first = table.iloc[0]
    return ProposalFile(
        path=path,
        pointing_path="",
        program=int(first["program"]),
        title=str(first["title"]),
        pi=str(first["pi"]),
        category=str(first["category"]),
        targets={},
        observations=(),
        exposures=(),
        notes=notes,
    )
