"""Where the images of a FITS file lie in it: bytes, shape and type of each, from its headers alone (FITS 4.0)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mirage_dask.errors import MirageDaskError
from mirage_dask.executed.headers import RECORD, Keywords, data_bytes, extensions, read_header

TYPES = {8: "|u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""numpy's name of the type of each BITPIX; FITS is big-endian."""
UNSIGNED = {16: "<u2", 32: "<u4", 64: "<u8"}
"""What whole numbers become to which half of their range is added (BZERO)."""


@dataclass(frozen=True)
class FitsImage:
    """One image of a file."""

    name: str
    """EXTNAME, with the number of its version behind it where that is not 1."""
    shape: tuple[int, ...]
    """Slowest axis first."""
    stored: str
    """numpy's name of the type in the file."""
    unsigned: str
    """numpy's name of the type that is meant, where half of the range was taken from it; else empty."""
    start: int
    """First byte."""
    keywords: Keywords

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.stored[-1]) * math.prod(self.shape)


def read_images(path: str) -> tuple[Keywords, list[FitsImage]] | str:
    """Return the keywords of the primary header and the images of a file, or the sentence that says why they cannot be read.

    Parameters
    ----------
    path
        File or URL. Only headers are read.
    """
    try:
        primary, first = read_header(path, 0)
        behind = first + -(-data_bytes(primary) // RECORD) * RECORD
        found = [
            _image(header, start)
            for header, start, _ in extensions(path, behind)
            if header.get("XTENSION") == "IMAGE" and header["NAXIS"]
        ]
        return primary, found
    except (OSError, MirageDaskError, ValueError, TypeError, KeyError) as error:
        missing = isinstance(error, KeyError)
        reason = f"a header has no {error}" if missing else getattr(error, "strerror", None) or error
        return f"{path}: the images cannot be found: {reason}; get the file again."


def _image(header: Keywords, start: int) -> FitsImage:
    bits, zero, scale = int(header["BITPIX"]), header.get("BZERO", 0), header.get("BSCALE", 1)
    name, version = str(header.get("EXTNAME", "")).strip() or "IMAGE", int(header.get("EXTVER", 1))
    if bits not in TYPES:
        raise ValueError(f"the image {name} has BITPIX {bits}")
    shifted = bits in UNSIGNED and float(zero) == 2.0 ** (bits - 1)
    if float(scale) != 1.0 or not (shifted or float(zero) == 0.0):
        raise ValueError(
            f"the image {name} is scaled (BSCALE {scale}, BZERO {zero}), which files of JWST are not"
        )
    shape = tuple(int(header[f"NAXIS{i}"]) for i in range(int(header["NAXIS"]), 0, -1))
    return FitsImage(
        name if version == 1 else f"{name}_{version}",
        shape,
        TYPES[bits],
        UNSIGNED[bits] if shifted else "",
        start,
        header,
    )
