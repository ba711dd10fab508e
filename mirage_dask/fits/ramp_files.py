"""FITS files of ramps, filled window by window: no ramp is ever in memory as a whole.

A data model of the pipeline makes all headers, tables and the ASDF extension, around arrays that have the shape of the ramp
and the memory of one number (`hollow`). With those the file is laid out, with a hole where such an array belongs;
`RampFile.write` puts pixels into the hole. The result is, byte for byte, what the model would have saved.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mirage_dask.spec import Window

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

BLOCK = 2880
"""Bytes of a FITS record."""


class _Hollow(np.ndarray[Any, Any]):
    """An array whose copies cost nothing: stdatamodels copies what is not contiguous."""

    def copy(self, order: Any = "C") -> Any:  # noqa: ARG002
        """Return the array itself."""
        return self


def hollow(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros of any shape in the memory of one; a `RampFile` leaves a hole for them."""
    return np.broadcast_to(np.zeros((), dtype), shape).view(_Hollow)


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
    def laid_out(cls, path: Path, hdus: HDUList) -> Iterator[RampFile]:
        """Write everything but the hollow arrays, and give the file to fill.

        Parameters
        ----------
        path
            The new file.
        hdus
            HDUs as a data model makes them (`stdatamodels.fits_support.to_fits`); the first has no data.

        Raises
        ------
        OSError
            If it cannot be written; at once, when the disk has no room for all of it.
        """
        from astropy.io import fits

        hdus.verify("exception")
        hdus.update_extend()
        size = sum(hdu.size + len(hdu.header.tostring()) + BLOCK for hdu in hdus)
        if shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        holes: dict[str, _Hole] = {}
        first = next((k for k, hdu in enumerate(hdus) if _is_hollow(hdu)), len(hdus))
        fits.HDUList(hdus[:first]).writeto(path)
        for hdu in hdus[first:]:
            if _is_hollow(hdu):
                with path.open("r+b") as file:
                    file.seek(0, os.SEEK_END)
                    hdu.update_header()
                    file.write(hdu.header.tostring().encode("ascii"))
                    shape = hdu.shape if len(hdu.shape) == 4 else (hdu.shape[0], 1, *hdu.shape[1:])
                    holes[hdu.name] = _Hole(file.tell(), shape, hdu.data.dtype)
                    file.truncate(file.tell() + -(-hdu.size // BLOCK) * BLOCK)
            else:
                with fits.open(path, mode="append") as growing:
                    growing.append(hdu)
        with path.open("r+b") as file:
            yield cls(file, holes)

    def write(self, extension: str, window: Window, values: npt.NDArray[Any]) -> None:
        """Put pixels into their place.

        Parameters
        ----------
        extension
            EXTNAME of a hollow array over (integration, group, y, x), or (integration, y, x), which counts as one group.
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


def _is_hollow(hdu: Any) -> bool:
    return hdu.is_image and isinstance(hdu.data, _Hollow)


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
    from astropy.io import fits

    headers = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while file.tell() < size:
            try:
                header = fits.Header.fromfile(file)
                headers.append(header)
                file.seek(header.data_size_padded, os.SEEK_CUR)
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                return None
        return headers if headers and file.tell() == size else None
