r"""A JWST-like telescope: pupil, wavefront and point spread functions.

What is modelled
----------------
- The pupil: 18 hexagonal segments, 1.309 m between flats and 8.5 mm apart (6.6 m over the corners of the outer
  ring), the missing central segment, in front of which the secondary mirror is, and the three struts, 0.12 m wide,
  one of them vertical. Drawn by poppy. Dimensions: JWST pupil drawings as tabulated in stpsf (124fc9e,
  constants.py). The hexagons cause six bright spikes, the vertical strut two faint horizontal ones; those of the
  other struts coincide with the hexagons'.
- Stops of the pupil wheel of NIRISS. CLEARP: inside of 7.11 m, a disk of 1.016 m radius and three vanes 0.339 m
  wide, one of them along +V2, are dark (39, 42, 6 and 2 mm of the holder's drawing 196847, scaled so that 39 mm
  are 6.603 m; stpsf, optics.py). NRM: seven hexagonal holes (`mirage_dask.reference.builtin.stops.nrm`).
- The Lyot stops of NIRCam: `mirage_dask.reference.masks.lyot_stops`.
- The wavefront error, deterministic by names: residual piston, tip and tilt of each segment (48 nm rms) and polishing
  errors of middle spatial frequency (52 nm rms, power falling as frequency^-3 from 5 cycles over the pupil on), one
  telescope for all detectors; low-order Zernike terms of the instrument (one set for each detector), which make up
  the total of the table of detectors; and a part of defocus, astigmatism and coma that is linear in the position on
  the detector. The split is chosen such that the encircled energy of NIRCam agrees with that of stpsf with a
  wavefront measured in flight (below). It is typical, not the measurement of one day.
- The blur of one exposure: pointing jitter (Gaussian, 0.8 mas in each axis: in flight, stpsf, constants.py) and charge
  diffusion (Gaussian, from the table of detectors), in addition the exact integral over the square pixel.
- The bandpass: a box, equal photons at a few wavelengths.

The equation
------------
With the pupil field E = A exp(2 pi i W / lambda), the light per solid angle at the angle theta is

    I(theta) = | sum over x of E(x) exp(-2 pi i x . theta / lambda) |^2  dx^2 / (lambda^2 sum A^2)

which integrates to 1 over an infinite field. The sum is a matrix product for any grid of angles (Soummer et al.
2007, Optics Express 15, 15935). The grid is fine enough for the highest frequency in I (a sample for lambda / 2 D),
so that pixel and blur, multiplications by sinc(f p) and exp(-2 pi^2 sigma^2 f^2), are exact too: no light is lost
between samples.

Encircled energy within 0.1, 0.2 and 0.3 arcsec, without pixel and IPC, mean of all detectors, and in brackets that of
stpsf with a flight wavefront (JWST User Documentation, NIRCam Point Spread Functions, table "ETCv2"):

    F090W   0.742 0.835 0.887 (0.755 0.835 0.889)      F200W   0.695 0.835 0.878 (0.701 0.832 0.875)
    F115W   0.770 0.844 0.887 (0.776 0.844 0.882)      F277W   0.671 0.823 0.853 (0.677 0.823 0.850)
    F150W   0.766 0.845 0.882 (0.750 0.839 0.878)      F444W   0.552 0.701 0.823 (0.557 0.703 0.822)

Not modelled: geometric distortion and rotation of the PSF (1.2 degrees for GUIDER1, below 1 for the others), IPC (the
ramp kernel applies it), ghosts and scattered light beyond diffraction, the day-to-day change of the segments, the
spectrum of the star.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mirage_dask.instruments import LYOT_STOPS, transmission
from mirage_dask.reference.builtin.stops import nrm
from mirage_dask.reference.builtin.streams import stream
from mirage_dask.reference.masks.lyot_stops import lyot_stop

PUPIL_PIXELS = 512
PUPIL_SIZE = 6.64
"""Metres spanned by the pupil array."""
SEGMENT_FLAT_TO_FLAT, SEGMENT_GAP = 1.309, 0.0085
STRUT_ANGLES = (0.0, 150.0, 210.0)
"""Degrees counter-clockwise from +y."""
STRUT_WIDTHS = (0.1189, 0.1224, 0.1224)
CLEARP_RADIUS, CLEARP_DISK, CLEARP_VANE = (mm * 6.603464 / 39.0 for mm in (21.0, 6.0, 2.0))
"""Metres on the primary mirror."""
JITTER = 0.0008
"""arcsec, 1 sigma in each axis; typical in flight (stpsf, constants.py)."""
ARCSEC = np.pi / 180 / 3600

SEGMENTS, POLISH = 48e-9, 52e-9
"""Wavefront error of the telescope, m rms: of its segments as a whole, and of middle spatial frequency. Chosen: within
60 to 80 nm rms together (observatory in flight, JWST User Documentation), split by the encircled energy of NIRCam."""
POLISH_SLOPE, POLISH_CYCLES = -3.0, (5, 90)
"""Power of the polishing error over spatial frequency, and its range in cycles over the pupil; chosen likewise."""
FIELD = 0.23
"""Change of the wavefront from the middle to an edge of the detector, relative to the total error; chosen."""
_WEIGHTS = np.array([1.0, 1.0, 1.0, 0.15, 0.15, 0.4, 0.4, 0.4])
# Defocus, astigmatism (2), coma (2), trefoil (2), spherical. Little coma: telescope and cameras are aligned to remove
# it, and it would make every way of measuring a centre give another answer.


_LOCK = threading.RLock()
"""Libraries are built in several threads: shared arrays are computed by one thread while the others wait."""


def pupil(pixels: int = PUPIL_PIXELS) -> NDArray[np.float64]:
    """Return the transmission of the pupil, (pixels, pixels), 0 to 1, grey at the edges; drawn by poppy once per process."""
    with _LOCK:
        return _pupil(pixels)


@cache
def _pupil(pixels: int) -> NDArray[np.float64]:
    import poppy  # slow to import, and only builders need it
    from astropy import units

    segments = poppy.MultiHexagonAperture(
        rings=2, flattoflat=SEGMENT_FLAT_TO_FLAT * units.m, gap=SEGMENT_GAP * units.m, center=False
    )
    struts = poppy.AsymmetricSecondaryObscuration(
        secondary_radius=0.3 * units.m,
        support_angle=STRUT_ANGLES,
        support_width=np.array(STRUT_WIDTHS) * units.m,
    )
    fine = poppy.CompoundAnalyticOptic([segments, struts]).sample(npix=2 * pixels, grid_size=PUPIL_SIZE)
    grey = np.asarray(fine, dtype=np.float64).reshape(pixels, 2, pixels, 2).mean(axis=(1, 3))
    grey.flags.writeable = False
    return grey


def stopped_pupil(pixels: int = PUPIL_PIXELS, stop: str = "") -> NDArray[np.float64]:
    """Return the transmission of the pupil with one of `STOPS` or a Lyot stop, (pixels, pixels); '' for the telescope's."""
    if not stop:
        return pupil(pixels)
    with _LOCK:
        return _stopped(pixels, stop)


