"""Prepare all reference data of a proposal in one call: query CRDS, build missing files, make packs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mirage_dask.instruments import DARK, LYOT_STOPS, SOSS, cosmic_ray_library, get_detector
from mirage_dask.instruments.orientation import Span
from mirage_dask.io.caches.use import mark_used
from mirage_dask.io.locations import cache_directory
from mirage_dask.io.progress import Progress
from mirage_dask.reference.builtin.locations import builtin_directory
from mirage_dask.reference.crds.lookup import OVERRIDE_TYPES
from mirage_dask.reference.files.reading import file_digest
from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack
from mirage_dask.reference.packs.cutting import cut_pack
from mirage_dask.reference.packs.pack import copy_pack
from mirage_dask.reference.sources import (
    BUILTIN,
    FoundFile,
    cosmic_ray_library_files,
    find_files,
    own_files,
    psf_library,
    same_files,
    with_optics,
)
from mirage_dask.settings import ExposureRow


@dataclass(frozen=True)
class PreparedReferences:
    """The pack of each exposure, and the provenance of its values."""

    packs: dict[str, str]
    """Exposure name -> pack key."""
    provenance: list[dict[str, str]] = field(default_factory=list)
    """One row per file and use: selection, type, file, sha256, source, context, pack."""


def prepare_references(
    rows: Iterable[ExposureRow],
    *,
    cosmic_ray_libraries: Iterable[str] | Mapping[str, Iterable[str]] = (),
    destination_url: str,
    sources: Iterable[str] = (BUILTIN,),
    progress: Progress | None = None,
) -> PreparedReferences:
    """Make the packs of all exposures of a proposal.

    Parameters
    ----------
    rows
        Rows of the exposure table; those that cannot be simulated are skipped.
    cosmic_ray_libraries
        Names of the libraries in every pack, or {exposure name: names}.
    destination_url
        Destination of packs and planes: a path or any fsspec URL.
    sources
        'builtin', 'crds', 'mirage_data': a file is taken from the first source that has it; see
        `mirage_dask.reference.sources`.
    progress
        Callback for progress reports.

    Returns
    -------
    PreparedReferences

    Raises
    ------
    ReferenceFileError
        If CRDS has no file for an exposure, or a file is damaged; names exposure, type, cache or file, remedy.
    StoreError
        If the destination cannot be written.
    """
    sources = tuple(sources)
    groups: dict[tuple[Any, ...], list[ExposureRow]] = {}
    for row in rows:
        if row.ready:
            row = with_optics(row)
            libraries = _libraries(row, cosmic_ray_libraries)
            key = (*same_files(row, sources), _sees_points(row), row.psf_path, libraries, _box(row))
            groups.setdefault(key, []).append(row)
    # Ordered by detector, so that shared data are computed once and released early.
    members = sorted(groups.items(), key=lambda item: tuple(map(str, item[0])))
    firsts = [group[0] for _, group in members]
    answers = find_files(firsts, sources, progress=progress)

    _build_libraries(firsts, cosmic_ray_libraries, sources, progress)
    packs: dict[str, str] = {}
    provenance: list[dict[str, str]] = []
    memo: dict[Any, Any] = {}
    # Packs are made once on a machine and linked into plans, so that planning again needs no computing time or space.
    home = str(cache_directory() / "packs")
    mark_used(builtin_directory())
    for done, ((_, group), row, answer) in enumerate(zip(members, firsts, answers, strict=True)):
        selection = " ".join((*row.optics, row.subarray, row.readpatt))
        if progress is not None:
            progress(f"references of {selection}", done, len(members))
        found = _masks(row) | answer | {kind: f for kind, f in own_files(row).items() if f is not None}
        files, used = _files(row, found, _libraries(row, cosmic_ray_libraries), sources)
        pack = build_pack(files, row.detector, home, memo=memo)
        mark_used(f"{home}/packs/{pack}.json")
        if (box := _box(row)) is not None:
            pack = cut_pack(home, pack, *box)
            mark_used(f"{home}/packs/{pack}.json")
        copy_pack(home, pack, destination_url)
        packs |= {member.name: pack for member in group}
        provenance += _provenance(selection, used, pack, memo)
    if progress is not None and members:
        progress("references", len(members), len(members))
    return PreparedReferences(packs, provenance)


def _build_libraries(
    rows: list[ExposureRow],
    given: Iterable[str] | Mapping[str, Iterable[str]],
    sources: tuple[str, ...],
    progress: Progress | None,
) -> None:
    """Make missing PSF and cosmic-ray libraries, two at a time, since FFTs release the GIL."""
    jobs: dict[str, Callable[[], object]] = {}
    for row in rows:
        detector, filter_, pupil = row.optics
        if not row.psf_path and _sees_points(row):
            jobs[f"PSF of {detector} {filter_} {pupil}"] = partial(
                psf_library, sources, detector=detector, filter=filter_, pupil=pupil
            )
        for library in _libraries(row, given):
            jobs[f"cosmic rays {library} of {detector}"] = partial(
                cosmic_ray_library_files, sources, detector=detector, library=library
            )
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        running = {name: pool.submit(job) for name, job in jobs.items()}
        for done, (name, future) in enumerate(running.items()):
            if progress is not None:
                progress(name, done, len(running))
            future.result()


def _sees_points(row: ExposureRow) -> bool:
    """Return whether an exposure needs a PSF: no dark does, and images behind GR700XD are in the plan, drawn."""
    return row.pupil != SOSS and row.mode != DARK


def _masks(row: ExposureRow) -> dict[str, FoundFile]:
    """Return the file of what occulting masks transmit, where an exposure sees any."""
    if row.pupil not in LYOT_STOPS:
        return {}
    from mirage_dask.reference.builtin.occulted.transmission_files import transmission_file

    path = transmission_file(row.detector, row.pupil)
    return {} if path is None else {"transmission": FoundFile(path, BUILTIN, "")}


def _box(row: ExposureRow) -> tuple[Span, Span] | None:
    """Return the rows and columns of the detector that an exposure reads; None if it needs planes of the full frame.

    A dark from files is calibrated with the superbias of the reference pixels, and with blocks that end outside a subarray.
    """
    if row.darks != "model":
        return None
    y, x = (row.y0, row.y0 + row.ny), (row.x0, row.x0 + row.nx)
    return get_detector(row.detector).array.detector_box(y, x)


def _libraries(row: ExposureRow, given: Iterable[str] | Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    names = given.get(row.name, ()) if isinstance(given, Mapping) else given
    return tuple(sorted({cosmic_ray_library(name) for name in names}))


def _files(
    row: ExposureRow,
    found: Mapping[str, FoundFile],
    libraries: tuple[str, ...],
    sources: tuple[str, ...],
) -> tuple[ReferenceFiles, list[tuple[str, FoundFile]]]:
    """Return the files for the pack of an exposure, and (use, file) of each for the provenance."""
    detector, filter_, pupil = row.optics
    psf: tuple[Path | None, Path | None] = (None, None)
    psf_source = ""
    if _sees_points(row):
        psf, psf_source = psf_library(
            sources, detector=detector, filter=filter_, pupil=pupil, folder=row.psf_path
        )
    used = list(found.items())
    used += [("psf", FoundFile(path, psf_source, "")) for path in psf if path is not None]
    rays: dict[str, tuple[Path, ...]] = {}
    for library in libraries:
        paths, source = cosmic_ray_library_files(sources, detector=detector, library=library)
        rays[library] = tuple(paths)
        used += [(f"cosmic_rays {library}", FoundFile(path, source, "")) for path in paths]
    files = ReferenceFiles(
        paths={kind: found[kind].path for kind in OVERRIDE_TYPES if kind in found},
        filter=filter_,
        pupil=pupil,
        subarray=row.subarray,
        psf_core=psf[0],
        psf_wings=psf[1],
        cosmic_rays=rays,
        context=next((file.context for file in found.values() if file.context), ""),
    )
    return files, used


def _provenance(
    selection: str, used: list[tuple[str, FoundFile]], pack: str, memo: dict[Any, Any]
) -> list[dict[str, str]]:
    rows = []
    for kind, file in used:
        if ("sha256", file.path) not in memo:
            memo["sha256", file.path] = file_digest(file.path)
        rows.append(
            {
                "selection": selection,
                "type": kind,
                "file": file.path.name,
                "sha256": memo["sha256", file.path],
                "source": file.source,
                "context": file.context,
                "pack": pack,
            }
        )
    return rows
