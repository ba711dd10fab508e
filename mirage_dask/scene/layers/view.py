"""What a layer of light is opened with: the exposure as the sky sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.orientation import Span
from mirage_dask.pointing import SkyProjection
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.placement import Bounds
from mirage_dask.scene.tracking import PointingTrack

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class View:
    """One exposure."""

    tables: str
    """Folder or URL of the source tables, which are named by their content keys."""
    projection: SkyProjection
    bounds: Bounds
    """The exposure's array in full-frame science pixels."""
    psf: Callable[[str], PsfLibrary]
    """Returns a PSF library of the exposure: the usual one by the name '', others by theirs."""
    motion: PointingTrack | None = None
    """The target that the telescope follows; None where it follows the stars."""


class StaticLayer(Protocol):
    """Light that has one rate during the whole exposure."""

    kind: ClassVar[str]
    varying: ClassVar[bool] = False

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add electrons per second to a window, in place: a pure function of the pixel, whatever the window.

        Parameters
        ----------
        out : float32, (ny, nx)
            The window; out[0, 0] is the full-frame science pixel (x0, y0).
        area : float32, (ny, nx), or None for 1
            Relative pixel area, by which surface brightness is multiplied.
        """


class VaryingLayer(Protocol):
    """Light that changes with time."""

    kind: ClassVar[str]
    varying: ClassVar[bool] = True
    slot: ClassVar[int]
    """Its random numbers: a slot of the stream `pixel`."""

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether any light may fall into a box of full-frame science pixels at any time of the exposure."""

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean electrons per second between successive times to a window, in place.

        Parameters
        ----------
        out : float32, (reads, ny, nx)
            The window, for each read; out[:, 0, 0] is the full-frame science pixel (x0, y0).
        edges : (reads + 1,)
            Seconds since the start of the first integration at which reads begin and end.
        """
