"""Catalogs of extended sources and their images -> tables of layers.

An image is kept once, in parts, whatever catalogs, detectors and filters use it. A source's magnitude is its total light:
electrons/s over the sum of the image's pixels is the scale. Without a magnitude a pixel's value is DN/s (Mirage's counts
per second), times the setting `extended: {scale: …}`.

The position angle is that of the image's y axis, east of north; x lies a quarter turn to the west of it, or to the east
where the image's WCS says that it is a mirror image. Without a position angle north is that of the image's WCS; without
that the image is aligned with the detector, as Mirage puts it down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import ZeroPoint
from mirage_dask.pointing import north_and_east
from mirage_dask.scene import Catalog
from mirage_dask.scene.image_tables import Extended, ImagePart
from mirage_dask.scene.images.meshes import PART
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.sources import positions
from mirage_dask.sky_images.stamps import Stamp, read_stamp

Floats = NDArray[np.float64]
Part = tuple[str, tuple[int, int], tuple[int, int]]
"""Key, origin and shape."""


@dataclass(frozen=True, eq=False)
class SavedStamp:
    """An image whose pixels are in a plan."""

    stamp: Stamp
    """Without its pixels."""
    size: tuple[int, int]
    parts: tuple[Part, ...]


def check_stamps(catalog: Catalog) -> dict[str, Stamp]:
    """Read the images of a catalog; return them by path, without their pixels.

    Raises
    ------
    InputError
        With every image that cannot be used.
    """
    problems: list[str] = []
    found: dict[str, Stamp] = {}
    for path in dict.fromkeys(catalog.files):
        try:
            found[path] = replace(read_stamp(path), pixels=np.zeros((0, 0), np.float32))
        except InputError as error:
            problems += [f"{catalog.path}: {problem}" for problem in error.problems]
    negative = [row for row, path in enumerate(catalog.files) if path in found and found[path].total <= 0]
    if negative and any(np.isfinite(m[negative]).any() for m in catalog.magnitudes.values()):
        names = ", ".join(dict.fromkeys(Path(catalog.files[row]).name for row in negative[:5]))
        problems.append(
            f"{catalog.path}: the pixels of {names} have no positive sum, which a magnitude could be the light of; "
            "subtract less background from the image, or write None."
        )
    if problems:
        raise InputError(problems)
    return found


def save_stamps(catalog: Catalog, url: str) -> dict[str, SavedStamp]:
    """Write the images of a catalog into a folder of tables; return them by path.

    Raises
    ------
    InputError
        If one cannot be used.
    StoreError
        If the folder cannot be written.
    """
    saved = {}
    for path in dict.fromkeys(catalog.files):
        stamp = read_stamp(path)
        parts = tuple(
            (ImagePart(np.ascontiguousarray(stamp.pixels[rows, columns])).save(url), *_place(rows, columns))
            for rows, columns in cuts(stamp.pixels.shape)
            if stamp.pixels[rows, columns].any()
        )
        ny, nx = stamp.pixels.shape
        saved[path] = SavedStamp(replace(stamp, pixels=np.zeros((0, 0), np.float32)), (ny, nx), parts)
    return saved


def cuts(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of the parts of an image."""
    ny, nx = shape
    for y in range(0, ny, PART):
        for x in range(0, nx, PART):
            yield slice(y, min(y + PART, ny)), slice(x, min(x + PART, nx))


def _place(rows: slice, columns: slice) -> tuple[tuple[int, int], tuple[int, int]]:
    return (rows.start, columns.start), (rows.stop - rows.start, columns.stop - columns.start)


def extended_table(
    catalog: Catalog,
    detector: str,
    filter: str,
    pupil: str,
    *,
    zeropoint: ZeroPoint,
    stamps: Mapping[str, SavedStamp],
    scale: float = 1.0,
    convolved: bool = True,
) -> Extended:
    """Turn a catalog of extended sources into electrons per second and places for one detector and filter.

    Parameters
    ----------
    catalog
        Of the kind 'extended'.
    zeropoint
        That of the reference files in use.
    stamps
        From `save_stamps`.
    scale
        Factor of images without a magnitude.
    convolved
        Whether the sources are seen through the telescope's PSF.

    Raises
    ------
    InputError
        If the catalog has no usable magnitude for the filter.
    """
    magnitude = catalog.magnitude(detector, filter, pupil)
    flux = count_rate(magnitude, catalog.system, zeropoint)
    images = [stamps[path] for path in catalog.files]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_magnitude = flux / np.array([image.stamp.total for image in images])
    axes = [
        _axes(image.stamp, angle) for image, angle in zip(images, catalog.shapes["pos_angle"], strict=True)
    ]
    along = np.array([found for found, _, _ in axes])  # (n, 2 axes, 3)
    aligned = np.array([found for _, found, _ in axes])
    if not catalog.pixels:
        north, east = north_and_east(catalog.x, catalog.y)
        on_sky = along[:, :, :1] * north[:, None] + along[:, :, 1:2] * east[:, None]
        along = np.where(aligned[:, None, None], along, on_sky)
    flat = [(row, *part) for row, image in enumerate(images) for part in image.parts]
    return Extended(
        index=catalog.index,
        position=positions(catalog),
        scale=np.where(np.isfinite(magnitude), by_magnitude, scale * zeropoint.gain),
        size=_pairs(image.size for image in images),
        along_x=np.ascontiguousarray(along[:, 0]),
        along_y=np.ascontiguousarray(along[:, 1]),
        aligned=aligned,
        in_pixels=np.array([found for _, _, found in axes]),
        parts=np.array([key for _, key, _, _ in flat], dtype=np.str_),
        source=np.array([row for row, _, _, _ in flat], dtype=np.int64),
        origin=_pairs(origin for _, _, origin, _ in flat),
        shape=_pairs(shape for _, _, _, shape in flat),
        convolved=convolved,
    )


def _pairs(pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)


def _axes(stamp: Stamp, angle: float) -> tuple[Floats, bool, bool]:
    """Return ((2, 3) axes x and y as (north, east, 0) or (x, y, 0) of the detector, aligned, in detector pixels)."""
    in_pixels = stamp.scale is None
    size_x, size_y = stamp.scale or (1.0, 1.0)
    if np.isfinite(angle):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        side = -1.0 if stamp.flipped else 1.0
        x, y = (side * s * size_x, -side * c * size_x, 0.0), (c * size_y, s * size_y, 0.0)
        return np.array([x, y]), False, in_pixels
    if stamp.axes is not None:
        return np.column_stack([stamp.axes, np.zeros(2)]), False, False
    return np.array([(size_x, 0.0, 0.0), (0.0, size_y, 0.0)]), True, in_pixels
