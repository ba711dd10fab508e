"""The keys of the settings, declared once: what each one is called, what it means, what is allowed.

The parser (`settings.loading`), the JSON schema and the table of keys in docs/settings.md all follow from `KEYS`. A new key
is an entry here and a field of `Settings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mirage_dask.apt.schedule import DEFAULT_DATE, parse_angle, parse_date
from mirage_dask.errors import InputError
from mirage_dask.settings.catalogs import CATALOGS, catalog_entries
from mirage_dask.settings.effects import EffectSwitches, GhostChoice
from mirage_dask.settings.grammar import (
    Converted,
    Flag,
    ListOf,
    Measured,
    Node,
    PathTo,
    Whole,
    Word,
    per_observation,
)
from mirage_dask.settings.overrides import OVERRIDES, override_entries
from mirage_dask.settings.problems import Problems
from mirage_dask.settings.psf_paths import PSF_PATHS
from mirage_dask.settings.sky import (
    BACKGROUND,
    COSMIC_RAYS,
    ExtendedChoice,
    ScatteredChoice,
    SceneImageChoice,
    background_entries,
)
from mirage_dask.settings.spectra import SOSS, SPECTRA, WHEEL_ANGLES, soss_choice, spectra_choice

BUILTIN, CRDS, MIRAGE_DATA = REFERENCES = ("builtin", "crds", "mirage_data")
"""Sources of reference data."""
FULL_NAMES = "crds_full_name"
"""Mirage's word for crds with the names of the files written into the YAML."""
DARKS = ("model", "linearized", "raw", "linearized_varied", "raw_varied")
DEFAULT_SEED = 42

_FULL_NAMES = {FULL_NAMES: FULL_NAMES, "crds_full_names": FULL_NAMES}
NESTED = "parameter_defaults"
"""Key of a dictionary of settings, which the others override."""


DEFAULT_THRESHOLD = "0.031 ADU/s"
"""Of `segmentation_threshold`: that of Mirage."""
THRESHOLD_UNITS: Mapping[str, tuple[str, ...]] = {
    "ADU/s": ("adu/s", "adu/sec", "dn/s", "dn/sec"),
    "e-/s": ("e-/s", "e/s", "e-/sec", "e/sec", "electron/s", "electrons/s"),
    "MJy/sr": ("mjy/sr", "mjy/str"),
    "erg/s/cm2/Hz": ("erg/s/cm2/hz", "erg/cm2/hz", "ergs/sec/cm2/hz", "erg/sec/cm2/hz", "ergs/cm2/hz"),
    "erg/s/cm2/A": ("erg/s/cm2/a", "erg/cm2/a", "ergs/sec/cm2/a", "erg/sec/cm2/a", "ergs/cm2/a"),
    "abmag": ("abmag",),
    "stmag": ("stmag",),
    "vegamag": ("vegamag",),
}
"""Units of `segmentation_threshold`, per pixel, and how they may be written; with Mirage's spellings."""


@dataclass(frozen=True)
class Sources:
    """Rule of the sources of reference data: one or several, the first that has a file wins."""

    names: ListOf

    def parse(self, value: Any, key: str, problems: Problems) -> tuple[str, ...]:
        """Return them, each once."""
        found = self.names.parse(value, key, problems)
        sources = tuple(dict.fromkeys([found] if isinstance(found, str) else found))
        if sources == ("mirage_data",):
            problems.add(
                key, "mirage_data holds libraries only; write [mirage_data, crds] or [mirage_data, builtin]"
            )
        return sources or REFERENCES[:1]

    def schema(self) -> dict[str, Any]:
        """Return the rule as JSON schema."""
        return self.names.schema()


