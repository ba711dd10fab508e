"""`mirage.reference_files.downloader`: Mirage's reference files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from mirage_dask.compat.one_exposure import print_note
from mirage_dask.download import mirage_data
from mirage_dask.formatting import counted
from mirage_dask.io.progress import Progress

ARGUMENTS = (
    "instrument",
    "dark_type",
    "skip_darks",
    "single_dark",
    "skip_cosmic_rays",
    "skip_psfs",
    "skip_soss",
)
"""Mirage's arguments after the directory, in its order."""


def download_reffiles(directory: str | Path, *positional: Any, **options: Any) -> None:
    """Download and unpack Mirage's reference files.

    Parameters
    ----------
    directory
        Gets the folder `mirage_data`.
    *positional
        In Mirage's order: instrument, dark_type, skip_darks, single_dark, skip_cosmic_rays, skip_psfs, skip_soss.
    **options
        These and others by name, as for `mirage_dask.download.mirage_data.download_reffiles`.

    Raises
    ------
    InputError, DownloadError
        As by that function.
    """
    if len(positional) > len(ARGUMENTS):
        raise TypeError(
            f"download_reffiles takes the directory and at most {len(ARGUMENTS)} more arguments by position"
        )
    given = dict(zip(ARGUMENTS, positional, strict=False))
    report = mirage_data.download_reffiles(directory, **{"progress": _now_and_then()} | options, **given)
    print_note(f"complete: {counted(len(report.files), 'archive')}; set MIRAGE_DATA: {report.reminder}")


def _now_and_then(seconds: float = 10.0) -> Progress:
    """Return a progress callback that writes a line every few seconds."""
    told = time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > seconds:
            told = time.monotonic()
            print_note(f"{what} ({done / 1e9:.2f} of {total / 1e9:.2f} GB)")

    return show
