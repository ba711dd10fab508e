r"""The non-redundant mask of NIRISS: seven hexagonal holes in the pupil wheel.

The holes of the mask as designed are centred on the places (x, y) of `HOLES`. The pipeline's reference file `nrm` has these
numbers; its analysis (jwst 3.0.0, ami/mask_definition_ami.py) gives the holes the names of the mask as built, negates x and
turns by 90 degrees counter-clockwise, its first axis along the rows of an image. In an image of columns X and rows Y the
holes are then at

.. math:: (X, Y) = (-x, -y)

which is our pupil turned by 180 degrees: the light of a star behind it, the square of the modulus of a transform of real
numbers, is the same.

The pixels of the detector see the mask a little sheared, as measured in commissioning: a hole that is at p in an ideal pupil
is at q in that of the detector, p = A q, with the numbers of `AFFINE`. The pipeline's analysis has the same ones by default.

NOT modelled: the aberrations of each hole apart from those of the telescope, dust, the thickness of the mask.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLAT_TO_FLAT = 0.8
"""Metres on the primary mirror, between flats of a hole."""
HOLES = (
    (0.0, -2.64), (-2.28631, 0.0), (2.28631, -1.32), (-2.28631, 1.32), (-1.14315, 1.98), (2.28631, 1.32), (1.14315, 1.98),
)  # fmt: skip
"""(x, y) of the holes' centres as designed, metres on the primary mirror; as built B4, C2, B5, B2, C1, B6, C6."""
AFFINE = ((0.99854, -0.00727008), (0.00618605, 0.99282))
"""((xx, xy), (yx, yy)) of A: mostly 0.4 degrees of rotation, and pixels that are not square."""


def transmitted(
    x: Floats, y: Floats, *, affine: tuple[tuple[float, float], ...] = AFFINE
) -> NDArray[np.bool_]:
    """Return where the mask lets light through.

    Parameters
    ----------
    x, y
        Metres on the primary mirror as the detector sees it, along columns and rows; they are broadcast together.
    affine
        A; ((1, 0), (0, 1)) for the mask itself.
    """
    (xx, xy), (yx, yy) = affine
    px, py = xx * x + xy * y, yx * x + yy * y
    found = np.zeros(px.shape, dtype=bool)
    for cx, cy in HOLES:
        u, v = px - cx, py - cy
        # Flats above and below, as for the segments of the mirror.
        across = np.maximum(np.abs(np.sqrt(0.75) * u + 0.5 * v), np.abs(np.sqrt(0.75) * u - 0.5 * v))
        found |= np.maximum(np.abs(v), across) < FLAT_TO_FLAT / 2
    return found
