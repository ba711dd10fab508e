"""The table MOVING_TARGET_POSITION of raw files: where a moving target was during the exposure.

Of the file only headers are read, to find the table, and its rows. Positions are the columns `mt_apparent_RA` and
`mt_apparent_Dec`, which the pipeline takes for MT_RA and MT_DEC, too. Tables are untrusted: their sizes are limited.
"""

from __future__ import annotations

import math
from typing import Any

from mirage_dask.apt.schedule import parse_date
from mirage_dask.errors import InputError
from mirage_dask.executed.headers import RECORD, extensions
from mirage_dask.formatting import counted
from mirage_dask.io.files import read_range
from mirage_dask.pointing import track_text

NAME = "MOVING_TARGET_POSITION"
MOST_BYTES, MOST_ROWS = 8_000_000, 10_000
_COLUMNS = ("time", "mt_apparent_ra", "mt_apparent_dec")


def read_track(path: str, start: int) -> str:
    """Return the positions of the target in a file as `mirage_dask.pointing.track_text`; empty if it has no such table.

    Parameters
    ----------
    path
        File or URL.
    start
        Byte at which an extension begins, from which on the table is looked for.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the table or a header is damaged.
    """
    for header, first, size in extensions(path, start):
        if str(header.get("EXTNAME", "")).strip().upper() == NAME:
            return _positions(read_range(path, start, first + min(size, MOST_BYTES) - start))
        start = first + -(-size // RECORD) * RECORD
    return ""


def _positions(data: bytes) -> str:
    from astropy.io import fits

    try:
        table: Any = fits.BinTableHDU.fromstring(data).data
        names = {name.casefold(): name for name in table.names}
        columns = [table[names[name]] for name in _COLUMNS]
    except (KeyError, ValueError, TypeError, OSError, fits.VerifyError) as error:
        raise ValueError(f"the table {NAME} is damaged ({error})") from None
    rows = [
        (parse_time(str(time)), float(ra), float(dec))
        for time, ra, dec in zip(*columns, strict=True)
        if math.isfinite(ra) and abs(dec) <= 90.0
    ]
    if len(rows) < 2 or len(rows) > MOST_ROWS:
        raise ValueError(f"the table {NAME} has {counted(len(rows), 'position')}, not 2 to {MOST_ROWS}")
    return track_text(*zip(*rows, strict=True))


def parse_time(text: str) -> Any:
    """Return a time of the table as a datetime, UTC.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return parse_date("T".join(text.split()))
    except InputError as error:
        raise ValueError(f"the table {NAME}: {' '.join(error.problems)}") from None
