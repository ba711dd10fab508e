"""From a proposal and its settings to a plan: everything a run needs, checked, resolved and written once.

Here the exposure table meets the settings: each row gets its catalogs (turned into electrons per second), its background,
its cosmic rays and its reference pack, and becomes an `ExposureSpec`. The plan lies in the cache of this machine under a
hash of all that it depends on, so that opening the same proposal again finds it; packs are shared between plans; a run
links (or copies) all of it into its store.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mirage_dask.apt.table import as_table
from mirage_dask.compiled import source_digest
from mirage_dask.detector.effects import switched_effects
from mirage_dask.errors import InputError, StoreError
from mirage_dask.instruments import cosmic_ray_rate, instruments
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.progress import Progress
from mirage_dask.pointing import attitude_matrix
from mirage_dask.reference.builtin.locations import builtin_version
from mirage_dask.reference.darks.selection import dark_ramp
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.prepare import PreparedReferences, prepare_references
from mirage_dask.reference.sources import BUILTIN, CRDS, MIRAGE_DATA, context_in_use, mirage_data
from mirage_dask.scene import (
    LEVELS,
    SOURCE_TABLES,
    Catalog,
    UniformBackground,
    background_rate,
    in_order,
    magnitude_owner,
    read_catalog,
)
from mirage_dask.scene.background_image import background_image
from mirage_dask.settings import (
    CATALOG_TYPES,
    ROW_COLUMNS,
    SETTINGS_COLUMNS,
    ExposureRow,
    ExposureSettings,
    Settings,
    rows_of,
)
from mirage_dask.settings.effects import NO_EFFECTS
from mirage_dask.settings.row import read_overrides, read_references
from mirage_dask.settings.sky import is_image
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.integrity import remove_damaged_content
from mirage_dask.store.pieces import write_dark_ramp
from mirage_dask.store.plan import Plan, load_plan, save_plan

_LOG = logging.getLogger(__name__)

SAME_TEXT = ("name", "detector", "filter", "pupil")
SAME_NUMBERS = (
    *("program", "observation", "visit", "exposure", "tile", "dither"),
    *("x0", "y0", "nx", "ny", "fast_axis", "slow_axis", "nframes", "groupgap"),
)
"""Columns of the table that a spec has under the same name."""

SOURCES = (
    *("planning.py", "spec.py", "detector/effects.py", "store/plan.py", "settings", "scene"),
    *("reference", "psf", "instruments", "pointing"),
)
"""Modules that decide what a plan holds: a change there makes plans again, one of the command line does not."""

LAUNCH, SCIENCE = "2021-12-25", "2022-07-12"
"""Days of JWST's launch, and of the end of its commissioning: files that were measured in flight hold from then on."""


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
    ours = table["instrument"].isin(instruments()).to_numpy()
    added.loc[ours, "psf_path"] = settings.psf_folders(table[ours])
    return refuse_catalogs(pd.concat([table.reset_index(drop=True), added], axis=1))


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


def refuse_catalogs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with rows 'unsupported' whose catalogs are of a type that is not simulated."""
    for kind in (k for k in CATALOG_TYPES if k not in SOURCE_TABLES):
        refused = (table[kind] != "") & (table["status"] == "ready")
        table.loc[refused, ["status", "reason"]] = [
            "unsupported",
            f"its catalog of type {kind} is not simulated yet",
        ]
    return table


def launch_notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return a sentence if exposures that use the observatory's CRDS start before JWST was launched."""
    uses = table["references"].map(lambda text: CRDS in read_references(text)).astype(bool)
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
        found = load_plan(url)
        if not (gone := remove_damaged_content(url)):
            return found
        _LOG.warning(
            "%s: %d damaged files of this plan are made again: %s", url, len(gone), ", ".join(gone[:3])
        )
    ready = table[table["status"] == "ready"]
    sources = _save_sources(ready, f"{url}/sources")
    rows = rows_of(ready)
    references = _prepare(rows, url, progress)
    specs = []
    for done, row in enumerate(rows):
        if progress is not None and row.darks != "model":
            progress(f"darks of {row.detector}", done, len(rows))
        specs.append(_with_dark(_spec(row, references, sources, url), row, url))
    return save_plan(
        url,
        table,
        specs,
        settings=settings.to_dict(),
        provenance={"references": references.provenance, "builtin": builtin_version()},
    )


def _prepare(ready: Sequence[ExposureRow], url: str, progress: Progress | None) -> PreparedReferences:
    """Make the packs of all exposures, those of each choice of sources together."""
    packs: dict[str, str] = {}
    provenance: list[dict[str, str]] = []
    for sources in sorted({row.references for row in ready}):
        rows = [row for row in ready if row.references == sources]
        prepared = prepare_references(
            rows,
            cosmic_ray_libraries={r.name: [r.cosmic_rays.library] if r.cosmic_rays else [] for r in rows},
            destination_url=url,
            sources=sources,
            progress=progress,
        )
        packs |= prepared.packs
        provenance += prepared.provenance
    return PreparedReferences(packs, provenance)


