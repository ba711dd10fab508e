"""FITS files that others made: headers of bounded size, one image of two axes, parts of it.

Headers are looked at before any reader is let at the file: each must end within `MOST_HEADER` bytes, and an image says how
large it is before a byte of it is read or decompressed. A gzip file is unpacked in memory, up to `MOST_UNPACKED` bytes.
"""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted

MOST_HEADER = 2**20
"""Bytes of one header: 13,000 keywords."""
MOST_UNPACKED = 2**28
"""Bytes of a gzip file, unpacked."""
MOST_HDUS = 200
_BLOCK = 2880
_SIZE = re.compile(rb"^(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *= *([+-]?\d+)")


@dataclass(frozen=True, eq=False)
class FitsImage:
    """An image in an open file."""

    hdu: Any
    shape: tuple[int, int]
    """(ny, nx)."""
    header: Any

    def read(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """Return a part of the image; NaN where pixels are blank."""
        return np.asarray(self.hdu.section[rows, columns], dtype=np.float64)


@contextmanager
def open_fits(path: Path) -> Iterator[FitsImage]:
    """Open the first image of two axes of a FITS file.

    Raises
    ------
    InputError
        If the file does not exist, is not FITS, is damaged or has no such image.
    """
    from astropy.io import fits

    try:
        with _stream(path) as stream:
            _check_headers(path, stream)
            stream.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # of the standard, and of files that are cut short; checked below
                with fits.open(stream, memmap=False, lazy_load_hdus=True) as hdus:
                    yield _image(path, hdus)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: the image does not exist; check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: this is a folder; give a FITS file.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: the gzip file is damaged; get it again.") from None
    except Exception as error:  # readers of damaged files raise errors of many types
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{path}: the image cannot be read ({why}); write it again as a FITS image."
        ) from None


@contextmanager
def _stream(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            yield file
            return
        file.seek(0)
        with gzip.open(file) as unpacked:
            content = unpacked.read(MOST_UNPACKED + 1)
        if len(content) > MOST_UNPACKED:
            raise InputError(
                f"{path}: more than {MOST_UNPACKED >> 20} MB when it is unpacked; unpack it with gunzip."
            )
        yield io.BytesIO(content)


def _check_headers(path: Path, stream: IO[bytes]) -> None:
    """Refuse what does not begin as FITS does, and headers that do not end."""
    stream.seek(0, io.SEEK_END)
    length, start = stream.tell(), 0
    for number in range(MOST_HDUS):
        stream.seek(start)
        sizes: dict[bytes, int] = {}
        read, ended = 0, False
        while not ended:
            block = stream.read(_BLOCK)
            if number == 0 and read == 0 and not block.startswith(b"SIMPLE  ="):
                raise InputError(f"{path}: this is not a FITS file; write the image with astropy.io.fits.")
            if len(block) < _BLOCK:
                if number:  # padding or leftovers behind the last HDU
                    return
                raise InputError(f"{path}: the file ends inside its header; get it again.")
            read += _BLOCK
            if read > MOST_HEADER:
                raise InputError(
                    f"{path}: a header is longer than {MOST_HEADER >> 20} MB; write the image again without its history."
                )
            for k in range(0, _BLOCK, 80):
                card = block[k : k + 80]
                if match := _SIZE.match(card):
                    sizes.setdefault(match[1], int(match[2]))
                if card.rstrip() == b"END":
                    ended = True
                    break
        start += read + -(-_data_bytes(path, sizes) // _BLOCK) * _BLOCK
        if start >= length:
            return
    raise InputError(f"{path}: more than {MOST_HDUS} extensions; write the image into a file of its own.")


def _data_bytes(path: Path, sizes: dict[bytes, int]) -> int:
    axes = [sizes.get(b"NAXIS%d" % n, 0) for n in range(1, max(min(sizes.get(b"NAXIS", 0), 999), 0) + 1)]
    if not axes:
        return 0
    pixels = 1
    for axis in axes:
        if not 0 <= axis < 2**40:
            raise InputError(f"{path}: an axis of {axis} pixels; the header is damaged, get the file again.")
        pixels *= axis
    return abs(sizes.get(b"BITPIX", 8)) // 8 * sizes.get(b"GCOUNT", 1) * (sizes.get(b"PCOUNT", 0) + pixels)


def _image(path: Path, hdus: Any) -> FitsImage:
    """Return the first image of two axes."""
    found = []
    for number in range(MOST_HDUS):
        try:
            hdu = hdus[number]
        except IndexError:
            break
        shape = tuple(getattr(hdu, "shape", ()) or ())
        if not getattr(hdu, "is_image", False) or not shape:
            continue
        if len(shape) == 2 and min(shape) > 0:
            return FitsImage(hdu, (int(shape[0]), int(shape[1])), hdu.header)
        found.append(counted(len(shape), "axis"))
    what = f"its images have {', '.join(dict.fromkeys(found))}" if found else "it has no image"
    raise InputError(
        f"{path}: {what}; an image of two axes is needed, write one plane into a file of its own."
    )
