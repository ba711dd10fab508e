"""Write Mirage's YAML: one file for each detector exposure, with Mirage's sections and keys.

The files have all keys that Mirage reads. Further values that this package needs, to simulate the same exposure from the
file again, are in the additional section `mirage_dask`, which Mirage ignores. Values are those that Mirage writes, with
these exceptions:

- tables that are part of Mirage are named 'config', its word for them, and directories are those of MIRAGE_DATA;
- cosmicRay:seed and simSignals:poissonseed are the proposal's random seed, not two random numbers for each file;
- Output:sequence_id is that of the exposure, and obs_id agrees with it; Mirage writes 2 for the prime exposures of an
  observation with coordinated parallels;
- Output:program_number is an integer without leading zeros, which would make it octal in YAML;
- a file that is not needed according to CRDS is None, also if all names are written (`crds_full_name`);
- Output:PI_Name is empty if the proposal has no investigator;
- cosmicRay:library FLIGHT, which Mirage does not have, is SUNMIN with the scale of the same rate; the log says so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mirage_dask.apt.table import SIDEREAL
from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.instruments import FLIGHT, cosmic_ray_rate, get_instrument
from mirage_dask.io.atomic import replacing
from mirage_dask.settings import ExposureRow, rows_of
from mirage_dask.settings.overrides import CONTEXT, DARK_FILES, NOT_NEEDED
from mirage_dask.settings.sky import (
    LEVELS,
    PSFS,
    Component,
    CosmicRays,
    ExtendedLight,
    components,
    is_image,
)

DATATYPES = ("linear", "raw", "linear, raw")
CATALOG_KEYS = {
    "point_source": "pointsource",
    "galaxy": "galaxyListFile",
    "extended": "extended",
    "moving_pointsource": "movingTargetList",
    "moving_sersic": "movingTargetSersic",
    "moving_extended": "movingTargetExtended",
    "moving_target_to_track": "movingTargetToTrack",
    "tso_imaging_catalog": "tso_imaging_catalog",
    "tso_grism_catalog": "tso_grism_catalog",
}
"""Keys of simSignals by the type of catalog."""
REFERENCE_KEYS = {
    "badpixmask": "mask",
    "superbias": "superbias",
    "linearity": "linearity",
    "saturation": "saturation",
    "gain": "gain",
    "pixelflat": "flat",
    "astrometric": "distortion",
    "photom": "photom",
    "ipc": "ipc",
    "transmission": "transmission",
}
"""CRDS types by the key of Reffiles."""
DARK_KEYS = {"linearized": "linearized_darkfile", "raw": "dark"}
"""Keys of Reffiles with the file of a dark, by the kind of darks."""
IMAGE_KEYS = {"zodiacal": "zodiscale", "scattered": "scatteredscale"}
"""Keys of simSignals with an image that is added to the background, and those of its factor."""
OWN_SECTION = "mirage_dask"
OWN_COLUMNS = (
    "template",
    "subarray",
    "exp_type",
    "specification",
    "tile",
    "dither",
    "dither_size",
    "pointing",
    "catalog_name",
    "visit_start",
    "observation_start",
    "ra_pointing",
    "dec_pointing",
    "v2",
    "v3",
)
SPECTRA_PREFIX = "spectra_"
"""Of the keys of that section that are fields of `settings.spectra.SpectraChoice`."""
PARAMETERS = "effect_parameters"
"""Key of that section and column of the table: parameters of effects."""
OWN_SETTINGS = ("effects", "random_seed", "references", "overrides", "psf_path", "darks")
"""Columns of the table that are written to the section `mirage_dask`: of the proposal, and of the settings."""

MIRAGES_UNITS = {
    "ADU/s": "ADU/sec",
    "e-/s": "e/sec",
    "erg/s/cm2/Hz": "erg/cm2/Hz",
    "erg/s/cm2/A": "erg/cm2/A",
}
"""Units of the threshold of segmentation maps as Mirage writes them, by ours; it has no magnitudes."""

_CONFIG = "config"
_LOG = logging.getLogger(__name__)


def can_be_written(table: pd.DataFrame) -> pd.Series:
    """Return which rows Mirage's YAML can describe: exposures of known detectors with a pointing."""
    return (table["tframe"] > 0) & table["ra_ref"].notna()


