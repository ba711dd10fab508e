"""Lyot stops of NIRCam: what of the telescope's pupil they leave open.

An occulting mask spreads the light of the star behind it over a strip around every edge of the pupil, as wide as the
highest frequency of the mask's transmission: s lambda / pi for 1 - (2 J1(x) / x)^2 and 1 - (sin(x) / x)^2 with x = s r.
The masks are made such that this is 0.72 m on the primary mirror for the round ones, in all directions, and 0.93 m
across a bar. A Lyot stop is open where the pupil is clear so far around:

    MASKRND   points of the pupil at least `ROUND_MARGIN` from its outline, the central hole and the struts
    MASKBAR   points whose neighbours `ACROSS_MARGIN` above and below and `ALONG_MARGIN` beside them are in the pupil

The rule is that of band-limited coronagraphs (Kuchner & Traub 2002, ApJ 570, 900; for NIRCam Krist et al. 2009, Proc. SPIE
7440). The shapes are chosen: drawings of the stops are not public. The margins are such that the open parts are about a
fifth of the pupil. A published picture of the bars' stop (documentation of STPSF) has openings in the same places, more of
them and smaller.

NOT modelled: that the true stops are dark over the gaps between segments; a stop that is shifted or turned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUND_MARGIN = 0.70
"""Metres; chosen: the stop passes 0.19 of the pupil."""
ACROSS_MARGIN, ALONG_MARGIN = 0.95, 0.35
"""Metres across and along the bar; chosen: the stop passes 0.20 of the pupil."""
_GAP = 0.08
"""Metres: what is narrower counts as part of the pupil."""


def lyot_stop(name: str, pupil: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Return the open part of each point of a pupil, (n, n), 0 or 1, between them on the rim of a round opening.

    Parameters
    ----------
    name
        'MASKRND' or 'MASKBAR'.
    pupil
        (n, n) transmission of the telescope, 0 to 1.
    spacing
        Metres between its points.
    """
    from scipy import ndimage  # only builders need it

    width = 2 * round(0.5 * _GAP / spacing) + 1
    room = np.pad(pupil > 0.5, width)
    solid = ndimage.binary_closing(room, np.ones((width, width)))[width:-width, width:-width]
    if name == "MASKRND":
        distance = ndimage.distance_transform_edt(np.pad(solid, 1))[1:-1, 1:-1]
        return np.asarray(np.clip(distance - ROUND_MARGIN / spacing + 0.5, 0.0, 1.0))
    size = tuple(2 * round(margin / spacing) + 1 for margin in (ACROSS_MARGIN, ALONG_MARGIN))
    return np.asarray(ndimage.minimum_filter(solid.astype(np.float64), size=size, mode="constant"))
