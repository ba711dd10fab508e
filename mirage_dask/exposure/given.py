"""An array of a window that is indexed like one of the whole exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mirage_dask.spec import Window


@dataclass(frozen=True)
class GivenWindow:
    """What stands for a variable of the user's own where only a window of it is at hand.

    Parameters
    ----------
    window
        Where.
    values
        Values there, (integration, group, y, x).
    """

    window: Window
    values: NDArray[Any]

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        """Return the values of a box of the exposure inside the window."""
        w = self.window
        starts = (w.integrations[0], w.groups[0], w.rows[0], w.columns[0])
        return self.values[
            tuple(slice(s.start - low, s.stop - low) for s, low in zip(key, starts, strict=True))
        ]