@cache
def _stopped(pixels: int, stop: str) -> NDArray[np.float64]:
    # Drawn at four times the sampling, grey at the edges.
    if stop in LYOT_STOPS:
        grey = pupil(pixels) * lyot_stop(stop, pupil(pixels), PUPIL_SIZE / pixels)
        grey.flags.writeable = False
        return grey
    axis = (np.arange(4 * pixels) - (4 * pixels - 1) / 2) * PUPIL_SIZE / (4 * pixels)
    fine = STOPS[stop](axis[None, :], axis[:, None]).astype(np.float64)
    grey = pupil(pixels) * fine.reshape(pixels, 4, pixels, 4).mean(axis=(1, 3))
    grey.flags.writeable = False
    return grey


def _clearp(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    radius = np.hypot(x, y)
    open_ = (radius > CLEARP_DISK) & (radius < CLEARP_RADIUS)
    for angle in np.radians((60.0, 180.0, 300.0)):
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        open_ &= ~((along > 0) & (np.abs(across) < CLEARP_VANE / 2))
    return open_


STOPS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]] = {
    "CLEARP": _clearp,
    "NRM": nrm.transmitted,
}
"""Open area of each stop in the pupil wheel of NIRISS, as a function of (x, y) in metres on the primary mirror."""


def throughput(stop: str) -> float:
    """Return the throughput of a stop relative to its zero points."""
    return transmission("NRCA5" if stop in LYOT_STOPS else "NIS", stop)


def light(pixels: int, stop: str) -> float:
    """Return the light that is normalised to 1: the transmitted light, divided by the throughput relative to zero points."""
    return float((stopped_pupil(pixels, stop) ** 2).sum()) / throughput(stop)


@cache
def coordinates(pixels: int = PUPIL_PIXELS) -> NDArray[np.float64]:
    """Return the pupil coordinate of the pixel centres along one axis, in units of the pupil's half width."""
    axis = (np.arange(pixels) - (pixels - 1) / 2) * 2 / pixels
    axis.flags.writeable = False
    return axis


