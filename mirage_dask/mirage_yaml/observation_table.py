"""Mirage's table of observations: one row for each YAML file, with the columns that its generator keeps in `info`.

Values are those that Mirage writes into `Observation_table_for_<xml>_with_yaml_parameters.csv`: numbers of observations and
exposures are texts with leading zeros, detectors of NIRCam are 'A1' to 'B5', what does not exist is 'None'. `yamlfile` and
`outputfits` are names without a folder, as in Mirage; the folders are those that the generator was given.

NOT here: columns that Mirage fills for MIRI and NIRSpec only (GroupsLong, Wavelength, …), the numbers of the exposure-time
calculator (EtcId, …), and what a proposal has but no exposure depends on (ApertureOverride, DitherPatternType, …).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask.apt.records import Exposure, PointingRow
from mirage_dask.errors import InputError
from mirage_dask.io.atomic import replacing
from mirage_dask.mirage_yaml.writer import (
    CATALOG_KEYS,
    can_be_written,
    exposure_yaml,
    mirages_background,
    mirages_cosmic_rays,
)
from mirage_dask.settings import ExposureRow, rows_of

CATALOG_COLUMNS = {
    "point_source": ("PointSourceCatalog", "ptsrc"),
    "galaxy": ("GalaxyCatalog", "galcat"),
    "extended": ("ExtendedCatalog", "ext"),
    "moving_pointsource": ("MovingTargetList", "movptsrc"),
    "moving_sersic": ("MovingTargetSersic", "movgal"),
    "moving_extended": ("MovingTargetExtended", "movext"),
    "moving_target_to_track": ("MovingTargetToTrack", "solarsys"),
    "tso_imaging_catalog": ("ImagingTSOCatalog", "img_tso"),
    "tso_grism_catalog": ("GrismTSOCatalog", "grism_tso"),
}
"""By the type of catalog: Mirage's column, and what follows 'sw_' and 'lw_' in those of NIRCam."""
FILE_COLUMNS = (
    *("superbias", "linearity", "saturation", "gain", "astrometric", "photom", "ipc", "transmission"),
    *("badpixmask", "pixelflat"),
)
"""Columns that are keys of the section Reffiles."""

_CHANNELS = {"SHORT": ("Short", "sw"), "LONG": ("Long", "lw")}

Key = tuple[int, int, int, int, int, str]
"""Observation, visit, tile, specification, dither, aperture of the pointing report: one exposure of one instrument."""


def observation_table_name(path: str | os.PathLike[str]) -> str:
    """Return the name that Mirage gives the table of a proposal: the name of the XML file is part of it."""
    return f"Observation_table_for_{Path(path).name}_with_yaml_parameters.csv"


def observation_table(table: pd.DataFrame, exposures: Iterable[Exposure] = ()) -> pd.DataFrame:
    """Return Mirage's table of observations.

    Parameters
    ----------
    table
        Exposure table with its settings.
    exposures
        Those of the proposal: their rows of the pointing report give the offsets `basex`, `basey`, `dithx` and `dithy`,
        arcsec, which are NaN without them.

    Returns
    -------
    pandas.DataFrame
        One row for each exposure that has a YAML file, in the order of the files.
    """
    rows = rows_of(table[can_be_written(table)])
    reported = {_key_of_report(e.row): e.row for e in exposures if e.row is not None}
    parallel = {row.observation for row in rows if row.sequence > 1}
    starts: dict[int, str] = {}
    entries: dict[Key, int] = {}
    channels: dict[Key, dict[str, ExposureRow]] = {}
    for row in rows:
        starts[row.observation] = min(starts.get(row.observation, row.start_time), row.start_time)
        entries.setdefault(_key(row), len(entries))
        channels.setdefault(_key(row), {}).setdefault(row.channel, row)
    found = []
    for row in rows:
        key, start = _key(row), starts[row.observation]
        found.append(
            _proposal_columns(row, coordinated=row.observation in parallel)
            | _optics_columns(row, channels[key])
            | {"entry_number": entries[key], "Date": start, "epoch_start_date": start}
            | _settings_columns(row, channels[key])
            | _pointing_columns(row, reported.get(key))
            | _yaml_columns(row)
        )
    return pd.DataFrame(found)


