"""The JSON schema of a settings file, for editors that check and complete YAML."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mirage_dask.settings.catalogs import CATALOG_TYPES
from mirage_dask.settings.overrides import CRDS_TYPES, NESTING
from mirage_dask.settings.parsing import DARKS, LEVELS, REFERENCE_ALIASES, REFERENCES
from mirage_dask.settings.problems import INSTRUMENTS
from mirage_dask.settings.records import Effects

LIBRARIES = ("SUNMIN", "SUNMAX", "FLARE", "FLARES")
_FILE = {"type": ["string", "null"]}


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a settings file."""
    files = dict.fromkeys(CATALOG_TYPES, _FILE)
    catalogs: dict[str, Any] = {"type": "object", "properties": files, "additionalProperties": False}
    target = {
        "type": "object",
        "properties": files | dict.fromkeys(INSTRUMENTS, catalogs),
        "additionalProperties": False,
    }
    level = {"anyOf": [{"enum": list(LEVELS)}, {"type": "number", "minimum": 0}]}
    channels = {"type": "object", "properties": {"sw": level, "lw": level}, "additionalProperties": False}
    of_instruments = {
        "type": "object",
        "properties": {"nircam": {"anyOf": [level, channels]}, "niriss": level, "fgs": level},
    }
    rays = {
        "anyOf": [
            {"enum": [*LIBRARIES, "none", False, None]},
            {
                "type": "object",
                "properties": {
                    "library": {"enum": list(LIBRARIES)},
                    "scale": {"type": "number", "minimum": 0},
                },
                "additionalProperties": False,
            },
        ]
    }
    names = [f.name for f in fields(Effects)]
    properties: dict[str, Any] = {
        "catalogs": {
            "description": "source catalogs: {type: file}, {TARGET: {type: file}} or {TARGET: {instrument: {type: file}}}",
            "type": "object",
            "properties": files,
            "additionalProperties": target,
        },
        "background": {
            "description": "low, medium, high, date, or DN/s per pixel",
            **_per_observation({"anyOf": [level, of_instruments]}),
        },
        "roll_angle": {
            "description": "position angle of V3, degrees",
            **_per_observation({"type": "number"}),
        },
        "dates": {
            "description": "start, UTC: YYYY-MM-DD or with time",
            **_per_observation({"type": "string"}),
        },
        "use_dateobs_for_background": {
            "description": "levels of the background are what the sky is on the day of the exposure",
            "type": "boolean",
        },
        "cosmic_rays": {"description": "library and scale, or none", **_per_observation(rays)},
        "references": {
            "description": "where reference files come from; of several, the first that has a file",
            "anyOf": [{"enum": list(REFERENCES)}, {"type": "array", "items": {"enum": list(REFERENCES)}}],
        },
        "reffile_defaults": {
            "description": "Mirage's name for references: crds",
            "enum": ["crds", *REFERENCE_ALIASES],
        },
        "reffile_overrides": {
            "description": "reference files of your own: {instrument: {type: {…: file}}}",
            "type": "object",
            "propertyNames": {"enum": list(INSTRUMENTS)},
            "additionalProperties": {"type": "object", "propertyNames": {"enum": [*NESTING, *CRDS_TYPES]}},
        },
        "psf_paths": {
            "description": "folders of your own PSF libraries; of a list, one for each exposure specification of APT",
            **_per_observation({"type": ["string", "null", "array"], "items": {"type": "string"}}),
        },
        "darks": {"description": "the noise model, or files of MIRAGE_DATA", "enum": list(DARKS)},
        "effects": {
            "description": "names of effects that are off, or {name: true or false}",
            "anyOf": [
                {"type": "array", "items": {"enum": names}},
                {
                    "type": "object",
                    "properties": {name: {"type": "boolean"} for name in names},
                    "additionalProperties": False,
                },
            ],
        },
        "seed": {"description": "realisation of all noise", "type": "integer", "minimum": 0},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of mirage_dask",
        "type": "object",
        "properties": properties
        | {
            "parameter_defaults": {
                "description": "the same keys, which the others override",
                "type": "object",
            }
        },
        "additionalProperties": False,
    }


def _per_observation(value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one value, or of one for each observation by its number."""
    numbered = {"type": "object", "patternProperties": {"^[0-9]{1,3}$": value}, "additionalProperties": False}
    # A mapping of another kind is a value itself: {library, scale}, {nircam: …}.
    return {"anyOf": [value, numbered]}
