"""Science frame <-> detector frame: the axis along which a detector is read, and the direction.

Arrays for users are in the science frame. In the detector frame, rows are in order of read-out (the slow axis) and so are
the pixels within a row (the fast axis), both ascending. FASTAXIS and SLOWAXIS of the JWST keyword dictionary define the
transformation: 1 is science x, 2 science y, a minus sign the opposite direction. NIRCam is read along x, so its frames
differ by flips; NIRISS and FGS are read along y, so x and y are exchanged as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Span = tuple[int, int]
"""Half-open range of pixels."""


@dataclass(frozen=True)
class Orientation:
    """Directions in which a detector is read."""

    fast_axis: int
    """JWST FASTAXIS."""
    slow_axis: int
    """JWST SLOWAXIS."""

    @property
    def along_y(self) -> bool:
        """True if rows of the detector are parallel to science y."""
        return abs(self.fast_axis) == 2

    def lengths(self, ny: int, nx: int) -> tuple[int, int]:
        """Return the shape (rows, columns) in the detector frame of an array of the science frame."""
        return (nx, ny) if self.along_y else (ny, nx)

    def detector(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view with the last two axes (y, x) transformed to (row, column)."""
        turned = array.swapaxes(-1, -2) if self.along_y else array
        rows, columns = (
            slice(None, None, -1 if axis < 0 else 1) for axis in (self.slow_axis, self.fast_axis)
        )
        return turned[..., rows, columns]

    def science(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view with the last two axes (row, column) transformed to (y, x): the inverse of `detector`."""
        rows, columns = (
            slice(None, None, -1 if axis < 0 else 1) for axis in (self.slow_axis, self.fast_axis)
        )
        flipped = array[..., rows, columns]
        return flipped.swapaxes(-1, -2) if self.along_y else flipped

    def detector_box(self, y: Span, x: Span, *, shape: tuple[int, int]) -> tuple[Span, Span]:
        """Convert a box of full-frame science pixels to (rows, columns) of a detector of `shape` (rows, columns)."""
        slow, fast = (x, y) if self.along_y else (y, x)
        return _mirrored(slow, self.slow_axis, shape[0]), _mirrored(fast, self.fast_axis, shape[1])

    def science_box(self, rows: Span, columns: Span, *, shape: tuple[int, int]) -> tuple[Span, Span]:
        """Convert a box of detector pixels to full-frame science pixels (y, x): the inverse of `detector_box`."""
        slow = _mirrored(rows, self.slow_axis, shape[0])
        fast = _mirrored(columns, self.fast_axis, shape[1])
        return (fast, slow) if self.along_y else (slow, fast)


def _mirrored(span: Span, axis: int, size: int) -> Span:
    low, high = span
    return (size - high, size - low) if axis < 0 else (low, high)
