r"""When, where and how large snowballs are: a Poisson process in time, uniform on the detector.

The number of snowballs in a span of time is Poisson with mean rate x time, each falls in a frame drawn uniformly, on a
place drawn uniformly in the part of the detector that collects charge, and the radius R out to which it looks like a jump is

.. math:: N(>R) \propto R^{-2}, \quad R_0 < R < R_1: \qquad R = R_0 \big/ \sqrt{1 - u (1 - R_0^2/R_1^2)}

with u uniform in [0, 1). Sources: rate, about one in 20 s and detector, highly variable (JWST User Documentation, Shower and
Snowball Artifacts; `mirage_dask.detector.effects.SNOWBALLS`); radii are chosen, for no distribution is published.

Time is counted in frames since the start of the exposure, dropped ones and the reset frame before each integration but the
first included. It is cut into *epochs* of about `EPOCH` seconds, each with its own counters in the stream `snowballs`:
``(0xFFFFFFFF, epoch, 0, 0)`` gives the number of hits, ``(hit, epoch, 0, 0)`` each hit: word 0 the frame, 1 the row, 2 the
column, 3 the radius. So the snowballs of a long time cost a few microseconds, however short its frames are.

NOT modelled: snowballs whose middle is beyond the edge of the array; a rate that differs between detectors or dates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int64, uint32, uint64
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.particles.cosmic_rays import Collecting
from mirage_dask.detector.random.keys import Key
from mirage_dask.detector.random.philox import philox
from mirage_dask.detector.random.poisson import poisson
from mirage_dask.spec import ExposureSpec

STREAM = "snowballs"
RADII = (3.0, 25.0)
"""Least and greatest radius, pixels."""
EPOCH = 64.0
"""Seconds of an epoch, about."""

_SMALLEST = RADII[0]
_SPREAD = 1.0 - (RADII[0] / RADII[1]) ** 2


class Fall(NamedTuple):
    """How snowballs fall in an exposure."""

    key: Key
    """Of the stream `snowballs`."""
    mean: np.float32
    """Snowballs per epoch."""
    epoch: int
    """Frames of an epoch."""
    period: int
    """Frames from the start of an integration to that of the next."""
    array: Collecting

    @classmethod
    def of(cls, spec: ExposureSpec, key: Key, array: Collecting, rate: float) -> Fall:
        """Return that of an exposure.

        Parameters
        ----------
        key
            Of the stream `snowballs`.
        array
            The detector.
        rate
            Snowballs per second and detector.
        """
        epoch = max(int(EPOCH / spec.tframe), 1)
        return cls(key, np.float32(rate * epoch * spec.tframe), epoch, spec.frames_per_integration + 1, array)


class Snowballs(NamedTuple):
    """Snowballs of an exposure, in the order in which they are counted; arrays of one length."""

    integration: NDArray[np.int64]
    """From 0."""
    frame: NDArray[np.int64]
    """Frame of the integration, from 0; the last one is the reset before the next integration."""
    row: NDArray[np.float64]
    """Place on the detector: 0-based pixels, whole numbers are the middles of pixels."""
    column: NDArray[np.float64]
    radius: NDArray[np.float64]
    """R, pixels."""


@inline
def number_of_hits(fall, epoch):
    """Return how many snowballs fall in an epoch."""
    a, b, _, _ = philox(fall.key.k0, fall.key.k1, uint32(0xFFFFFFFF), epoch, 0, 0)
    return int64(poisson(f4(fall.mean), a, b))


@inline
def _uniform(word):
    """Map a word to [0, 1)."""
    return np.float64(word) * 2.0**-32


@inline
def hit_of(fall, epoch, number):
    """Return (frame since the start of the exposure, row, column, radius) of a snowball."""
    when, y, x, size = philox(fall.key.k0, fall.key.k1, uint32(number), epoch, 0, 0)
    frame = epoch * fall.epoch + int64((uint64(when) * uint64(fall.epoch)) >> uint64(32))
    array = fall.array
    row = array.first_row - 0.5 + _uniform(y) * (array.last_row - array.first_row)
    column = array.first_column - 0.5 + _uniform(x) * (array.last_column - array.first_column)
    radius = _SMALLEST / np.sqrt(1.0 - _uniform(size) * _SPREAD)
    return frame, row, column, radius


@kernel
def _count(fall, frames):
    total = 0
    for epoch in range((frames + fall.epoch - 1) // fall.epoch):
        total += number_of_hits(fall, epoch)
    return total


@kernel
def _list(fall, frames, where):
    found = 0
    for epoch in range((frames + fall.epoch - 1) // fall.epoch):
        for number in range(number_of_hits(fall, epoch)):
            frame, row, column, radius = hit_of(fall, epoch, number)
            if frame < frames:
                where[found, 0], where[found, 1], where[found, 2], where[found, 3] = (
                    frame,
                    row,
                    column,
                    radius,
                )
                found += 1
    return found


def list_snowballs(fall: Fall, integrations: int) -> Snowballs:
    """Return all snowballs of an exposure.

    Parameters
    ----------
    fall
        How they fall.
    integrations
        Of the exposure.
    """
    frames = integrations * fall.period - 1
    where = np.empty((_count(fall, frames), 4))
    found = where[: _list(fall, frames, where)]
    integration, frame = np.divmod(found[:, 0].astype(np.int64), fall.period)
    return Snowballs(integration, frame, found[:, 1], found[:, 2], found[:, 3])
