"""The table of a target behind a grism whose spectrum changes with time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.reference.grisms import configuration
from mirage_dask.scene.sources import SourceTable
from mirage_dask.untrusted.names import REMEDY, is_valid

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DispersedCurves(SourceTable):
    """One point whose light at a node of the grism is w_0 + sum of w_k c_k(t), e-/s."""

    kind: ClassVar[str] = "dispersed_light_curve"
    index: NDArray[np.int64]
    """(1,) catalog index."""
    position: Floats
    """(1, 3) ICRS unit vector, or (1, 2) 0-based pixels of the aperture."""
    flux: Floats
    """(1,) e-/s in the direct image where nothing happens."""
    grism: str
    """Content key of the configuration."""
    pivot: float
    """Wavelength of the PSFs, micron."""
    weights: NDArray[np.float32]
    """(K + 1, nodes of all segments one after the other)"""
    times: Floats
    """(T,) seconds since the start of the first integration, rising."""
    courses: Floats
    """(K, T) c_k."""
    wavelength: Floats
    """(L,) micron, of the light curves that were given."""
    shapes: Floats
    """(K, L) s_k there: the light over that where nothing happens is 1 - sum of s_k c_k."""
    error: float
    """Of that, at most."""
    star_wavelength: Floats
    """(n,) micron, of the star's own spectrum."""
    star_flux: Floats
    """(n,) erg/s/cm2/Angstrom."""
    middles: Floats
    """Middles of transits during the exposure, seconds as the times; none where light curves are the user's."""

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield (kind, key) of the table that this one names.

        Raises
        ------
        StoreError
            If the table cannot be true: paths are made of its names.
        """
        k, t = self.courses.shape if self.courses.ndim == 2 else (-1, -1)
        shapes = (
            self.position.shape in ((1, 2), (1, 3))
            and self.index.shape == self.flux.shape == (1,)
            and self.weights.ndim == 2
            and len(self.weights) == k + 1
            and self.times.shape == (t,)
            and t > 0
            and self.shapes.shape == (k, self.wavelength.size)
            and self.star_wavelength.shape == self.star_flux.shape
        )
        finite = shapes and all(
            bool(np.isfinite(a).all())
            for a in (self.position, self.flux, self.weights, self.times, self.courses, self.shapes)
        )
        if not (
            finite and is_valid("digest", self.grism) and self.pivot > 0 and (np.diff(self.times) > 0).all()
        ):
            raise StoreError(f"The table of the target of a time series is not valid; {REMEDY}.")
        yield configuration.KIND, self.grism
