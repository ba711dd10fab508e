"""Basic indexing (integers, slices, ellipsis) of arrays whose values are computed or read when they are asked for.

Each axis of a selection is an `int`, or a `range` of the indices that are left. Python's ranges compose by themselves:
`range(10, 50, 2)[3:7]` is the selection of a selection. So a chain of indices is one selection, and one request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.formatting import counted

Axis = int | range
"""What is selected along one axis: a single index, which drops the axis, or several."""
Span = tuple[int, int]


def select_axes(axes: Sequence[Axis], key: Any) -> tuple[Axis, ...]:
    """Apply basic indices to a selection.

    Parameters
    ----------
    axes
        The selection so far, one `Axis` for each axis of the underlying array.
    key
        What is taken of it: integers, slices with steps and at most one ellipsis, one for each range in `axes`.

    Returns
    -------
    tuple of Axis
        The new selection of the same underlying array.

    Raises
    ------
    IndexError
        If an index is out of range, there are too many indices, or one is neither an integer, a slice nor an ellipsis.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    open_axes = sum(isinstance(axis, range) for axis in axes)
    ellipses = sum(item is Ellipsis for item in items)
    if ellipses > 1 or len(items) - ellipses > open_axes:
        raise IndexError(f"too many indices for an array of {counted(open_axes, 'dimension')}: {key!r}")
    if not ellipses:
        items.append(Ellipsis)
    at = next(i for i, item in enumerate(items) if item is Ellipsis)
    items[at : at + 1] = [slice(None)] * (open_axes - len(items) + 1)
    remaining = iter(items)
    return tuple(_take(axis, next(remaining)) if isinstance(axis, range) else axis for axis in axes)


def _take(axis: range, item: Any) -> Axis:
    if isinstance(item, slice):
        return axis[item]
    if isinstance(item, bool) or not isinstance(item, int | np.integer):
        raise IndexError(f"only integers, slices and an ellipsis are valid indices, not {item!r}")
    index = int(item)
    if not -len(axis) <= index < len(axis):
        raise IndexError(f"index {index} is out of range for an axis of length {len(axis)}")
    return axis[index]


def split_index(key: Any, shape: Sequence[int]) -> tuple[list[Span], tuple[int | slice, ...]]:
    """Split basic indices into the box that they need and the indices that take the answer out of the box.

    Parameters
    ----------
    key
        Integers, slices with steps, at most one ellipsis.
    shape
        Shape of the array that is indexed.

    Returns
    -------
    spans
        Half-open range of each axis; (0, 0) where nothing is selected.
    local
        Basic indices into an array of the shape of the box.

    Raises
    ------
    IndexError
        See `select_axes`.
    """
    spans: list[Span] = []
    local: list[int | slice] = []
    for axis in select_axes([range(n) for n in shape], key):
        if isinstance(axis, int):
            spans.append((axis, axis + 1))
            local.append(0)
        else:
            spans.append((min(axis[0], axis[-1]), max(axis[0], axis[-1]) + 1) if axis else (0, 0))
            local.append(slice(None, None, None if axis.step == 1 else axis.step))
    return spans, tuple(local)


@dataclass(frozen=True)
class LazySelection:
    """A selection of an array that asks the array for values when it is indexed with `[]`.

    Parameters
    ----------
    array
        Anything with `dtype` that takes integers and slices with positive steps, such as a Zarr array.
    axes
        What is selected of it.
    """

    array: Any
    axes: tuple[Axis, ...]

    @classmethod
    def whole(cls, array: Any) -> LazySelection:
        """Select all of an array."""
        return cls(array, tuple(range(n) for n in array.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes that are left."""
        return tuple(len(axis) for axis in self.axes if isinstance(axis, range))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(self.array.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes that are left."""
        return len(self.shape)

    def select(self, key: Any) -> LazySelection:
        """Return a selection of this selection; nothing is computed.

        Raises
        ------
        IndexError
            See `select_axes`.
        """
        return LazySelection(self.array, select_axes(self.axes, key))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        axes = select_axes(self.axes, key)
        if not all(axis for axis in axes if isinstance(axis, range)):
            return np.empty(LazySelection(self.array, axes).shape, self.dtype)
        values = np.asarray(self.array[tuple(map(_ascending, axes))])
        steps = [axis.step for axis in axes if isinstance(axis, range)]
        return values[tuple(slice(None, None, -1 if step < 0 else None) for step in steps)]


def _ascending(axis: Axis) -> int | slice:
    """Return the index of an axis, forwards: not every array takes a negative step."""
    if isinstance(axis, int):
        return axis
    first, last = sorted((axis[0], axis[-1]))
    return slice(first, last + 1, abs(axis.step))
