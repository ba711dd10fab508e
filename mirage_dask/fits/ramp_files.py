"""FITS files of ramps, filled window by window: no ramp is ever in memory as a whole.

A file is laid out from its `Part`s, which are its HDUs as bytes, with a hole where a ramp belongs; `RampFile.write` puts
pixels into the hole. Whoever makes the parts does so around arrays that have the shape of a ramp and the memory of one
number (`hollow`). The result is, byte for byte, what the pipeline's data model would have saved.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mirage_dask.fits.cards import BLOCK, card, header
from mirage_dask.spec import Window


class Hollow(np.ndarray[Any, Any]):
    """An array whose copies cost nothing: stdatamodels copies what is not contiguous."""

    def copy(self, order: Any = "C") -> Any:  # noqa: ARG002
        """Return the array itself."""
        return self


def hollow(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros of any shape in the memory of one; a `RampFile` leaves a hole for them."""
    return np.broadcast_to(np.zeros((), dtype), shape).view(Hollow)


@dataclass(frozen=True)
class Part:
    """An HDU as bytes."""

    name: str
    """EXTNAME; PRIMARY for the first."""
    header: bytes
    """With END and padding."""
    data: bytes = b""
    """Without padding."""
    array: npt.NDArray[Any] | None = field(default=None, compare=False)
    """A hollow array in place of data: (integration, group, y, x), (integration, y, x) or (y, x)."""

    @property
    def size(self) -> int:
        """Bytes of its data, padding included."""
        return -(-(len(self.data) if self.array is None else self.array.nbytes) // BLOCK) * BLOCK


def image_part(name: str, array: npt.NDArray[Any], units: str = "") -> Part:
    """Return an image extension whose pixels are written later.

    Parameters
    ----------
    name
        EXTNAME.
    array
        A hollow array, whose shape and type decide the header.
    units
        BUNIT; empty for none.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    lines = [
        card("XTENSION", "IMAGE", "Image extension"),
        card("BITPIX", 8 * size * (-1 if kind == "f" else 1), "array data type"),
        card("NAXIS", array.ndim, "number of array dimensions"),
        *(card(f"NAXIS{axis}", length, "") for axis, length in enumerate(array.shape[::-1], start=1)),
        card("PCOUNT", 0, "number of parameters"),
        card("GCOUNT", 1, "number of groups"),
    ]
    if kind == "u" and size > 1:
        lines += [card("BSCALE", 1, ""), card("BZERO", 1 << (8 * size - 1), "")]
    if units:
        lines.append(card("BUNIT", units, "physical units of the array values"))
    return Part(name, header([*lines, card("EXTNAME", name, "extension name")]), array=array)


@dataclass(frozen=True)
class _Hole:
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class RampFile:
    """A file that is being filled."""

    file: BinaryIO
    holes: dict[str, _Hole]

    @classmethod
    @contextmanager
    def laid_out(cls, path: Path, parts: Sequence[Part]) -> Iterator[RampFile]:
        """Write everything but the hollow arrays, and give the file to fill.

        Parameters
        ----------
        path
            The new file.
        parts
            What is in it, in order.

        Raises
        ------
        OSError
            If it cannot be written; at once, when the disk has no room for all of it.
        """
        if shutil.disk_usage(path.parent).free < sum(len(part.header) + part.size for part in parts):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        holes: dict[str, _Hole] = {}
        with path.open("xb") as file:
            for part in parts:
                file.write(part.header)
                if part.array is None:
                    file.write(part.data.ljust(part.size, b"\0"))
                    continue
                *before, ny, nx = part.array.shape
                shape = (*before, *(1,) * (2 - len(before)), ny, nx)
                holes[part.name] = _Hole(file.tell(), shape, part.array.dtype)
                file.seek(part.size, os.SEEK_CUR)
                file.truncate()
            yield cls(file, holes)

    def write(self, extension: str, window: Window, values: npt.NDArray[Any]) -> None:
        """Put pixels into their place.

        Parameters
        ----------
        extension
            EXTNAME of a hollow array over (integration, group, y, x); one over (integration, y, x) counts as one group, one
            over (y, x) as one integration of one group.
        window
            Where in it; quick when it is whole along x.
        values
            (integration, group, y, x) of the window, in the type of the array.
        """
        hole = self.holes[extension]
        if values.shape != window.shape or values.dtype != hole.dtype:
            raise ValueError(
                f"{extension} takes {hole.dtype} {window.shape}, not {values.dtype} {values.shape}"
            )
        boxes = (window.integrations, window.groups, window.rows, window.columns)
        whole = 4  # axes from here on are whole, so that the window is contiguous from the axis before
        while whole and boxes[whole - 1] == (0, hole.shape[whole - 1]):
            whole -= 1
        split = max(whole - 1, 0)
        starts = tuple(box[0] for box in boxes)
        for frame in np.ndindex(*window.shape[: min(split, 2)]):
            content = np.ascontiguousarray(_big_endian(values[frame]))
            for line in np.ndindex(*window.shape[2:split]):
                place = (*frame, *line)
                at = (*(s + p for s, p in zip(starts, place, strict=False)), *starts[split:])
                self.file.seek(hole.offset + int(np.ravel_multi_index(at, hole.shape)) * hole.dtype.itemsize)
                self.file.write(content[line].data)


def _big_endian(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values as FITS holds them: unsigned integers of 2 and 4 bytes less half their range (BZERO)."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "u" and size > 1:
        values = values ^ values.dtype.type(1 << (8 * size - 1))
    return values.astype(values.dtype.newbyteorder(">"), copy=False)


def read_headers(path: Path) -> list[Any] | None:
    """Return the headers of a FITS file; None when it is truncated or not a FITS file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        If there is no such file or it cannot be read.
    """
    headers = []
    with path.open("rb") as file:
        from astropy.io import fits  # late: most files are new

        size = os.fstat(file.fileno()).st_size
        while file.tell() < size:
            try:
                header = fits.Header.fromfile(file)
                headers.append(header)
                file.seek(header.data_size_padded, os.SEEK_CUR)
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                return None
        return headers if headers and file.tell() == size else None
