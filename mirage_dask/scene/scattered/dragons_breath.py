r"""Dragon's breath on a detector: light of a star just outside of it (type I) or 12" outside of its neighbour (type II).

**Type I**: a star d outside of an edge sends

.. math:: F = a f_1 w(d) S, \quad w = (1 - (d / D - 1)^2)^2 \text{ for } 0 < d < 2 D, \quad D = 1.9''

with S its light, f_1 0.015 in the long-wavelength channel and 0.004 in the short one, and a the factor of the settings. Half
of it falls within 50 pixels of the edge, the rest in two streaks that reach 225 pixels, 15 degrees to either side.

**Type II** (short-wavelength channel): a star d outside of the outer edge of NRCB1 (NRCA2) sends a f_2 w(d) S, f_2 = 0.02,
into a glint 6" wide along V2, turned by 3 degrees, of which 45" lie on NRCB3 (NRCA4) and 10" on NRCB1 (NRCA2), each with its
part of the light; w is that above for 8" < d < 16".

Figures: JWST User Documentation, NIRCam Scattered Light Artifacts (1.9", 1.5 %, 0.4 %, 200 to 250 and 50 pixels; 12", 2 %,
6" x 45" and 10", 3 degrees). The dependence on d, the form of the streaks and their shares are chosen.

NOT modelled: peak pixels of up to 0.75 % of the star in the long-wavelength channel; zones along the edges from which there
is none; the linear feature of type II that points at the star, the shadow in its glint, the fainter glint of NRCA1; light of
galaxies.
"""

from __future__ import annotations

import numpy as np

from mirage_dask.scene.scattered.streaks import Streaks

DISTANCE = 1.9
"""Of a star from the edge where type I is strongest, arcsec."""
LIGHT = {"SHORT": 0.004, "LONG": 0.015}
"""Part of the light of such a star that type I has, by channel."""
NEAR_EDGE = 0.5
"""Part of it near the edge."""
NEAR_DEPTH = 50.0
"""How far that reaches, pixels."""
NEAR_WIDTH = 40.0
"""Its half width, pixels."""
DEPTH = 225.0
"""How far the rest reaches, pixels."""
WIDTH = 30.0
"""Half width of each of its two streaks, pixels."""
ANGLE_COS, ANGLE_SIN = 0.9659258262890683, 0.25881904510252074
"""Of 15 degrees, by which they turn to either side."""

SOURCES = {"NRCB1": "NRCB3", "NRCA2": "NRCA4"}
"""Detector outside of whose edge a star of type II is, and the one behind it that has the glint."""
OUTSIDE = 12.0
"""Of a star from the edge where type II is strongest, arcsec."""
OUTSIDE_RANGE = 4.0
"""By how much more or less there is some, arcsec."""
GLINT_LIGHT = 0.02
"""Part of the light of such a star that the glint has."""
GLINT_WIDTH = 6.0
"""arcsec."""
GLINT_LENGTHS = (10.0, 45.0)
"""On the detector next to the star and on the one behind it, arcsec."""
GLINT_COS, GLINT_SIN = 0.9986295347545738, 0.05233595624294383
"""Of 3 degrees, by which the glint is turned from V2."""


def weight(distance: float, best: float, reach: float) -> float:
    """Return how strong the light of a star is, 1 at the best distance and 0 when it is `reach` away from that."""
    t = (distance - best) / reach
    return float((1.0 - t * t) ** 2) if abs(t) < 1.0 else 0.0


def breath(x: float, y: float, inward: tuple[float, float], rate: float) -> Streaks:
    """Return the streaks of type I.

    Parameters
    ----------
    x, y
        Place on the edge that is nearest to the star, 0-based science pixels of the full frame.
    inward
        Unit vector into the detector, at right angles to the edge.
    rate
        Light in all, e-/s.
    """
    c, s = inward
    turned = [
        (c, s, NEAR_DEPTH, NEAR_WIDTH, NEAR_EDGE),
        *(
            (c * ANGLE_COS - sign * s * ANGLE_SIN, s * ANGLE_COS + sign * c * ANGLE_SIN, DEPTH, WIDTH, (1 - NEAR_EDGE) / 2)
            for sign in (-1, 1)
        ),
    ]  # fmt: skip
    cos, sin, depth, width, part = np.array(turned).T
    half = depth / 2
    return Streaks(x + cos * half, y + sin * half, cos, sin, half, width, np.zeros(3), rate * part)


def glint(start: tuple[float, float], stop: tuple[float, float], width: float, rate: float) -> Streaks:
    """Return the glint of type II on one detector.

    Parameters
    ----------
    start, stop
        x, y of its ends, 0-based science pixels of the full frame.
    width
        Pixels.
    rate
        Light in all, e-/s.
    """
    (x0, y0), (x1, y1) = start, stop
    length = float(np.hypot(x1 - x0, y1 - y0))
    values = (
        (x0 + x1) / 2,
        (y0 + y1) / 2,
        (x1 - x0) / length,
        (y1 - y0) / length,
        length / 2,
        width / 2,
        0.0,
        rate,
    )
    return Streaks(*(np.array([value]) for value in values))
