"""Galaxies: one of 0.004" has, at any radius, the light of as many stars spread as its own light is.

In the middle of a sharp image such a galaxy is not a star: half of its light lies within 0.13 pixel of NIRCam's short
channel, which takes 1.4 % out of the brightest nine pixels. The stars know nothing of Fourier transforms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from measure import Measurement
from numpy.typing import NDArray

from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.plan import Plan
from truth.exposures import GALAXY_RADIUS, STAR_ON, STARS, plan_of
from truth.references import attempt

RADII = (1, 2, 3, 5, 10, 20, 50, 100)
"""Half widths of squares around the middle, pixels."""
TOLERANCE = 0.002


def measure_galaxies() -> Iterator[Measurement]:
    """Yield, for each square, the light of the galaxy over that of a star; the reference is that of the stars."""
    for radius in RADII:
        value, note = attempt(lambda r=radius: light("NIRCAM", "galaxy")[r] / star()[r])
        expected, why = attempt(lambda r=radius: light("cluster", "point_source")[r] / STARS / star()[r])
        yield Measurement(
            f'galaxy of {GALAXY_RADIUS}" over star, square of {2 * radius + 1} pixels', value, "",
            reference=expected, tolerance=TOLERANCE, relative=True,
            note=note or why or f"{STARS} stars, spread as its light is",
        )  # fmt: skip


def star() -> dict[int, float]:
    """Return the electrons per second of one star in squares around it."""
    return light("NIRCAM", "point_source")


@cache
def light(plan: str, kind: str) -> dict[int, float]:
    """Return the electrons per second of a layer of light in squares around the brightest pixel of the star."""
    seed = image(plan, kind).astype(float)
    y, x = np.unravel_index(int(image("NIRCAM", "point_source").argmax()), seed.shape)
    return {r: float(seed[y - r : y + r + 1, x - r : x + r + 1].sum()) for r in RADII}


@cache
def image(plan: str, kind: str) -> NDArray[np.floating]:
    """Return a layer of light in the middle of the detector, electrons per second."""
    found, spec = detector_of(plan_of(plan))
    layers = tuple(layer for layer in spec.layers if layer[0] == kind)
    if not layers:
        raise LookupError(f"the exposure has no layer {kind!r}")
    middle, most = 1024, max(RADII) + 5
    side = (middle - most, middle + most + 1)
    window = Window((0, 1), (0, 1), side, side)
    spec = replace(spec, layers=layers)
    return simulate_window(spec, open_references(spec, str(found.url)), window, want=["seed"])["seed"]


def detector_of(plan: Plan) -> tuple[Plan, ExposureSpec]:
    """Return a plan with the exposure in whose middle the sources are."""
    return plan, next(spec for spec in map(plan.spec, range(len(plan))) if spec.detector == STAR_ON)