def plan_key(table: pd.DataFrame, settings: Settings) -> str:
    """Return a hash of everything that a plan depends on, 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    told = repr([settings.to_dict(), _places(table)])
    for text in (source_digest(*SOURCES), builtin_version(), told, table.to_csv(index=False)):
        digest.update(text.encode())
    for path in sorted(_files_given(table)):
        digest.update(f"{path} {Path(path).stat().st_mtime_ns}".encode() if Path(path).is_file() else b"")
    for path in sorted({p for kind in SOURCE_TABLES for p in table[kind] if p}):
        digest.update(Path(path).read_bytes() if Path(path).is_file() else b"")
    return digest.hexdigest()


def _places(table: pd.DataFrame) -> list[str]:
    """Return where reference data lie that are not built in, and the context of CRDS; nothing where all are built in."""
    if set(table["references"]) == {BUILTIN} and set(table["darks"]) == {"model"}:
        return []
    asking = table.loc[table["status"] == "ready", ["references", "overrides"]]
    context = context_in_use(rows_of(asking.drop_duplicates()))
    return [os.environ.get("CRDS_PATH", ""), os.environ.get("MIRAGE_DATA", ""), context]


def _files_given(table: pd.DataFrame) -> set[str]:
    """Return the files that a plan may be made of and that somebody may exchange: overrides, PSFs, MIRAGE_DATA."""
    given = {path for text in set(table["overrides"]) for path in read_overrides(text).values()}
    given |= {path for path in set(table["background"]) if is_image(path)}
    folders = set(table["psf_path"])
    sources = {name for text in set(table["references"]) for name in read_references(text)}
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
    for kind in SOURCE_TABLES:
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
        (kind, path, *use): SOURCE_TABLES[kind](catalog, *use).save(url)
        for kind, path, catalog, uses in _catalogs(ready)
        for use in uses
    }


def _with_dark(spec: ExposureSpec, row: ExposureRow, url: str) -> ExposureSpec:
    """Return a spec whose dark comes from the files of MIRAGE_DATA, where the row says so."""
    kind, _, varied = row.darks.partition("_")
    if kind == "model":
        return spec
    # The bias of a linearized file is that of the observatory's superbias, which no other pack has.
    exchanged = kind == "linearized" and CRDS not in row.references
    ramp = dark_ramp(
        spec, mirage_data(), kind=kind, pack_url=url, bias="pack" if exchanged else "file", vary=bool(varied)
    )
    return replace(spec, replaced=(("dark", write_dark_ramp(url, ramp)),))


def _spec(
    row: ExposureRow,
    references: PreparedReferences,
    sources: dict[Hashable, str],
    url: str,
) -> ExposureSpec:
    """Turn one row of the table into its specification."""
    rays = row.cosmic_rays
    rate = cosmic_ray_rate(rays.library) * rays.scale if rays else 0.0
    pack = references.packs[row.name]
    attitude = attitude_matrix(row.ra_pointing, row.dec_pointing, row.v2, row.v3, row.pa_v3)
    same: dict[str, Any] = {name: getattr(row, name) for name in (*SAME_TEXT, *SAME_NUMBERS)}
    layers = _background(row, ReferencePack.open(url, pack), f"{url}/sources")
    for kind in SOURCE_TABLES:
        key = sources.get((kind, row.catalogs.get(kind), *row.optics))
        layers += [(kind, key)] if key else []
    return ExposureSpec(
        **same,
        nints=row.nint,
        ngroups=row.ngroup,
        tframe=row.tframe,
        amplifiers=row.namp,
        attitude=tuple(float(v) for v in attitude.ravel()),
        random_seed=row.random_seed,
        pack=pack,
        layers=in_order(layers),
        cosmic_ray_library=rays.library if rays else "",
        cosmic_ray_rate=float(rate),
        switched=switched_effects(row.effects.names),
    )


def _background(row: ExposureRow, pack: ReferencePack, tables: str) -> list[tuple[str, str]]:
    """Return the layer of the background of an exposure, none where it is dark."""
    level, gain = row.background, float(pack.meta["mean_gain"])
    if isinstance(level, str) and is_image(level):
        shape = row.ny, row.nx
        image = background_image(
            level, gain=gain, full_frame=pack.array.science_shape, x0=row.x0, y0=row.y0, shape=shape
        )
        return [(image.kind, image.save(tables))]
    when = datetime.fromisoformat(row.start_time) if level == "date" else None
    rate = background_rate(
        LEVELS[0] if when else level,  # any level is the sky of that day
        *row.optics,
        ra=row.ra_ref,
        dec=row.dec_ref,
        gain=gain,
        when=when,
    )
    return [(UniformBackground.kind, UniformBackground(rate).key)] if rate else []
