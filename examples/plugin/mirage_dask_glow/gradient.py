"""Stray light that rises evenly across the detector, from 0 at the corner where it is faintest.

    rate(x, y) = slope / 1000 (x cos(angle) + y sin(angle) - smallest)     [e-/s in a pixel of mean area]

Its key holds the two numbers: no table is needed.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

SIDE = 2048
"""Pixels."""


def plan_gradient(row, pack, attitude, parameters, folder) -> str:
    """Return the key of the light of an exposure: a `PlanFunction`."""
    if not parameters["slope"]:
        return ""
    return f"{parameters['slope']!r}_{parameters['angle']!r}"


@dataclass(frozen=True)
class Gradient:
    """The light of one exposure: a `StaticLayer`."""

    kind: ClassVar[str] = "stray_light"
    varying: ClassVar[bool] = False
    slope: float
    angle: float

    @classmethod
    def open(cls, key, view):
        """Read it from its key."""
        slope, angle = map(float, key.split("_"))
        return cls(slope, math.radians(angle))

    def add(self, out, *, x0, y0, area):
        """Add it to a window (y, x), first pixel (x0, y0) of the full frame; `area` is the relative area of pixels."""
        along_x, along_y = math.cos(self.angle), math.sin(self.angle)
        smallest = (SIDE - 1) * (min(along_x, 0.0) + min(along_y, 0.0))
        y, x = np.mgrid[y0 : y0 + out.shape[0], x0 : x0 + out.shape[1]]
        light = (self.slope / 1000 * (x * along_x + y * along_y - smallest)).astype(np.float32)
        out += light if area is None else light * area
