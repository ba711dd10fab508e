"""`mirage.reference_files.downloader`: Mirage's reference files."""

from __future__ import annotations

import time
from pathlib import Path

from mirage_dask.compat.one_exposure import tell
from mirage_dask.download import mirage_data
from mirage_dask.io.progress import Progress


def download_reffiles(
    directory: str | Path,
    instrument: str = "all",
    dark_type: str = "linearized",
    skip_darks: bool = False,
    single_dark: bool = False,
    skip_cosmic_rays: bool = False,
    skip_psfs: bool = False,
    skip_soss: bool = False,
    *,
    psf_version: str = "gridded",
) -> None:
    """Download and unpack: `mirage_dask.download.mirage_data.download_reffiles` with its arguments in Mirage's order."""
    report = mirage_data.download_reffiles(
        directory,
        instrument,
        psf_version=psf_version,
        dark_type=dark_type,
        skip_darks=skip_darks,
        single_dark=single_dark,
        skip_cosmic_rays=skip_cosmic_rays,
        skip_psfs=skip_psfs,
        skip_soss=skip_soss,
        progress=_now_and_then(),
    )
    tell(f"{len(report.files)} archives are in place; set MIRAGE_DATA: {report.reminder}")


def _now_and_then(seconds: float = 10.0) -> Progress:
    """Return a progress callback that writes a line every few seconds."""
    told = time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > seconds:
            told = time.monotonic()
            tell(f"{what} ({done / 1e9:.2f} of {total / 1e9:.2f} GB)")

    return show
