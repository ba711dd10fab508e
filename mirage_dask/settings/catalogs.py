"""The key `catalogs`: which file of sources holds for which targets and instruments.

Three shapes, as in Mirage, which may stand in one dictionary: {type: file} for all targets, {TARGET: {type: file}}, and
{TARGET: {instrument: {type: file}}}. Types and instruments are known in any case, targets only exactly as in the proposal.
In Python, an astropy Table or a pandas DataFrame may stand for a file: it is written into the cache of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.io.astropy_tables import is_table, save_catalog
from mirage_dask.settings.grammar import PathTo, Table
from mirage_dask.settings.problems import INSTRUMENTS, Problems, is_nothing

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

IMAGE_TYPES = frozenset({"extended", "moving_extended", "moving_target_to_track"})
"""Types that may name images, which the setting `extended` is about."""

_SPECTROSCOPY = ("point_source", "galaxy", "extended")
_TYPES_OF_MODE = {
    "wfss": _SPECTROSCOPY,
    "ts_imaging": (*_SPECTROSCOPY, "tso_imaging_catalog", "tso_grism_catalog"),
    "ts_grism": (*_SPECTROSCOPY, "tso_grism_catalog"),
    "soss": (*_SPECTROSCOPY, "tso_grism_catalog"),
}


@dataclass(frozen=True)
class CatalogEntry:
    """One catalog and what it holds for."""

    target: str
    """Target name; empty for all targets without an entry of their own."""
    instrument: str
    """'NIRCAM'; empty for all."""
    kind: str
    """One of `CATALOG_TYPES`; empty for a target that is mentioned only."""
    path: str
    """Absolute path."""


def catalog_types(mode: str) -> tuple[str, ...]:
    """Return the types of catalogs that exposures of a mode look at, as in Mirage."""
    return _TYPES_OF_MODE.get(mode, CATALOG_TYPES[:-2])


class CatalogFile(PathTo):
    """Rule of one catalog: a file that exists, or a table in memory."""

    def parse(self, value: Any, key: str, problems: Problems) -> str:
        """Return the absolute path; a table is written first."""
        if is_table(value):
            try:
                return str(save_catalog(value, key.rpartition(".")[2].lower(), folder=problems.folder))
            except InputError as error:
                problems.add(key, str(error))
                return ""
        if isinstance(value, list | tuple):
            problems.add(
                key,
                f"expected one catalog, not {len(value)}; give each target its own by name, "
                "{TARGET: {point_source: FILE}}",
            )
            return ""
        if not is_nothing(value) and not isinstance(value, str | int | float | os.PathLike | Mapping):
            problems.add(
                key,
                f"a {type(value).__name__} is not a catalog; give a file, an astropy Table or a pandas DataFrame",
            )
            return ""
        return super().parse(value, key, problems)


def _rule() -> Table:
    files = dict.fromkeys(CATALOG_TYPES, CatalogFile("file"))
    target = Table(words=files, branches=dict.fromkeys(INSTRUMENTS, Table(words=files)))
    return Table(words=files, names=target, refusal="write {point_source: FILE, galaxy: FILE}")


CATALOGS = _rule()


def catalog_entries(found: Mapping[str, Any] | None) -> tuple[CatalogEntry, ...]:
    """Return the entries of the key `catalogs`; an empty mapping means no sources."""
    entries: list[CatalogEntry] = []
    for name, value in (found or {}).items():
        if isinstance(value, str):
            entries.append(CatalogEntry("", "", name, value))
            continue
        # An entry without a type: the target is mentioned, so it was not forgotten that it has no sources.
        entries.append(CatalogEntry(name, "", "", ""))
        for below, inner in value.items():
            if isinstance(inner, str):
                entries.append(CatalogEntry(name, "", below, inner))
            else:
                entries += [CatalogEntry(name, below.upper(), kind, path) for kind, path in inner.items()]
    return tuple(entry for entry in entries if entry.path or not entry.kind)


def catalogs_as_given(entries: Iterable[CatalogEntry]) -> dict[str, Any]:
    """Return the value of the key `catalogs` that gives these entries."""
    nested: dict[str, Any] = {}
    for entry in entries:
        place = nested
        for key in filter(None, (entry.target, entry.instrument.lower())):
            place = place.setdefault(key, {})
        if entry.kind:
            place[entry.kind] = entry.path
    return nested
