"""Headers of FITS files, read by ranges of bytes: of any file, wherever it lies.

Files are untrusted: nothing in them is a path or is executed, and a header of more than `MOST` bytes is refused.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

from mirage_dask.io.files import file_size, read_range

MOST_EXTENSIONS = 1000
MOST = 2_000_000
"""Bytes of a header; those of the archive have up to 60,000."""
RECORD = 2880
"""Bytes of a FITS record."""
_PIECE = 16 * RECORD
_END = b"END".ljust(80)
_KINDS = (str, bool, int, float)

Keywords = dict[str, Any]
"""Values of headers by keyword: texts and numbers."""


def read_header(path: str, start: int) -> tuple[Keywords, int]:
    """Return the header that begins at a byte of a file, and at which byte its data begin.

    Raises
    ------
    OSError
        If the file cannot be read.
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


def extensions(path: str, start: int) -> Iterator[tuple[Keywords, int, int]]:
    """Yield the headers of extensions one after the other.

    Parameters
    ----------
    path
        File or URL.
    start
        Byte at which an extension begins.

    Yields
    ------
    (keywords, first byte of the data, bytes of the data)

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a header is damaged, or the file ends before the data of the last one do.
    """
    length = file_size(path)
    for _ in range(MOST_EXTENSIONS):
        if start >= length:
            return
        header, first = read_header(path, start)
        size = data_bytes(header)
        start = first + -(-size // RECORD) * RECORD
        if start > length:
            raise ValueError("it ends too early")
        yield header, first, size


def data_bytes(header: Keywords) -> int:
    """Return how many bytes of data follow a header.

    Raises
    ------
    ValueError
        If the header does not say.
    """
    axes = [_count(header, f"NAXIS{k}") for k in range(1, _count(header, "NAXIS") + 1)]
    if not axes:
        return 0
    groups = _count(header, "GCOUNT", 1)
    return abs(int(header.get("BITPIX", 8))) // 8 * groups * (_count(header, "PCOUNT", 0) + math.prod(axes))


def _count(header: Keywords, key: str, default: int | None = None) -> int:
    value = header.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"its {key} is no count")
    return value


def _end(data: bytes) -> int:
    """Return the byte behind the card END; -1 where there is none."""
    at = data.find(_END)
    while at >= 0 and at % 80:
        at = data.find(_END, at + 1)
    return at + 80 if at >= 0 else -1


def text_of(keywords: Keywords, key: str, default: str = "") -> str:
    """Return a text without blanks around it, the default where there is none."""
    return str(keywords.get(key, default)).strip()


def number_of(keywords: Keywords, key: str) -> float:
    """Return a number, NaN where there is none."""
    value = keywords.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan
