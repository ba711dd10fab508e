"""Make the missing files of the built-in CRDS cache, safely with concurrent processes."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments import SOSS, Detector, detectors_of, get_detector, get_zeropoint, has_optics
from mirage_dask.instruments.tables import read_table
from mirage_dask.io.locks import locked
from mirage_dask.io.progress import Progress
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.fits_files import write_file
from mirage_dask.reference.builtin.locations import crds_directory, reference_path
from mirage_dask.reference.builtin.records import is_usable, write_recorded
from mirage_dask.reference.builtin.rules import CONTEXT, MASKED, Recipe, grism_optics, recipes, write_rules


def build_cache(
    root: str | Path | None = None,
    *,
    detectors: Iterable[str],
    optics: Iterable[tuple[str, str]],
    readouts: Iterable[tuple[str, str]] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make or extend the built-in CRDS cache for detectors, optics and readouts; existing files are kept.

    Parameters
    ----------
    root
        Directory for CRDS_PATH; default the built-in set of this machine.
    detectors
        Names such as 'NRCB5'.
    optics
        (filter, pupil) pairs; files are made for the detectors that have them (see `has_optics`).
    readouts
        (subarray, readout pattern) pairs for which dark ramps are made, for detectors that have the subarray; by default
        the full frame with the fastest pattern of each instrument.

    Returns
    -------
    Path of the cache.

    Raises
    ------
    InputError
        If a name is unknown.
    ReferenceFileError
        If the directory cannot be written.
    """
    chosen = [get_detector(name) for name in detectors]
    pairs = list(optics)
    for pair in pairs:
        _check_optics(pair, chosen)
    wanted_darks = list(readouts) if readouts is not None else [("FULL", name) for name in _fastest()]
    grisms = {(get_detector(detector).instrument, *wheels) for detector, *wheels in grism_optics()}
    names = []
    for recipe in recipes().values():
        if recipe.kind in MASKED:
            if not any(pupil == "NRM" and recipe.filter in ("", name) for name, pupil in pairs):
                continue
        elif recipe.exp_type == "NIS_SOSS":
            if "NIS" in {d.name for d in chosen} and any(pupil == SOSS for _, pupil in pairs):
                names.append(recipe.name)
            continue
        elif recipe.exp_type and not any((recipe.instrument, *pair) in grisms for pair in pairs):
            continue
        if not recipe.detector:
            if any(d.instrument == recipe.instrument for d in chosen):
                names.append(recipe.name)
            continue
        detector = next((d for d in chosen if d.name == recipe.detector), None)
        if detector is None:
            continue
        if recipe.filter:
            pair = (recipe.filter, recipe.pupil)
            if pair not in pairs or not has_optics(detector.name, *pair):
                continue
        elif recipe.kind == "dark" and (recipe.subarray, recipe.readpatt) not in wanted_darks:
            continue
        names.append(recipe.name)
    return build_files(root, names, progress=progress)


def _fastest() -> list[str]:
    """Return the readout patterns without averaged or dropped frames: RAPID, NISRAPID, FGSRAPID."""
    return [
        row["name"] for row in read_table("readouts") if (int(row["nframes"]), int(row["groupgap"])) == (1, 0)
    ]


def _check_optics(pair: tuple[str, str], detectors: list[Detector]) -> None:
    """Raise an error for optics that none of these detectors has."""
    found = [d for owner in detectors for d in detectors_of(owner.instrument)]
    if found and not any(has_optics(d.name, *pair) for d in found):
        get_zeropoint(detectors[0].name, *pair)


def build_files(root: str | Path | None, names: Iterable[str], *, progress: Progress | None = None) -> Path:
    """Make reference files of the built-in set by their names; existing files are kept, unless they are damaged.

    Parameters
    ----------
    root
        As for `build_cache`.
    names
        File names from the mappings of the cache.

    Returns
    -------
    Path of the cache.

    Raises
    ------
    InputError
        If the set has no file of that name.
    ReferenceFileError
        If the directory cannot be written.
    """
    directory = Path(root) if root is not None else crds_directory()
    write_rules(directory)
    by_owner: dict[tuple[str, str], list[Recipe]] = defaultdict(list)
    for name in dict.fromkeys(names):
        recipe = recipes().get(name)
        if recipe is None:
            hint = nearest(name, list(recipes())) or "."
            raise InputError(f"The built-in references ({CONTEXT}) have no file {name!r}{hint}")
        if not is_usable(reference_path(directory, name), _record(directory, name)):
            by_owner[recipe.instrument, recipe.detector].append(recipe)
    report = _Report(progress, sum(len(members) for members in by_owner.values()))
    # numpy and zlib release the GIL; more than two threads would need a GB of maps at the same time.
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(_build, directory, *owner, by_owner[owner], report) for owner in sorted(by_owner)]
        for job in jobs:
            job.result()
    report.finish()
    return directory


def _build(directory: Path, instrument: str, detector: str, members: list[Recipe], report: _Report) -> None:
    """Make the missing files of one detector, or (without one) of the whole instrument."""
    # One lock for each detector, so that two processes share the work of a new cache.
    with locked(directory / "locks" / (detector or instrument) / ".lock"):
        maps = DetectorMaps(get_detector(detector)) if detector else None
        for recipe in members:
            path = reference_path(directory, recipe.name)
            report.start(recipe.name)
            record = _record(directory, recipe.name)
            if not is_usable(path, record):  # another process may have made it
                write_recorded(path, partial(write_file, recipe=recipe, maps=maps), record)
            report.end()


def _record(directory: Path, name: str) -> Path:
    """Return where the checksum of a file is."""
    return directory / "checksums" / f"{name}.sha256"


class _Report:
    """Combines the progress of several threads."""

    def __init__(self, progress: Progress | None, total: int):
        self.progress, self.total, self.done = progress, total, 0
        self._lock = threading.Lock()

    def start(self, name: str) -> None:
        with self._lock:
            if self.progress is not None:
                self.progress(name, self.done, self.total)

    def end(self) -> None:
        with self._lock:
            self.done += 1

    def finish(self) -> None:
        if self.progress is not None and self.total:
            self.progress("", self.total, self.total)
