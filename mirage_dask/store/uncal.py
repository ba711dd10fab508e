"""Level-1b FITS files (`_uncal.fits`) from a store, as the stock jwst pipeline takes them.

Files are made by the pipeline's own data model, so that keywords stand where it looks for them. A file appears under its
name only when it is complete; the keyword MDSPEC carries the digest of the spec, by which a later export leaves it alone.
An exposure is held in memory as a whole while it is written (84 MB for 10 full frames); segments are NOT written.
"""

from __future__ import annotations

import os
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError, MirageDaskError
from mirage_dask.spec import ExposureSpec
from mirage_dask.store import files
from mirage_dask.store.headers import keyword_values
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.times import group_table, integration_table, start_time

CALIBRATE_FILE = "calibrate.env"


@dataclass(frozen=True)
class ExportReport:
    """The outcome of an export."""

    directory: str
    written: tuple[str, ...]
    """File names."""
    skipped: tuple[str, ...]
    """Files that were there already, made from the same specs."""
    failed: tuple[tuple[str, str], ...]
    """(exposure, reason)."""

    @property
    def ok(self) -> bool:
        """Whether every selected exposure has its file."""
        return not self.failed


def uncal_name(exposure: str) -> str:
    """Return the file name of an exposure."""
    return f"{exposure}_uncal.fits"


def export_uncal(
    store: SimulationStore | str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    select: str | Iterable[str] | None = None,
    overwrite: bool = False,
    calibrate_env: Callable[[], str] | None = None,
    progress: Callable[[str, str], None] | None = None,
) -> ExportReport:
    """Write the Level-1b files of exposures that are complete in a store.

    Parameters
    ----------
    store
        The store or its URL.
    directory
        Local directory; made if needed.
    select
        Names, or a pandas query over the exposure table; default every exposure of the plan.
    overwrite
        Write files again that are there and valid.
    calibrate_env
        Gives the text of `calibrate.env`, with which the pipeline finds the references of the simulation; written beside
        the files.
    progress
        Called with (file name, 'written' | 'skipped' | 'failed') after each exposure.

    Returns
    -------
    ExportReport
        Exposures that are not complete, or whose table row cannot make a header, are in `failed`.

    Raises
    ------
    InputError
        If the selection holds nothing, or the directory is not local.
    StoreError
        If the directory cannot be written.
    """
    store = store if isinstance(store, SimulationStore) else SimulationStore.open(store)
    target = files.normal_url(directory)
    if not files.is_local(target):
        raise InputError(
            f"FITS files are written to a local directory, not to {directory}; export, then copy them there."
        )
    rows = store.plan.select(select)
    with files.store_errors(target):
        os.makedirs(target, exist_ok=True)
    _sweep(Path(target))
    if calibrate_env is not None:
        files.write_bytes(files.join(target, CALIBRATE_FILE), calibrate_env().encode())
    found: dict[str, list[Any]] = {"written": [], "skipped": [], "failed": []}
    for row in rows:
        spec = store.plan.spec(row)
        name = uncal_name(spec.name)
        try:
            outcome, entry = _export_one(store, row, spec, Path(target) / name, overwrite), name
        except InputError as error:
            outcome, entry = "failed", (spec.name, str(error))  # type: ignore[assignment]
        found[outcome].append(entry)
        if progress is not None:
            progress(name, outcome)
    return ExportReport(target, *(tuple(found[key]) for key in ("written", "skipped", "failed")))


def _sweep(directory: Path) -> None:
    """Remove what a killed export left behind."""
    for left in directory.glob(".exporting-*"):
        shutil.rmtree(left, ignore_errors=True)


def _export_one(store: SimulationStore, row: int, spec: ExposureSpec, path: Path, overwrite: bool) -> str:
    if not overwrite and is_current(path, spec):
        return "skipped"
    if not store.is_done(row):
        done, count = len(store.commits(row)), store.plan.grid(row).count
        raise InputError(
            f"{spec.name} is not complete in {store.url} ({done} of {count} tiles); simulate it first."
        )
    write_uncal(
        path,
        store.raw(spec.name)[...],
        spec,
        store.plan.table_row(spec.name),
        provenance_cards(store.plan, spec),
    )
    return "written"