def exposure_yaml(
    row: ExposureRow,
    *,
    order: int = 0,
    datatype: str = "linear, raw",
    directory: str = "./",
) -> dict[str, Any]:
    """Return the YAML of one exposure as nested dictionaries.

    Parameters
    ----------
    row
        The exposure.
    order
        Index of the exposure in its proposal.
    datatype
        Output:datatype.
    directory
        Output:directory, the folder for simulated data.
    """
    instrument, settings = row.instrument, row.to_columns()
    rays = mirages_cosmic_rays(row.cosmic_rays, row.start_time)
    flight = {"flight_scale": row.cosmic_rays.scale} if row.cosmic_rays and row.cosmic_rays != rays else {}
    data = f"{os.environ.get('MIRAGE_DATA', '$MIRAGE_DATA')}/{instrument.lower()}"
    return {
        "Inst": {"instrument": instrument, "mode": row.mode, "use_JWST_pipeline": True},
        "Readout": {
            "readpatt": row.readpatt,
            "ngroup": row.ngroup,
            "nint": row.nint,
            "namp": row.namp,
            "resets_bet_ints": 1,
            "array_name": row.aperture,
            "intermediate_aperture": _intermediate_aperture(row),
            "PPS_aperture": row.pps_aperture,
            "filter": row.filter or "None",
            "pupil": row.pupil or "None",
        },
        "Reffiles": _reference_section(row),
        "nonlin": {"limit": 60000.0, "accuracy": 1.0e-6, "maxiter": 10, "robberto": False},
        "cosmicRay": {
            "path": f"{data}/cosmic_ray_library",
            "library": rays.library if rays else "SUNMAX",
            "scale": rays.scale if rays else 0.0,
            "suffix": f"IPC_{get_instrument(instrument).label}_{row.detector.removeprefix('NRC')}",
            "seed": row.random_seed,
        },
        "simSignals": _signal_section(row, data),
        "Telescope": {
            "ra": row.ra_ref,
            "dec": row.dec_ref,
            "rotation": row.pa_v3,
            "tracking": row.tracking or SIDEREAL,
        },
        "Output": _output_section(row, datatype, directory),
        OWN_SECTION: {"order": order}
        | {name: getattr(row, name) for name in OWN_COLUMNS}
        | {name: settings[name] for name in OWN_SETTINGS}
        | ({"scene_image": settings["scene_image"]} if row.scene_image else {})
        | ({"scattered_light": settings["scattered_light"]} if row.scattered_light else {})
        | ({"ghost_stamp": row.ghosts.stamp} if row.ghosts and row.ghosts.stamp else {})
        | ({PARAMETERS: settings[PARAMETERS]} if row.effects.parameters else {})
        | _grism_keys(row)
        | flight,
    }


def _grism_keys(row: ExposureRow) -> dict[str, Any]:
    """What Mirage gives to its class of slitless spectroscopy, not to the file."""
    if row.spectra is None:
        return {}
    found = {f"{SPECTRA_PREFIX}{name}": value for name, value in row.spectra.to_dict().items()}
    if row.filter_wheel_angle is not None:
        found["filter_wheel_angle"] = row.filter_wheel_angle
    return found | ({"grism_configurations": row.grism_configurations} if row.grism_configurations else {})


def mirages_cosmic_rays(rays: CosmicRays | None, start_time: str) -> CosmicRays | None:
    """Return the library and scale for Mirage, which has no FLIGHT: SUNMIN with the scale of the same rate.

    Parameters
    ----------
    rays
        Cosmic rays of an exposure.
    start_time
        Its start, ISO 8601.
    """
    if rays is None or rays.library != FLIGHT:
        return rays
    rate = cosmic_ray_rate(FLIGHT, datetime.fromisoformat(start_time)) * rays.scale
    return CosmicRays("SUNMIN", round(rate / cosmic_ray_rate("SUNMIN"), 6))


