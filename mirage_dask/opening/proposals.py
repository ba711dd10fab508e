"""From the files of APT and what you add to them, or from YAML files of Mirage, to a proposal."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mirage_dask.apt import read_proposal, require_all
from mirage_dask.errors import InputError
from mirage_dask.opening.program import file_of, open_exposures
from mirage_dask.planning.settings_columns import refuse_rows
from mirage_dask.proposal import Proposal
from mirage_dask.settings import Settings, load_settings
from mirage_dask.settings.loading import Location, OtherArguments, given_settings

if TYPE_CHECKING:
    from astropy.time import Time
    from astropy.units import Quantity

_LOG = logging.getLogger(__name__)


def open_proposal(
    path: str | os.PathLike[str],
    *,
    pointing: str | os.PathLike[str] | None = None,
    settings: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    naming: str = "mirage",
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
        YAML file, or the same as a dictionary. Those that are given here as arguments, from `catalogs` on, win over it; they
        are described in full in docs/settings.md.
    naming
        'mirage': names numbered as Mirage does; 'mast': as the archive does.
    strict
        Raise one error that lists everything that cannot be simulated and everything in which XML and pointing report
        disagree, instead of rows with a reason and `Proposal.mismatches`.
    catalogs
        Sources, {'point_source': FILE or table, 'galaxy': …}: for all targets, or for each by its name.
    background
        'low', 'medium', 'high', 'date', DN/s per pixel, a quantity such as '0.2 MJy/sr', or a FITS image; a list is a sum.
    extended
        What is true of the images in catalogs of extended sources, {'psf': 'none' or 'jwst', 'scale': NUMBER}.
    scene_image
        An image of the sky with a WCS: a file, or {'path': …, 'units': …, 'psf': …}.
    ghosts
        Ghosts of NIRISS: True, False, or {'stamp': FILE, 'psf': …}.
    spectra
        Light of sources behind a grism: a file of spectra, or {'continuum': …, 'file': …, 'lines': …}.
    grism_configurations
        Folder of the instrument teams' configurations of grisms.
    filter_wheel_angle
        Angle of the filter wheel of NIRISS with a grism in it, degrees.
    soss
        Single-object spectroscopy with NIRISS, {'pwcpos': DEGREES, 'traces': FILE}.
    roll_angle
        Position angle of V3, degrees or a quantity: one, or one for each observation by its number.
    dates
        Start, UTC, text, datetime or Time: one, or one for each observation.
    use_dateobs_for_background
        Whether levels of `background` are what the sky is on the day of the exposure.
    cosmic_rays
        'SUNMIN', 'SUNMAX', 'FLARE', 'FLIGHT', {'library': …, 'scale': NUMBER}, or False for none.
    scattered_light
        Wisps and claws of NIRCam's short wavelengths, {'wisps': True, 'claws': FILE}.
    references
        Where reference files come from: 'builtin', 'crds', 'mirage_data', or several: the first that has a file.
    reffile_defaults
        'crds' or 'crds_full_name': Mirage's words for `references='crds'`.
    reffile_overrides
        Your own reference files, nested by instrument, type and detector.
    psf_paths
        Folder of PSF libraries of your own; one for each observation, or for each exposure specification.
    darks
        'model', 'linearized', 'raw', 'linearized_varied' or 'raw_varied'.
    effects
        Effects of the detector, {NAME: True or False}, or a list of names that are off.
    segmentation_threshold
        Light in a pixel from which a source is in the variable `segmentation`, 'NUMBER UNIT'.
    random_seed
        Whole number; another one is another realisation of all noise.
    **other_names
        Old names of settings: seed (random_seed), parameter_defaults.

    Raises
    ------
    InputError
        With every problem of the files and settings.
    """
    given = given_settings(locals())
    if Path(path).is_dir():
        if not any(Path(path).glob("*.y*ml")):
            return open_exposures(path, settings=settings, strict=strict, **given, **other_names)
        if settings is not None or any(
            value is not None for value in (*given.values(), *other_names.values())
        ):
            raise InputError(
                f"{path}: a folder of YAML files holds its settings; leave the others out, or open the proposal of APT."
            )
        return open_yaml(path, strict=strict)
    chosen = load_settings(settings, **given, **other_names)
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