@cache
def _telescope() -> NDArray[np.float64]:
    """Return the wavefront error common to all detectors, metres: segments and polishing."""
    transmission, axis = pupil(), coordinates()
    x, y = axis[None, :], axis[:, None]
    random = stream("psf", "telescope")

    spacing = (SEGMENT_FLAT_TO_FLAT + SEGMENT_GAP) * 2 / PUPIL_SIZE
    # Two rings of a hexagonal lattice whose first neighbour is straight up, without the centre.
    steps = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if 0 < max(abs(i), abs(j), abs(i + j)) <= 2]
    centres = [(spacing * np.sqrt(0.75) * i, spacing * (j + i / 2)) for i, j in steps]
    nearest = np.argmin([(x - cx) ** 2 + (y - cy) ** 2 for cx, cy in centres], axis=0)
    segments = np.zeros_like(transmission)
    for index, (cx, cy) in enumerate(centres):
        piston, tip, tilt = random.standard_normal(3) * (1.0, 4.0, 4.0)
        segments += np.where(nearest == index, piston + tip * (x - cx) + tilt * (y - cy), 0.0)

    # Polishing: white noise shaped to its power.
    frequency = np.hypot(*np.meshgrid(*[fft.fftfreq(PUPIL_PIXELS, 1 / PUPIL_PIXELS)] * 2))
    low, high = POLISH_CYCLES
    inside = (frequency >= low) & (frequency <= high)
    shape = np.where(inside, np.maximum(frequency, 1.0) ** (POLISH_SLOPE / 2), 0.0)
    noise = random.standard_normal(transmission.shape)
    polish = fft.ifft2(fft.fft2(noise) * shape).real
    both = _scaled(segments, SEGMENTS) + _scaled(polish, POLISH)
    return _scaled(both - _mean(both), math.hypot(SEGMENTS, POLISH))


@cache
def _zernikes() -> NDArray[np.float64]:
    """Return Noll terms 4 to 11 (defocus, astigmatism, coma, trefoil, spherical), (8, pixels, pixels)."""
    from poppy import zernike

    axis = coordinates()
    radius, angle = np.hypot(axis[None, :], axis[:, None]), np.arctan2(axis[:, None], axis[None, :])
    # poppy sets terms to zero outside the unit circle, and the corners of the outer ring touch it.
    terms = [
        zernike.zernike(*zernike.noll_indices(j), rho=radius, theta=angle, outside=0.0) for j in range(4, 12)
    ]
    return np.array(terms)