def _intermediate_aperture(row: ExposureRow) -> str:
    """Return the long-wavelength aperture that a short-wavelength one of a grism time series is pointed by."""
    if "GRISMTS" not in row.aperture or row.channel != "SHORT":
        return "None"
    long = "F444W" if row.pps_aperture.endswith("F444W") else "F322W2"
    return f"NRCA5_TAGRISMTS_SCI_{long}"


def _reference_section(row: ExposureRow) -> dict[str, Any]:
    given = row.overrides
    # A row that names all its files leaves nothing to be looked up.
    rest = "None" if CONTEXT in given else "crds"
    files = {key: given.get(kind, rest) for key, kind in REFERENCE_KEYS.items()}
    files = {key: "None" if file == NOT_NEEDED else file for key, file in files.items()}
    return {
        "dark": given.get(DARK_FILES["raw"], "None"),
        "linearized_darkfile": given.get(DARK_FILES["linearized"], "None"),
        **{name: files[name] for name in list(REFERENCE_KEYS)[:6]},
        "illumflat": "None",
        **{name: files[name] for name in list(REFERENCE_KEYS)[6:9]},
        "invertIPC": True,
        "occult": "None",
        "transmission": files["transmission"],
        **dict.fromkeys(
            (
                "subarray_defs",
                "readpattdefs",
                "crosstalk",
                "filtpupilcombo",
                "filter_wheel_positions",
                "flux_cal",
            ),
            _CONFIG,
        ),
        "filter_throughput": _CONFIG,
    }


def mirages_background(row: ExposureRow) -> tuple[Component, tuple[str, str]]:
    """Return the background of an exposure as Mirage has it: one level or image, and the two images that are added to it.

    Raises
    ------
    InputError
        If it is the sum of more than that.
    """
    first, *others = sorted(components(row.background), key=lambda part: is_image(str(part)))
    if len(others) > len(IMAGE_KEYS) or not all(is_image(str(part)) for part in others):
        raise InputError(
            f"{row.name}: a YAML file of Mirage has one level of the background and two images to be added, not "
            f"{', '.join(map(str, (first, *others)))}; add some of them up."
        )
    zodiacal, scattered = (*map(str, others), "None", "None")[:2]
    return first, (zodiacal, scattered)


def _signal_section(row: ExposureRow, data: str) -> dict[str, Any]:
    catalogs = {key: row.catalogs.get(kind, "None") for kind, key in CATALOG_KEYS.items()}
    level, images_of_sky = mirages_background(row)
    by_date = level == "date"
    limit, unit = row.segmentation_threshold.split()
    images = row.extended or ExtendedLight()
    return {
        "pointsource": catalogs["pointsource"],
        "gridded_psf_library_row_padding": 4,
        "psf_wing_threshold_file": _CONFIG,
        "add_psf_wings": True,
        "psfpath": row.psf_path or f"{data}/gridded_psf_library",
        "psfwfe": "predicted",
        "psfwfegroup": 0,
        "galaxyListFile": catalogs["galaxyListFile"],
        "extended": catalogs["extended"],
        "extendedscale": images.scale,
        "extendedCenter": "1024,1024",
        "PSFConvolveExtended": images.psf == PSFS[0],
        **{key: catalogs[key] for key in list(CATALOG_KEYS.values())[3:]},
        "zodiacal": images_of_sky[0],
        "zodiscale": 1.0,
        "scattered": images_of_sky[1],
        "scatteredscale": 1.0,
        "bkgdrate": LEVELS[0] if by_date or level == "" else level,
        "poissonseed": row.random_seed,
        "photonyield": True,
        "pymethod": True,
        "expand_catalog_for_segments": False,
        "use_dateobs_for_background": by_date,
        "signal_low_limit_for_segmap": float(limit),
        "signal_low_limit_for_segmap_units": MIRAGES_UNITS.get(unit, unit),
        "add_ghosts": row.ghosts is not None or row.instrument != "NIRISS",
        "PSFConvolveGhosts": row.ghosts is not None and row.ghosts.psf == PSFS[0],
    }


