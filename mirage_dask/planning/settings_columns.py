"""The exposure table with what the settings say of each exposure, and what is told about it."""

from __future__ import annotations

import math
from collections.abc import Hashable
from datetime import datetime
from typing import Any

import pandas as pd

from mirage_dask.apt.table import NON_SIDEREAL, as_table
from mirage_dask.errors import InputError
from mirage_dask.formatting import numbers
from mirage_dask.instruments import blocking_filter, grism_of, instruments
from mirage_dask.pointing import roll_warning
from mirage_dask.scene.catalogs import TRACKED
from mirage_dask.settings import ROW_COLUMNS, SETTINGS_COLUMNS, ExposureSettings, Settings
from mirage_dask.settings.effects import NO_EFFECTS
from mirage_dask.settings.keys import CRDS
from mirage_dask.settings.row import read_references

LAUNCH, SCIENCE = "2021-12-25", "2022-07-12"
"""Days of JWST's launch, and of the end of its commissioning: files that were measured in flight hold from then on."""

GRISM_APERTURE = "GRISM"
"""Part of the names of the apertures of all detectors of a grism time series."""


def add_settings(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the exposure table with what the settings say of each exposure, `SETTINGS_COLUMNS`.

    Rows whose catalogs are of a type that is not simulated become 'unsupported', with that reason.

    Raises
    ------
    InputError
        If the settings name targets or observations that the table lacks, or leave out ones that it needs.
    """
    settings.check_against(table)
    found: dict[Hashable, dict[str, Any]] = {}
    rows = []
    for values in table[[*ROW_COLUMNS, "status"]].itertuples(index=False, name=None):
        if values not in found:
            row = dict(zip(ROW_COLUMNS, values, strict=False))
            found[values] = _settings_of(row, settings).to_columns()
        rows.append(found[values])
    added = as_table(rows, SETTINGS_COLUMNS)
    targets = _targets(table, added)
    added["tso_grism_catalog"] = targets
    ours = table["instrument"].isin(instruments()).to_numpy()
    added.loc[(table["tracking"] != NON_SIDEREAL).to_numpy(), TRACKED] = ""  # one file for all targets
    added.loc[ours, "psf_path"] = settings.psf_folders(table[ours])
    return refuse_rows(pd.concat([table.reset_index(drop=True), added], axis=1))


def _targets(table: pd.DataFrame, added: pd.DataFrame) -> list[str]:
    """Return the catalog of the target of a grism or SOSS time series of each row.

    Detectors that image the target meanwhile look at it too, unless they have a catalog of the type tso_imaging_catalog.
    """
    rows = zip(
        table["mode"],
        table["aperture"],
        added["tso_grism_catalog"],
        added["tso_imaging_catalog"],
        strict=True,
    )
    return [
        own if mode in ("ts_grism", "soss") or (GRISM_APERTURE in aperture and not other) else ""
        for mode, aperture, own, other in rows
    ]


def _settings_of(row: dict[str, Any], settings: Settings) -> ExposureSettings:
    """Return what the settings say of one row; nothing of catalogs, sky and effects where an exposure is only listed."""
    try:
        if row["instrument"] in instruments():
            return settings.for_exposure(row)
    except InputError:  # `check_against` has raised if the row is ready
        pass
    return ExposureSettings(
        background="",
        references=settings.references,
        darks=settings.darks,
        effects=NO_EFFECTS,
        random_seed=settings.random_seed,
    )


def refuse_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with rows 'unsupported' whose settings ask for what is not simulated."""
    optics = zip(table["filter"], table["pupil"], table["detector"], strict=True)
    for filter_, pupil, detector in sorted(set(optics)):
        if grism_of(filter_, pupil) and not _has_grism(detector, filter_, pupil):
            here = (table["filter"] == filter_) & (table["pupil"] == pupil) & (table["detector"] == detector)
            refused = here & (table["grism_configurations"] == "") & (table["status"] == "ready")
            table.loc[refused, ["status", "reason"]] = [
                "unsupported",
                f"there is no built-in grism configuration of {filter_}/{pupil}; give those of the instrument teams "
                "(grism_configurations)",
            ]
    refused = (
        (table["scene_image"] != "") & (table["tracking"] == NON_SIDEREAL) & (table["status"] == "ready")
    )
    table.loc[refused, ["status", "reason"]] = [
        "unsupported",
        "its target moves, behind which an image of the scene (scene_image) does not trail yet",
    ]
    return table


def _has_grism(detector: str, filter: str, pupil: str) -> bool:
    """Return whether there is a built-in configuration of a grism."""
    from mirage_dask.reference.grisms.builtin import builtin_configuration  # most proposals have no grism

    try:
        builtin_configuration(detector, blocking_filter(filter, pupil), grism_of(filter, pupil))
    except InputError:
        return False
    return True


def launch_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return a sentence if exposures that use the observatory's CRDS start before JWST was launched."""
    uses = table["references"].map(lambda text: CRDS in read_references(text)).astype(bool)
    early = table[uses & (table["status"] == "ready") & (table["start_time"] < LAUNCH)]
    if early.empty:
        return ()
    first = early["start_time"].min()[:10]
    return (
        f"exposures that start before the launch ({LAUNCH}): {len(early):,}, the first on {first}; CRDS "
        f"gives them files of tests on the ground; give dates from {SCIENCE} on, when science observations began.",
    )


def roll_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return a note on each date and roll that JWST does not allow; observations of one target and day share one.

    Parameters
    ----------
    table
        Exposure table.
    """
    firsts = table[table["ra_ref"].notna()].drop_duplicates("observation")
    columns = ["observation", "target_ra", "target_dec", "ra_pointing", "dec_pointing", "start_time", "pa_v3"]
    found: dict[tuple[Any, ...], tuple[str, list[int]]] = {}
    for number, target_ra, target_dec, ra, dec, start, roll in firsts[columns].itertuples(
        index=False, name=None
    ):
        place = (target_ra, target_dec) if math.isfinite(target_ra + target_dec) else (ra, dec)
        when = datetime.fromisoformat(start)
        if warning := roll_warning(place[0], place[1], when, roll):
            found.setdefault((*place, when.date(), roll), (warning, []))[1].append(number)
    return tuple(
        f"observation{'s' if len(which) > 1 else ''} {numbers(which)}: {warning}"
        for warning, which in found.values()
    )
