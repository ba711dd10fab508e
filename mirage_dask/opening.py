"""The ways in to a proposal: from the files of APT and what you add to them, from YAML files of Mirage, and from FITS files
of exposures that were executed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirage_dask.apt import ProposalFile, read_proposal, require_all
from mirage_dask.errors import InputError
from mirage_dask.planning.settings_columns import add_settings, refuse_rows
from mirage_dask.program import Program
from mirage_dask.proposal import Proposal
from mirage_dask.settings import Settings, load_settings

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client
    from distributed.deploy import Cluster

_LOG = logging.getLogger(__name__)


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
        An .aptx file, the XML that APT exports, the records.json of APT 2025, a folder of Mirage's YAML files, or one of
        FITS files of exposures (`open_exposures`).
    pointing
        The pointing report; default the .pointing file beside it. Without one, exposures are listed but have no position.
    settings
        YAML file, or the same as a dictionary.
    naming
        'mirage': names numbered as Mirage does; 'mast': as the archive does.
    strict
        Raise one error that lists everything that cannot be simulated and everything in which XML and pointing report
        disagree, instead of rows with a reason and `Proposal.mismatches`.
    **arguments
        Settings given here instead: catalogs, background, extended, scene_image, ghosts, roll_angle, dates, cosmic_rays,
        references, reffile_overrides, psf_paths, darks, effects, random_seed (old name: seed). They win over the file.
        Catalogs may be tables of astropy and pandas, angles and backgrounds quantities, dates a Time.

    Raises
    ------
    InputError
        With every problem of the files and settings.
    """
    if Path(path).is_dir():
        if not any(Path(path).glob("*.y*ml")):
            return open_exposures(path, settings=settings, strict=strict, **arguments)
        if settings is not None or any(value is not None for value in arguments.values()):
            raise InputError(
                f"{path}: a folder of YAML files holds its settings; leave the others out, or open the proposal of APT."
            )
        return open_yaml(path, strict=strict)
    chosen = load_settings(settings, **arguments)  # type: ignore[arg-type]
    proposal = Proposal(read_proposal(Path(path), pointing=pointing), chosen, naming=naming)  # type: ignore[arg-type]
    if strict:
        require_all(proposal.table, proposal.file.mismatches)
    for mismatch in proposal.file.mismatches:
        _LOG.warning("%s; the report is followed.", mismatch.sentence)
    return proposal


def open_exposures(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    settings: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    client: Client | Cluster | str | None = None,
    strict: bool = False,
    **arguments: Any,
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
    **arguments
        Settings given here instead, as for `open_proposal`; `roll_angle` and `dates` are those of the files.

    Raises
    ------
    InputError
        With every problem of the files and settings.
    """
    from mirage_dask.executed import executed_table, exposure_files, read_keywords
    from mirage_dask.run.executors.resources import Resources
    from mirage_dask.run.files.mapping import mapped

    chosen = load_settings(settings, **arguments)  # type: ignore[arg-type]
    found = executed_table(mapped(read_keywords, exposure_files(files), Resources(client=client)))
    notes = tuple(
        f"{chosen.source or 'settings'}: {name} changes nothing: exposures that were executed have their own."
        for name in ("roll_angle", "dates")
        if name in chosen.given
    )
    proposal = Program(
        _file_of(found.table, path=str(files), notes=(*found.notes, *notes)),
        chosen,
        table=add_settings(found.table, chosen),
        files=found.files,
    )
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
    from mirage_dask.mirage_yaml import read_yaml

    found = read_yaml(path)
    proposal = Proposal(
        _file_of(found.table, path=found.path, notes=found.notes),
        Settings(source=found.path),
        table=refuse_rows(found.table),
    )
    if strict:
        require_all(proposal.table)
    return proposal


def _file_of(table: pd.DataFrame, *, path: str, notes: tuple[str, ...]) -> ProposalFile:
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
