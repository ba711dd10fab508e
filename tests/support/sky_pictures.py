"""Small pictures of the sky: a Gaussian of known place and width, with a WCS, as FITS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS


def gaussian(shape: tuple[int, int], x: float, y: float, sigma: float) -> np.ndarray:
    """A round Gaussian of the sum 1 at 0-based pixels x, y."""
    j, i = np.indices(shape)
    light = np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * sigma**2))
    return (light / light.sum()).astype(np.float32)


def wcs(
    ra: float,
    dec: float,
    *,
    scale: float,
    crpix: tuple[float, float],
    turn: float = 0.0,
    mirror: bool = False,
) -> WCS:
    """A tangent-plane WCS: `scale` arcsec per pixel, y at the position angle `turn`, CRPIX from 1."""
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    made.wcs.crval = [ra, dec]
    made.wcs.crpix = crpix
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    side = 1.0 if mirror else -1.0
    made.wcs.cd = np.array([[side * c, s], [-side * s, c]]) * scale / 3600.0
    return made


def write_fits(path: Path, values: np.ndarray, header: object = None, **keywords: object) -> Path:
    """Write an image with a header and further keywords; return its path."""
    found = (
        fits.Header() if header is None else header.to_header() if isinstance(header, WCS) else header.copy()
    )
    found.update(keywords)
    fits.PrimaryHDU(values, header=found).writeto(path, overwrite=True)
    return path


def centre(image: np.ndarray, *, above: float = 0.0) -> tuple[float, float]:
    """x and y of the centre of light."""
    light = np.where(image > above * image.max(), image, 0.0).astype(np.float64)
    j, i = np.indices(image.shape)
    return float((light * i).sum() / light.sum()), float((light * j).sum() / light.sum())
