"""Which archives of MIRAGE_DATA exist, where they are, and which of them a choice of options selects.

The table is `data/mirage_data.ecsv`; its header states the source of names, places and sizes. The server publishes neither
exact sizes nor checksums, so sizes are approximate and the column for checksums is empty.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from mirage_dask.errors import InputError, nearest
from mirage_dask.instruments.tables import read_table

BASE_URL = "https://data.science.stsci.edu/redirect/JWST/jwst-simulations/mirage_reference_files/"
"""Where Mirage's reference files are published."""
BASE_URL_VARIABLE = "MIRAGE_DASK_DOWNLOAD_URL"
"""Environment variable with the address of a mirror."""
FOLDER = "mirage_data"
"""Name of the folder that MIRAGE_DATA points at."""

INSTRUMENTS = ("nircam", "niriss", "fgs")
PSF_VERSIONS = ("gridded", "subpixel")
DARK_TYPES = ("linearized", "raw", "both")
_ALIASES = {"subpix": "subpixel", "linearised": "linearized"}

UNKNOWN = 20_000_000_000
"""Bytes that an archive of unknown size may need at most on the disk."""


@dataclass(frozen=True)
class Archive:
    """One file to download."""

    path: str
    """Below the base address, with / between its parts."""
    instrument: str
    kind: str
    """cosmic_rays, psfs_gridded, psfs_subpixel, distortion, ghosts, soss, darks_linearized or darks_raw."""
    detector: str = ""
    """Of a dark."""
    disk: int | None = None
    """Bytes of the archive and of what is unpacked from it, approximately."""
    address: str = ""
    """Its address when it is not below the default base address."""
    checksum: str = ""
    """Such as 'sha256:0123…' or 'md5:0123…', when one is published."""

    @property
    def name(self) -> str:
        """File name of the archive."""
        return PurePosixPath(self.path).name

    @property
    def target(self) -> str | None:
        """What a compressed FITS file becomes, below PATH; None for an archive of many files."""
        if self.path.endswith(".tar.gz"):
            return None
        return f"{FOLDER}/{self.path.removesuffix('.gz')}"

    @property
    def packed(self) -> int:
        """Bytes of the archive itself, approximately; 0 where unknown."""
        return (self.disk or 0) // 2

    @property
    def most_unpacked(self) -> int:
        """Bytes that the unpacked files of a genuine version do not exceed."""
        return 8 * (self.disk or UNKNOWN)

    def url(self, base_url: str) -> str:
        """Return its address under a base address that ends with /; a mirror holds everything below its own."""
        if self.address and base_url == BASE_URL:
            return self.address
        return base_url + quote(self.path)


@cache
def archives() -> tuple[Archive, ...]:
    """Return all archives, in the order of the table."""
    return tuple(
        Archive(
            path=row["path"],
            instrument=row["instrument"],
            kind=row["kind"],
            detector=row["detector"],
            disk=round(float(row["disk"]) * 1e9) if row["disk"] else None,
            address=row["address"],
            checksum=row["checksum"],
        )
        for row in read_table("mirage_data", __package__)
    )


def base_address(given: str | None) -> str:
    """Return the base address: what is given, else MIRAGE_DASK_DOWNLOAD_URL, else Mirage's server; it ends with /.

    Raises
    ------
    InputError
        If it is not a valid http or https address.
    """
    value = given or os.environ.get(BASE_URL_VARIABLE) or BASE_URL
    origin = "base_url" if given else BASE_URL_VARIABLE
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"{origin} is {value!r}, which is not a valid http address; give one such as {BASE_URL}"
        )
    return value.rstrip("/") + "/"


def select_archives(
    instrument: str | Iterable[str] = "all",
    *,
    psf_version: str = "gridded",
    dark_type: str = "linearized",
    skip_darks: bool = False,
    single_dark: bool = False,
    skip_cosmic_rays: bool = False,
    skip_psfs: bool = False,
    skip_soss: bool = False,
    catalogue: Iterable[Archive] | None = None,
) -> tuple[Archive, ...]:
    """Return the archives that options select.

    Parameters
    ----------
    instrument
        'nircam', 'niriss' or 'fgs', several of them (a list, or separated by commas), or 'all'.
    psf_version
        'gridded', the libraries in use, or 'subpixel', those that Mirage dropped in 2019 and this package cannot read.
    dark_type
        'linearized', 'raw' or 'both'.
    skip_darks, skip_cosmic_rays, skip_psfs, skip_soss
        Leave these out.
    single_dark
        Only one dark of each detector.
    catalogue
        The archives to select from; default all.

    Raises
    ------
    InputError
        If an option has a value that is not allowed; all of them together.
    """
    problems: list[str] = []
    wanted = _instruments(instrument, problems)
    psfs = _one_of("psf_version", psf_version, PSF_VERSIONS, problems)
    darks = _one_of("dark_type", dark_type, DARK_TYPES, problems)
    if problems:
        raise InputError(problems)
    kinds = {"distortion", "ghosts"}
    kinds |= set() if skip_cosmic_rays else {"cosmic_rays"}
    kinds |= set() if skip_psfs else {f"psfs_{psfs}"}
    kinds |= set() if skip_soss else {"soss"}
    if not skip_darks:
        kinds |= {"darks_linearized", "darks_raw"} if darks == "both" else {f"darks_{darks}"}
    chosen, seen = [], set()
    for archive in archives() if catalogue is None else catalogue:
        if archive.instrument not in wanted or archive.kind not in kinds:
            continue
        if single_dark and archive.detector:
            one = (archive.kind, archive.instrument, archive.detector)
            if one in seen:
                continue
            seen.add(one)
        chosen.append(archive)
    return tuple(chosen)


def _instruments(given: str | Iterable[str], problems: list[str]) -> set[str]:
    names = given.split(",") if isinstance(given, str) else list(given)
    names = [str(name).strip().lower() for name in names]
    names = [name for name in names if name]
    allowed = (*INSTRUMENTS, "all")
    wrong = [name for name in names if name not in allowed]
    problems += [
        f"instrument {name!r} is not one of {', '.join(allowed)}{nearest(name, allowed)}" for name in wrong
    ]
    if not names:
        problems.append(f"instrument is empty; give one or several of {', '.join(allowed)}")
    return set(INSTRUMENTS) if "all" in names else set(names)


def _one_of(option: str, given: str, allowed: tuple[str, ...], problems: list[str]) -> str:
    value = str(given).strip().lower()
    value = _ALIASES.get(value, value)
    if value not in allowed:
        problems.append(f"{option} {given!r} is not one of {', '.join(allowed)}{nearest(value, allowed)}")
    return value
