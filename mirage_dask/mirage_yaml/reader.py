"""Read Mirage's YAML: a folder of files, one for each detector exposure, as an exposure table with its settings.

Files written by this package yield the same rows from which they were written: values for which Mirage has no key are in
their section `mirage_dask`. Mirage's keys have precedence, in Mirage's files and in edited ones: the attitude is computed
from the aperture's position and PAV3 (Telescope), the scene from simSignals, the random seed from simSignals:poissonseed.

Reference files are the built-in ones, which a note states, unless that section names others.

A file named as Reffiles:linearized_darkfile or Reffiles:dark is the dark of its exposure. Unused keys are listed in
`YamlProposal.ignored`; an exposure for which one of them requests what is not simulated (`mirage_dask.mirage_yaml.requests`)
is a row with that reason.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mirage_dask.apt import COLUMNS, ExposureSpecification, Target
from mirage_dask.apt.columns import EMPTY_ROW
from mirage_dask.apt.detectors import Reading
from mirage_dask.apt.schedule import iso_time, parse_date
from mirage_dask.apt.support import no_track, unsupported_reason
from mirage_dask.apt.table import SIDEREAL, add_starts, as_table, detector_values, sky_values
from mirage_dask.errors import InputError
from mirage_dask.instruments import (
    FLIGHT,
    cosmic_ray_library,
    get_detector,
    get_readout,
    grism_of,
    split_optics,
    subarray_of,
)
from mirage_dask.mirage_yaml.detector_values import read_darks, read_effects, read_ghosts
from mirage_dask.mirage_yaml.requests import not_simulated
from mirage_dask.mirage_yaml.values import YamlValues
from mirage_dask.mirage_yaml.writer import (
    CATALOG_KEYS,
    IMAGE_KEYS,
    OWN_SECTION,
    REFERENCE_KEYS,
    SPECTRA_PREFIX,
    mirages_cosmic_rays,
)
from mirage_dask.pointing import aperture, attitude_matrix
from mirage_dask.settings import SETTINGS_COLUMNS, CosmicRays, Effects, ExposureSettings
from mirage_dask.settings.catalogs import IMAGE_TYPES
from mirage_dask.settings.grammar import Converted, existing_path
from mirage_dask.settings.keys import DEFAULT_SEED, DEFAULT_THRESHOLD, REFERENCES, parse_threshold
from mirage_dask.settings.overrides import CONTEXT, DARK_FILES, NESTING, NOT_NEEDED
from mirage_dask.settings.problems import Problems
from mirage_dask.settings.sky import (
    PSFS,
    Background,
    ExtendedLight,
    ScatteredChoice,
    SceneFile,
    SceneImageChoice,
    components,
    on_the_day,
)
from mirage_dask.settings.spectra import WORDS, SpectraChoice, wheel_angle
from mirage_dask.untrusted.yaml_documents import load_yaml

MAX_BYTES = 2**20
_NAME = re.compile(r"jw\d{11}_\d{5}_\d{5}_\w+")
_MODES = ("imaging", "wfss", "ts_imaging", "ts_grism", "ami", "soss", "pom")


@dataclass(frozen=True)
class YamlProposal:
    """Contents of a folder of Mirage's YAML files."""

    path: str
    table: pd.DataFrame
    """Exposure table with its settings."""
    ignored: dict[str, int]
    """Unused keys, 'section:key', with the number of files that have them."""
    notes: tuple[str, ...]
    """Where the files are read otherwise than Mirage reads them, one sentence each."""


def read_yaml(path: str | os.PathLike[str]) -> YamlProposal:
    """Read Mirage's YAML files.

    Parameters
    ----------
    path
        A folder with files \\*.yaml, or one such file.

    Raises
    ------
    InputError
        If a file is not valid; lists all problems with section, key, value and the allowed values. Files that do not
        describe an exposure (Mirage's observation list) are skipped.
    """
    place = Path(path)
    files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    rows: list[tuple[int, dict[str, Any]]] = []
    problems: list[str] = []
    ignored: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for file in files:
        values = _load(file, problems)
        if values is None:
            continue
        reader = YamlValues(values, Problems(str(file), file.resolve().parent))
        row = _row(reader)
        problems += reader.problems.found
        rows.append((reader.section(OWN_SECTION, required=False).integer("order", 0), row))
        unused, ours = reader.unused(), OWN_SECTION in values
        ignored.update(list(unused))
        if not ours:
            asked["the observatory's CRDS (Reffiles: crds); the built-in reference files are used"] += 1
        if reasons := not_simulated(unused):
            row |= {"status": "unsupported", "reason": "; ".join(filter(None, [row["reason"], *reasons]))}
    names = Counter(row["name"] for _, row in rows)
    problems += [f"{place}: {name} is given {count} times." for name, count in names.items() if count > 1]
    if not rows and not problems:
        problems.append(f"{place}: no YAML file of an exposure was found; give the folder of Mirage's files.")
    if problems:
        raise InputError(problems)
    rows.sort(key=lambda entry: (entry[0], entry[1]["start_time"], entry[1]["name"]))
    add_starts([row for _, row in rows])
    table = as_table([row for _, row in rows], COLUMNS | SETTINGS_COLUMNS)
    notes = [
        f"{place}: {count} {'file requests' if count == 1 else 'files request'} {text}."
        for text, count in asked.items()
    ]
    return YamlProposal(str(place), table, dict(sorted(ignored.items())), tuple(notes))


