"""Science frame of an exposure <-> the detector as it is read out.

People see the science frame; kernels work in the detector frame. The translation happens here, once: arrays are views,
flipped where an axis is read backwards and transposed where a detector is read along y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.geometry import DetectorArray
from mirage_dask.instruments.orientation import Span
from mirage_dask.spec import ExposureSpec

DetectorBox = tuple[Span, Span]
"""Rows and columns of the full-frame detector, half-open."""


@dataclass(frozen=True)
class Frame:
    """The frames of one exposure."""

    spec: ExposureSpec
    array: DetectorArray

    def science(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn the last two axes of an array from (row, column) of the detector into (y, x): a view."""
        return self.array.orientation.science(values)

    def detector(self, values: NDArray[Any]) -> NDArray[Any]:
        """Inverse of `science`: a view."""
        return self.array.orientation.detector(values)

    def box(self, y: Span, x: Span) -> DetectorBox:
        """Turn a box of the exposure's science pixels into rows and columns of the detector."""
        x0, y0 = self.spec.x0, self.spec.y0
        return self.array.detector_box((y[0] + y0, y[1] + y0), (x[0] + x0, x[1] + x0))

    def science_box(self, rows: Span, columns: Span) -> tuple[Span, Span]:
        """Inverse of `box`: (y, x)."""
        (y_low, y_high), (x_low, x_high) = self.array.science_box(rows, columns)
        x0, y0 = self.spec.x0, self.spec.y0
        return (y_low - y0, y_high - y0), (x_low - x0, x_high - x0)

    def science_places(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn places on the detector, whole numbers in the middles of pixels, into (x, y) of the exposure's pixels."""
        # That of pixel 0, and which way and along which axis it goes from there.
        (y, _), (x, _) = self.science_box((0, 1), (0, 1))
        slow, fast = (rows * np.sign(self.array.slow_axis), columns * np.sign(self.array.fast_axis))
        return (x + slow, y + fast) if self.array.orientation.along_y else (x + fast, y + slow)

    @property
    def extent(self) -> DetectorBox:
        """Rows and columns of the detector that the exposure reads."""
        return self.box((0, self.spec.ny), (0, self.spec.nx))


def as_slices(box: DetectorBox) -> tuple[slice, slice]:
    """Return a box as two slices."""
    return slice(*box[0]), slice(*box[1])


def clipped(box: DetectorBox, extent: DetectorBox) -> DetectorBox:
    """Return the part of a box inside another."""
    (rows, columns), (all_rows, all_columns) = box, extent
    return (
        (max(rows[0], all_rows[0]), min(rows[1], all_rows[1])),
        (max(columns[0], all_columns[0]), min(columns[1], all_columns[1])),
    )
