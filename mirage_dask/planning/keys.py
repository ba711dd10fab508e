"""What a plan depends on: what finds it in the cache, and tells whether the specification of an exposure is still valid.

The specification of an exposure follows from its row of the table, from the files that the row names, and from the sources
of this package. `row_keys` is a hash of these for each row; a plan depends on the keys of the exposures that it prepares and
on the table. So a file that changes concerns the exposures that use it and no other.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from mirage_dask.detector.effects import effect_names, packages_of
from mirage_dask.errors import InputError
from mirage_dask.io.caches.sources import source_digest
from mirage_dask.planning.history import histories
from mirage_dask.reference.builtin.locations import builtin_version
from mirage_dask.reference.sources import asks_observatory, context_in_use
from mirage_dask.scene.catalogs import CATALOG_KINDS, MOVING_KINDS, TRACKED, VARIABLE, read_catalog
from mirage_dask.scene.catalogs.columns import GHOST_STAMP
from mirage_dask.scene.ghosts import SOURCE_KINDS
from mirage_dask.scene.time_series.targets import KIND as TARGET_KIND
from mirage_dask.scene.time_series.targets import files_of
from mirage_dask.settings import Settings
from mirage_dask.settings.keys import BUILTIN, MIRAGE_DATA
from mirage_dask.settings.row import (
    read_background,
    read_ghosts,
    read_overrides,
    read_references,
    read_scattered,
    read_scene_image,
    read_soss,
    read_spectra_choice,
    row_of,
)
from mirage_dask.settings.sky import components, is_image
from mirage_dask.store.plan_files import table_hashes
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.selections import stored_plan

SOURCES = (
    *(
        "planning",
        "spec.py",
        "detector/effects.py",
        "plugins",
        "detector/charge/trapping.py",
        "store/plan.py",
        "settings",
        "scene",
        "sky_images",
    ),
    "catalogs",  # files of spectra and light curves
    *("reference", "psf", "instruments", "pointing"),
)
"""Modules that decide what a plan holds: a change there makes plans again, one of the command line does not."""

PLACES = (
    "references",
    "overrides",
    "darks",
    "psf_path",
    "background",
    "scene_image",
    "ghosts",
    "spectra",
    "grism_configurations",
    "soss",
    "scattered_light",
    *CATALOG_KINDS,
)
"""Columns of the table that say which files an exposure needs."""


def plan_key(table: pd.DataFrame, settings: Settings, keys: Mapping[str, str] | None = None) -> str:
    """Return a hash of everything that a plan depends on, 16 hex digits.

    Parameters
    ----------
    table
        Exposure table with the columns of `add_settings`.
    settings
        The settings.
    keys
        `row_keys` of the exposures that are prepared; default of all that can be simulated.
    """
    prepared = row_keys(table[table["status"] == "ready"], table) if keys is None else keys
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr([settings.to_dict(), list(table.columns), sorted(prepared.items())]).encode())
    digest.update(table_hashes(table))
    return digest.hexdigest()


def row_keys(rows: pd.DataFrame, table: pd.DataFrame | None = None) -> dict[str, str]:
    """Return {exposure: hash of everything that its specification depends on, 16 hex digits}.

    Equal keys mean equal specifications. Different ones need not mean different specifications.

    Parameters
    ----------
    rows
        Rows of an exposure table with the columns of `add_settings`.
    table
        The whole table, for an exposure may depend on those before it; default the rows.
    """
    table = rows if table is None else table
    before = histories(table, rows["name"])
    keys = _own_keys(rows)
    others = {earlier.name for history in before.values() for earlier in history} - keys.keys()
    alone = keys | (_own_keys(table[table["name"].isin(others)]) if others else {})
    for name, history in before.items():
        told = [(earlier, alone[earlier.name]) for earlier in history]
        keys[name] = hashlib.blake2b(repr((keys[name], told)).encode(), digest_size=8).hexdigest()
    return keys


def _own_keys(rows: pd.DataFrame) -> dict[str, str]:
    """Return the keys of rows by themselves."""
    packages = packages_of(effect_names())
    hashes, version = table_hashes(rows), f"{source_digest(*SOURCES)} {builtin_version()} {packages}"
    files, names = _FileStates(), rows["name"].to_numpy()
    found: dict[str, str] = {}
    for values, places in rows.groupby(list(PLACES), sort=False).indices.items():
        state = f"{version} {files.state(dict(zip(PLACES, values, strict=True)))}".encode()
        for place in places:
            own = hashes[8 * place : 8 * place + 8]
            found[names[place]] = hashlib.blake2b(own + state, digest_size=8).hexdigest()
    return found


def stale_names(table: pd.DataFrame, store: str | os.PathLike[str]) -> list[str]:
    """Return the exposures that a store was made for and whose specifications may have changed since.

    Parameters
    ----------
    table
        Exposure table with the columns of `add_settings`.
    store
        The store, which need not exist.

    Raises
    ------
    StoreError
        If something other than a simulation exists there.
    """
    old = stored_plan(StoreRoot.read(store))
    if old is None:
        return []
    keys = row_keys(table[(table["status"] == "ready") & table["name"].isin(old.names)], table)
    before = dict(zip(old.names, old.inputs, strict=True))
    return [name for name, key in keys.items() if before[name] != key]


class _FileStates:
    """The states of files; each is looked at once."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._listed: dict[str, list[str]] = {}
        self._named: dict[str, tuple[str, ...]] = {}
        self._of_catalogs: dict[tuple[str, str], set[str]] = {}

    def state(self, places: Mapping[str, str]) -> str:
        """Return a hash of the files that an exposure needs: of the content of catalogs, else of when they were changed.

        Parameters
        ----------
        places
            Values of the columns `PLACES`.
        """
        digest = hashlib.blake2b(self._context(places).encode(), digest_size=16)
        for path in sorted(self._given(places)):
            digest.update(f"{path} {self._state(path, _changed)}".encode())
        for path in sorted(self._catalogs(places)):
            digest.update(f"{path} {self._state(path, _content)}".encode())
        if (image := read_scene_image(places["scene_image"])) is not None:
            digest.update(f"{image.path} {self._tree(image.path)}".encode())
            if image.psf_file:
                digest.update(f"{image.psf_file} {self._state(image.psf_file, _changed)}".encode())
        of_sources = [
            path
            for kind in ("extended", "moving_extended", TRACKED)
            for path in self._stamps(places[kind], kind)
        ]
        of_sources += self._series(places["tso_grism_catalog"])
        for path in (*of_sources, *self._ghost_stamps(places)):
            digest.update(f"{path} {self._state(path, _changed)}".encode())
        return digest.hexdigest()

    def _state(self, path: str, look: Callable[[Path], str]) -> str:
        if path not in self._states:
            self._states[path] = look(Path(path)) if Path(path).is_file() else ""
        return self._states[path]

    def _catalogs(self, places: Mapping[str, str]) -> set[str]:
        """Return the catalogs, and the ephemerides and light curves that they name."""
        found = {places[kind] for kind in CATALOG_KINDS if places[kind]}
        for kind in (k for k in (*MOVING_KINDS, VARIABLE) if places[k]):
            if (kind, places[kind]) not in self._of_catalogs:
                self._of_catalogs[kind, places[kind]] = _files_of(places[kind], kind)
            found |= self._of_catalogs[kind, places[kind]]
        return found

    def _given(self, places: Mapping[str, str]) -> set[str]:
        """Return the files that somebody may exchange: overrides, images of the background, PSFs, MIRAGE_DATA."""
        given = set(read_overrides(places["overrides"]).values())
        given |= {
            part for part in map(str, components(read_background(places["background"]))) if is_image(part)
        }
        if (choice := read_spectra_choice(places["spectra"])) is not None:
            given.update(choice.paths)
        if (soss := read_soss(places["soss"])) is not None and soss.traces:
            given.add(soss.traces)
        if (scattered := read_scattered(places["scattered_light"])) is not None:
            given |= {scattered.claws} - {""}
            for folder in filter(None, (scattered.wisp_templates, scattered.claw_templates)):
                given.update(str(path) for path in Path(folder).glob("*.fits"))
        if folder := places["grism_configurations"]:
            if f"grisms {folder}" not in self._listed:
                found = Path(folder).iterdir() if Path(folder).is_dir() else ()
                self._listed[f"grisms {folder}"] = [str(p) for p in found if p.suffix in (".conf", ".fits")]
            given.update(self._listed[f"grisms {folder}"])
        folders = {places["psf_path"]}
        if MIRAGE_DATA in read_references(places["references"]) or places["darks"] != "model":
            folders.add(os.environ.get("MIRAGE_DATA", ""))
        for folder in filter(None, folders):
            if folder not in self._listed:
                self._listed[folder] = [str(path) for path in Path(folder).expanduser().rglob("*.fits")]
            given.update(self._listed[folder])
        return given

    def _tree(self, path: str) -> str:
        """Return when an image was changed: a file, or the files of a Zarr array."""
        place = Path(path)
        if not place.is_dir():
            return self._state(path, _changed)
        if path not in self._states:
            found = sorted((str(file), file.stat()) for file in place.rglob("*") if file.is_file())
            told = repr([(name, about.st_mtime_ns, about.st_size) for name, about in found])
            self._states[path] = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
        return self._states[path]

    def _stamps(self, catalog: str, kind: str) -> tuple[str, ...]:
        """Return the images of a catalog of a kind; none of one that cannot be read: an error elsewhere."""
        if catalog and catalog not in self._named:
            try:
                self._named[catalog] = tuple(sorted(set(read_catalog(catalog, kind).files)))
            except InputError:
                self._named[catalog] = ()
        return self._named.get(catalog, ())

    def _series(self, catalog: str) -> tuple[str, ...]:
        """Return the files that the catalog of the target of a time series names; none where it cannot be read."""
        name = f"series of {catalog}"
        if catalog and name not in self._named:
            try:
                self._named[name] = files_of(read_catalog(catalog, TARGET_KIND))
            except InputError:  # an error elsewhere
                self._named[name] = ()
        return self._named.get(name, ())

    def _ghost_stamps(self, places: Mapping[str, str]) -> Iterator[str]:
        """Yield the images of ghosts that the settings and the catalogs of an exposure name."""
        ghosts = read_ghosts(places["ghosts"])
        if ghosts is None:
            return
        yield from filter(None, [ghosts.stamp])
        for kind in (k for k in SOURCE_KINDS if places[k]):
            name = f"ghosts of {kind} {places[kind]}"
            if name not in self._named:
                self._named[name] = _ghost_stamps(places[kind], kind)
            yield from self._named[name]

    def _context(self, places: Mapping[str, str]) -> str:
        """Return where reference data lie that are not built in, and the context of CRDS; nothing where all are built in."""
        if places["references"] == BUILTIN and places["darks"] == "model":
            return ""
        row = row_of({"references": places["references"], "overrides": places["overrides"]})
        context = self._observatory if asks_observatory(row) else ""
        return repr([os.environ.get("CRDS_PATH", ""), os.environ.get("MIRAGE_DATA", ""), context])

    @cached_property
    def _observatory(self) -> str:
        return context_in_use()


def _changed(path: Path) -> str:
    return str(path.stat().st_mtime_ns)


def _content(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _files_of(path: str, kind: str) -> set[str]:
    """Return the ephemerides and light curves that a catalog names; none where it cannot be read, which others report."""
    try:
        catalog = read_catalog(path, kind)
    except InputError:
        return set()
    ephemerides = catalog.motion.ephemerides if catalog.motion is not None else ()
    return set(filter(None, (*ephemerides, *catalog.light_curves)))


def _ghost_stamps(path: str, kind: str) -> tuple[str, ...]:
    """Return the images of ghosts that a catalog names; most have no such column, and are not read for it."""
    try:
        content = Path(path).read_bytes()
        packed = content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
        if not packed and GHOST_STAMP.encode() not in content.lower():
            return ()
        return tuple(sorted({stamp for stamp in read_catalog(path, kind).ghost_stamps if stamp}))
    except (InputError, OSError):  # an error elsewhere
        return ()