def _load(file: Path, problems: list[str]) -> Mapping[str, Any] | None:
    """Return the contents of a file; None if it does not describe an exposure or cannot be read."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MB")
        values = load_yaml(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        problems.append(f"{file}: the file cannot be read: {error.strerror or error}.")
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problems.append(f"{file}{line}: it is not valid YAML: {getattr(error, 'problem', None) or error}.")
        return None
    if not isinstance(values, Mapping) or "Inst" not in values:
        return None
    return values


def _row(values: YamlValues) -> dict[str, Any]:
    """Return one row of the exposure table; problems are collected in `values`."""
    own = values.section(OWN_SECTION, required=False)
    row = EMPTY_ROW | _output(values)
    reading, specification = _reading(values, own)
    if reading is not None:
        row |= detector_values(specification, reading)
        row |= {"exp_type": own.text("exp_type", row["exp_type"]), **_place(values, own, reading)}
        row["pps_aperture"] = values.section("Readout").text("PPS_aperture", reading.aperture.name)
    subpixel = row["total_subpix"]
    row |= {
        "template": own.text("template", ""),
        "specification": own.integer("specification", 1),
        "tile": own.integer("tile", 1),
        "dither": own.integer("dither", max((row["primary"] - 1) * subpixel + row["subpix"], 1)),
        "dither_size": own.text("dither_size", ""),
        "pointing": own.text("pointing", ""),
        "catalog_name": own.label("catalog_name"),
        "visit_start": own.text("visit_start", ""),
        "observation_start": own.text("observation_start", ""),
        "tracking": values.section("Telescope").text("tracking", SIDEREAL).lower(),
    }
    row |= _settings(values, own, row)
    row |= _status(row, reading)
    return row


def _output(values: YamlValues) -> dict[str, Any]:
    """Return names, numbers and texts from section Output."""
    output = values.section("Output")
    file = output.text("file").removesuffix(".fits").removesuffix("_uncal")
    if not _NAME.fullmatch(file):
        output.report("file", f"expected jw…_uncal.fits, not {file!r}")
    program = output.integer("program_number", 0)
    if len(file) > 7 and file[2:7].isdigit():
        program = int(file[2:7])  # Mirage's leading zeros make the number an octal one in YAML
    date = f"{output.text('date_obs')}T{output.text('time_obs')}"
    try:
        start = iso_time(parse_date(date))
    except InputError as error:
        output.report("date_obs", str(error))
        start = "2000-01-01T00:00:00.000"
    return {
        "name": file,
        "program": program,
        "observation": output.integer("observation_number"),
        "visit": output.integer("visit_number"),
        "visit_group": output.integer("visit_group", 1),
        "sequence": output.integer("sequence_id", 1),
        "activity": output.text("activity_id", "01"),
        "exposure": output.integer("exposure_number"),
        "target": output.label("target_name"),
        "target_ra": output.number("target_ra", float("nan")),
        "target_dec": output.number("target_dec", float("nan")),
        "start_time": start,
        "label": output.label("observation_label"),
        "title": output.label("title"),
        "pi": output.label("PI_Name"),
        "category": output.text("Proposal_category", "GO"),
        "science_category": output.label("Science_category"),
        "primary_dither_type": output.label("primary_dither_type"),
        "total_primary": output.integer("total_primary_dither_positions", 1),
        "primary": output.integer("primary_dither_position", 1),
        "subpix_type": output.label("subpix_dither_type"),
        "total_subpix": output.integer("total_subpix_dither_positions", 1),
        "subpix": output.integer("subpix_dither_position", 1),
        "xoffset": output.number("xoffset", 0.0),
        "yoffset": output.number("yoffset", 0.0),
    }


def _reading(values: YamlValues, own: YamlValues) -> tuple[Reading | None, ExposureSpecification]:
    """Return the detector with its aperture and optics (None after a problem), and the specification."""
    instrument = values.section("Inst").text("instrument").upper()
    mode = values.section("Inst").choice("mode", _MODES, "imaging")
    readout = values.section("Readout")
    specification = ExposureSpecification(
        instrument,
        mode=mode,
        readpatt=readout.checked("readpatt", lambda text: get_readout(instrument, text).name, ""),
        ngroup=readout.integer("ngroup", lowest=1),
        nint=readout.integer("nint", lowest=1),
    )
    name = readout.text("array_name")
    amplifiers = readout.integer("namp", 0)
    try:
        place = aperture(name)
        detector = get_detector(place.detector)
        subarray = subarray_of(name)
    except InputError as error:
        readout.report("array_name", str(error))
        return None, specification
    if detector.instrument != instrument:
        readout.report("array_name", f"{name} is not an aperture of {instrument}")
        return None, specification
    if not specification.readpatt:
        return None, specification
    named = own.text("subarray", "") or subarray.name
    reading = Reading(
        detector,
        place,
        named,
        amplifiers or subarray.amplifiers or detector.amplifiers,
        *_optics(readout, instrument),
        mode,
    )
    return reading, specification


def _optics(readout: YamlValues, instrument: str) -> tuple[str, str]:
    """Return (filter, pupil); the two may be interchanged, and are both empty for FGS."""
    filter, pupil = (readout.text(key, "").upper() for key in ("filter", "pupil"))
    if instrument == "FGS" or not filter:
        return "", ""
    try:
        return split_optics(f"{filter}/{pupil}", instrument=instrument)
    except InputError as error:
        try:
            return split_optics(f"{pupil}/{filter}", instrument=instrument)
        except InputError:
            readout.report("filter", str(error))
            return filter, pupil


def _place(values: YamlValues, own: YamlValues, reading: Reading) -> dict[str, Any]:
    """Return the columns with the pointing of the exposure."""
    telescope, place = values.section("Telescope"), reading.aperture
    ra, dec, roll = telescope.angle("ra"), telescope.angle("dec"), telescope.number("rotation", 0.0)
    pointing = {
        "ra_pointing": own.number("ra_pointing", ra),
        "dec_pointing": own.number("dec_pointing", dec),
        "v2": own.number("v2", place.v2_ref),
        "v3": own.number("v3", place.v3_ref),
    }
    sky = sky_values(_attitude(pointing, roll), place)
    moved = max(abs(sky["dec_ref"] - dec), abs((sky["ra_ref"] - ra + 180) % 360 - 180)) * 3600
    if moved > 1e-3:  # the file was edited: Mirage's keys have precedence
        pointing = {"ra_pointing": ra, "dec_pointing": dec, "v2": place.v2_ref, "v3": place.v3_ref}
        sky = sky_values(_attitude(pointing, roll), place)
    return {"pa_v3": roll, **pointing, **sky}


def _attitude(pointing: Mapping[str, float], roll: float) -> Any:
    p = pointing
    return attitude_matrix(p["ra_pointing"], p["dec_pointing"], p["v2"], p["v3"], roll)


def _settings(values: YamlValues, own: YamlValues, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return catalogs, background, cosmic rays, references, effects and random seed: the columns of the settings."""
    signals, rays, files = (values.section(name) for name in ("simSignals", "cosmicRay", "Reffiles"))
    catalogs = {kind: path for kind, key in CATALOG_KEYS.items() if (path := signals.file(key))}
    level: Background = signals.level("bkgdrate", "low")
    if signals.flag("use_dateobs_for_background", False):
        level = on_the_day(level)
    added = [signals.file(key) for key, scale in IMAGE_KEYS.items() if signals.number(scale, 1.0) == 1.0]
    if any(added):
        level = (*components(level), *filter(None, added))
    overrides = {kind: path for key, kind in REFERENCE_KEYS.items() if (path := files.file(key))}
    darks, dark = read_darks(files, own)
    overrides |= dark
    # Mirage's key has precedence for types that have one: it may have been edited.
    edited = {kind for key, kind in REFERENCE_KEYS.items() if files.text(key, "").lower() == "crds"}
    edited |= set(DARK_FILES.values())
    named = {
        kind: path for kind, path in own.mapping("overrides").items() if kind not in {*overrides, *edited}
    }
    for kind, path in named.items():
        if kind == CONTEXT or path == NOT_NEEDED:
            overrides[kind] = path
            continue
        if kind not in NESTING:
            own.problems.not_allowed(f"{OWN_SECTION}:overrides", kind, tuple(NESTING))
        overrides[kind] = existing_path(path, f"{OWN_SECTION}:overrides", own.problems)
    usual = f"{row['instrument'].lower()}/gridded_psf_library"
    library = rays.checked("library", cosmic_ray_library, "SUNMAX")
    scale = rays.number("scale", 1.0)
    flight = CosmicRays(FLIGHT, own.number("flight_scale", 0.0))
    # Mirage's keys have precedence: they may have been edited.
    same = flight.scale > 0 and mirages_cosmic_rays(flight, row["start_time"]) == CosmicRays(library, scale)
    effects = Effects().switch(cosmic_rays=scale != 0.0)
    images = ExtendedLight(
        PSFS[0] if signals.flag("PSFConvolveExtended", True) else PSFS[1],
        signals.number("extendedscale", 1.0),
    )
    return ExposureSettings(
        catalogs=catalogs,
        background=level,
        extended=images if not IMAGE_TYPES.isdisjoint(catalogs) else None,
        scene_image=_scene_image(own),
        scattered_light=ScatteredChoice().parse(
            own.mapping("scattered_light", numbers=True), f"{OWN_SECTION}:scattered_light", own.problems
        ),
        ghosts=read_ghosts(signals, own, row["instrument"]),
        **_behind_a_grism(own, row),
        cosmic_rays=(flight if same else CosmicRays(library, scale)) if scale != 0.0 else None,
        references=own.words("references", REFERENCES, REFERENCES[:1]) or REFERENCES[:1],
        overrides=overrides,
        psf_path=signals.folder("psfpath", usual=usual) or own.folder("psf_path"),
        darks=darks,
        effects=read_effects(own, effects),
        segmentation_threshold=_threshold(signals),
        random_seed=own.integer("random_seed", signals.integer("poissonseed", DEFAULT_SEED)),
    ).to_columns()


