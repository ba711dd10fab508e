"""What the JWST pipeline needs to calibrate exported files with the references of their simulation.

Exposures behind a grism whose configuration is the user's own (`grism_configurations`) have references that no cache of
this machine holds: traces, flux calibration, sky and aperture corrections are made from the configurations in the plan and
put beside the files, with the others (`reference.own_grisms`), in a folder that is named by their content.

NOT modelled: the same for the observatory's CRDS (`references: crds`), whose rules we do not rewrite; and for exposures
without any source, of which the plan keeps no configuration. `calibrate.env` says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mirage_dask.errors import InputError
from mirage_dask.fits.segments import SEGMENT_BYTES
from mirage_dask.instruments import get_detector, grism_of
from mirage_dask.io.progress import Progress
from mirage_dask.reference.crds.lookup import calibrate_env
from mirage_dask.reference.sources import cache_of
from mirage_dask.run.executors.resources import DEFAULT, Resources
from mirage_dask.run.export import ExportReport, export_store
from mirage_dask.scene.dispersed.tables import TABLES, open_configuration
from mirage_dask.scene.sources import load_once
from mirage_dask.selection import Selection, select_rows
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.spec2_inputs import direct_exposures, write_spec2_inputs

REFERENCES_FOLDER = "crds_cache"
"""Where reference files go that are exported with the exposures."""

_Optics = tuple[str, str, str]


def complete_exposures(store: SimulationStore) -> tuple[list[str], int]:
    """Return the names of the exposures of a store that are complete, and how many others it should have.

    Raises
    ------
    InputError
        If there is none.
    """
    status = store.status()
    done = list(status.loc[status["status"] == "done", "name"])
    if not done:
        raise InputError(f"{store.url} contains no complete exposure; run mirage-dask simulate first.")
    return done, int(status["status"].isin(("ready", "partial", "failed")).sum())


def export_for_pipeline(
    store: SimulationStore,
    directory: str | os.PathLike[str],
    select: Selection,
    *,
    datatype: str = "raw",
    truth: str | Iterable[str] = (),
    overwrite: bool = False,
    with_references: bool = False,
    with_spec2_inputs: bool = False,
    segment_bytes: int = SEGMENT_BYTES,
    resources: Resources = DEFAULT,
    progress: Progress | None = None,
) -> ExportReport:
    """Write FITS files of exposures, and beside them what the pipeline needs to calibrate them.

    Parameters
    ----------
    store, directory, select, datatype, truth, overwrite, segment_bytes, resources, progress
        As for `export.export_store`.
    with_references
        See `calibration_environment`.
    with_spec2_inputs
        Put beside exposures with grisms what Stage 2 of the pipeline reads with them (see `truth.spec2_inputs`); these
        files are among the written ones of the report.

    Raises
    ------
    InputError, StoreError, RunError
        As `export.export_store`; InputError also if an exposure with a grism has no direct image in the store.
    """
    report = export_store(
        store,
        directory,
        select=select,
        datatype=datatype,
        truth=truth,
        overwrite=overwrite,
        segment_bytes=segment_bytes,
        calibrate_env=lambda: calibration_environment(
            store.plan, directory, with_references=with_references, select=select
        ),
        check=direct_exposures if with_spec2_inputs else None,
        resources=resources,
        progress=progress,
    )
    if not with_spec2_inputs:
        return report
    made = write_spec2_inputs(store.plan, (*report.written, *report.skipped), report.directory)
    return replace(report, written=(*report.written, *(path.name for path in made)))


def calibration_environment(
    plan: Plan,
    directory: str | os.PathLike[str],
    *,
    with_references: bool = False,
    select: Selection = None,
) -> str:
    """Return the text of `calibrate.env` for exported files.

    Parameters
    ----------
    plan
        Of the store.
    directory
        Where the files are.
    with_references
        Copy the reference files into `REFERENCES_FOLDER` beside them, and name that by its place relative to
        `calibrate.env`: the directory then works wherever it is moved or copied. Done in any case for exposures with the
        user's own configurations of grisms.
    select
        Which exposures are exported; default all. Counts for configurations of grisms.

    Raises
    ------
    InputError
        If exposures through one filter and grism have different configurations: one cache cannot serve both.
    ReferenceFileError
        If reference files are to be copied, and one is not in the cache any more.
    """
    provenance = plan.info["provenance"]["references"]
    cache = cache_of(provenance)
    own, without = _own_configurations(plan, select)
    notes = [f"# {text}" for text in _notes(cache.source, own, without)]
    if cache.source != "builtin":
        own = {}
    if not with_references and not own:
        return "\n".join([*notes, calibrate_env(cache)])
    from mirage_dask.reference.crds.copying import copy_references

    folder = REFERENCES_FOLDER
    if own:
        folder += f"_{hashlib.sha256(repr(sorted(own.items())).encode()).hexdigest()[:8]}"
    root = Path(directory).expanduser().absolute() / folder
    copy_references(cache, provenance, root)
    if own:
        from mirage_dask.reference.own_grisms import write_grism_references

        tables = f"{plan.url}/sources"
        write_grism_references(root, {at: open_configuration(tables, key) for at, key in own.items()})
    return "\n".join([*notes, calibrate_env(cache, folder=folder)])


def _own_configurations(plan: Plan, select: Selection) -> tuple[dict[_Optics, str], list[str]]:
    """Return the keys of the user's configurations by their optics, and the exposures whose is not in the plan.

    Those of one file that are turned with the filter wheel are one: the pipeline turns them again.
    """
    chosen = set(plan.table["name"].iloc[select_rows(plan.table, select)])
    found: dict[_Optics, str] = {}
    folders: dict[_Optics, dict[str, str]] = {}
    without = []
    kinds = {table.kind: table for table in TABLES.values()}
    for row, name in enumerate(plan.names):
        about = plan.table_row(name) if name in chosen else {}
        folder = str(about.get("grism_configurations") or "")
        if not (about and grism_of(str(about["filter"]), str(about["pupil"]))):
            continue
        optics = (get_detector(str(about["detector"])).name, str(about["filter"]), str(about["pupil"]))
        folders.setdefault(optics, {}).setdefault(folder, name)
        if not folder:
            continue
        layers = plan.spec(row).layers
        tables = [load_once(kinds[kind], f"{plan.url}/sources", key) for kind, key in layers if kind in kinds]
        if tables:
            found.setdefault(optics, tables[0].grism)
        else:
            without.append(name)
    problems = [
        f"{' and '.join(list(names.values())[:2])} have different grism_configurations for {' '.join(optics)}, which one "
        "calibrate.env cannot serve; export them into different directories, with --select."
        for optics, names in folders.items()
        if len(names) > 1
    ]
    if problems:
        raise InputError(problems)
    return found, without


def _notes(source: str, own: dict[_Optics, str], without: list[str]) -> list[str]:
    notes = []
    if own and source != "builtin":
        notes.append(
            "The traces and sensitivities of your own grism_configurations are not those of CRDS: give files that you made "
            "of them with --steps.assign_wcs.override_specwcs and --steps.photom.override_photom."
        )
    if without:
        notes.append(
            f"Exposures without sources have the built-in traces and sky instead of grism_configurations: "
            f"{', '.join(without[:3])}{' …' if len(without) > 3 else ''}."
        )
    return notes
