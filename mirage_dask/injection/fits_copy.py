"""A copy of a FITS file, whole or not at all: the same bytes, but for cards that are added and pixels that are changed.

Pixels are read and written window by window in the copy (memory maps), so that memory does not grow with the file.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import replacing

Card = tuple[str, Any, str]
"""FITS keyword, value, comment."""
_BLOCK = 2**24
_KINDS = {16: ">i2", -32: ">f4", 32: ">i4", -64: ">f8"}
UNSIGNED = 32768
"""BZERO of unsigned 16-bit integers."""


@dataclass(frozen=True, eq=False)
class Extension:
    """An image of the copy; indexed by windows, it gives and takes native values."""

    values: NDArray[Any]
    """As they lie in the file: big-endian, 16 bits with sign."""
    header: Any
    """astropy's header."""

    @property
    def unsigned(self) -> bool:
        """Whether values are unsigned 16-bit integers."""
        return self.header.get("BITPIX") == 16 and self.header.get("BZERO", 0) == UNSIGNED

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, the slowest first."""
        return self.values.shape

    def read(self, window: tuple[slice, ...]) -> NDArray[Any]:
        """Return the values of a window."""
        found = self.values[window]
        if self.unsigned:
            return (found.astype(np.int32) + UNSIGNED).astype(np.uint16)
        return found.astype(found.dtype.newbyteorder("="))

    def write(self, window: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Put values into a window."""
        if self.unsigned:
            values = (values.astype(np.int32) - UNSIGNED).astype(np.int16)
        self.values[window] = values


@contextmanager
def fits_copy(source: Path, target: Path, cards: Iterable[Card]) -> Iterator[dict[str, Extension]]:
    """Copy a file and yield its images by name, to be changed; the copy appears under its name when the block ends.

    Parameters
    ----------
    source, target
        Files.
    cards
        Cards that the primary header gets.

    Raises
    ------
    InputError
        If the file is not FITS, or the copy cannot be written.
    """
    from astropy.io import fits

    try:
        with replacing(target) as temporary:
            with warnings.catch_warnings(), fits.open(source, memmap=True) as hdus:
                warnings.simplefilter("ignore")  # of cards that are not standard, which are copied
                if hdus[0].header.get("NAXIS", 0):
                    raise InputError(
                        f"{source}: the primary HDU has pixels, unlike in files of JWST; give files of the archive."
                    )
                primary = hdus[0].header.copy()
                places = [
                    (hdu.name, hdu.header, hdu.fileinfo()["datLoc"], hdu.shape)
                    for hdu in hdus[1:]
                    if isinstance(hdu, fits.ImageHDU) and hdu.shape and hdu.header["BITPIX"] in _KINDS
                ]
                old = hdus[1].fileinfo()["hdrLoc"] if len(hdus) > 1 else 0
            for keyword, value, comment in cards:
                primary[keyword] = (value, comment)
            head = primary.tostring(sep="", endcard=True, padding=True).encode("ascii")
            with open(source, "rb") as given, open(temporary, "wb") as copy:
                given.seek(old)
                copy.write(head)
                shutil.copyfileobj(given, copy, _BLOCK)
            moved = len(head) - old
            yield {
                name: Extension(
                    np.memmap(temporary, _KINDS[header["BITPIX"]], "r+", place + moved, shape), header
                )
                for name, header, place, shape in places
            }
    except OSError as error:
        raise InputError(
            f"{target}: the copy of {source} cannot be made: {error.strerror or error}."
        ) from None
    except (ValueError, KeyError, UnicodeEncodeError) as error:
        raise InputError(f"{source}: it is not a FITS file like those of JWST: {error}.") from None
