"""A background that the user gives as an image: a FITS file of DN/s per pixel, as the number that it stands for.

The image covers the full frame of the detector, or the array that an exposure reads; of a full frame an exposure takes its
own part. It is in the science frame, and means the brightness of a pixel of mean area.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.scene.layers.background import BackgroundImage


def background_image(
    path: str | Path,
    *,
    gain: float,
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
    full_frame
        (ny, nx) of the detector.
    x0, y0, shape
        Full-frame science pixel at which the exposure's array begins, and its (ny, nx).

    Raises
    ------
    InputError
        If the file cannot be read, has no such image, or its values are negative or not finite.
    """
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [
                hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2
            ]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: the background cannot be read ({error}); give a FITS image.") from error
    ny, nx = shape
    fitting = [image for image in images if image.shape in (shape, full_frame)]
    if not fitting:
        raise InputError(
            f"{path}: no image of {nx} x {ny} pixels (the exposure) or {full_frame[1]} x {full_frame[0]} (the full frame), "
            "which a background must have."
        )
    image = fitting[0] if fitting[0].shape == shape else fitting[0][y0 : y0 + ny, x0 : x0 + nx]
    electrons = np.ascontiguousarray(image, dtype=np.float32) * np.float32(gain)
    if not (np.isfinite(electrons) & (electrons >= 0)).all():
        raise InputError(
            f"{path}: some values of the background are negative or not finite; give DN/s per pixel."
        )
    return BackgroundImage(electrons, x0, y0)
