"""Galaxies: a Sersic galaxy too small to be seen as one has the image of a star of its magnitude, at any radius."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from measure import Measurement

from mirage_dask.spec import Window
from truth.exposures import GALAXY_RADIUS, STAR_ON, simulate, spec_of
from truth.references import attempt

RADII = (1, 2, 3, 5, 10, 20, 50, 100)
"""Half widths of squares around the middle, pixels."""
TOLERANCE = 0.002


def measure_galaxies() -> Iterator[Measurement]:
    """Yield, for each square, the light of the galaxy over that of the star."""
    for radius in RADII:
        value, note = attempt(lambda r=radius: light("galaxy")[r] / light("point_source")[r])
        yield Measurement(
            f'galaxy of {GALAXY_RADIUS}" over star, square of {2 * radius + 1} pixels', value, "",
            reference=1.0, tolerance=TOLERANCE, relative=True, note=note or "by definition",
        )  # fmt: skip


@cache
def light(kind: str) -> dict[int, float]:
    """Return the electrons per second in squares around the source of a layer of light."""
    spec = spec_of(STAR_ON)
    layers = tuple(layer for layer in spec.layers if layer[0] == kind)
    if not layers:
        raise LookupError(f"the exposure has no layer {kind!r}")
    middle, most = 1024, max(RADII) + 5
    side = (middle - most, middle + most + 1)
    seed = simulate(replace(spec, layers=layers), "seed", Window((0, 1), (0, 1), side, side)).astype(float)
    y, x = brightest()
    return {r: float(seed[y - r : y + r + 1, x - r : x + r + 1].sum()) for r in RADII}


@cache
def brightest() -> tuple[int, int]:
    """Return row and column of the star's brightest pixel in the window."""
    spec = spec_of(STAR_ON)
    layers = tuple(layer for layer in spec.layers if layer[0] == "point_source")
    middle, most = 1024, max(RADII) + 5
    side = (middle - most, middle + most + 1)
    seed = simulate(replace(spec, layers=layers), "seed", Window((0, 1), (0, 1), side, side))
    y, x = np.unravel_index(int(seed.argmax()), seed.shape)
    return int(y), int(x)
