r"""The telescope follows a moving target: how the sky moves in the field while the target rests.

The attitude of a specification is that at the start of the exposure, with the target in the direction u0. When the target
is in the direction u(t), the telescope has turned by the smallest rotation Q(t) that takes u0 to u(t), which turns nothing
about the target itself. A star s is then seen where s'(t) = Q(t)^T s is seen under the attitude of the start:

.. math:: s' = s - w \times s + \frac{w \times (w \times s)}{1 + u_0 \cdot u}, \qquad w = u_0 \times u(t).

Only + - * / in a fixed order: the same bits on any processor. Between exposures the position angle of V3 at the target stays
what the settings say, as in Mirage.

NOT modelled: guiding errors, jitter, velocity aberration; the observatory holds its roll by star trackers, to which the
smallest rotation comes close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.pointing import following
from mirage_dask.scene.sources import SourceTable

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PointingTrack(SourceTable):
    """The target that the telescope follows during one exposure."""

    kind: ClassVar[str] = "pointing_track"
    reference: Floats
    """(3,) ICRS unit vector of the target for which the attitude of the specification holds."""
    track: Floats
    """(T, 3) ICRS unit vectors of the target."""
    times: Floats
    """(T,) seconds since the start of the first integration, ascending."""

    @property
    def middle(self) -> int:
        """The node in the middle of the exposure."""
        return self.times.size // 2

    def seen(self, unit: Floats, node: int) -> Floats:
        """Return where directions on the sky, (n, 3), are seen at a node under the attitude of the start."""
        u, v = self.reference, self.track[node]
        w = cross(u[None], v[None])
        turned = cross(w, unit)
        c = 1.0 + (u[0] * v[0] + u[1] * v[1] + u[2] * v[2])
        return unit - turned + cross(w, turned) / c

    def direction(self, seconds: float) -> Floats:
        """Return the unit vector (3,) of the target at a time since the start of the first integration; for headers."""
        first = int(np.clip(np.searchsorted(self.times, seconds) - 2, 0, max(self.times.size - 4, 0)))
        t = self.times[first : first + 4]
        weights = [np.prod([(seconds - b) / (a - b) for b in t if b != a]) for a in t]
        found = (np.array(weights)[:, None] * self.track[first : first + 4]).sum(axis=0)
        return np.asarray(found / np.sqrt((found * found).sum()))

    def attitude(self, start: Floats, seconds: float) -> Floats:
        """Return the attitude, (3, 3), at a time from that of the start; for headers, not for pixel values."""
        axes = np.asarray(start, np.float64).reshape(3, 3)
        return following(axes, self.reference, self.direction(seconds))

    def paths(self, unit: Floats) -> Floats:
        """Return where directions on the sky, (n, 3), are seen at all nodes, (n, T, 3)."""
        return np.stack([self.seen(unit, node) for node in range(self.times.size)], axis=1)


def cross(a: Floats, b: Floats) -> Floats:
    """Return the vector products of (n, 3) or (1, 3) arrays."""
    ax, ay, az = a[:, 0], a[:, 1], a[:, 2]
    bx, by, bz = b[:, 0], b[:, 1], b[:, 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)
