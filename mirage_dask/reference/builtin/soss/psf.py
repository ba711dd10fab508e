r"""Monochromatic images behind GR700XD: a star, spread along columns by the cylindrical lens of the grism.

The lens adds to the wavefront, at the height y in the pupil (along the rows of the detector; R is half of its width),

.. math:: W(y) = C\, (y / R)^2

which sends light from y to the angle 2 C y / R^2: a band with two sharp ends, of the same height at all wavelengths. With
C = `CYLINDER` it is 23 pixels high at half of its light, as Albert et al. (2023, PASP 135, 075001) measure. Diffraction,
wavefront error, jitter, charge diffusion and pixel are those of NIRISS's other PSFs
(`mirage_dask.reference.builtin.psf_optics`).

An image is computed to `HALF_ROWS` rows and `HALF_COLUMNS` columns from its middle. Farther up and down it goes on to
`REACH` rows as the inverse square of the distance, as the light that straight edges diffract, with its course along
columns at the end of what was computed. All light of an image is within `REACH` rows and `HALF_COLUMNS` columns: its
sum is 1.

NOT modelled: the mask and the two degrees by which the grism is turned in its pupil, scattered light, the change over
the field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.builtin import psf_optics as optics
from mirage_dask.reference.builtin.locations import mirage_data_directory
from mirage_dask.reference.builtin.records import is_usable, record_of, write_recorded

Floats = NDArray[np.float64]

CYLINDER = 9.0e-6
"""Metres: the wavefront of the lens at the edge of the pupil."""
NODES = 30
"""Wavelengths, evenly in their logarithm."""
RANGE = (0.48, 2.95)
"""Micron."""
OVERSAMPLING = 2
HALF_ROWS, HALF_COLUMNS = 60, 32
REACH = 256
EDGE = 6
"""Rows at each end of what was computed whose mean goes on."""
VERSION = 1
FIELD = (0.0, 0.9)
"""Place on the detector, -1 to 1."""


def wavelengths() -> Floats:
    """Return the wavelengths of the images, micron."""
    return np.geomspace(*RANGE, NODES)


def build_images() -> NDArray[np.float32]:
    """Return the images at `wavelengths`, (n, rows, columns), each sample the light in a pixel, a step of half a pixel."""
    spec = get_detector("NIS")
    blur = float(np.hypot(optics.JITTER, spec.charge_diffusion))
    error = optics.wavefront(spec.name, spec.wavefront_rms, field=FIELD)
    error = optics.centred(error, np.array([1.5e-6]), pixel=spec.pixel_scale, blur=blur)
    height = optics.coordinates()[:, None]
    error = error + CYLINDER * height**2
    return np.stack([_image(error, wave * 1e-6, spec.pixel_scale, blur) for wave in wavelengths()])


def _image(error: Floats, wavelength: float, pixel: float, blur: float) -> NDArray[np.float32]:
    from scipy import fft

    step = pixel / OVERSAMPLING
    finer = int(np.ceil(step * 2 * optics.PUPIL_SIZE * optics.ARCSEC / wavelength))
    metres = optics.coordinates() * (optics.PUPIL_SIZE / 2)
    margin = 4 * OVERSAMPLING
    transforms, windows = [], []
    for half in (HALF_ROWS, HALF_COLUMNS):
        count = 2 * (half * OVERSAMPLING + margin) * finer + 1
        angles = (np.arange(count) - count // 2) * (step / finer * optics.ARCSEC)
        transforms.append(np.exp(-2j * np.pi / wavelength * np.outer(angles, metres)))
        cycles = np.arange(count) / (2 * count * step / finer)
        windows.append(np.sinc(cycles * pixel) * np.exp(-2 * (np.pi * blur * cycles) ** 2))
    field = transforms[0] @ (optics.pupil() * np.exp(2j * np.pi / wavelength * error)) @ transforms[1].T
    spectrum = fft.dctn(np.abs(field) ** 2, type=2, norm="ortho") * windows[0][:, None] * windows[1]
    light = fft.idctn(spectrum, type=2, norm="ortho")
    start = margin * finer
    return light[start : len(light) - start : finer, start : light.shape[1] - start : finer].astype(
        np.float32
    )


def extended(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images of all rows that they reach, (n, rows, columns), float32, each with the sum 1."""
    inner = HALF_ROWS * OVERSAMPLING
    outer = REACH * OVERSAMPLING
    distance = np.abs(np.arange(-outer, outer + 1))
    found = np.zeros((len(images), distance.size, images.shape[2]))
    found[:, outer - inner : outer + inner + 1] = images
    falling = (inner / np.maximum(distance, 1.0)) ** 2
    for side, beyond in (
        (images[:, :EDGE], slice(None, outer - inner)),
        (images[:, -EDGE:], slice(outer + inner + 1, None)),
    ):
        end = side.astype(np.float64).mean(axis=1)
        found[:, beyond] = falling[beyond][:, None] * end[:, None, :]
    found *= OVERSAMPLING**2 / found.sum(axis=(1, 2), keepdims=True)
    return found.astype(np.float32)


def soss_images() -> NDArray[np.float32]:
    """Return the images of this machine's built-in set, `extended`; they are made when there are none (some 20 s).

    Raises
    ------
    ReferenceFileError
        If the file cannot be written or read.
    """
    path = mirage_data_directory() / "niriss" / "soss_psfs" / f"builtin_{VERSION}.fits"
    if not is_usable(path, record_of(path)):
        write_recorded(path, _write, record_of(path))
    return extended(_read(path))


def _write(path: Path) -> None:
    from astropy.io import fits

    primary = fits.PrimaryHDU(build_images())
    cards: dict[str, Any] = {
        "ORIGIN": ("mirage_dask", "built-in images behind GR700XD"),
        "OVERSAMP": (OVERSAMPLING, "samples per detector pixel"),
        "WAVEMIN": (RANGE[0], "[um] first wavelength, evenly in the logarithm"),
        "WAVEMAX": (RANGE[1], "[um] last wavelength"),
    }
    for key, card in cards.items():
        primary.header[key] = card
    primary.writeto(path, overwrite=True)


def _read(path: Path) -> NDArray[np.float32]:
    from astropy.io import fits

    shape = (NODES, *(2 * half * OVERSAMPLING + 1 for half in (HALF_ROWS, HALF_COLUMNS)))
    try:
        data = fits.getdata(path)
    except (OSError, ValueError, TypeError) as error:
        raise ReferenceFileError(
            f"{path}: it cannot be read ({error}); delete it, and it is made again."
        ) from error
    if data is None or data.shape != shape or not np.isfinite(data).all():
        raise ReferenceFileError(
            f"{path}: it does not hold images of the shape {shape}; delete it, and it is made again."
        )
    return np.ascontiguousarray(data, np.float32)
