"""A background that the user gives as an image: a FITS file, as the number that it stands for.

The image covers the full frame of the detector, or the array that an exposure reads; of a full frame an exposure takes its
own part. It is in the science frame, and means the brightness of a pixel of mean area: DN/s or e-/s in such a pixel, or a
surface brightness in MJy/sr, as BUNIT says; without BUNIT DN/s.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.scene.layers.background import BackgroundImage
from mirage_dask.sky_images.units import unit_of

UNITS = ("DN/s", "e-/s", "MJy/sr")
"""Of an image of the background; the first is that of one that does not say its own."""


def background_image(
    path: str | Path,
    *,
    gain: float,
    electrons_per_brightness: float,
    full_frame: tuple[int, int],
    x0: int,
    y0: int,
    shape: tuple[int, int],
) -> BackgroundImage:
    """Read the background of one exposure.

    Parameters
    ----------
    path
        FITS file; its first image of two axes is taken.
    gain
        Mean gain, e-/DN.
    electrons_per_brightness
        e-/s of 1 MJy/sr in a pixel of mean area (`mirage_dask.scene.background_rate`).
    full_frame
        (ny, nx) of the detector.
    x0, y0, shape
        Full-frame science pixel at which the exposure's array begins, and its (ny, nx).

    Raises
    ------
    InputError
        If the file cannot be read, has no such image, its units are others, or its values are negative or not finite.
    """
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [
                (hdu.data, str(hdu.header.get("BUNIT", hdus[0].header.get("BUNIT", ""))))
                for hdu in hdus
                if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2
            ]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: the background cannot be read ({error}); give a FITS image.") from error
    ny, nx = shape
    fitting = [(image, unit) for image, unit in images if image.shape in (shape, full_frame)]
    if not fitting:
        raise InputError(
            f"{path}: no image of {nx} x {ny} pixels (the exposure) or {full_frame[1]} x {full_frame[0]} (the full frame), "
            "which a background must have."
        )
    found, written = fitting[0]
    unit = unit_of(written) if written.strip() else UNITS[0]
    if unit not in UNITS:
        raise InputError(
            f"{path}: its units are {written[:40]!r} (BUNIT), which no background has; give one of {', '.join(UNITS)}."
        )
    scale = {"DN/s": gain, "e-/s": 1.0, "MJy/sr": electrons_per_brightness}[unit]
    image = found if found.shape == shape else found[y0 : y0 + ny, x0 : x0 + nx]
    electrons = np.ascontiguousarray(image, dtype=np.float32) * np.float32(scale)
    if not (np.isfinite(electrons) & (electrons >= 0)).all():
        raise InputError(
            f"{path}: some values of the background are negative or not finite; give {unit} of 0 or more."
        )
    return BackgroundImage(electrons, x0, y0)
