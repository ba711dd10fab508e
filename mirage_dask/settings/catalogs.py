"""The key `catalogs`: which file of sources holds for which targets and instruments.

Three shapes, as in Mirage, which may stand in one dictionary: {type: file} for all targets, {TARGET: {type: file}}, and
{TARGET: {instrument: {type: file}}}. Types and instruments are known in any case, targets only exactly as in the proposal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage_dask.settings.problems import INSTRUMENTS, Problems, is_nothing
from mirage_dask.settings.records import CatalogEntry

CATALOG_TYPES = (
    "point_source",
    "galaxy",
    "extended",
    "moving_pointsource",
    "moving_sersic",
    "moving_extended",
    "moving_target_to_track",
    "tso_imaging_catalog",
    "tso_grism_catalog",
)
"""In the order of their columns in the exposure table."""

_SPECTROSCOPY = ("point_source", "galaxy", "extended")
_TYPES_OF_MODE = {
    "wfss": _SPECTROSCOPY,
    "ts_imaging": (*_SPECTROSCOPY, "tso_imaging_catalog"),
    "ts_grism": (*_SPECTROSCOPY, "tso_grism_catalog"),
}


def catalog_types(mode: str) -> tuple[str, ...]:
    """Return the types of catalogs that exposures of a mode look at, as in Mirage."""
    return _TYPES_OF_MODE.get(mode, CATALOG_TYPES[:-2])


def parse_catalogs(value: Any, problems: Problems) -> tuple[CatalogEntry, ...]:
    """Return the entries of the key `catalogs`; an empty mapping means no sources."""
    entries: list[CatalogEntry] = []

    def of_type(name: Any, value: Any, key: str, target: str, instrument: str) -> None:
        kind = str(name).strip().lower()
        if kind not in CATALOG_TYPES:
            problems.not_allowed(key, name, CATALOG_TYPES)
        elif not is_nothing(value):
            entries.append(CatalogEntry(target, instrument, kind, file_path(value, key, problems)))

    def of_target(value: Mapping[Any, Any], key: str, target: str) -> None:
        # An entry without a type: the target is mentioned, so it is no oversight that it has no sources.
        entries.append(CatalogEntry(target, "", "", ""))
        for name, entry in value.items():
            if isinstance(entry, Mapping):
                if str(name).lower() not in INSTRUMENTS:
                    problems.not_allowed(f"{key}.{name}", name, INSTRUMENTS)
                    continue
                for kind, path in entry.items():
                    of_type(kind, path, f"{key}.{name}.{kind}", target, str(name).upper())
            else:
                of_type(name, entry, f"{key}.{name}", target, "")

    if not isinstance(value, Mapping):
        problems.add("catalogs", f"{value!r} is not understood; write {{point_source: FILE, galaxy: FILE}}")
        return ()
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            of_target(entry, f"catalogs.{name}", str(name))
        else:
            of_type(name, entry, f"catalogs.{name}", "", "")
    return tuple(entries)


def file_path(value: Any, key: str, problems: Problems) -> str:
    """Return the absolute path of a file that is there; variables of the environment and ~ are expanded."""
    if not isinstance(value, str | os.PathLike):
        problems.add(key, f"{value!r} is no file name")
        return ""
    path = Path(os.path.expandvars(os.fspath(value))).expanduser()
    path = path if path.is_absolute() else problems.folder / path
    if not path.is_file():
        problems.add(key, f"there is no file {path}; paths are relative to {problems.folder}")
    return str(Path(os.path.abspath(path)))
