"""Point spread functions and elements of the wheels.

Encircled energy is measured on the PSF library that stars are drawn with, in the middle of NRCB1 or NRCB5. The reference has
neither pixel nor charge diffusion, of which the library has both; so the spectrum P of its samples is divided by theirs, and

    EE(r) = sum over f of P(f) / (sinc(fx p) sinc(fy p) exp(-2 pi^2 s^2 f^2)) r J1(2 pi r f) / f  df^2

is summed where they leave more than `LEAST` of the light's spectrum: within 0.001 of what the optics' transfer function
gives. IPC is not in a library; jitter stays in.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from measure import Measurement
from numpy.typing import NDArray
from scipy import fft, special

from mirage_dask.instruments import get_detector, transmission
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.builtin import psf
from mirage_dask.reference.sources import BUILTIN, psf_library
from truth.references import judge, judge_item, references

DETECTORS = dict.fromkeys(("F277W", "F444W"), "NRCB5")
"""By filter; of the others NRCB1."""
FIELD = 3.0
"""arcsec, side of the square in which the light is summed."""
SAMPLES = 4
"""Per pixel."""
LEAST = 0.01


def measure_optics() -> Iterator[Measurement]:
    """Yield the rows of encircled energy, weak lenses and the aperture mask."""
    for item in references()["encircled energy"]:
        filter, radius = item.rstrip('"').split()
        yield judge_item("encircled energy", item, lambda f=filter, r=radius: energy(f)[float(r)])
    for item, reference in references()["weak lens"].items():
        module, lens = item.split()
        yield judge(f"weak lens {lens}, module {module}", reference, lambda name=lens: psf.WEAK_LENSES[name])
    reference = references()["transmission"]["NRM"]
    yield judge("transmission of the aperture mask of NIRISS", reference, lambda: transmission("NIS", "NRM"))


@cache
def library(detector: str, filter: str) -> PsfLibrary:
    """Return the PSF library of a detector and filter, built if the cache has none."""
    files, _ = psf_library((BUILTIN,), detector=detector, filter=filter, pupil="CLEAR")
    return PsfLibrary.from_fits(files.core, files.wings)


@cache
def energy(filter: str) -> dict[float, float]:
    """Return the fraction of a star's light within circles by their radius, arcsec."""
    detector = DETECTORS.get(filter, "NRCB1")
    pixel, middle = get_detector(detector).pixel_scale, (get_detector(detector).size - 1) / 2
    count = 2 * round(FIELD / pixel * SAMPLES / 2)
    offset = (np.arange(count) - (count - 1) / 2) / SAMPLES
    x, y = np.meshgrid(middle + offset, middle + offset)
    light = library(detector, filter).evaluate(x, y, middle, middle) / SAMPLES**2
    radii = sorted({float(item.rstrip('"').split()[1]) for item in references()["encircled energy"]})
    blur = get_detector(detector).charge_diffusion
    found = encircled(light, np.array(radii), step=pixel / SAMPLES, pixel=pixel, blur=blur)
    return dict(zip(radii, found, strict=True))


def encircled(
    light: NDArray[np.float64], radii: NDArray[np.float64], *, step: float, pixel: float, blur: float
) -> NDArray[np.float64]:
    """Return the light within circles around the middle of a square of samples, without the pixel and the blur in them.

    Parameters
    ----------
    light
        (n, n), fractions of the light per sample; their middle is between the samples.
    radii
        Of the circles, arcsec.
    step, pixel, blur
        Distance of the samples, side of the pixel, 1 sigma of the Gaussian blur, arcsec.
    """
    n = len(light)
    f = fft.fftfreq(n, step)
    shift = np.exp(1j * np.pi * f * step * (n - 1))  # the middle is the origin
    spectrum = (fft.fft2(light) * shift * shift[:, None]).real
    window = np.sinc(f * pixel) * np.exp(-2 * (np.pi * blur * f) ** 2)
    left = window * window[:, None]
    sharp = np.divide(spectrum, left, out=np.zeros_like(spectrum), where=np.abs(left) > LEAST)
    k = np.hypot(f, f[:, None])
    k[0, 0] = 1e-9
    area = 1 / (n * step) ** 2
    return np.array([(sharp * r * special.j1(2 * np.pi * r * k) / k).sum() * area for r in radii])
