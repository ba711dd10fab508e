"""Sources of reference data: the built-in set, the observatory's CRDS, MIRAGE_DATA; the first that has a file is used.

*builtin* makes missing files. *crds* is the CRDS cache of this machine, as the calibration pipeline uses it
(`reference.crds.observatory`); missing files are downloaded from the observatory's server, and a failed download is
an error unless a later source has the file. *mirage_data* are the libraries of PSFs and cosmic rays in the directory
MIRAGE_DATA. The network is used for crds only, and only for missing files.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.formatting import counted
from mirage_dask.instruments import DARK, FLIGHT, cosmic_ray_library, exp_type, get_detector
from mirage_dask.io.progress import Progress
from mirage_dask.psf.files import PsfPaths, find_library, find_own_library, library_folder, psf_detector
from mirage_dask.reference.builtin.locations import mirage_data_directory
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
from mirage_dask.settings.keys import BUILTIN, CRDS, MIRAGE_DATA
from mirage_dask.settings.overrides import CONTEXT, NOT_NEEDED
from mirage_dask.untrusted.names import check_names

OVERRIDE = "override"
"""Source of files that the user gives."""
REMEDIES = (
    "give the file under reffile_overrides, or write references: [crds, builtin], which makes it "
    "(`mirage-dask reference build` does so beforehand)"
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundFile:
    """A reference file of one exposure."""

    path: Path
    source: str
    """One of `settings.keys.REFERENCES`, or 'override'."""
    context: str
    """CRDS context that selected the file; empty for other sources."""


_USUAL_OPTICS = {
    "NIRCAM": {"SHORT": ("F200W", "CLEAR"), "LONG": ("F444W", "CLEAR")},
    "NIRISS": {"": ("CLEAR", "F200W")},
    "FGS": {"": ("", "")},
}


def cache_of(provenance: Iterable[Mapping[str, str]]) -> CrdsCache:
    """Return the CRDS cache of most of a plan's reference files, with the context that selected them.

    Raises
    ------
    StoreError
        If a context is not a name.
    """
    contexts = list(dict.fromkeys(row.get("context", "") for row in provenance if row.get("source") == CRDS))
    check_names("CRDS context", contexts, "plan.json, provenance, context")
    if not contexts:
        return CrdsCache.builtin()
    return CrdsCache(crds_path(), contexts[0], CRDS)


def mirage_data() -> Path:
    """Return the directory MIRAGE_DATA.

    Raises
    ------
    ReferenceFileError
        If the variable is not set, or is not a directory.
    """
    given = os.environ.get("MIRAGE_DATA", "")
    if not given or not Path(given).expanduser().is_dir():
        raise ReferenceFileError(
            f"MIRAGE_DATA is {given!r}, which is not a directory; set it to the directory of Mirage's reference files, or "
            "remove mirage_data from references."
        )
    return Path(given).expanduser()


def own_files(row: ExposureRow) -> dict[str, FoundFile | None]:
    """Return the files in the column `overrides` of an exposure by type; None for a type that is not needed.

    They were given by the user, or written by `mirage_dask.reference.pinning` together with their context.
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


def with_optics(row: ExposureRow) -> ExposureRow:
    """Return the row by which the reference files of an exposure are looked up.

    A dark has no filter, and no file that it needs depends on one: it is looked up as an image in the usual filter of its
    channel, whose flat field, distortion and zero points then stand in its pack without being used.
    """
    if row.mode != DARK or row.instrument not in _USUAL_OPTICS:
        return row
    filter_, pupil = _USUAL_OPTICS[row.instrument][row.channel]
    return replace(row, filter=filter_, pupil=pupil, exp_type=exp_type(row.instrument, "imaging"))


def same_files(row: ExposureRow, sources: Sequence[str]) -> tuple[Any, ...]:
    """Return the values that determine the CRDS files of an exposure: those with equal values have the same files."""
    row = with_optics(row)
    # The time matters for the observatory's files only, and there to the day.
    day = 10 if CRDS in sources else 0
    asked = (row.subarray, row.readpatt, row.exp_type, row.namp, row.start_time[:day])
    return (*row.optics, *asked, tuple(sorted(row.overrides.items())))


def asks_observatory(row: ExposureRow) -> bool:
    """Return whether an exposure needs a query to CRDS: it is a source, and `overrides` lacks a type."""
    return CRDS in row.references and not set(SIMULATION_TYPES) <= set(own_files(row))


def context_in_use() -> str:
    """Return the CRDS context of exposures that ask the observatory; empty if CRDS is not available.

    The server may be asked for the context; nothing is downloaded.
    """
    try:
        return observatory_context().context
    except UnavailableError:  # reported by the search for files, unless the next source has them
        return ""


