"""Where reference data come from: the built-in set, the observatory's CRDS, MIRAGE_DATA; the first that has a file wins.

*builtin* makes what it lacks. *crds* is the CRDS cache of this machine, as the calibration pipeline uses it
(`reference.crds.observatory`); what it lacks is fetched from the observatory's server, and what cannot be fetched is
an error, unless a source that comes later has it. *mirage_data* are the libraries of PSFs and cosmic rays in the directory
MIRAGE_DATA. The network is used for crds alone, and only for what is missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.io.progress import Progress
from mirage_dask.psf.files import find_library, find_own_library, library_folder, psf_detector
from mirage_dask.reference.builtin.cache import build_files
from mirage_dask.reference.builtin.cosmic_rays import build_cosmic_ray_library
from mirage_dask.reference.builtin.locations import mirage_data_directory
from mirage_dask.reference.builtin.psf import PsfPaths, build_psf_library
from mirage_dask.reference.crds.client import UnavailableError, fetch_files
from mirage_dask.reference.crds.lookup import (
    OVERRIDE_TYPES,
    PIPELINE_TYPES,
    SIMULATION_TYPES,
    CrdsCache,
    parameters,
    question,
    recommend,
    unanswered,
)
from mirage_dask.reference.crds.observatory import crds_path, observatory_cache, observatory_context
from mirage_dask.reference.files.cosmic_rays import cosmic_ray_files
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.overrides import CONTEXT, NOT_NEEDED

BUILTIN, CRDS, MIRAGE_DATA = SOURCES = ("builtin", "crds", "mirage_data")
OVERRIDE = "override"
"""The source of the user's own files."""
WAYS_OUT = (
    "give the file under reffile_overrides, or write references: [crds, builtin], which makes it "
    "(`mirage-dask reference build` does so beforehand)"
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundFile:
    """A reference file of one exposure."""

    path: Path
    source: str
    """One of `SOURCES`, or 'override'."""
    context: str
    """CRDS context that named it; empty for others."""


def cache_of(provenance: Iterable[Mapping[str, str]]) -> CrdsCache:
    """Return the CRDS cache that most of a plan's reference files came from, with the context that named them."""
    contexts = [row["context"] for row in provenance if row["source"] == CRDS]
    if not contexts:
        return CrdsCache.builtin()
    return CrdsCache(crds_path(), contexts[0], CRDS)


def mirage_data() -> Path:
    """Return the directory MIRAGE_DATA.

    Raises
    ------
    ReferenceFileError
        If the variable is not set, or names no directory.
    """
    given = os.environ.get("MIRAGE_DATA", "")
    if not given or not Path(given).expanduser().is_dir():
        raise ReferenceFileError(
            f"MIRAGE_DATA is {given!r}, which is no directory; set it to where Mirage's reference files lie, or leave "
            "mirage_data out of references."
        )
    return Path(given).expanduser()


def own_files(row: ExposureRow) -> dict[str, FoundFile | None]:
    """Return the files that an exposure names itself by type, None for a type that it does not need.

    They are the user's own, or those that `mirage_dask.reference.pinning` has written into its row, which also names the
    context they are from.
    """
    context = row.overrides.get(CONTEXT, "")
    cache = crds_path() if context else None
    found: dict[str, FoundFile | None] = {}
    for kind, name in row.overrides.items():
        if kind in OVERRIDE_TYPES:
            observed = cache is not None and cache in Path(name).parents
            file = FoundFile(Path(name), CRDS if observed else OVERRIDE, context if observed else "")
            found[kind] = None if name == NOT_NEEDED else file
    return found


def asks_observatory(row: ExposureRow) -> bool:
    """Return whether CRDS is to be asked for a file of an exposure: it is a source, and not every type is settled."""
    return CRDS in row.references and not set(SIMULATION_TYPES) <= set(own_files(row))


def context_in_use(rows: Iterable[ExposureRow]) -> str:
    """Return the context that CRDS will be asked in for exposures; empty when it will not be, or cannot be.

    Which context that is may have to be asked of the server; nothing else is fetched.
    """
    if not any(asks_observatory(row) for row in rows):
        return ""
    try:
        return observatory_context().context
    except UnavailableError:  # looking for the files tells, or goes on to the next source
        return ""


def find_files(
    rows: Sequence[ExposureRow], sources: Sequence[str], *, progress: Progress | None = None
) -> list[dict[str, FoundFile]]:
    """Return the CRDS files of each exposure by type; built-in ones that are missing are made, the observatory's fetched.

    Parameters
    ----------
    rows
        Rows of the exposure table. Types that a row settles itself (`own_files`) are left out.
    sources
        Names of `SOURCES`, the first that has a file wins.

    Raises
    ------
    ReferenceFileError
        With everything that no source has: exposure, type, what was asked, file, cache, remedy.
    """
    found, missing = search_files(
        rows, sources, obtain=partial(fetch_files, progress=progress), progress=progress
    )
    if missing:
        raise ReferenceFileError("\n".join(dict.fromkeys(missing.values())))
    built = [file.path.name for files in found for file in files.values() if file.source == BUILTIN]
    if built:
        build_files(CrdsCache.builtin().root, built, progress=progress)
    return found


def promise_files(cache: CrdsCache, names: Iterable[str]) -> dict[str, str]:
    """Fetch nothing: return why files will not be fetched when they are needed."""
    return {} if cache.server else dict.fromkeys(names, cache.offline)


def search_files(
    rows: Sequence[ExposureRow],
    sources: Sequence[str],
    *,
    obtain: Callable[[CrdsCache, list[str]], dict[str, str]] = promise_files,
    progress: Progress | None = None,
) -> tuple[list[dict[str, FoundFile]], dict[tuple[int, str], str]]:
    """Return the CRDS files of each exposure by type, and why some have none, by (place of the exposure, type).

    Nothing is made: files of the built-in set may not be there yet. Rules of the observatory that are missing are fetched.

    Parameters
    ----------
    obtain
        Called with a cache and the names of files that it lacks; returns why some cannot be had.
    """
    found: list[dict[str, FoundFile]] = [{} for _ in rows]
    missing: dict[tuple[int, str], str] = {}
    names = [name for name in sources if name != MIRAGE_DATA] or [BUILTIN]
    own = [set(own_files(row)) for row in rows]
    # Whoever overrides a built-in file still has it made, for the pipeline that calibrates with the built-in cache.
    settled = [set(kinds) if CRDS in names else set() for kinds in own]
    for name in names:
        places = [
            i for i, kinds in enumerate(settled) if name == BUILTIN or not set(SIMULATION_TYPES) <= kinds
        ]
        if not places:
            continue
        questions = [(rows[i].name, question(rows[i])) for i in places]
        types = PIPELINE_TYPES if name == BUILTIN else SIMULATION_TYPES
        try:
            cache = CrdsCache.builtin() if name == BUILTIN else observatory_cache(progress)
            answers = recommend(questions, cache=cache, types=types, tolerant=True)
        except ReferenceFileError as error:
            if name != names[-1]:
                _LOG.warning("CRDS is left out: %s; what it would have comes from %s.", error, names[-1])
                continue
            if isinstance(error, UnavailableError):
                raise ReferenceFileError(_unusable(error, questions)) from error
            raise
        lacking: dict[str, list[tuple[int, str]]] = {}
        asked = {i: header for i, (_, header) in zip(places, questions, strict=True)}
        for i, answer in zip(places, answers, strict=True):
            for kind, file in answer.items():
                if kind in settled[i]:
                    continue
                if not file:
                    missing[i, kind] = unanswered(rows[i].name, kind, asked[i], cache)
                elif file == NOT_NEEDED:
                    settled[i].add(kind)
                elif name == BUILTIN or cache.path(file).is_file():
                    settled[i].add(kind)
                    found[i][kind] = FoundFile(cache.path(file), name, cache.context)
                else:
                    lacking.setdefault(file, []).append((i, kind))
        reasons = obtain(cache, list(lacking)) if lacking else {}
        for file, uses in lacking.items():
            for i, kind in uses:
                if file in reasons:
                    missing[i, kind] = (
                        f"{rows[i].name}: the CRDS cache {cache.root} does not hold {file} ({kind} for "
                        f"{parameters(asked[i])}; {cache.context}), and {reasons[file]}; {WAYS_OUT}."
                    )
                else:
                    settled[i].add(kind)
                    found[i][kind] = FoundFile(cache.path(file), name, cache.context)
        if reasons and name != names[-1]:
            _LOG.warning("CRDS: %s", "; ".join(f"{file}: {why}" for file, why in reasons.items()))
    return found, {
        key: reason for key, reason in missing.items() if key[1] not in settled[key[0]] | own[key[0]]
    }


def _unusable(error: UnavailableError, questions: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Return the sentence that CRDS cannot be asked for exposures."""
    name, header = questions[0]
    more = f" and {len(questions) - 1} others" if len(questions) > 1 else ""
    return f"{name}{more}: {', '.join(SIMULATION_TYPES)} for {parameters(header)} cannot be looked up: {error}; {WAYS_OUT}."


def psf_library(
    sources: Sequence[str], *, detector: str, filter: str, pupil: str, folder: str = ""
) -> tuple[PsfPaths, str]:
    """Return the PSF library of one detector and filter, and the source it comes from.

    Parameters
    ----------
    folder
        The user's own, which goes before all sources; see `psf_files.find_own_library`.

    Raises
    ------
    ReferenceFileError
        If no source has it, or the user's folder has none or several.
    """
    optics = {"detector": detector, "filter": filter, "pupil": pupil}
    if folder:
        instrument = get_detector(detector).instrument.lower()
        own = optics | {"detector": psf_detector(detector), "instrument": instrument}
        return PsfPaths(*find_own_library(folder, **own)), OVERRIDE

    def given() -> PsfPaths:
        return find_psf_files(library_folder(mirage_data(), get_detector(detector).instrument), **optics)

    def built() -> PsfPaths:
        return build_psf_library(mirage_data_directory(), **optics)

    return _first(sources, given, built)


def find_psf_files(folder: str | Path, *, detector: str, filter: str, pupil: str) -> PsfPaths:
    """Return the PSF library of one detector and filter in a folder of MIRAGE_DATA; see `psf_files.find_library`."""
    spec = get_detector(detector)
    return PsfPaths(
        *find_library(
            folder,
            detector=psf_detector(spec.name),
            filter=filter,
            pupil=pupil,
            instrument=spec.instrument.lower(),
        )
    )


def cosmic_ray_library_files(
    sources: Sequence[str], *, detector: str, library: str
) -> tuple[list[Path], str]:
    """Return the files of a cosmic-ray library, and the source they come from."""

    def given() -> list[Path]:
        files = cosmic_ray_files(mirage_data(), detector=detector, library=library)
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise ReferenceFileError(
                f"{missing[0].parent} lacks {', '.join(p.name for p in missing)}; download the library, or write "
                "references: [mirage_data, builtin]."
            )
        return files

    def built() -> list[Path]:
        return build_cosmic_ray_library(mirage_data_directory(), detector=detector, library=library)

    return _first(sources, given, built)


def _first(sources: Iterable[str], given: Callable[[], Any], built: Callable[[], Any]) -> tuple[Any, str]:
    """Return what the first of the sources of libraries has; without one of them, the built-in set."""
    libraries = [name for name in sources if name != CRDS] or [BUILTIN]
    for name in libraries:
        if name == BUILTIN:
            return built(), BUILTIN
        try:
            return given(), MIRAGE_DATA
        except ReferenceFileError:
            if name == libraries[-1]:
                raise
    raise AssertionError("sources are never empty")
