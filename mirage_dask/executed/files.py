"""FITS files of exposures: which there are, and their keywords.

Of a file only its headers are read, some 40 kB of the first two (PRIMARY and SCI), whatever its size and wherever it lies;
and of a raw file of a moving target the table of its positions.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mirage_dask.errors import InputError, MirageDaskError
from mirage_dask.executed.headers import Keywords, read_header
from mirage_dask.executed.track_tables import NAME, read_track
from mirage_dask.io.files import find_files, normal_url

SUFFIXES = ("_uncal", "_rate", "_rateints", "_cal", "_calints")
"""Ends of the names of files that are exposures: levels 1b, 2a and 2b. Of several the first one is read."""
RAW = SUFFIXES[0]
"""The end of the names of raw files."""
TRACK = "TRACK"
"""Entry of `Keywords` with the positions of a moving target; empty where the file has none."""

_GIVE = f"give the folder of the files from the archive (*{', *'.join(f'{s}.fits' for s in SUFFIXES)})"


def level_of(name: str) -> str:
    """Return the end of a file's name that tells its level, one of `SUFFIXES`; empty for other files."""
    stem = name.rpartition("/")[2].removesuffix(".fits")
    return next((suffix for suffix in SUFFIXES if stem.endswith(suffix)), "")


def exposure_files(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of exposures among those that are given, sorted by name.

    Parameters
    ----------
    given
        A folder, which is searched with all that is in it; a pattern such as ``data/*_uncal.fits``; or files. Each may be a
        URL.

    Raises
    ------
    InputError
        If something does not exist, or there are no files of exposures.
    """
    entries: Sequence[str | os.PathLike[str]] = (
        [given] if isinstance(given, str | os.PathLike) else list(given)
    )
    problems, found = [], set()
    for entry in entries:
        text = os.fspath(entry)
        if "://" in text and not text.startswith("file://"):
            try:
                files = _remote_files(normal_url(text))
            except (OSError, MirageDaskError) as error:
                problems.append(f"{text}: its files cannot be listed: {str(error).rstrip('.')}.")
                continue
            if not files:
                problems.append(f"{text}: there are no files of exposures; {_GIVE}.")
            found.update(files)
            continue
        path = Path(normal_url(text))
        if path.is_dir():
            files = [str(p) for p in path.rglob("*.fits") if level_of(p.name)]
        elif path.is_file():
            files = [str(path)]
        else:
            files = [str(p) for p in glob.glob(str(path), recursive=True) if os.path.isfile(p)]
        if not files:
            problems.append(
                f"{text}: {'the folder has no file of an exposure' if path.is_dir() else 'there is no such file'}; {_GIVE}."
            )
        found.update(files)
    if not entries:
        problems.append("No file is given; give a folder, a pattern such as data/*_uncal.fits, or files.")
    if problems:
        raise InputError(problems)
    return sorted(found)


def _remote_files(url: str) -> list[str]:
    """Return the files that a URL stands for: a pattern, a directory, or a file, whose name ends in .fits."""
    if "*" in url:
        return [file for file in find_files(url) if file.endswith(".fits")]
    return [url] if url.endswith(".fits") else [file for file in find_files(url) if level_of(file)]


def read_keywords(path: str) -> Keywords | str:
    """Return the keywords of a file, or the sentence that says why it cannot be read.

    Parameters
    ----------
    path
        File or URL.

    Returns
    -------
    dict or str
        Keywords of PRIMARY, then those of SCI; `PATH`, where the file lies; and `TRACK`, the positions of a moving target in
        a raw file (`mirage_dask.pointing.track_text`).
    """
    doing, track = "the headers cannot", ""
    try:
        primary, end = read_header(path, 0)
        values = dict(primary)
        if "TELESCOP" in values and str(values.get("EXTNAME", "")) != "SCI" and not _has_data(primary):
            values = dict(read_header(path, end)[0]) | values
        if str(values.get("TARGTYPE", "")).strip().upper() == "MOVING" and level_of(path) == RAW:
            doing = f"the table {NAME} cannot"
            track = read_track(path, end)
    except (OSError, MirageDaskError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{path}: {doing} be read: {reason}; get the file again."
    return values | {"PATH": path, TRACK: track}


def _has_data(header: Keywords) -> bool:
    return int(header.get("NAXIS", 0)) > 0