def write_observation_table(observations: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write the table as CSV.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        with replacing(Path(path)) as temporary:
            observations.to_csv(temporary, index=False)
    except OSError as error:
        raise InputError(f"{path}: the table cannot be written: {error.strerror or error}.") from None


def _key(row: ExposureRow) -> Key:
    return (row.observation, row.visit, row.tile, row.specification, row.dither, row.pps_aperture)


def _key_of_report(row: PointingRow) -> Key:
    return (row.observation, row.visit, row.tile, row.specification, row.dither, row.aperture)


def _proposal_columns(row: ExposureRow, *, coordinated: bool) -> dict[str, Any]:
    return {
        "PI_Name": row.pi,
        "Proposal_category": row.category,
        "ProposalID": f"{row.program:05d}",
        "Science_category": row.science_category,
        "Title": row.title,
        "Module": row.module or "N",
        "Subarray": row.subarray,
        "Instrument": row.instrument,
        "PrimaryDitherType": row.primary_dither_type or "None",
        "PrimaryDithers": row.total_primary,
        "SubpixelPositions": row.total_subpix,
        "SubpixelDitherType": row.subpix_type or "None",
        "CoordinatedParallel": str(coordinated).lower(),
        "ParallelInstrument": row.sequence > 1,
        "ObservationID": f"{row.observation:03d}",
        "TileNumber": row.tile,
        "APTTemplate": row.template,
        "ObservationName": row.label,
        "number_of_dithers": 1,  # of a row, which is one dither
        "TargetID": row.target,
        "TargetRA": row.target_ra,
        "TargetDec": row.target_dec,
        "ReadoutPattern": row.readpatt,
        "Groups": row.ngroup,
        "Integrations": row.nint,
        "NumOutputs": row.namp,
        "Mode": row.mode,
    }


def _optics_columns(row: ExposureRow, channels: Mapping[str, ExposureRow]) -> dict[str, Any]:
    """Return the optics of both channels of NIRCam, those of the wheels of NIRISS; 'None' elsewhere."""
    found = {}
    for channel, (name, _) in _CHANNELS.items():
        other = channels.get(channel)
        found[f"{name}Filter"] = (other.filter if other else "") or "None"
        found[f"{name}Pupil"] = (other.pupil if other else "") or "None"
    wheels = not row.channel
    found["FilterWheel"] = (row.filter if wheels else "") or "None"
    found["PupilWheel"] = (row.pupil if wheels else "") or "None"
    return found


def _settings_columns(row: ExposureRow, channels: Mapping[str, ExposureRow]) -> dict[str, Any]:
    rays = mirages_cosmic_rays(row.cosmic_rays, row.start_time)
    catalogs = {kind: row.catalogs.get(kind, "None") for kind in CATALOG_KEYS}
    own = not row.channel
    found: dict[str, Any] = {"PAV3": row.pa_v3}
    found |= {name: catalogs[kind] if own else "None" for kind, (name, _) in CATALOG_COLUMNS.items()}
    found["BackgroundRate"] = str(mirages_background(row)[0]) if own else "None"
    for channel, (_, short) in _CHANNELS.items():
        found |= {
            f"{short}_{name}": "None" if own else catalogs[kind]
            for kind, (_, name) in CATALOG_COLUMNS.items()
        }
        other = channels.get(channel)
        found[f"{short}_bkgd"] = str(mirages_background(other)[0]) if other else "None"
    return found | {
        "CosmicRayLibrary": rays.library if rays else "SUNMAX",
        "CosmicRayScale": rays.scale if rays else 0.0,
        "DitherIndex": row.dither,
    }


def _pointing_columns(row: ExposureRow, reported: PointingRow | None) -> dict[str, Any]:
    nan = float("nan")
    return {
        "exposure": f"{row.exposure:05d}",
        "dither": row.dither,
        "aperture": row.aperture,
        "pps_aperture": row.pps_aperture,
        "pointing_aperture": row.pps_aperture,
        "targ1": reported.target_number if reported else 0,
        "targ2": reported.target if reported else row.target,
        "ra": row.ra_pointing,
        "dec": row.dec_pointing,
        "basex": reported.base_x if reported else nan,
        "basey": reported.base_y if reported else nan,
        "dithx": reported.dither_x if reported else nan,
        "dithy": reported.dither_y if reported else nan,
        "v2": row.v2,
        "v3": row.v3,
        "idlx": row.xoffset,
        "idly": row.yoffset,
        "obs_label": row.label,
        "obs_num": f"{row.observation:03d}",
        "visit_num": f"{row.visit:03d}",
        "act_id": row.activity,
        "nframe": row.nframes,
        "nskip": row.groupgap,
        "namp": row.namp,
        "ra_ref": row.ra_ref,
        "dec_ref": row.dec_ref,
        "detector": row.detector.removeprefix("NRC").replace("GUIDER", "G"),
    }


def _yaml_columns(row: ExposureRow) -> dict[str, Any]:
    """Return what stands in the exposure's YAML file, too."""
    values = exposure_yaml(row)
    output, files = values["Output"], values["Reffiles"]
    dispersed = str(output["grism_source_image"])
    return {
        **{name: output[name] for name in ("visit_id", "visit_group", "sequence_id", "date_obs", "time_obs")},
        "observation_id": output["obs_id"],
        "Tracking": values["Telescope"]["tracking"],
        "grismts_intermediate_aperture": values["Readout"]["intermediate_aperture"],
        "yamlfile": f"{row.name}.yaml",
        "outputfits": output["file"],
        **{name: files[name] for name in FILE_COLUMNS},
        "invert_ipc": files["invertIPC"],
        "dark": files["dark"],
        "lindark": files["linearized_darkfile"],
        "use_JWST_pipeline": values["Inst"]["use_JWST_pipeline"],
        "grism_source_image": dispersed,
        "grism_input_only": dispersed,
        "psfpath": values["simSignals"]["psfpath"],
    }
