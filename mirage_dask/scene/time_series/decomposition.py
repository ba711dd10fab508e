r"""The relative light of a source, wavelengths by times, as a few products.

.. math:: f(\lambda, t) = 1 - \sum_{k=1}^{K} s_k(\lambda)\, c_k(t)

by cross approximation: of what is left of 1 - f, the row and the column through its largest value are taken off, until
nothing above `WANTED` is left (Bebendorf 2000, Numer. Math. 86, 565; with full pivoting). This bounds the largest error
rather than the mean one that singular values bound, needs one pass over the table for each product, and its sums are the
same on any machine. Inside a transit two products are enough; ingress and egress, whose moments depend on the wavelength,
need 10 to 16 of them. What is drawn of a source is K + 1 images, whatever the number of wavelengths and times, and a read of
the detector is their sum with the means of c_k over the frame.

s_k is linear between the wavelengths and constant beyond them; c_k is linear between the times and constant beyond them.
The times of a function that can be evaluated anywhere are chosen so that this holds to `TOLERANCE`: intervals are halved
until the middle of each is right. The error that is stated is the largest difference between f and the products, at all
wavelengths, and at all times and the middles between them; a mean over a frame is at least as good.

NOT modelled: what changes between the times of a given table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOLERANCE = 1e-7
"""Of the light, between times."""
WANTED = 7e-7
"""Error of the sum at the given times."""
MOST = 24
"""Products."""
COARSE = 257
"""Times to begin with."""
SHORTEST = 0.05
"""Seconds between times, at least."""
MOST_TIMES = 65_536
LOOKS = 1000
"""Wavelengths at which times are chosen, at most."""


@dataclass(frozen=True, eq=False)
class RelativeLight:
    """Light of a source by wavelength and time, over that before anything happens."""

    wavelength: Floats
    """(L,) micron, rising."""
    times: Floats
    """(T,) seconds since the start of the first integration, rising."""
    shapes: Floats
    """(K, L) s_k."""
    courses: Floats
    """(K, T) c_k, of the order of 1."""
    error: float
    """Largest difference from what it was made of."""

    def at(self, wavelength: Floats) -> Floats:
        """Return s_k at other wavelengths, (K, n)."""
        found = np.empty((len(self.shapes), len(wavelength)))
        for row, shape in zip(found, self.shapes, strict=True):
            row[:] = np.interp(wavelength, self.wavelength, shape)
        return found

    def light(self, wavelength: Floats, times: Floats) -> Floats:
        """Return f, (wavelengths, times): what is simulated at these moments."""
        courses = [np.interp(times, self.times, row) for row in self.courses]
        found = np.ones((len(wavelength), len(times)))
        for shape, course in zip(self.at(wavelength), courses, strict=True):
            found -= shape[:, None] * course
        return found


def decompose(wavelength: Floats, times: Floats, light: Floats) -> RelativeLight:
    """Return a given table of relative light as products.

    Parameters
    ----------
    wavelength, times
        (L,) micron and (T,) seconds, rising.
    light
        (L, T)
    """
    left = 1.0 - light
    shapes: list[Floats] = []
    courses: list[Floats] = []
    while len(shapes) < MOST:
        i, j = np.unravel_index(np.abs(left).argmax(), left.shape)
        if not abs(left[i, j]) > WANTED:
            break
        shapes.append(left[:, j].copy())
        courses.append(left[i] / left[i, j])
        left -= shapes[-1][:, None] * courses[-1]
    return RelativeLight(
        wavelength,
        times,
        np.array(shapes).reshape(len(shapes), wavelength.size),
        np.array(courses).reshape(len(courses), times.size),
        float(np.abs(left).max(initial=0.0)),
    )


def decompose_function(
    wavelength: Floats, light: Callable[[Floats, NDArray[np.intp]], Floats], seconds: float
) -> RelativeLight:
    """Return relative light that can be evaluated anywhere as products.

    Parameters
    ----------
    wavelength
        (L,) micron, rising.
    light
        (times, numbers of wavelengths) -> (wavelengths, times).
    seconds
        Of the exposure: times from 0 to there.
    """
    rows = np.arange(wavelength.size)
    looks = np.unique(
        np.linspace(0, wavelength.size - 1, min(LOOKS, wavelength.size)).round().astype(np.intp)
    )
    times = _times(lambda at: light(at, looks), seconds)
    middles = 0.5 * (times[1:] + times[:-1])
    found = decompose(wavelength, times, light(times, rows))
    between = np.abs(found.light(wavelength, middles) - light(middles, rows)).max(initial=0.0)
    return RelativeLight(wavelength, times, found.shapes, found.courses, max(found.error, float(between)))


def _times(light: Callable[[Floats], Floats], seconds: float) -> Floats:
    """Return times between which straight lines are right to `TOLERANCE`."""
    times = np.linspace(0.0, seconds, COARSE)
    values = light(times)
    open_ = np.ones(times.size - 1, bool)
    """Intervals that have not been looked at."""
    while open_.any() and times.size < MOST_TIMES:
        at = np.flatnonzero(open_)
        middle = 0.5 * (times[at] + times[at + 1])
        true = light(middle)
        bad = np.abs(0.5 * (values[:, at] + values[:, at + 1]) - true).max(axis=0) > TOLERANCE
        bad &= times[at + 1] - times[at] > 2.0 * SHORTEST
        at, middle, true = at[bad], middle[bad], true[:, bad]
        open_[:] = False
        times = np.insert(times, at + 1, middle)
        values = np.insert(values, at + 1, true, axis=1)
        halves = np.zeros(times.size - 1, bool)
        first = at + np.arange(at.size)
        halves[first], halves[first + 1] = True, True
        open_ = halves
    return times
