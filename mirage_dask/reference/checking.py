"""List the reference file that each exposure will use, its source, and what is missing; no file is made or downloaded.

Only missing CRDS mappings are downloaded: without them the files are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import DARK, FLIGHT, get_detector
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
    same_files,
    search_files,
)
from mirage_dask.settings import ExposureRow

AVAILABLE, TO_BE_MADE, TO_BE_FETCHED, MISSING = (
    "available",
    "made when needed",
    "downloaded when needed",
    "missing",
)


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


def check_references(rows: Iterable[ExposureRow]) -> list[FileUse]:
    """Return every file that exposures will use.

    Parameters
    ----------
    rows
        Rows of the exposure table; those that cannot be simulated are skipped.
    """
    groups: dict[tuple[Any, ...], list[ExposureRow]] = {}
    for row in rows:
        if row.ready:
            library = row.cosmic_rays.library if row.cosmic_rays else ""
            key = (*same_files(row, row.references), row.mode == DARK, row.references, row.psf_path, library)
            groups.setdefault(key, []).append(row)
    uses: list[FileUse] = []
    for sources in sorted({group[0].references for group in groups.values()}):
        uses += _uses([group for group in groups.values() if group[0].references == sources], sources)
    return uses


def _uses(members: list[list[ExposureRow]], sources: Sequence[str]) -> list[FileUse]:
    firsts = [group[0] for group in members]
    found, missing = search_files(firsts, sources)
    uses: list[FileUse] = []
    for i, (group, row) in enumerate(zip(members, firsts, strict=True)):
        selection = " ".join(filter(None, (*row.optics, row.subarray, row.readpatt)))

        def add(kind: str, file: str, source: str, state: str, problem: str = "", *, group: Any = group,
                selection: str = selection) -> None:  # fmt: skip
            uses.append(FileUse(selection, kind, file, source, state, len(group), problem))

        own = own_files(row)
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
        if row.psf_path and row.mode != DARK:
            add("psf", *_own_psf(row))
        elif row.mode != DARK:
            add("psf", *_library(sources, lambda root, row=row: _psf(root, row)))
        if rays := row.cosmic_rays:
            add(
                f"cosmic_rays {rays.library}",
                *_library(
                    (BUILTIN,) if rays.library == FLIGHT else sources,
                    lambda root, row=row, rays=rays: _cosmic_rays(root, row, rays.library),
                ),
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


def _optics(row: ExposureRow) -> dict[str, str]:
    return {"detector": row.detector, "filter": row.filter, "pupil": row.pupil}


def _psf(root: Path, row: ExposureRow) -> str:
    folder = library_folder(root, get_detector(row.detector).instrument)
    return find_psf_files(folder, **_optics(row)).core.name


def _own_psf(row: ExposureRow) -> tuple[str, str, str, str]:
    """Return (file, source, state, problem) of the PSF library in the user's folder."""
    try:
        return psf_library((), **_optics(row), folder=row.psf_path)[0].core.name, OVERRIDE, AVAILABLE, ""
    except ReferenceFileError as error:
        return "", "", MISSING, str(error)


def _cosmic_rays(root: Path, row: ExposureRow, library: str) -> str:
    files = cosmic_ray_files(root, detector=row.detector, library=library)
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise ReferenceFileError(f"{missing[0].parent} lacks {', '.join(p.name for p in missing)}.")
    return files[0].name
