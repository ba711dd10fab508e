"""Science frame <-> detector frame: which axis a detector is read along, and in which direction.

The science frame is the one of the arrays that people see. In the detector frame rows follow one another in time (the slow
axis) and the pixels of a row do so within it (the fast axis), both in ascending order. FASTAXIS and SLOWAXIS of the JWST
keyword dictionary say how one becomes the other: 1 is science x, 2 science y, a minus sign the opposite direction. NIRCam is
read along x, so that its frames differ by flips; NIRISS and FGS are read along y, so that x and y change places as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Span = tuple[int, int]
"""Half-open range of pixels."""


@dataclass(frozen=True)
class Orientation:
    """How a detector is read."""

    fast_axis: int
    """JWST FASTAXIS."""
    slow_axis: int
    """JWST SLOWAXIS."""

    @property
    def along_y(self) -> bool:
        """Whether rows of the detector run along science y."""
        return abs(self.fast_axis) == 2

    def lengths(self, ny: int, nx: int) -> tuple[int, int]:
        """Return the shape (rows, columns) in the detector frame of an array of the science frame."""
        return (nx, ny) if self.along_y else (ny, nx)

    def detector(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn the last two axes (y, x) into (row, column): a view."""
        turned = array.swapaxes(-1, -2) if self.along_y else array
        rows, columns = (
            slice(None, None, -1 if axis < 0 else 1) for axis in (self.slow_axis, self.fast_axis)
        )
        return turned[..., rows, columns]

    def science(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn the last two axes (row, column) into (y, x): a view, the inverse of `detector`."""
        rows, columns = (
            slice(None, None, -1 if axis < 0 else 1) for axis in (self.slow_axis, self.fast_axis)
        )
        flipped = array[..., rows, columns]
        return flipped.swapaxes(-1, -2) if self.along_y else flipped

    def detector_box(self, y: Span, x: Span, *, shape: tuple[int, int]) -> tuple[Span, Span]:
        """Turn a box of full-frame science pixels into (rows, columns) of a detector of `shape` (rows, columns)."""
        slow, fast = (x, y) if self.along_y else (y, x)
        return _mirrored(slow, self.slow_axis, shape[0]), _mirrored(fast, self.fast_axis, shape[1])

    def science_box(self, rows: Span, columns: Span, *, shape: tuple[int, int]) -> tuple[Span, Span]:
        """Turn a box of the detector into full-frame science pixels (y, x): the inverse of `detector_box`."""
        slow = _mirrored(rows, self.slow_axis, shape[0])
        fast = _mirrored(columns, self.fast_axis, shape[1])
        return (fast, slow) if self.along_y else (slow, fast)


def _mirrored(span: Span, axis: int, size: int) -> Span:
    low, high = span
    return (size - high, size - low) if axis < 0 else (low, high)
