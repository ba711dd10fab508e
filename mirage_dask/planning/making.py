"""Catalogs, references and settings -> the specifications of the exposures that are asked for, and the plan of them.

Each row of the exposure table gets its reference pack, its catalogs (turned into electrons per second with the zero
points and the gain of the pack), its background and its cosmic rays, and becomes an `ExposureSpec`. The specification
of an exposure does not depend on which others are prepared.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from mirage_dask.apt.naming import number_in_visit
from mirage_dask.detector.effects import packages_of, switched_effects
from mirage_dask.errors import StoreError
from mirage_dask.formatting import counted
from mirage_dask.instruments import DARK, LYOT_STOPS, ZeroPoint, cosmic_ray_rate
from mirage_dask.io.caches.sources import KERNELS, source_digest
from mirage_dask.io.caches.use import mark_used
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.progress import Progress
from mirage_dask.planning.catalogs import read_inputs
from mirage_dask.planning.history import histories
from mirage_dask.planning.keys import plan_key, row_keys
from mirage_dask.planning.light.layers import LayerTables
from mirage_dask.planning.light.persistence import Histories
from mirage_dask.planning.motion import with_motion
from mirage_dask.planning.segmentation import threshold_rate
from mirage_dask.planning.settings_columns import launch_notes
from mirage_dask.pointing import attitude_matrix
from mirage_dask.reference.builtin.locations import builtin_version
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.prepare import PreparedReferences, prepare_references
from mirage_dask.reference.sources import CRDS, mirage_data
from mirage_dask.scene.catalogs import CATALOG_KINDS, MOVING_KINDS, SERIES_KINDS, VARIABLE, Catalog
from mirage_dask.scene.image_tables import Extended
from mirage_dask.scene.layers import LightCurveLayer
from mirage_dask.scene.sources import SOURCE_TABLES, SourceTable
from mirage_dask.settings import ExposureRow, Settings, rows_of
from mirage_dask.settings.overrides import DARK_FILES
from mirage_dask.settings.row import read_extended
from mirage_dask.settings.sky import PSFS, ExtendedLight
from mirage_dask.sky_images.tables import extended_table, save_stamps
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.integrity import remove_damaged_content
from mirage_dask.store.pieces import write_dark_ramp
from mirage_dask.store.plan import Plan, load_plan, save_plan

_LOG = logging.getLogger(__name__)

SAME_TEXT = ("name", "detector", "filter", "pupil")
SAME_NUMBERS = (
    *("program", "observation", "visit", "tile", "dither"),
    *("x0", "y0", "nx", "ny", "fast_axis", "slow_axis", "nframes", "groupgap"),
)
"""Columns of the table that a spec has under the same name."""
_LAYERS = {VARIABLE: LightCurveLayer.kind}
"""Kind of the layer of light of a type of catalogs, where it has another name."""


def make_plan(
    table: pd.DataFrame,
    settings: Settings,
    *,
    names: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Prepare exposures and write the plan of them into the cache of this machine, or find it there.

    Parameters
    ----------
    table
        Exposure table with the columns of `add_settings`; the plan holds all of it.
    settings
        The settings.
    names
        Exposures to prepare, which can be simulated; default all that can.
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
    chosen = table[table["status"] == "ready"] if names is None else table[table["name"].isin(set(names))]
    for note in launch_notes(chosen):
        _LOG.warning("%s", note)
    began = time.monotonic()
    keys = row_keys(chosen, table)
    url = str(cache_directory() / "plans" / plan_key(table, settings, keys))
    mark_used(cache_directory() / "kernels" / source_digest(*KERNELS))
    with suppress(StoreError):  # not planned yet, or not to its end
        found = load_plan(url)
        _ = found.table  # damaged or not, it is read sooner or later
        if not (gone := remove_damaged_content(url)):
            mark_used(f"{url}/plan.json")
            _LOG.info("the plan of %s was made earlier: %s", counted(len(found), "exposure"), url)
            return found
        _LOG.warning(
            "%s: %s of this plan made again: %s", url, counted(len(gone), "damaged file"), ", ".join(gone[:3])
        )
    before = histories(table, chosen["name"])
    asked = list(chosen["name"])
    drawn = {*asked, *(earlier.name for history in before.values() for earlier in history)}
    chosen = table[table["name"].isin(drawn)]  # and those whose light persists in them
    catalogs = read_inputs(chosen)  # all their problems, before references are prepared
    rows = rows_of(chosen)
    references = _prepare(rows, url, progress)
    _LOG.info(
        "reference data for %s, %s, ready after %.1f s",
        counted(len(rows), "exposure"), counted(len(set(references.packs.values())), "pack"), time.monotonic() - began,
    )  # fmt: skip
    zeropoints = {name: ReferencePack.open(url, pack).zeropoint for name, pack in references.packs.items()}
    sources = _save_sources(catalogs, chosen, zeropoints, f"{url}/sources")
    moving = {(kind, path): catalog for kind, path, catalog, _ in catalogs if kind in MOVING_KINDS}
    specs: dict[str, ExposureSpec] = {}
    with LayerTables(f"{url}/sources", [found[:3] for found in catalogs]) as tables:
        for done, row in enumerate(rows):
            for what in _slow(row):
                if progress is not None:
                    progress(what, done, len(rows))
            spec = with_motion(_spec(row, references, sources, tables, url), row, moving, url)
            specs[row.name] = _with_dark(spec, row, url) if row.name in keys else spec
        for note in tables.notes:
            _LOG.warning("%s", note)
    overrides = {row.name: row.overrides for row in rows}
    specs |= Histories(url, specs, overrides).with_persistence(before, progress)
    plan = save_plan(
        url,
        table,
        [specs[name] for name in asked],
        settings=settings.to_dict(),
        provenance={
            "references": references.provenance,
            "builtin": builtin_version(),
            "catalogs": {path: catalog.system for _, path, catalog, _ in catalogs},
        },
        inputs=keys,
    )
    many = counted(len(plan), "exposure")
    _LOG.info("the plan of %s is made after %.1f s: %s", many, time.monotonic() - began, url)
    return plan


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


def _save_sources(
    catalogs: Iterable[tuple[str, str, Catalog, list[tuple[str, str, str]]]],
    ready: pd.DataFrame,
    zeropoints: Mapping[str, ZeroPoint],
    url: str,
) -> dict[tuple[str, str], str]:
    """Write the source tables; return their keys by (kind, exposure).

    Exposures share a table whose optics, light of images, zero point and, with proper motions, date are the same.
    """
    found: dict[tuple[str, str], str] = {}
    for kind, path, catalog, _ in catalogs:
        if kind in (*MOVING_KINDS, *SERIES_KINDS):  # those of what changes differ from exposure to exposure
            continue
        rows = ready[ready[kind] == path]
        uses: dict[float | None, dict[tuple[tuple[str, str, str], str, ZeroPoint], list[str]]] = {}
        columns = ["name", "start_time", "detector", "filter", "pupil", "extended_light"]
        for name, start, *optics, light in rows[columns].itertuples(index=False, name=None):
            year = None if catalog.proper is None else catalog.proper.year(datetime.fromisoformat(start))
            same_date = uses.setdefault(year, {})
            same_date.setdefault((tuple(optics), light, zeropoints[name]), []).append(name)
        stamps = save_stamps(catalog, url) if kind == Extended.kind else {}
        for year, same_date in uses.items():
            placed = catalog.at(year)
            for (optics, light, zeropoint), names in same_date.items():
                if kind == Extended.kind:
                    how = read_extended(light) or ExtendedLight()
                    table: SourceTable = extended_table(
                        placed,
                        *optics,
                        zeropoint=zeropoint,
                        stamps=stamps,
                        scale=how.scale,
                        convolved=how.psf == PSFS[0],
                    )
                elif kind == VARIABLE:
                    from mirage_dask.planning.light.time_series.light_curves import light_curve_table

                    table = light_curve_table(placed, optics, zeropoint=zeropoint)
                else:
                    table = SOURCE_TABLES[kind](placed, *optics, zeropoint=zeropoint)
                key = table.save(url)
                found |= {(kind, name): key for name in names}
    return found


def _with_dark(spec: ExposureSpec, row: ExposureRow, url: str) -> ExposureSpec:
    """Return a spec whose dark comes from the files of MIRAGE_DATA, where the row says so."""
    kind, _, varied = row.darks.partition("_")
    if kind == "model":
        return spec
    from mirage_dask.reference.darks.selection import dark_ramp

    # The bias of a linearized file is that of the observatory's superbias, which no other pack has.
    exchanged = kind == "linearized" and CRDS not in row.references
    named = row.overrides.get(DARK_FILES[kind])
    ramp = dark_ramp(
        spec,
        "" if named else mirage_data(),
        kind=kind,
        files=[named] if named else None,
        pack_url=url,
        bias="pack" if exchanged else "file",
        vary=bool(varied),
    )
    return replace(spec, replaced=(("dark", write_dark_ramp(url, ramp)),))


def _slow(row: ExposureRow) -> list[str]:
    """Return what takes long of an exposure, for the progress."""
    found = [f"darks of {row.detector}"] if row.darks != "model" else []
    found += ["image of the scene"] if row.scene_image else []
    return found + (["stars behind occulting masks"] if row.pupil in LYOT_STOPS else [])


def _spec(
    row: ExposureRow,
    references: PreparedReferences,
    sources: Mapping[tuple[str, str], str],
    tables: LayerTables,
    url: str,
) -> ExposureSpec:
    """Turn one row of the table into its specification."""
    rays = row.cosmic_rays
    when = datetime.fromisoformat(row.start_time) if row.start_time else None
    rate = cosmic_ray_rate(rays.library, when) * rays.scale if rays else 0.0
    pack = references.packs[row.name]
    attitude = attitude_matrix(row.ra_pointing, row.dec_pointing, row.v2, row.v3, row.pa_v3)
    if row.mode == DARK and not np.isfinite(attitude).all():
        attitude = np.zeros((3, 3))
    same: dict[str, Any] = {name: getattr(row, name) for name in (*SAME_TEXT, *SAME_NUMBERS)}
    opened = ReferencePack.open(url, pack)
    found = [
        (_LAYERS.get(kind, kind), key) for kind in CATALOG_KINDS if (key := sources.get((kind, row.name)))
    ]
    return ExposureSpec(
        **same,
        exposure=number_in_visit(row.visit_group, row.activity, row.exposure),
        nints=row.nint,
        ngroups=row.ngroup,
        tframe=row.tframe,
        amplifiers=row.namp,
        attitude=tuple(float(v) for v in attitude.ravel()),
        random_seed=row.random_seed,
        pack=pack,
        layers=tables.layers(row, opened, attitude, found),
        cosmic_ray_library=rays.library if rays else "",
        cosmic_ray_rate=float(rate),
        switched=switched_effects(row.effects.names),
        parameters=row.effects.parameters,
        packages=packages_of(row.effects.names),
        filter_wheel_angle=tables.wheel_angle(row, opened),
        segmentation_threshold=threshold_rate(row.segmentation_threshold, opened),
    )
