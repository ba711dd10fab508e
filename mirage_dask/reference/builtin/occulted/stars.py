r"""The image of a star near an occulting mask of a coronagraph.

The light passes the telescope's pupil with the amplitude E(u), the mask in a first image, the Lyot stop L in a second pupil,
and comes to the detector:

    F(a) = sum over u of E(u) exp(-2 pi i u.a / lambda)                            the first image
    C(u) = sum over a of (1 - t(a - m)) F(a) exp(+2 pi i u.a / lambda) da du / lambda^2
    G(u) = L(u) (E(u) - C(u))                                                      behind the Lyot stop

where t is the amplitude that the mask transmits (`mirage_dask.reference.masks.occulters`) and m the direction of its centre
as seen from the star. The image is the transform of G, as that of any star (`psf_optics`). Since 1 - t is zero beyond some
arcsec, the sums are matrix products over what the mask covers (Soummer et al. 2007, Optics Express 15, 15935), and nothing
is interpolated: the image holds for this star, at this place. What the mask takes is missing in it; of the light is left

    throughput = sum |G|^2 / sum |L E|^2.

NOT modelled: wavefront errors of the optics between mask and Lyot stop (all are before the mask), imperfect masks, the
motion of the star against the mask during the exposure (jitter blurs its image only), the size of the star.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.builtin import psf_optics as optics
from mirage_dask.reference.builtin.psf import (
    LYOT_FIELD_PIXELS,
    OVERSAMPLING,
    WINGS_PIXELS,
    blur_of,
    centred_wavefront,
    passband,
    wavelengths,
)
from mirage_dask.reference.masks.occulters import BAR_LENGTH, OCCULTERS, Occulter

SAMPLING = 3.0
"""Points of the first image in lambda over the size of the pupil: 2 would do."""
STEP = 1e-4
"""arcsec to which places of stars are rounded, so that exposures that repeat a pointing share images."""
KEPT = 64
"""Images that stay in the process, 1 MB each."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OccultedStar:
    """The image of one star."""

    library: PsfLibrary
    """Of one place."""
    throughput: float
    """Part of the light behind the Lyot stop that is left."""


def occulted_star(
    detector: str, filter: str, pupil: str, *, mask: str, x: float, y: float, place: tuple[float, float]
) -> OccultedStar:
    """Return the image of a star near a mask; about a second in a medium filter.

    Parameters
    ----------
    detector, filter, pupil
        The pupil element is a Lyot stop.
    mask
        One of `OCCULTERS`.
    x, y
        arcsec of the star from the mask's centre, along and across it.
    place
        Full-frame science pixel of the mask's centre, where the wavefront is taken.

    Raises
    ------
    ReferenceFileError
        If the bandpass is not known.
    """
    rounded = round(x / STEP) * STEP, round(y / STEP) * STEP
    return _star(detector, filter, pupil, mask, rounded, (round(place[0]), round(place[1])))


@lru_cache(maxsize=KEPT)
def _star(
    detector: str, filter: str, pupil: str, mask: str, offset: tuple[float, float], place: tuple[int, int]
) -> OccultedStar:
    facts = get_detector(detector)
    band = passband(filter, pupil, instrument=facts.instrument)
    error = _wavefront(detector, filter, pupil, place)
    field = partial(lyot_field, error, occulter=OCCULTERS[mask], offset=offset, stop=pupil)
    pixel, blur = facts.pixel_scale, blur_of(facts)
    known: dict[float, NDArray[np.complex64]] = {}

    def remembered(wavelength: float) -> NDArray[np.complex64]:
        if wavelength not in known:
            known[wavelength] = field(wavelength)
        return known[wavelength]

    waves = wavelengths(*band)
    common: dict[str, Any] = {"pixel": pixel, "blur": blur, "stop": pupil, "field": remembered}
    core = optics.images(
        error, waves, count=LYOT_FIELD_PIXELS * OVERSAMPLING, step=pixel / OVERSAMPLING, **common
    )
    passed = [_power(remembered(w)) / _power(optics.pupil_field(error, w, pupil)) for w in waves.tolist()]
    wings = optics.images(error, wavelengths(*band, density=2), count=WINGS_PIXELS, step=pixel, **common)
    one = CoreFile(core[None], OVERSAMPLING, (0.0,), (0.0,))
    return OccultedStar(PsfLibrary.from_samples(one, wings[1:-1, 1:-1]), float(np.mean(passed)))


def lyot_field(
    error: Floats, wavelength: float, *, occulter: Occulter, offset: tuple[float, float], stop: str
) -> NDArray[np.complex64]:
    """Return the amplitude behind the Lyot stop of a star near a mask, (pixels, pixels).

    Parameters
    ----------
    error
        Wavefront error, (pixels, pixels), metres.
    wavelength
        Metres.
    occulter
        The mask.
    offset
        arcsec of the star from the mask's centre, along and across it.
    stop
        The Lyot stop.
    """
    light = optics.pupil_field(error, wavelength).astype(np.complex64)
    whole, stopped = optics.pupil(len(error)), optics.stopped_pupil(len(error), stop)
    rows, columns = (optics.extent(stopped, axis) for axis in (0, 1))
    step = wavelength / (SAMPLING * optics.PUPIL_SIZE) / optics.ARCSEC
    along = _nodes(occulter.reach if occulter.slope else BAR_LENGTH / 2, step)
    across = _nodes(occulter.reach, step)
    metres = optics.coordinates(len(error)) * (optics.PUPIL_SIZE / 2)
    to_x, to_y = (
        optics.phasor(np.outer(nodes - o, metres) * (-2 * np.pi * optics.ARCSEC / wavelength)).astype(
            np.complex64
        )
        for nodes, o in ((along, offset[0]), (across, offset[1]))
    )
    measure = (step * optics.ARCSEC * optics.PUPIL_SIZE / len(error) / wavelength) ** 2
    blocked = ((1.0 - occulter.amplitude(along[None, :], across[:, None])) * measure).astype(np.float32)
    lost = to_y[:, rows].conj().T @ (blocked * (to_y @ light @ to_x.T)) @ to_x[:, columns].conj()
    box = rows, columns
    open_ = np.divide(stopped[box], whole[box], out=np.zeros(lost.shape), where=whole[box] > 0)
    out = np.zeros(error.shape, np.complex64)
    out[box] = open_ * (light[box] - lost)
    return out


@lru_cache(maxsize=16)
def _wavefront(detector: str, filter: str, pupil: str, place: tuple[int, int]) -> Floats:
    facts = get_detector(detector)
    pixel, blur, edge = facts.pixel_scale, blur_of(facts), float(facts.size - 1)
    waves = wavelengths(*passband(filter, pupil, instrument=facts.instrument))
    middle = (2 * place[0] / edge - 1, 2 * place[1] / edge - 1)
    return centred_wavefront(facts, middle, 0.0, waves, stop=pupil, pixel=pixel, blur=blur)


def _nodes(reach: float, step: float) -> Floats:
    """Return points at equal distances that cover -reach to reach, one of them at 0."""
    count = math.ceil(reach / step)
    return np.arange(-count, count + 1, dtype=np.float64) * step


def _power(field: NDArray[np.complexfloating]) -> float:
    return float((field.real**2 + field.imag**2).sum(dtype=np.float64))
