"""List the reference file that each exposure will use, its source, and what is missing; no file is made or downloaded.

Only missing CRDS mappings are downloaded: without them the files are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.psf.files import library_folder
from mirage_dask.reference.builtin.locations import mirage_data_directory
from mirage_dask.reference.crds.lookup import OVERRIDE_TYPES
from mirage_dask.reference.files.cosmic_rays import cosmic_ray_files
from mirage_dask.reference.sources import (
    BUILTIN,
    CRDS,
    MIRAGE_DATA,
    OVERRIDE,
    find_psf_files,
    mirage_data,
    own_files,
    psf_library,
    search_files,
)

AVAILABLE, TO_BE_MADE, TO_BE_FETCHED, MISSING = (
    "available",
    "made when needed",
    "downloaded when needed",
    "missing",
)
OPTICS = ("detector", "filter", "pupil")
SELECTION = ("detector", "filter", "pupil", "subarray", "readpatt")


@dataclass(frozen=True)
class FileUse:
    """One reference file and the exposures that use it."""

    selection: str
    """Detector, filter, pupil, subarray and readout pattern of the exposures."""
    type: str
    """CRDS type; 'psf' or 'cosmic_rays LIBRARY'."""
    file: str
    """Name of the file; empty for a built-in library that has not been made yet."""
    source: str
    """'builtin', 'crds', 'mirage_data' or 'override'; empty if it is missing."""
    state: str
    """'available', 'made when needed', 'downloaded when needed' or 'missing'."""
    exposures: int
    problem: str = ""
    """Why it is missing, with the remedy; else empty."""


def check_references(records: Iterable[Mapping[str, Any]]) -> list[FileUse]:
    """Return every file that exposures will use.

    Parameters
    ----------
    records
        Rows of the exposure table with their settings; rows that cannot be simulated are skipped.
    """
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        if record["status"] == "ready":
            keys = (
                *SELECTION,
                "exp_type",
                "namp",
                "references",
                "overrides",
                "psf_path",
                "cosmic_ray_library",
            )
            day = str(record["start_time"])[:10] if CRDS in record["references"].split() else ""
            groups.setdefault((*(str(record[k]) for k in keys), day), []).append(record)
    uses: list[FileUse] = []
    for sources in sorted({str(group[0]["references"]) for group in groups.values()}):
        members = [group for group in groups.values() if group[0]["references"] == sources]
        uses += _uses(members, sources.split())
    return uses


def _uses(members: list[list[Mapping[str, Any]]], sources: Sequence[str]) -> list[FileUse]:
    firsts = [group[0] for group in members]
    found, missing = search_files(firsts, sources)
    uses: list[FileUse] = []
    for i, (group, record) in enumerate(zip(members, firsts, strict=True)):
        selection = " ".join(str(record[name]) for name in SELECTION if record[name])

        def add(kind: str, file: str, source: str, state: str, problem: str = "", *, group: Any = group,
                selection: str = selection) -> None:  # fmt: skip
            uses.append(FileUse(selection, kind, file, source, state, len(group), problem))

        own = own_files(record)
        for kind in OVERRIDE_TYPES:
            if kind in own:
                given = own[kind]
                if given is not None:
                    add(kind, given.path.name, given.source, AVAILABLE if given.path.is_file() else MISSING)
            elif kind in found[i]:
                file = found[i][kind]
                state = (
                    AVAILABLE if file.path.is_file() else TO_BE_FETCHED if file.source == CRDS else TO_BE_MADE
                )
                add(kind, file.path.name, file.source, state)
            elif (i, kind) in missing:
                add(kind, "", "", MISSING, missing[i, kind])
        if record["psf_path"]:
            add("psf", *_own_psf(record))
        else:
            add("psf", *_library(sources, lambda root, record=record: _psf(root, record)))
        if library := record["cosmic_ray_library"]:
            add(
                f"cosmic_rays {library}",
                *_library(sources, lambda root, record=record: _cosmic_rays(root, record)),
            )
    return uses


def _library(sources: Sequence[str], find: Any) -> tuple[str, str, str, str]:
    """Return (file, source, state, problem) of the library in the first source that has it."""
    problem = ""
    for name in [n for n in sources if n != CRDS] or [BUILTIN]:
        try:
            return (
                find(mirage_data() if name == MIRAGE_DATA else mirage_data_directory()),
                name,
                AVAILABLE,
                "",
            )
        except ReferenceFileError as error:
            if name == BUILTIN:
                return "", name, TO_BE_MADE, ""
            problem = str(error)
    return "", "", MISSING, problem


def _psf(root: Path, record: Mapping[str, Any]) -> str:
    folder = library_folder(root, get_detector(record["detector"]).instrument)
    return find_psf_files(folder, **{name: record[name] for name in OPTICS}).core.name


def _own_psf(record: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return (file, source, state, problem) of the PSF library in the user's folder."""
    optics = {name: record[name] for name in OPTICS}
    try:
        return psf_library((), **optics, folder=record["psf_path"])[0].core.name, OVERRIDE, AVAILABLE, ""
    except ReferenceFileError as error:
        return "", "", MISSING, str(error)


def _cosmic_rays(root: Path, record: Mapping[str, Any]) -> str:
    files = cosmic_ray_files(root, detector=record["detector"], library=record["cosmic_ray_library"])
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise ReferenceFileError(f"{missing[0].parent} lacks {', '.join(p.name for p in missing)}.")
    return files[0].name
