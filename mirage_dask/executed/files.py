"""FITS files of exposures: which there are, and their keywords.

Of a file only its headers are read, some 40 kB of the first two (PRIMARY and SCI), whatever its size and wherever it lies.
Files are untrusted: nothing in them is a path or is executed, and a header of more than `MOST` bytes is refused.
"""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError, MirageDaskError
from mirage_dask.io.files import normal_url, read_range

SUFFIXES = ("_uncal", "_rate", "_rateints", "_cal", "_calints")
"""Ends of the names of files that are exposures: levels 1b, 2a and 2b. Of several the first one is read."""
MOST = 2_000_000
"""Bytes of a header; those of the archive have up to 60,000."""
RECORD = 2880
"""Bytes of a FITS record."""
_PIECE = 16 * RECORD
_END = b"END".ljust(80)
_KINDS = (str, bool, int, float)

Keywords = dict[str, Any]
"""Values of the headers PRIMARY and SCI by keyword; `PATH` is where the file lies."""


def level_of(name: str) -> str:
    """Return the end of a file's name that tells its level, one of `SUFFIXES`; empty for other files."""
    stem = name.rpartition("/")[2].removesuffix(".fits")
    return next((suffix for suffix in SUFFIXES if stem.endswith(suffix)), "")


def exposure_files(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of exposures among those that are given, sorted by name.

    Parameters
    ----------
    given
        A folder, which is searched with all that is in it; a pattern such as ``data/*_uncal.fits``; files; or URLs of files.

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
            found.add(normal_url(text))
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
                f"{text}: {'the folder has no file of an exposure' if path.is_dir() else 'there is no such file'}; give the "
                f"folder of the files from the archive (*{', *'.join(f'{s}.fits' for s in SUFFIXES)})."
            )
        found.update(files)
    if not entries:
        problems.append("No file is given; give a folder, a pattern such as data/*_uncal.fits, or files.")
    if problems:
        raise InputError(problems)
    return sorted(found)


def read_keywords(path: str) -> Keywords | str:
    """Return the keywords of a file, or the sentence that says why it cannot be read.

    Parameters
    ----------
    path
        File or URL.

    Returns
    -------
    dict or str
        Keywords of PRIMARY, then those of SCI; texts and finite numbers only.
    """
    try:
        primary, end = read_header(path, 0)
        values = dict(primary)
        if "TELESCOP" in values and str(values.get("EXTNAME", "")) != "SCI" and not _has_data(primary):
            values = dict(read_header(path, end)[0]) | values
    except (OSError, MirageDaskError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{path}: the headers cannot be read: {reason}; get the file again."
    return values | {"PATH": path}


def _has_data(header: Keywords) -> bool:
    return int(header.get("NAXIS", 0)) > 0


def read_header(path: str, start: int) -> tuple[Keywords, int]:
    """Return the header that begins at a byte of a file, texts and numbers only, and the byte where its data begin.

    Raises
    ------
    ValueError
        If there is none.
    """
    from astropy.io import fits

    data = b""
    while True:
        piece = read_range(path, start + len(data), _PIECE)
        data += piece
        if not start and data[:9] != b"SIMPLE  =":
            raise ValueError("it is not a FITS file")
        if (end := _end(data)) >= 0:
            break
        if len(piece) < _PIECE or len(data) > MOST:
            raise ValueError("a header has no end")
    try:
        text = data[:end].decode("ascii")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cards that are not standard: they are left out
            cards = fits.Header.fromstring(text).cards
            values = {card.keyword: card.value for card in cards if isinstance(card.value, _KINDS)}
    except (UnicodeDecodeError, fits.VerifyError, ValueError) as error:
        raise ValueError(f"its cards are damaged ({error})") from None
    return values, start + -(-end // RECORD) * RECORD


def _end(data: bytes) -> int:
    """Return the byte behind the card END; -1 where there is none."""
    at = data.find(_END)
    while at >= 0 and at % 80:
        at = data.find(_END, at + 1)
    return at + 80 if at >= 0 else -1
