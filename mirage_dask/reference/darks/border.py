"""Reference pixels of darks that are converted: collected while frames pass by, and their means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
from mirage_dask.instruments.orientation import Orientation
from mirage_dask.reference.darks.files import DarkFile

_CLIP = 3.0
"""Reference pixels beyond this many standard deviations from the median are ignored."""


class Border:
    """Collects the reference pixels at the ends of the slow axis while frames are converted."""

    def __init__(self, dark: DarkFile):
        self.orientation = Orientation(dark.fast_axis, dark.slow_axis)
        detector = get_detector(dark.detector)
        self.width, self.outputs = detector.reference_pixels, detector.amplifiers
        self.shape = dark.shape
        nints, nframes, ny, nx = dark.shape
        columns = ny if self.orientation.along_y else nx
        self.values = np.zeros((nints, nframes, 2 * self.width, columns))

    @classmethod
    def of(cls, dark: DarkFile) -> Border | None:
        """Return an empty collection; None for files that are not full frames."""
        detector = get_detector(dark.detector)
        _, _, ny, nx = dark.shape
        full_frame = dark.corner == (0, 0) and ny == nx and ny % (2 * detector.amplifiers) == 0
        return cls(dark) if full_frame else None

    def add(self, integration: int, frames: slice, rows: slice, slab: NDArray[Any]) -> None:
        """Add the reference pixels of a slab (frame, y, x)."""
        ny, nx = self.shape[2:]
        width = self.width
        target = self.values[integration, frames]
        if self.orientation.along_y:  # rows of the detector are science columns
            target[:, :width, rows] = slab[:, :, :width].swapaxes(1, 2)
            target[:, width:, rows] = slab[:, :, nx - width :].swapaxes(1, 2)
            return
        for place, y in enumerate([*range(width), *range(ny - width, ny)]):
            if rows.start <= y < rows.stop:
                target[:, place] = slab[:, y - rows.start]

    def means(self) -> NDArray[np.float64]:
        """Return the clipped means, (integration, frame, output, parity)."""
        ordered = self.values[..., :: -1 if self.orientation.fast_axis < 0 else 1]
        return clipped_means(ordered, self.outputs)


def clipped_means(border: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
    """Return the clipped means of reference pixels by output and by parity of the column.

    Parameters
    ----------
    border
        (..., row, column), columns in detector orientation.
    outputs
        Number of outputs, each reading a contiguous range of columns.

    Returns
    -------
    ndarray
        (..., output, parity): the mean of values within 3 standard deviations (1.4826 median deviations) of the median.
    """
    *leading, rows, columns = border.shape
    stripes = border.reshape(*leading, rows, outputs, columns // outputs // 2, 2)
    values = np.moveaxis(stripes, (-3, -1), (-4, -3)).reshape(*leading, outputs, 2, -1)
    middle = np.median(values, axis=-1, keepdims=True)
    away = np.abs(values - middle)
    kept = away <= _CLIP * 1.4826 * np.median(away, axis=-1, keepdims=True)
    return np.asarray((values * kept).sum(axis=-1) / kept.sum(axis=-1))