def find_files(
    rows: Sequence[ExposureRow], sources: Sequence[str], *, progress: Progress | None = None
) -> list[dict[str, FoundFile]]:
    """Return the CRDS files of each exposure by type; make or download missing ones.

    Parameters
    ----------
    rows
        Rows of the exposure table. Types in a row's `overrides` (`own_files`) are skipped.
    sources
        Names of `settings.keys.REFERENCES`; a file is taken from the first that has it.

    Raises
    ------
    ReferenceFileError
        If no source has a file; lists exposure, type, query, file, cache and remedy of each.
    """
    found, missing = search_files(
        rows, sources, obtain=partial(fetch_files, progress=progress), progress=progress
    )
    if missing:
        raise ReferenceFileError("\n".join(dict.fromkeys(missing.values())))
    built = [file.path.name for files in found for file in files.values() if file.source == BUILTIN]
    if built:
        from mirage_dask.reference.builtin.cache import build_files

        build_files(CrdsCache.builtin().root, built, progress=progress)
    return found


def promise_files(cache: CrdsCache, names: Iterable[str]) -> dict[str, str]:
    """Download nothing; return {name: reason} for files that cannot be downloaded later."""
    return {} if cache.server else dict.fromkeys(names, cache.offline)


def search_files(
    rows: Sequence[ExposureRow],
    sources: Sequence[str],
    *,
    obtain: Callable[[CrdsCache, list[str]], dict[str, str]] = promise_files,
    progress: Progress | None = None,
) -> tuple[list[dict[str, FoundFile]], dict[tuple[int, str], str]]:
    """Return the CRDS files of each exposure by type, and the reasons for missing ones, by (index of the exposure, type).

    No files are made: those of the built-in set may not exist yet. Missing CRDS mappings are downloaded.

    Parameters
    ----------
    obtain
        Called with a cache and the names of its missing files; returns {name: reason} for those that are not available.
    """
    rows = [with_optics(row) for row in rows]
    found: list[dict[str, FoundFile]] = [{} for _ in rows]
    missing: dict[tuple[int, str], str] = {}
    names = [name for name in sources if name != MIRAGE_DATA] or [BUILTIN]
    own = [set(own_files(row)) for row in rows]
    # Overridden built-in files are made too, for the pipeline that calibrates with the built-in cache.
    settled = [set(kinds) if CRDS in names else set() for kinds in own]
    for name in names:
        places = [
            i for i, kinds in enumerate(settled) if name == BUILTIN or not set(SIMULATION_TYPES) <= kinds
        ]
        if not places:
            continue
        # By day, as `same_files` says: the answer must not depend on which exposure of a day is the first.
        questions = [
            (rows[i].name, question(replace(rows[i], start_time=rows[i].start_time[:10]))) for i in places
        ]
        types = PIPELINE_TYPES if name == BUILTIN else SIMULATION_TYPES
        try:
            cache = CrdsCache.builtin() if name == BUILTIN else observatory_cache(progress)
            answers = recommend(questions, cache=cache, types=types, tolerant=True)
        except ReferenceFileError as error:
            if name != names[-1]:
                _LOG.warning("CRDS is not available: %s; its files are taken from %s.", error, names[-1])
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
                        f"{parameters(asked[i])}; {cache.context}), and {reasons[file]}; {REMEDIES}."
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
    """Return the message that CRDS cannot be queried for exposures."""
    name, header = questions[0]
    more = f" and {counted(len(questions) - 1, 'other')}" if len(questions) > 1 else ""
    return f"{name}{more}: {', '.join(SIMULATION_TYPES)} for {parameters(header)} cannot be looked up: {error}; {REMEDIES}."


def psf_library(
    sources: Sequence[str], *, detector: str, filter: str, pupil: str, folder: str = ""
) -> tuple[PsfPaths, str]:
    """Return the PSF library of one detector and filter, and its source.

    Parameters
    ----------
    folder
        The user's folder, which has precedence over all sources; see `psf.files.find_own_library`.

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
        from mirage_dask.reference.builtin.psf import build_psf_library

        return build_psf_library(mirage_data_directory(), **optics)

    return _first(sources, given, built)


def find_psf_files(folder: str | Path, *, detector: str, filter: str, pupil: str) -> PsfPaths:
    """Return the PSF library of one detector and filter in a folder of MIRAGE_DATA; see `psf.files.find_library`."""
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
    """Return the files of a cosmic-ray library, and their source."""

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
        from mirage_dask.reference.builtin.cosmic_rays import build_cosmic_ray_library

        return build_cosmic_ray_library(mirage_data_directory(), detector=detector, library=library)

    # Nobody else has the hits seen in flight: they are the built-in ones, whatever the sources of other files are.
    return _first((BUILTIN,) if cosmic_ray_library(library) == FLIGHT else sources, given, built)


def _first(sources: Iterable[str], given: Callable[[], Any], built: Callable[[], Any]) -> tuple[Any, str]:
    """Return the library of the first source that has it, with its source; by default, of the built-in set."""
    libraries = [name for name in sources if name != CRDS] or [BUILTIN]
    for name in libraries:
        if name == BUILTIN:
            return built(), BUILTIN
        try:
            return given(), MIRAGE_DATA
        except ReferenceFileError:
            if name == libraries[-1]:
                raise
    raise AssertionError("the tuple of sources must not be empty")