@dataclass(frozen=True)
class Key:
    """One key of the settings."""

    name: str
    what: str
    """Its values and what they mean, Markdown."""
    rule: Node
    default: str = ""
    """In words."""
    build: Callable[[Any], Any] | None = None
    """What `Settings` holds, from what the rule made of the value; default the same."""
    old_names: tuple[str, ...] = ()
    """Names that are still understood."""

    def parse(self, value: Any, problems: Problems, *, name: str = "") -> Any:
        """Return the value as `Settings` holds it; problems are named after `name`, as it was written."""
        found = self.rule.parse(value, name or self.name, problems)
        return self.build(found) if self.build else found

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the key; null is as if it were not there."""
        description = self.what.replace("`", "")
        return {"description": description, "anyOf": [self.rule.schema(), {"type": "null"}]}


def _date(value: Any) -> datetime:
    """Return a date of any kind that `parse_date` knows, or an astropy Time in any scale and format, as UTC."""
    if hasattr(value, "utc") and hasattr(value, "to_datetime"):
        if not value.isscalar:
            raise InputError(
                f"{len(value)} times are given; give one, or one for each observation by its number."
            )
        value = value.utc.to_datetime()
    return parse_date(value)


def parse_threshold(value: Any) -> str:
    """Return a threshold as 'NUMBER UNIT' in one of `THRESHOLD_UNITS`.

    Raises
    ------
    InputError
        If it is not such a text, or the number is not finite, or not above 0 where it is no magnitude.
    """
    number, _, written = str(value).strip().partition(" ")
    written = written.replace(" ", "").replace("^", "").casefold()
    unit = next((name for name, spellings in THRESHOLD_UNITS.items() if written in spellings), "")
    try:
        threshold = float(number)
    except ValueError:
        threshold = math.nan
    if not unit or not math.isfinite(threshold) or (threshold <= 0 and not unit.endswith("mag")):
        raise InputError(
            f"{value!r} is not understood; write a number above 0 (or a magnitude) and its unit per pixel, such as "
            f"{DEFAULT_THRESHOLD}: {', '.join(THRESHOLD_UNITS)}"
        )
    return f"{threshold!r} {unit}"


KEYS: tuple[Key, ...] = (
    Key(
        "catalogs",
        "files of sources, `{point_source: FILE, galaxy: FILE}`: for all targets, for each, or for each instrument of each",
        CATALOGS,
        "no sources",
        catalog_entries,
    ),
    Key(
        "background",
        "`low`, `medium`, `high`, `date` (the sky of that day), DN/s per pixel, `0.2 MJy/sr`, or a FITS image; a list is a "
        "sum",
        BACKGROUND,
        "`low`",
        background_entries,
    ),
    Key(
        "extended",
        "images in catalogs of the type `extended`, `{psf: none or jwst, scale: NUMBER}`: `none`, they are seen through the "
        "telescope's PSF; `jwst`, they have it already; `scale` multiplies those without a magnitude",
        ExtendedChoice(),
        "`{psf: none, scale: 1}`",
    ),
    Key(
        "scene_image",
        "an image of the sky, FITS, Zarr or ASDF with a WCS: a file, or `{path: FILE or {FILTER: FILE}, units: MJy/sr, "
        "psf: …}`; `psf`: what the image has been seen through, `none`, `jwst`, a Gaussian by its full width, "
        "`0.03 arcsec`, or a FITS file of the PSF (`psf_pixelscale`: its arcsec per pixel, default as in its header)",
        SceneImageChoice(),
        "none",
    ),
    Key(
        "ghosts",
        "ghosts of NIRISS: `true`, `false`, or `{stamp: FILE, psf: jwst or none}`, the image of a point's ghost; `jwst`: it "
        "has the telescope's PSF already, `none`: it is convolved with it",
        GhostChoice(),
        "`true`",
    ),
    Key(
        "spectra",
        "light of sources behind a grism: a file or folder of spectra, or `{continuum: WORD, extrapolation: WORD, "
        "file: FILE, frame: WORD, normalise: COLUMN, lines: FILE, lines_frame: WORD}`; sources without a spectrum in the "
        "file shine as their magnitudes in all filters of the instrument say (`magnitudes`), or evenly in F_nu (`flat`) or "
        "F_lambda (`flat_flambda`) with that of the filter; see [Grisms](#grisms)",
        SPECTRA,
        "`{continuum: magnitudes}`",
        spectra_choice,
    ),
    Key(
        "grism_configurations",
        "folder of the instrument teams' configurations of grisms, such as NIRCAM_F444W_modA_R.conf",
        PathTo("folder"),
        "built in",
    ),
    Key(
        "filter_wheel_angle",
        "angle of the filter wheel of NIRISS with a grism in it, degrees (FWCPOS): a number, or "
        "`{GR150R: NUMBER, GR150C: NUMBER}`; traces turn with it",
        WHEEL_ANGLES,
        "that of the configuration",
    ),
    Key(
        "soss",
        "single-object spectroscopy with NIRISS, `{pwcpos: DEGREES, traces: FILE}`: angle of the pupil wheel, which turns "
        "the traces; orders of your own, a text with columns order, column, row, wavelength and throughput, in the place "
        "of the built-in 1 and 2 or beside them",
        SOSS,
        "`{pwcpos: 245.76}`",
        soss_choice,
    ),
    Key(
        "roll_angle",
        "position angle of V3, degrees",
        per_observation(Measured(Converted(parse_angle, 0.0, {"type": "number"}), "deg")),
        "0",
    ),
    Key(
        "dates",
        "start, UTC: `YYYY-MM-DD` or `YYYY-MM-DDThh:mm:ss`",
        per_observation(Converted(_date, parse_date(DEFAULT_DATE), {"type": "string"})),
        DEFAULT_DATE,
    ),
    Key(
        "use_dateobs_for_background",
        "`true`: levels of `background` are what the sky is on the day of the exposure",
        Flag(),
        "`false`",
    ),
    Key(
        "cosmic_rays",
        "`{library: SUNMIN, SUNMAX, FLARE or FLIGHT, scale: NUMBER}`, a library's name, or `none`",
        COSMIC_RAYS,
        "`SUNMAX`, scale 1",
    ),
    Key(
        "scattered_light",
        "light on other paths, in images of NIRCam: `{wisps: true, or their peak over the sky, wisp_templates: FOLDER, "
        "claws: FILE of bright stars, claw_light: true or a factor, claw_templates: FOLDER, dragons_breath: true or a "
        "factor}`; see [Scattered light](#scattered-light)",
        ScatteredChoice(),
        "none",
    ),
    Key(
        "references",
        "where reference files come from: `builtin`, `crds`, `mirage_data`, or several: the first that has a file",
        Sources(ListOf(Word(REFERENCES, _FULL_NAMES))),
        "`builtin`",
    ),
    Key(
        "reffile_defaults",
        "`crds`, `crds_full_name`: Mirage's words for `references: crds`; see below",
        Word(("crds", *_FULL_NAMES), _FULL_NAMES),
    ),
    Key(
        "reffile_overrides",
        "your own reference files, nested by instrument, type and detector",
        OVERRIDES,
        "none",
        override_entries,
    ),
    Key(
        "psf_paths",
        "folder of PSF libraries of your own; one for each observation; or a list, one for each exposure specification",
        PSF_PATHS,
        "none",
    ),
    Key(
        "darks",
        "`model`: noise of its own for every exposure; `linearized` or `raw`: darks of MIRAGE_DATA; `linearized_varied`, "
        "`raw_varied`: from another frame on and mirrored or not, so that noise does not repeat",
        Word(DARKS),
        "`model`",
    ),
    Key(
        "effects",
        "`{NAME: true or false}`, or a list of names that are off; `{NAME: {PARAMETER: VALUE}}` for effects that have some",
        EffectSwitches(),
        "see below",
    ),
    Key(
        "segmentation_threshold",
        "light in a pixel from which a source is in the variable `segmentation`, `NUMBER UNIT`, with the unit per pixel: "
        + ", ".join(f"`{unit}`" for unit in THRESHOLD_UNITS),
        Converted(parse_threshold, DEFAULT_THRESHOLD, {"type": "string", "pattern": "^\\s*\\S+\\s+\\S+"}),
        f"`{DEFAULT_THRESHOLD}`",
    ),
    Key(
        "random_seed",
        "whole number, 0 or more: another one is another realisation of all noise; `seed` is its old name",
        Whole(63, DEFAULT_SEED),
        str(DEFAULT_SEED),
        old_names=("seed",),
    ),
)
"""In the order in which they are listed."""

ALLOWED = (*(key.name for key in KEYS), NESTED)


def keys_by_name() -> Mapping[str, Key]:
    """Return the keys by their names and old names."""
    return {name: key for key in KEYS for name in (key.name, *key.old_names)}


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a settings file, for editors that check and complete YAML."""
    properties = {name: key.schema() for name, key in keys_by_name().items()}
    nested = {
        "description": "the same keys, which the others override",
        "anyOf": [{"$ref": "#"}, {"type": "null"}],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of mirage_dask",
        "type": "object",
        "properties": properties | {NESTED: nested},
        "additionalProperties": False,
    }
