"""From a proposal and its settings to a plan: everything a run needs, checked, resolved and written once.

Here the exposure table meets the settings: each row gets its catalogs (turned into electrons per second), its background,
its cosmic rays and its reference pack, and becomes an `ExposureSpec`. The plan lies in the cache of this machine under a
hash of all that it depends on, so that opening the same proposal again finds it; packs are shared between plans; a run
links (or copies) all of it into its store.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask.apt.table import as_table
from mirage_dask.compiled import source_digest
from mirage_dask.errors import InputError, StoreError
from mirage_dask.instruments import cosmic_ray_rate
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.progress import Progress
from mirage_dask.pointing import attitude_matrix
from mirage_dask.reference.builtin.locations import builtin_version
from mirage_dask.reference.darks.ramp import dark_ramp
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.prepare import PreparedReferences, prepare_references
from mirage_dask.reference.sources import BUILTIN, CRDS, MIRAGE_DATA, context_in_use, mirage_data
from mirage_dask.scene import (
    LEVELS,
    Catalog,
    background_rate,
    galaxies,
    magnitude_owner,
    point_sources,
    read_catalog,
)
from mirage_dask.settings import CATALOG_TYPES, ROW_COLUMNS, SETTINGS_COLUMNS, Settings
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.pieces import write_dark_ramp
from mirage_dask.store.plan import Plan, load_plan, save_plan

_LOG = logging.getLogger(__name__)

SAME_TEXT = ("name", "detector", "filter", "pupil")
SAME_NUMBERS = (
    *("program", "observation", "visit", "exposure", "tile", "dither"),
    *("x0", "y0", "nx", "ny", "fast_axis", "slow_axis", "nframes", "groupgap"),
)
"""Columns of the table that a spec has under the same name."""

SIMULATED_INSTRUMENTS = ("NIRCAM", "NIRISS", "FGS")

LAUNCH, SCIENCE = "2021-12-25", "2022-07-12"
"""Days of JWST's launch, and of the end of its commissioning: files that were measured in flight hold from then on."""

MAKERS = {"point_source": point_sources, "galaxy": galaxies}


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
            found[values] = _settings_values(dict(zip(ROW_COLUMNS, values, strict=False)), settings)
        rows.append(found[values])
    added = as_table(rows, SETTINGS_COLUMNS)
    ours = table["instrument"].isin(SIMULATED_INSTRUMENTS).to_numpy()
    added.loc[ours, "psf_path"] = settings.psf_folders(table[ours])
    return refuse_catalogs(pd.concat([table.reset_index(drop=True), added], axis=1))