def _threshold(signals: YamlValues) -> str:
    """Return the threshold of segmentation maps; ADU/s where no unit is given, as in Mirage."""
    limit = signals.number("signal_low_limit_for_segmap", 0.0)
    unit = signals.text("signal_low_limit_for_segmap_units", "") or "ADU/s"
    if not limit:
        return DEFAULT_THRESHOLD
    rule = Converted(parse_threshold, DEFAULT_THRESHOLD, {})
    return str(rule.parse(f"{limit} {unit}", "simSignals:signal_low_limit_for_segmap", signals.problems))


def _behind_a_grism(own: YamlValues, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return spectra, folder of configurations and angle of the wheel of an exposure behind a grism; {} for others."""
    if not grism_of(str(row["filter"]), str(row["pupil"])):
        return {}
    given = {name: text for name in WORDS if (text := own.text(f"{SPECTRA_PREFIX}{name}", ""))}
    choice = {
        name: WORDS[name].parse(text, f"{OWN_SECTION}:{SPECTRA_PREFIX}{name}", own.problems)
        for name, text in given.items()
    }
    problems: list[str] = []
    angle = own.number("filter_wheel_angle", math.nan)
    grism = grism_of(str(row["filter"]), str(row["pupil"]))
    found = wheel_angle(None if math.isnan(angle) else angle, int(row["observation"]), grism, problems)
    for problem in problems:
        own.report("filter_wheel_angle", problem.partition(": ")[2])
    return {
        "filter_wheel_angle": found,
        "spectra": SpectraChoice(**choice),
        "grism_configurations": own.folder("grism_configurations"),
    }


def _scene_image(own: YamlValues) -> SceneFile | None:
    """Return the image of the scene, which is checked as the setting of that name is."""
    found = own.mapping("scene_image", numbers=True)
    if not found:
        return None
    images = SceneImageChoice().parse(found, f"{OWN_SECTION}:scene_image", own.problems)
    return None if images is None else images.for_optics("", "")


def _status(row: Mapping[str, Any], reading: Reading | None) -> dict[str, str]:
    """Return whether the exposure can be simulated, and the reason if it cannot."""
    moving = row["tracking"] != SIDEREAL
    name = row["target"]
    target = Target(1, name, row["target_ra"], row["target_dec"], moving)
    reason = unsupported_reason(reading, target, name) if reading is not None else "it was not read"
    if moving and not reason and not row["moving_target_to_track"]:
        reason = no_track(name)
    return {"status": "unsupported" if reason else "ready", "reason": reason}
