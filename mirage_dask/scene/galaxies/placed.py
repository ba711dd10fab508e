"""Galaxies on the detector: columns of places, brightness and Gaussians."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies.gaussians import CUT

Floats = NDArray[np.float64]

LEAST_TOTAL = 5e-4
"""e-/s: fainter galaxies are not drawn."""
MARGIN = 1.0
"""Pixels by which boxes around light are larger than it."""


def digest_of(columns: Any) -> bytes:
    """Return a hash of a dataclass of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for field in fields(columns):
        digest.update(np.ascontiguousarray(getattr(columns, field.name)).tobytes())
    return digest.digest()


@dataclass(frozen=True, eq=False)
class PlacedGalaxies:
    """Galaxies on the detector: m of them, in catalog order."""

    x: Floats
    """(m,) full-frame science pixels, 0-based."""
    y: Floats
    flux: Floats
    """(m,) e-/s."""
    form: Floats
    """(m, 3) xx, xy, yy: covariance of a Gaussian whose sigma is the half-light radius, square pixels."""
    variances: NDArray[np.float32]
    """(m, k) of the Gaussians, in units of the form, ascending."""
    weights: NDArray[np.float32]
    """(m, k) fractions of the flux."""

    def __len__(self) -> int:
        return self.x.size

    @cached_property
    def digest(self) -> bytes:
        """Hash of the contents, for cache keys."""
        return digest_of(self)

    @cached_property
    def smallest(self) -> Floats:
        """(m,) smaller eigenvalue of the form."""
        xx, xy, yy = self.form.T
        root = np.sqrt((xx - yy) * (xx - yy) + 4.0 * xy * xy)
        return 2.0 * (xx * yy - xy * xy) / (xx + yy + root)

    def reach(self, low: float, high: float, wider: float) -> tuple[Floats, Floats]:
        """Return half sides of boxes around what `gaussians` paints, pixels; -inf where it is nothing.

        Parameters
        ----------
        low, high
            Square pixels: those Gaussians whose smaller variance is low <= variance < high.
        wider
            Square pixels: added to their variances.
        """
        widest = np.minimum(self.variances[:, -1], high / self.smallest)
        none = (self.variances[:, -1] * self.smallest < low) | (self.variances[:, 0] * self.smallest >= high)
        half_x, half_y = (CUT * np.sqrt(widest * self.form[:, axis] + wider) + MARGIN for axis in (0, 2))
        return np.where(none, -np.inf, half_x), np.where(none, -np.inf, half_y)

    def largest_half(self, psf: PsfLibrary) -> Floats:
        """Return half the side of a square that holds all light of each galaxy after convolution, pixels."""
        return np.maximum(*self.reach(0.0, np.inf, 1.0)) + psf.wings_half_width

    def take(self, rows: NDArray) -> PlacedGalaxies:
        """Return some of the galaxies: a mask or row numbers."""
        return PlacedGalaxies(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})