def wavefront(detector: str, rms: float, *, field: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """Return the wavefront error of a detector at a position of its field.

    Parameters
    ----------
    detector
        Detector with its optical path, 'NRCB5'.
    rms
        Wavefront error in the middle of the field, telescope and instrument together, m; at least the telescope's.
    field
        (x, y) on the detector, -1 to 1 from edge to edge.

    Returns
    -------
    (pixels, pixels) metres; piston removed.
    """
    random = stream("psf", "instrument", detector)
    with _LOCK:
        terms, telescope = _zernikes(), _telescope()
    fixed = np.tensordot(random.standard_normal(len(terms)) * _WEIGHTS, terms, axes=1)
    slopes = random.standard_normal((2, 5))
    varying = [np.tensordot(s * _WEIGHTS[:5], terms[:5], axes=1) for s in slopes]
    instrument = _scaled(fixed - _mean(fixed), 1.0)
    # The instrument's part is whatever makes the total right: |telescope + a instrument| = rms.
    common = _mean(telescope * instrument)
    part = math.sqrt(max(rms**2 - _rms(telescope) ** 2 + common**2, 0.0)) - common
    total = telescope + part * instrument
    total = total + sum(f * _scaled(v, FIELD * rms) for f, v in zip(field, varying, strict=True))
    return total - _mean(total)


def defocus(waves: float, *, wavelength: float = 2.12e-6) -> NDArray[np.float64]:
    """Return the wavefront of a weak lens: `waves` from peak to valley over the pupil at `wavelength`, metres."""
    with _LOCK:
        return waves * wavelength * _zernikes()[0] / (2 * np.sqrt(3))


def images(
    error: NDArray[np.float64],
    wavelengths: NDArray[np.float64],
    *,
    count: int,
    step: float,
    pixel: float,
    blur: float,
    stop: str = "",
    field: Callable[[float], NDArray[np.complexfloating]] | None = None,
) -> NDArray[np.float64]:
    """Return the light of a star in pixels whose centres form a square grid around it, mean over the wavelengths.

    Parameters
    ----------
    error
        Wavefront error, (pixels, pixels), metres.
    wavelengths
        Metres.
    count, step
        Samples along a side and their distance, arcsec. The star is in the middle: between two samples if `count`
        is even.
    pixel
        Side of a pixel, arcsec: every sample is the integral over one pixel.
    blur
        1 sigma of the Gaussian blur in each axis, arcsec.
    stop
        One of `STOPS` or a Lyot stop in the pupil wheel; '' for none.
    field
        Returns the amplitude in the last pupil, (pixels, pixels), of a wavelength in metres; default that of the wavefront
        behind the stop.

    Returns
    -------
    (count, count) float64: fractions of the light to which the zero points refer: with NRM about a fifth.
    """
    finer = math.ceil(step * 2 * PUPIL_SIZE * ARCSEC / float(np.min(wavelengths)))
    # The blur uses mirrored edges, which affect the margin only.
    margin = math.ceil(3 * pixel / step) * finer
    n = (count - 1) * finer + 1 + 2 * margin
    spacing = step / finer
    angles = (np.arange(n) - (n - 1) / 2) * (spacing * ARCSEC)
    metres = coordinates(len(error)) * (PUPIL_SIZE / 2)
    measure = (PUPIL_SIZE / len(error)) ** 2 * (pixel * ARCSEC) ** 2 / light(len(error), stop)
    intensity = np.zeros((n, n))
    for wavelength in np.asarray(wavelengths, dtype=np.float64):
        seen = pupil_field(error, float(wavelength), stop) if field is None else field(float(wavelength))
        rows = columns = slice(None)
        if stop in LYOT_STOPS:  # which leave the middle only
            rows, columns = (extent(seen, axis) for axis in (0, 1))
        from_y, from_x = (
            phasor(np.outer(angles, metres[part]) * (-2 * np.pi / wavelength)).astype(seen.dtype, copy=False)
            for part in (rows, columns)
        )
        image = from_y @ seen[rows, columns] @ from_x.T
        intensity += (image.real**2 + image.imag**2) * (measure / wavelength**2)
    frequency = np.arange(n) / (2 * n * spacing)
    window = np.sinc(frequency * pixel) * np.exp(-2 * (np.pi * blur * frequency) ** 2)
    spectrum = fft.dctn(intensity, type=2, norm="ortho", overwrite_x=True)
    smooth = fft.idctn(spectrum * window * window[:, None], type=2, norm="ortho", overwrite_x=True)
    return smooth[margin : n - margin : finer, margin : n - margin : finer] / len(wavelengths)


def centred(
    error: NDArray[np.float64],
    wavelengths: NDArray[np.float64],
    *,
    pixel: float,
    blur: float,
    stop: str = "",
) -> NDArray[np.float64]:
    """Return the wavefront with the tilt that centres the star's light on the origin.

    A PSF with coma has no unique centre. This one is the first moment inside an iterated Gaussian window of twice the
    core's width: within 0.01 pixel of a centroid over the core, and 0.03 of one over 11 x 11 pixels.
    Parameters as for `images`.
    """
    # Width of the pixel-integrated core: diffraction (FWHM 1.03 lambda / D), pixel and blur.
    diffraction = 0.44 * float(np.mean(wavelengths)) / (6.5 * ARCSEC)
    width = 2.0 * math.sqrt(diffraction**2 + pixel**2 / 12 + blur**2)
    step = width / 5
    image = images(error, wavelengths, count=51, step=step, pixel=pixel, blur=blur, stop=stop)
    grid = (np.arange(51) - 25) * step
    x = y = 0.0
    for _ in range(50):
        light = image * np.exp(-0.5 * (((grid - x) / width) ** 2 + ((grid[:, None] - y) / width) ** 2))
        dx, dy = ((light.sum(axis=axis) @ grid) / light.sum() - c for axis, c in ((0, x), (1, y)))
        x, y = x + float(dx), y + float(dy)
        if max(abs(dx), abs(dy)) < 1e-4 * pixel:
            break
    axis = coordinates(len(error)) * (ARCSEC * PUPIL_SIZE / 2)
    return error - x * axis[None, :] - y * axis[:, None]


def extent(values: NDArray[Any], axis: int) -> slice:
    """Return the part of an axis of a plane from the first to the last place at which anything is not 0."""
    places = np.flatnonzero(values.any(axis=1 - axis))
    return slice(int(places[0]), int(places[-1]) + 1)


def pupil_field(error: NDArray[np.float64], wavelength: float, stop: str = "") -> NDArray[np.complex128]:
    """Return the amplitude of the light of a star in the pupil, (pixels, pixels), behind a stop.

    Parameters are those of `images`, the wavelength in metres.
    """
    return stopped_pupil(len(error), stop) * phasor(error * (2 * np.pi / wavelength))


def phasor(phase: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return exp(i phase) without the slow complex exponential."""
    out = np.empty(phase.shape, dtype=np.complex128)
    np.cos(phase, out=out.real)
    np.sin(phase, out=out.imag)
    return out


def _mean(values: NDArray[np.float64]) -> float:
    weights = pupil(len(values))
    return float((values * weights).sum() / weights.sum())


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(_mean((values - _mean(values)) ** 2)))


def _scaled(values: NDArray[np.float64], rms: float) -> NDArray[np.float64]:
    return values * (rms / _rms(values))
