"""From the files of APT and what you add to them, or from YAML files of Mirage, to a proposal."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage_dask.apt import read_proposal, require_all
from mirage_dask.errors import InputError
from mirage_dask.opening.program import file_of, open_exposures
from mirage_dask.planning.settings_columns import refuse_rows
from mirage_dask.proposal import Proposal
from mirage_dask.settings import Settings, load_settings

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
        The pointing report; default the .pointing file beside it. Without one, pointings are computed from the proposal;
        exposures of an observation for which that is not possible are listed with the reason.
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
        file_of(found.table, path=found.path, notes=found.notes),
        Settings(source=found.path),
        table=refuse_rows(found.table),
    )
    if strict:
        require_all(proposal.table)
    return proposal
