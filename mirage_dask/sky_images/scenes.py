"""Large images of the sky, of which parts are read: FITS, Zarr (version 3) and ASDF files with a WCS.

An image is opened by what it is, not by its name: a folder with zarr.json is a Zarr array, `#ASDF` an ASDF file, else FITS.
Nothing but its header is read then, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.sky_images.asdf_files import open_asdf
from mirage_dask.sky_images.fits_files import open_fits
from mirage_dask.sky_images.wcs import ToSky, celestial_wcs, fits_to_sky
from mirage_dask.sky_images.zarr_arrays import open_zarr

LARGEST = 2**17
"""Pixels along an axis; the mesh of an image of so many a side has 100 MB."""


@dataclass(frozen=True, eq=False)
class SkyImage:
    """An open image."""

    path: Path
    shape: tuple[int, int]
    """(ny, nx)."""
    unit: str
    """As it is written in the image; empty for none."""
    to_sky: ToSky
    read: Callable[[slice, slice], NDArray[Any]]
    """Returns rows and columns, numbers of any type."""


@contextmanager
def open_scene(path: str | Path) -> Iterator[SkyImage]:
    """Open an image of the sky.

    Raises
    ------
    InputError
        If it cannot be read, has not two axes, or no celestial WCS.
    """
    place = Path(path)
    if place.is_dir():
        array, header = open_zarr(place)
        yield _scene(place, array.shape, header, lambda rows, columns: array.array[rows, columns])
        return
    if _begins(place) == b"#ASDF":
        with open_asdf(place) as (values, header, unit):
            yield _scene(place, values.shape, header, lambda rows, columns: values[rows, columns], unit)
        return
    with open_fits(place) as image:
        yield _scene(place, image.shape, image.header, image.read)


def _begins(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(5)
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read ({error.strerror}); check the path.") from None


def _scene(
    path: Path,
    shape: tuple[int, ...],
    header: Any,
    read: Callable[[slice, slice], NDArray[Any]],
    unit: str = "",
) -> SkyImage:
    """Return an image whose header, or function to the sky, is known."""
    if len(shape) != 2 or min(shape) < 1 or max(shape) > LARGEST:
        size = " x ".join(map(str, reversed(shape)))
        raise InputError(
            f"{path}: {size} pixels; a scene has two axes of at most {LARGEST:,} pixels, give one plane."
        )
    if callable(header):
        to_sky: ToSky = header
    else:
        wcs = celestial_wcs(path, header)
        if wcs is None:
            raise InputError(
                f"{path}: it has no WCS of the sky; add CTYPE, CRVAL, CRPIX and CD of FITS to its header "
                "(Zarr: its attributes)."
            )
        to_sky = fits_to_sky(wcs)
        unit = unit or str(header.get("BUNIT", "") or "")

    def bounded(rows: slice, columns: slice) -> NDArray[Any]:
        try:
            return np.asarray(read(rows, columns))
        except Exception as error:  # readers and codecs raise errors of many types
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(
                f"{path}: rows {rows.start} to {rows.stop} cannot be read ({why}); the image is damaged, get it again."
            ) from None

    return SkyImage(path, (int(shape[0]), int(shape[1])), unit, to_sky, bounded)