def _settings_values(row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the columns of one row; empty ones where the settings say nothing of an exposure that is only listed."""
    empty: dict[str, Any] = dict.fromkeys((*CATALOG_TYPES, "background", "cosmic_ray_library"), "")
    empty |= {"cosmic_ray_scale": 0.0, "overrides": "", "psf_path": "", "effects": "", "seed": settings.seed}
    empty |= {"references": " ".join(settings.references), "darks": settings.darks}
    if row["instrument"] not in SIMULATED_INSTRUMENTS:
        return empty
    try:
        own = settings.for_exposure(row)
    except InputError:  # `check_against` has raised if the row is ready
        return empty
    rays = own.cosmic_rays
    return empty | {
        **own.catalogs,
        "background": str(own.background),
        "cosmic_ray_library": rays.library if rays else "",
        "cosmic_ray_scale": float(rays.scale) if rays else 0.0,
        "overrides": json.dumps(own.overrides, sort_keys=True) if own.overrides else "",
        "effects": " ".join(own.effects.names),
    }


def refuse_catalogs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with rows 'unsupported' whose catalogs are of a type that is not simulated."""
    for kind in (k for k in CATALOG_TYPES if k not in MAKERS):
        refused = (table[kind] != "") & (table["status"] == "ready")
        table.loc[refused, ["status", "reason"]] = [
            "unsupported",
            f"its catalog of type {kind} is not simulated yet",
        ]
    return table


def launch_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return a sentence if exposures that use the observatory's CRDS start before JWST was launched."""
    uses = table["references"].map(lambda sources: CRDS in str(sources).split()).astype(bool)
    early = table[uses & (table["status"] == "ready") & (table["start_time"] < LAUNCH)]
    if early.empty:
        return ()
    return (
        f"{len(early)} exposures start before the launch ({LAUNCH}), the first on {early['start_time'].min()[:10]}: CRDS "
        f"gives them files of tests on the ground; give dates from {SCIENCE} on, when science observations began.",
    )


def make_plan(table: pd.DataFrame, settings: Settings, *, progress: Progress | None = None) -> Plan:
    """Resolve everything and write the plan into the cache of this machine, or find it there.

    Parameters
    ----------
    table
        Exposure table with the columns of `add_settings`.
    settings
        The settings.
    progress
        Called with (what is being done, how many are done, how many there are).

    Raises
    ------
    InputError
        With every problem of every catalog.
    ReferenceFileError
        If a reference file is missing or damaged.
    StoreError
        If the cache cannot be written.
    """
    for note in launch_notes(table):
        _LOG.warning("%s", note)
    url = str(cache_directory() / "plans" / plan_key(table, settings))
    with suppress(StoreError):  # not planned yet, or not to its end
        return load_plan(url)
    ready = table[table["status"] == "ready"]
    sources = _save_sources(ready, f"{url}/sources")
    references = _prepare(ready, url, progress)
    specs = []
    for done, row in enumerate(ready.to_dict("records")):
        if progress is not None and row["darks"] != "model":
            progress(f"darks of {row['detector']}", done, len(ready))
        specs.append(_with_dark(_spec(row, references, sources, url), row, url))
    return save_plan(
        url,
        table,
        specs,
        settings=settings.to_dict(),
        provenance={"references": references.provenance, "builtin": builtin_version()},
    )


def _prepare(ready: pd.DataFrame, url: str, progress: Progress | None) -> PreparedReferences:
    """Make the packs of all exposures, those of each choice of sources together."""
    packs: dict[str, str] = {}
    provenance: list[dict[str, str]] = []
    for sources, rows in ready.groupby("references"):
        libraries = {
            name: [library] if library else []
            for name, library in rows[["name", "cosmic_ray_library"]].itertuples(index=False)
        }
        prepared = prepare_references(
            rows,
            cosmic_ray_libraries=libraries,
            destination_url=url,
            sources=str(sources).split(),
            progress=progress,
        )
        packs |= prepared.packs
        provenance += prepared.provenance
    return PreparedReferences(packs, provenance)


def plan_key(table: pd.DataFrame, settings: Settings) -> str:
    """Return a hash of everything that a plan depends on, 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    told = repr([settings.to_dict(), _places(table)])
    for text in (source_digest(), builtin_version(), told, table.to_csv(index=False)):
        digest.update(text.encode())
    for path in sorted(_files_given(table)):
        digest.update(f"{path} {Path(path).stat().st_mtime_ns}".encode() if Path(path).is_file() else b"")
    for path in sorted({p for kind in MAKERS for p in table[kind] if p}):
        digest.update(Path(path).read_bytes() if Path(path).is_file() else b"")
    return digest.hexdigest()


def _places(table: pd.DataFrame) -> list[str]:
    """Return where reference data lie that are not built in, and the context of CRDS; nothing where all are built in."""
    if set(table["references"]) == {BUILTIN} and set(table["darks"]) == {"model"}:
        return []
    asking = table.loc[table["status"] == "ready", ["references", "overrides"]]
    context = context_in_use(asking.drop_duplicates().to_dict("records"))
    return [os.environ.get("CRDS_PATH", ""), os.environ.get("MIRAGE_DATA", ""), context]


def _files_given(table: pd.DataFrame) -> set[str]:
    """Return the files that a plan may be made of and that somebody may exchange: overrides, PSFs, MIRAGE_DATA."""
    given = {path for text in set(table["overrides"]) if text for path in json.loads(text).values()}
    folders = set(table["psf_path"])
    sources = {name for names in set(table["references"]) for name in names.split()}
    if MIRAGE_DATA in sources or set(table["darks"]) != {"model"}:
        folders.add(os.environ.get("MIRAGE_DATA", ""))
    found = (Path(folder).expanduser().rglob("*.fits") for folder in folders if folder)
    return given | {str(path) for files in found for path in files}


def check_catalogs(table: pd.DataFrame) -> None:
    """Read every catalog and look for the columns that the filters need.

    Raises
    ------
    InputError
        With every problem of every catalog.
    """
    for _ in _catalogs(table[table["status"] == "ready"]):
        pass


def _catalogs(ready: pd.DataFrame) -> Iterator[tuple[str, str, Catalog, list[tuple[str, str, str]]]]:
    """Yield (kind, path, catalog, (detector, filter, pupil) that look at it); raise at the end for what cannot be read."""
    problems: list[str] = []
    for kind in MAKERS:
        for path, rows in ready[ready[kind] != ""].groupby(kind):
            uses = list(
                rows[["detector", "filter", "pupil"]].drop_duplicates().itertuples(index=False, name=None)
            )
            try:
                wanted = dict.fromkeys((magnitude_owner(detector), f, p) for detector, f, p in uses)
                yield kind, str(path), read_catalog(path, kind, optics=wanted), uses
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError(problems)


def _save_sources(ready: pd.DataFrame, url: str) -> dict[Hashable, str]:
    """Write the source tables; return their keys by (kind, path, detector, filter, pupil)."""
    return {
        (kind, path, *use): MAKERS[kind](catalog, *use).save(url)
        for kind, path, catalog, uses in _catalogs(ready)
        for use in uses
    }


def _with_dark(spec: ExposureSpec, row: dict[str, Any], url: str) -> ExposureSpec:
    """Return a spec whose dark comes from the files of MIRAGE_DATA, where the row says so."""
    kind, _, varied = str(row["darks"]).partition("_")
    if kind == "model":
        return spec
    # The bias of a linearized file is that of the observatory's superbias, which no other pack has.
    exchanged = kind == "linearized" and CRDS not in row["references"].split()
    ramp = dark_ramp(
        spec, mirage_data(), kind=kind, pack_url=url, bias="pack" if exchanged else "file", vary=bool(varied)
    )
    return replace(spec, replaced=(("dark", write_dark_ramp(url, ramp)),))


def _spec(
    row: dict[str, Any],
    references: PreparedReferences,
    sources: dict[Hashable, str],
    url: str,
) -> ExposureSpec:
    """Turn one row of the table into its specification."""
    optics = (row["detector"], row["filter"], row["pupil"])
    library = row["cosmic_ray_library"]
    rate = cosmic_ray_rate(library) * row["cosmic_ray_scale"] if library else 0.0
    level: str | float = row["background"]
    when = datetime.fromisoformat(row["start_time"]) if level == "date" else None
    if when is not None:
        level = LEVELS[0]  # any level is the sky of that day
    elif level not in LEVELS:
        level = float(level)
    pack = references.packs[row["name"]]
    attitude = attitude_matrix(row["ra_pointing"], row["dec_pointing"], row["v2"], row["v3"], row["pa_v3"])
    same: dict[str, Any] = {n: str(row[n]) for n in SAME_TEXT} | {n: int(row[n]) for n in SAME_NUMBERS}
    return ExposureSpec(
        **same,
        nints=int(row["nint"]),
        ngroups=int(row["ngroup"]),
        tframe=float(row["tframe"]),
        amplifiers=int(row["namp"]),
        attitude=tuple(float(v) for v in attitude.ravel()),
        background=background_rate(
            level,
            *optics,
            ra=row["ra_ref"],
            dec=row["dec_ref"],
            gain=ReferencePack.open(url, pack).meta["mean_gain"],
            when=when,
        ),
        cosmic_ray_library=library,
        cosmic_ray_rate=float(rate),
        effects=tuple(row["effects"].split()),
        seed=int(row["seed"]),
        pack=pack,
        point_sources=sources.get(("point_source", row["point_source"], *optics), ""),
        galaxies=sources.get(("galaxy", row["galaxy"], *optics), ""),
    )
