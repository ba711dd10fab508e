"""The array of a detector as a value: its shape as read out, its reference pixels, its outputs and its orientation.

Everything here is in the *detector* frame (`mirage_dask.instruments.orientation`): rows follow one another in time, the
pixels of a row are read along the fast axis. An H2RG of the near-infrared instruments has 2048 x 2048 pixels, 4 reference
pixels on every side and four outputs, each of which reads a contiguous quarter of the columns, neighbours in opposite
directions. The detectors of MIRI have 1024 x 1032 pixels, reference columns at both ends of a row only, and four interleaved
outputs: column c is read by output c modulo 4, all in the same direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.orientation import Orientation, Span


@dataclass(frozen=True)
class DetectorArray:
    """The array of one detector."""

    shape: tuple[int, int]
    """Rows and columns as read out, reference pixels included."""
    reference: tuple[int, int, int, int]
    """Reference pixels: first rows, last rows, first columns, last columns."""
    fast_axis: int
    """JWST FASTAXIS: +-1 when pixels are read along science x, +-2 along y; the sign gives the direction."""
    slow_axis: int
    """JWST SLOWAXIS."""
    outputs: int = 4
    """Outputs that read the full frame."""
    interleaved: bool = False
    """Whether the columns of an output alternate with those of the others, instead of being contiguous."""

    @cached_property
    def orientation(self) -> Orientation:
        """How the detector frame is turned into the science frame."""
        return Orientation(self.fast_axis, self.slow_axis)

    @property
    def science_shape(self) -> tuple[int, int]:
        """(ny, nx) of the full frame in the science frame."""
        rows, columns = self.shape
        return (columns, rows) if self.orientation.along_y else (rows, columns)

    def detector_box(self, y: Span, x: Span) -> tuple[Span, Span]:
        """Turn a box of full-frame science pixels into (rows, columns) of the detector."""
        return self.orientation.detector_box(y, x, shape=self.shape)

    def science_box(self, rows: Span, columns: Span) -> tuple[Span, Span]:
        """Turn a box of the detector into full-frame science pixels (y, x): the inverse of `detector_box`."""
        return self.orientation.science_box(rows, columns, shape=self.shape)

    @property
    def sensitive_box(self) -> tuple[Span, Span]:
        """Rows and columns of the pixels that collect light, all others being reference pixels."""
        rows, columns = self.shape
        first_rows, last_rows, first_columns, last_columns = self.reference
        return (first_rows, rows - last_rows), (first_columns, columns - last_columns)

    def sensitive(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return 1 for pixels that collect light and 0 for reference pixels, float32 (rows, columns).

        Parameters
        ----------
        rows, columns
            Window of the detector; slices with start and stop.
        """
        masks = []
        for window, (low, high) in zip((rows, columns), self.sensitive_box, strict=True):
            index = np.arange(window.start, window.stop)
            masks.append(((index >= low) & (index < high)).astype(np.float32))
        return np.outer(*masks)

    def sensitive_part(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Return which rows and columns of a window collect light, counted from its start; both may be empty.

        Parameters
        ----------
        rows, columns
            Window of the detector; slices with start and stop.
        """
        y, x = (
            slice(max(low - window.start, 0), max(min(high, window.stop) - window.start, 0))
            for window, (low, high) in zip((rows, columns), self.sensitive_box, strict=True)
        )
        return y, x

    @property
    def science_sensitive(self) -> NDArray[np.bool_]:
        """True for pixels that collect light, (ny, nx) of the full frame in the science frame."""
        rows, columns = self.shape
        sensitive = self.sensitive(slice(0, rows), slice(0, columns)) > 0
        return self.orientation.science(sensitive)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectorArray:
        """Inverse of `to_dict`."""
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**known)
