"""The calibration of darks from a reference pack: the superbias, and the linearity of raw counts. See `ramp`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
from mirage_dask.instruments.orientation import Orientation, Span
from mirage_dask.reference.darks.border import clipped_means
from mirage_dask.reference.packs.pack import ReferencePack

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class RawCalibration:
    """Planes of a pack in science orientation; holds only the pack's name, so that it is small and picklable."""

    url: str
    """Directory of packs and planes."""
    key: str
    """The pack."""

    @property
    def digest(self) -> str:
        """Digest of its values: the key of the pack."""
        return self.key

    @property
    def _pack(self) -> ReferencePack:
        return ReferencePack.open(self.url, self.key)

    @property
    def _orientation(self) -> Orientation:
        return self._pack.array.orientation

    def _box(self, y: Span, x: Span) -> tuple[slice, slice]:
        rows, columns = self._pack.array.detector_box(y, x)
        return slice(*rows), slice(*columns)

    def _plane(self, name: str, y: Span, x: Span) -> Doubles:
        plane = self._pack.plane(name, *self._box(y, x))
        return np.asarray(self._orientation.science(plane), np.float64)

    def superbias(self, y: Span, x: Span) -> Doubles:
        """Return the superbias of a box of full-frame science pixels: (y, x) [DN]."""
        return self._plane("superbias", y, x)

    def planes(self, y: Span, x: Span) -> tuple[Doubles, Doubles, Doubles]:
        """Return superbias and saturation (y, x) [DN] and the coefficients of the linearity (K, y, x) of a box."""
        first, second, third = (
            np.ascontiguousarray(self._plane(name, y, x)) for name in ("superbias", "saturation", "linearity")
        )
        return first, second, third

    def drift(self, means: Doubles, y: Span, x: Span) -> Doubles:
        """Return the level of the reference pixels above the superbias in a box.

        Parameters
        ----------
        means
            Means of the reference pixels, (frame, output, parity) [DN].
        y, x
            Box of full-frame science pixels.

        Returns
        -------
        ndarray
            (frame, 1, x), or (frame, y, 1) where the detector is read along y [DN].
        """
        above = means - _reference_superbias(self.url, self.key)
        columns = np.arange(self._box(y, x)[1].start, self._box(y, x)[1].stop)
        width = get_detector(self._pack.meta["detector"]).size // means.shape[1]
        line = above[:, columns // width, columns % 2]  # (frame, column)
        return np.ascontiguousarray(self._orientation.science(line[:, None, :]))


@lru_cache(maxsize=16)
def _reference_superbias(url: str, key: str) -> Doubles:
    """Return the means of the superbias over reference pixels: (output, parity) [DN]."""
    pack = ReferencePack.open(url, key)
    rows, columns = pack.array.shape
    first, last = pack.array.reference[:2]
    ends = [
        pack.plane("superbias", box, slice(0, columns)) for box in (slice(0, first), slice(rows - last, rows))
    ]
    return clipped_means(np.concatenate(ends).astype(np.float64), pack.array.outputs)
