"""Images of extended sources: pixels, scale and orientation, from a FITS file.

The first image of two axes is taken. Its scale and orientation come from its celestial WCS (CD or PC matrix and CDELT), else
its scale alone from PIXELSCL, PIXSCALE (arcsec) or PIXAR_A2 (square arcsec), or CDELT with CUNIT; else a pixel is one of the
detector, as in Mirage, which says so for all images. Distortion in a WCS (SIP) is left out: over a stamp it is no matter.

Pixels that are not finite count as 0; negative ones are kept, as light that is missing there. Mirage's own comments on
pixels are in its section on extended sources: it rotates a stamp with a spline and puts it down at whole pixels, without a
change of scale or distortion; here it is shared among pixels exactly (`mirage_dask.scene.images`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.sky_images.fits_files import open_fits
from mirage_dask.sky_images.wcs import celestial_wcs

LARGEST = 8192
"""Pixels along an axis; larger ones are images of a scene."""
ARCSEC = np.pi / 180.0 / 3600.0
SCALE_KEYS = ("PIXELSCL", "PIXSCALE", "PIXSCAL1")
"""Keywords that give arcsec per pixel."""
SMALLEST, COARSEST = 1e-5, 60.0
"""Arcsec per pixel that are taken for a scale."""


@dataclass(frozen=True, eq=False)
class Stamp:
    """An image of a source."""

    pixels: NDArray[np.float32]
    """(ny, nx), finite."""
    total: float
    """Their sum."""
    scale: tuple[float, float] | None
    """Radians per pixel along x and y; None: those of the detector."""
    axes: NDArray[np.float64] | None
    """(2, 2) radians to the north and east for a pixel along x, and along y; None where north is not known."""
    flipped: bool
    """Whether x grows to the east where y grows to the north, as in a mirror."""
    not_finite: int
    """Pixels that count as 0."""
    negative: int


def read_stamp(path: str | Path) -> Stamp:
    """Read the image of an extended source.

    Raises
    ------
    InputError
        If the file is not a valid image of bounded size, or nothing in it is above 0.
    """
    place = Path(path)
    with open_fits(place) as image:
        if max(image.shape) > LARGEST:
            ny, nx = image.shape
            raise InputError(
                f"{place}: {nx} x {ny} pixels; an extended source has at most {LARGEST} along an axis, "
                "give a larger image as scene_image."
            )
        values = image.read(slice(0, image.shape[0]), slice(0, image.shape[1]))
        scale, axes, flipped = _geometry(place, image.header)
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = values.astype(np.float32)
    bad = ~np.isfinite(pixels)
    pixels[bad] = 0.0
    if not (pixels > 0).any():
        raise InputError(f"{place}: no pixel is above 0; give an image with light.")
    total = float(pixels.sum(dtype=np.float64))
    return Stamp(pixels, total, scale, axes, flipped, int(bad.sum()), int((pixels < 0).sum()))


def _geometry(path: Path, header: Any) -> tuple[tuple[float, float] | None, NDArray[np.float64] | None, bool]:
    """Return (scale, axes, flipped) from a header."""
    wcs = celestial_wcs(path, header)
    if wcs is not None:
        matrix = np.radians(np.asarray(wcs.pixel_scale_matrix, dtype=np.float64))  # (east, north) of (x, y)
        sizes = np.sqrt((matrix * matrix).sum(axis=0))
        turned = float(np.linalg.det(matrix))
        if np.isfinite(matrix).all() and turned != 0 and _is_scale(path, sizes / ARCSEC):
            axes = matrix[::-1].T.copy() if wcs.wcs.lngtyp == "RA" else None
            return (float(sizes[0]), float(sizes[1])), axes, turned > 0
    return scale_of(path, header, wcs=False), None, False


def scale_of(path: Path, header: Any, *, wcs: bool = True) -> tuple[float, float] | None:
    """Return radians per pixel along x and y by a header; None where it does not say them.

    Parameters
    ----------
    wcs
        Whether a celestial WCS counts.

    Raises
    ------
    InputError
        If the scale cannot be that of an image of a source.
    """
    if wcs and celestial_wcs(path, header) is not None:
        return _geometry(path, header)[0]
    for key in SCALE_KEYS:
        if (value := _number(header.get(key))) and _is_scale(path, np.array([value])):
            return value * ARCSEC, value * ARCSEC
    if (area := _number(header.get("PIXAR_A2"))) and area > 0 and _is_scale(path, np.sqrt([area])):
        return (float(np.sqrt(area)) * ARCSEC,) * 2
    found = [_steps(header, n) for n in (1, 2)]
    if all(found) and _is_scale(path, np.array(found)):
        return found[0] * ARCSEC, found[1] * ARCSEC
    return None


def _steps(header: Any, axis: int) -> float:
    """Return arcsec per pixel by CDELT, where CUNIT says that it is an angle; 0 where it does not."""
    value = _number(header.get(f"CDELT{axis}"))
    factor = {"deg": 3600.0, "arcmin": 60.0, "arcsec": 1.0, "mas": 1e-3}.get(
        str(header.get(f"CUNIT{axis}", "")).strip().lower(), 0.0
    )
    return abs(value) * factor


def _number(value: Any) -> float:
    """Return a number, 0 for anything else."""
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0


def _is_scale(path: Path, arcsec: NDArray[np.float64]) -> bool:
    """Return true for pixels of an image of a source; refuse what is far from it."""
    if not ((arcsec >= SMALLEST) & (arcsec <= COARSEST)).all():
        raise InputError(
            f"{path}: a pixel is {arcsec[0]:.3g} arcsec; correct CD or CDELT (degrees), or PIXSCALE (arcsec), in its header."
        )
    return True