def provenance_cards(plan: Plan, spec: ExposureSpec) -> list[tuple[str, Any, str]]:
    """Return (keyword, value, comment) cards that say how the data were made."""
    versions = plan.info.get("versions", {})
    return [
        ("MDVERSN", versions.get("mirage_dask", "unknown"), "mirage_dask version of the plan"),
        ("MDSPEC", spec.digest, "digest of the simulated exposure"),
        ("MDPLAN", plan.digest, "digest of the plan"),
        ("MDSEED", spec.seed, "seed of the random numbers"),
        ("MDPACK", spec.pack, "content key of the reference pack"),
        ("MDPSRC", spec.point_sources or "NONE", "content key of the point sources"),
        ("MDGALX", spec.galaxies or "NONE", "content key of the galaxies"),
        ("BKGDRATE", spec.background, "[electron/s] background per pixel"),
        ("CRLIB", spec.cosmic_ray_library or "NONE", "cosmic ray library"),
        ("CRRATE", spec.cosmic_ray_rate, "[1/s] cosmic ray hits per pixel"),
        *(("MDREPL", f"{piece} {key}"[:60], "piece given by the user") for piece, key in spec.replaced[:1]),
    ]


def is_current(path: Path, spec: ExposureSpec) -> bool:
    """Say whether a file is whole and was made from this very spec."""
    from astropy.io import fits

    try:
        with warnings.catch_warnings(), fits.open(path, memmap=True) as hdus:
            warnings.simplefilter("error")  # astropy warns of a truncated file
            whole = hdus["SCI"].shape == spec.shape and "ASDF" in hdus
            return bool(whole and hdus[0].header.get("MDSPEC") == spec.digest)
    except (OSError, KeyError, ValueError, TypeError, Warning):
        return False


def write_uncal(
    path: Path,
    raw: Any,
    spec: ExposureSpec,
    row: Any,
    cards: Iterable[tuple[str, Any, str]] = (),
) -> None:
    """Write one Level-1b file, whole or not at all.

    Parameters
    ----------
    path
        Where; the directory exists.
    raw
        uint16 (integration, group, y, x).
    spec
        The exposure.
    row
        Its row of the exposure table.
    cards
        (keyword, value, comment) put into the primary header besides the standard ones.

    Raises
    ------
    InputError
        If the row cannot make a header, or jwst's data models are not installed.
    StoreError
        If the file cannot be written.
    """
    try:
        from stdatamodels.jwst.datamodels import Level1bModel
    except ImportError as error:
        raise InputError(
            "Writing Level-1b files needs the package stdatamodels; install it with: pip install 'mirage_dask[jwst]'."
        ) from error
    values = keyword_values(row, spec)
    start = start_time(row["start_time"], spec.name)
    towards = float(row["ra_ref"]), float(row["dec_ref"])
    place = path.parent / f".exporting-{uuid.uuid4().hex}"
    # The data model writes the name of the file into it, so the provisional file has the final name, in a directory aside.
    with files.store_errors(str(path)):
        try:
            place.mkdir()
            with Level1bModel(raw) as model:
                for key, value in values.items():
                    _set(model, key, value, spec.name)
                model.group = group_table(spec, start, *towards)
                model.int_times = integration_table(spec, start, *towards)
                model.extra_fits = {"PRIMARY": {"header": [list(card) for card in cards]}}
                model.save(str(place / path.name), overwrite=True)
            os.replace(place / path.name, path)
        finally:
            with suppress(OSError):
                shutil.rmtree(place)


def _set(model: Any, key: str, value: Any, exposure: str) -> None:
    """Set a value of a data model; one that its schema refuses is left out with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model[key] = value
            return
        except MirageDaskError:
            raise
        except Exception as error:  # stdatamodels warns of invalid values, and then does not set them
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    warnings.warn(f"{exposure}: {key} = {value!r} is left out of the FITS header: {reason}", stacklevel=2)