def _output_section(row: ExposureRow, datatype: str, directory: str) -> dict[str, Any]:
    date, _, time = row.start_time.partition("T")
    visit_id = f"{row.program:05d}{row.observation:03d}{row.visit:03d}"
    group, activity, sequence = f"{row.visit_group:02d}", row.activity, str(row.sequence)
    dispersed = row.pupil.startswith("GRISM") or row.filter.startswith("GR150")
    return {
        "directory": directory,
        "file": f"{row.name}_uncal.fits",
        "datatype": datatype,
        "format": "DMS",
        "save_intermediates": False,
        "grism_source_image": dispersed,
        "unsigned": True,
        "dmsOrient": True,
        "program_number": row.program,
        "title": row.title,
        "PI_Name": row.pi,
        "Proposal_category": row.category,
        "Science_category": row.science_category,
        "target_name": row.target,
        "target_ra": row.target_ra,
        "target_dec": row.target_dec,
        "observation_number": f"{row.observation:03d}",
        "observation_label": row.label,
        "visit_number": f"{row.visit:03d}",
        "visit_group": group,
        "visit_id": visit_id,
        "sequence_id": sequence,
        "activity_id": activity,
        "exposure_number": f"{row.exposure:05d}",
        "obs_id": f"V{visit_id}P00000000{group}{sequence}{activity}",
        "date_obs": date,
        "time_obs": time,
        "primary_dither_type": row.primary_dither_type or "None",
        "total_primary_dither_positions": row.total_primary,
        "primary_dither_position": row.primary,
        "subpix_dither_type": row.subpix_type or "None",
        "total_subpix_dither_positions": row.total_subpix,
        "subpix_dither_position": row.subpix,
        "xoffset": row.xoffset,
        "yoffset": row.yoffset,
    }


def yaml_text(values: Mapping[str, Any]) -> str:
    """Return nested dictionaries as YAML, with keys in their order."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(dict(values), Dumper=dumper, sort_keys=False, allow_unicode=True))


def write_yaml(
    table: pd.DataFrame,
    folder: str | os.PathLike[str],
    *,
    datatype: str = "linear, raw",
    directory: str = "./",
) -> list[Path]:
    """Write one YAML file for each row that Mirage's YAML can describe.

    Parameters
    ----------
    table
        Exposure table with its settings.
    folder
        Folder for the files; created if it does not exist.
    datatype, directory
        Output:datatype ('linear', 'raw' or 'linear, raw') and Output:directory of every file.

    Returns
    -------
    list of Path
        Files in the order of the table; their names are those of the exposures.

    Raises
    ------
    InputError
        If no row can be written, the datatype is unknown, or the folder cannot be written.
    """
    if datatype not in DATATYPES:
        raise InputError(f"datatype {datatype!r} is not allowed; allowed: {', '.join(map(repr, DATATYPES))}.")
    rows = rows_of(table[can_be_written(table)])
    if not rows:
        reasons = "; ".join(sorted(set(table["reason"]) - {""}))
        raise InputError(
            "No exposure of this proposal has a detector and a position, which a YAML file requires"
            f"{f': {reasons}' if reasons else ''}."
        )
    if flights := [row for row in rows if row.cosmic_rays and row.cosmic_rays.library == FLIGHT]:
        _LOG.warning(
            "Mirage has no cosmic rays FLIGHT: SUNMIN with the scale of the same rate stands in the YAML files of %s.",
            counted(len(flights), "exposure"),
        )
    place = Path(folder)
    written = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for order, row in enumerate(rows):
            path = place / f"{row.name}.yaml"
            values = exposure_yaml(row, order=order, datatype=datatype, directory=directory)
            text = yaml_text(values)
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise InputError(f"{folder}: the YAML files cannot be written: {error.strerror or error}.") from None
    return written
