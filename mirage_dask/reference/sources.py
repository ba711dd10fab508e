"""Where reference data come from: the built-in set, the observatory's CRDS, MIRAGE_DATA; the first that has a file wins.

*builtin* makes what it lacks. *crds* is the CRDS cache of this machine, as the calibration pipeline uses it: CRDS_PATH (or
~/crds_cache), with CRDS_CONTEXT or else the context that its configuration names. *mirage_data* are the libraries of PSFs
and cosmic rays in the directory MIRAGE_DATA. Nothing here goes to the network: what the cache of CRDS lacks is an error with
the command that fetches it, unless a source that comes later has it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin_cache import build_files
from mirage_dask.reference.cosmic_ray_builder import build_cosmic_ray_library
from mirage_dask.reference.cosmic_rays import cosmic_ray_files
from mirage_dask.reference.locations import mirage_data_directory
from mirage_dask.reference.lookup import PIPELINE_TYPES, SIMULATION_TYPES, CrdsCache, question, recommend
from mirage_dask.reference.psf_builder import PsfPaths, build_psf_library
from mirage_dask.reference.psf_files import find_library, library_folder, psf_detector

BUILTIN, CRDS, MIRAGE_DATA = SOURCES = ("builtin", "crds", "mirage_data")
OVERRIDE = "override"
"""The source of the user's own files."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FoundFile:
    """A reference file of one exposure."""

    path: Path
    source: str
    """One of `SOURCES`, or 'override'."""
    context: str
    """CRDS context that named it; empty for others."""


def _crds_path() -> Path:
    return Path(os.environ.get("CRDS_PATH") or "~/crds_cache").expanduser()


def observatory_cache() -> CrdsCache:
    """Return the CRDS cache of this machine.

    Raises
    ------
    ReferenceFileError
        If there is none, or it does not say which context is in use.
    """
    root = _crds_path()
    remedy = "fill it with `crds sync --contexts CONTEXT --fetch-references`, or write references: builtin"
    context = os.environ.get("CRDS_CONTEXT", "")
    if not context:
        config = root / "config" / "jwst" / "server_config"
        try:
            values = ast.literal_eval(config.read_text(encoding="utf-8"))
            context = str(values.get("operational_context") or values["latest_context"])
        except (OSError, ValueError, SyntaxError, KeyError, AttributeError, MemoryError, RecursionError):
            raise ReferenceFileError(
                f"{root}: it is no CRDS cache (CRDS_PATH), for {config} cannot be read; {remedy}."
            ) from None
    if not (root / "mappings" / "jwst" / context).is_file():
        raise ReferenceFileError(f"{root}: the CRDS cache (CRDS_PATH) does not hold {context}; {remedy}.")
    return CrdsCache(root, context, CRDS)


def cache_of(provenance: Iterable[Mapping[str, str]]) -> CrdsCache:
    """Return the CRDS cache that most of a plan's reference files came from, with the context that named them."""
    contexts = [row["context"] for row in provenance if row["source"] == CRDS]
    if not contexts:
        return CrdsCache.builtin()
    return CrdsCache(_crds_path(), contexts[0], CRDS)


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


def find_files(
    records: Sequence[Mapping[str, Any]], sources: Sequence[str], *, progress: Progress | None = None
) -> list[dict[str, FoundFile]]:
    """Return the CRDS files of each exposure by type; built-in ones that are missing are made.

    Parameters
    ----------
    records
        Rows of the exposure table.
    sources
        Names of `SOURCES`, the first that has a file wins.

    Raises
    ------
    ReferenceFileError
        With everything that no source has: exposure, type, file, cache, remedy.
    """
    found, missing = search_files(records, sources)
    if missing:
        raise ReferenceFileError("\n".join(dict.fromkeys(missing.values())))
    built = [file.path.name for files in found for file in files.values() if file.source == BUILTIN]
    if built:
        build_files(CrdsCache.builtin().root, built, progress=progress)
    return found


def search_files(
    records: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> tuple[list[dict[str, FoundFile]], dict[tuple[int, str], str]]:
    """Return the CRDS files of each exposure by type, and why some have none, by (place of the exposure, type).

    Nothing is made: files of the built-in set may not be there yet.
    """
    found: list[dict[str, FoundFile]] = [{} for _ in records]
    settled: list[set[str]] = [set() for _ in records]
    missing: dict[tuple[int, str], str] = {}
    names = [name for name in sources if name != MIRAGE_DATA] or [BUILTIN]
    for name in names:
        cache = CrdsCache.builtin() if name == BUILTIN else observatory_cache()
        types = PIPELINE_TYPES if name == BUILTIN else SIMULATION_TYPES
        questions = [(str(r["name"]), question(r)) for r in records]
        answers = recommend(questions, cache=cache, types=types, tolerant=name != names[-1])
        for i, answer in enumerate(answers):
            for kind, file in answer.items():
                if kind in settled[i] or not file:
                    continue
                if file == "N/A" or name == BUILTIN or cache.path(file).is_file():
                    settled[i].add(kind)
                    if file != "N/A":
                        found[i][kind] = FoundFile(cache.path(file), name, cache.context)
                elif kind in SIMULATION_TYPES:
                    missing[i, kind] = (
                        f"{records[i]['name']}: the CRDS cache {cache.root} does not hold {file} ({kind}); fetch it with "
                        f"`crds sync --contexts {cache.context} --fetch-references`, give it under reffile_overrides, or "
                        "write references: [crds, builtin]."
                    )
    return found, {key: reason for key, reason in missing.items() if key[1] not in settled[key[0]]}


def psf_library(
    sources: Sequence[str], *, detector: str, filter: str, pupil: str, folder: str = ""
) -> tuple[PsfPaths, str]:
    """Return the PSF library of one detector and filter, and the source it comes from.

    Parameters
    ----------
    folder
        The user's own, which goes before all sources; its library may be of any wavefront and realization.

    Raises
    ------
    ReferenceFileError
        If no source has it, or the user's folder has none or several.
    """
    optics = {"detector": detector, "filter": filter, "pupil": pupil}
    if folder:
        return find_psf_files(folder, **optics, wavefront="*", realization="*"), OVERRIDE

    def given() -> PsfPaths:
        return find_psf_files(library_folder(mirage_data(), get_detector(detector).instrument), **optics)

    def built() -> PsfPaths:
        return build_psf_library(mirage_data_directory(), **optics)

    return _first(sources, given, built)


def find_psf_files(
    folder: str | Path,
    *,
    detector: str,
    filter: str,
    pupil: str,
    wavefront: str = "predicted",
    realization: int | str = 0,
) -> PsfPaths:
    """Return the PSF library of one detector and filter in a folder; see `psf_files.find_library`."""
    spec = get_detector(detector)
    return PsfPaths(
        *find_library(
            folder,
            detector=psf_detector(spec.name),
            filter=filter,
            pupil=pupil,
            instrument=spec.instrument.lower(),
            wavefront=wavefront,
            realization=realization,
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
