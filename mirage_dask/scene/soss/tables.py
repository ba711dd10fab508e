"""Tables of stars behind GR700XD: planes that were drawn when an exposure was planned, and whose light they are.

Planes alone are what pixels need. The rest tells about n stars, for truth tables, segmentation maps and spectra. The nodes
of wavelength of all orders stand one after the other; the *box* of an order holds the pixels that are at most `HALF_BOX`
rows from the middle of its trace, in each column between its shortest and its longest wavelength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.scene.sources import SourceTable
from mirage_dask.untrusted.names import REMEDY

Floats = NDArray[np.float64]
Light = NDArray[np.float32]

HALF_BOX = 20
"""Rows on each side of a trace that its box holds: 41 in all; jwst 3.0.0 adds up 40 of SOSS (extract_1d, `soss_width`)."""
SUMS = ("on the array", "in the box of the order", "of all orders of the star in this box")
"""Last axis of `SossLight.sums`."""


def _none(*shape: int, dtype: Any = np.float64) -> Callable[[], NDArray[Any]]:
    """Return what makes the default of what tables of earlier versions do not say."""
    return partial(np.zeros, shape, dtype)


@dataclass(frozen=True, eq=False)
class SossLight(SourceTable):
    """Electrons per second of each pixel of a part of the detector, in k components, and the stars that they come from."""

    kind: ClassVar[str]
    planes: Light
    """(k, ny, nx) e-/s."""
    x0: int
    """Full-frame science pixel of planes[:, 0, 0]."""
    y0: int
    index: NDArray[np.int64] = field(default_factory=_none(0, dtype=np.int64))
    """(n,) catalog indices."""
    position: Floats = field(default_factory=_none(0, 3))
    """(n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture."""
    flux: Floats = field(default_factory=_none(0))
    """(n,) e-/s in the direct image."""
    xy: Floats = field(default_factory=_none(0, 2))
    """(n, 2) place in the direct image, full-frame science pixels."""
    shift: Floats = field(default_factory=_none(0, 2))
    """(n, 2) columns and rows from the traces of a star at the reference point."""
    orders: NDArray[np.int64] = field(default_factory=_none(0, dtype=np.int64))
    """(m,) numbers of the orders."""
    ends: Floats = field(default_factory=_none(0, 2))
    """(m, 2) micron, shortest and longest wavelength of each."""
    node_order: NDArray[np.int64] = field(default_factory=_none(0, dtype=np.int64))
    """(nodes,) number of the order."""
    node_wavelength: Floats = field(default_factory=_none(0))
    """(nodes,) micron, rising in each order."""
    node_column: Floats = field(default_factory=_none(0))
    """(nodes,) of a star at the reference point, full-frame science pixels."""
    node_row: Floats = field(default_factory=_none(0))
    node_response: Floats = field(default_factory=_none(0))
    """(nodes,) e-/s per erg/s/cm2/Angstrom and Angstrom."""
    light: Light = field(default_factory=_none(0, 0, dtype=np.float32))
    """(n k, nodes) e-/s of each star and component, star by star."""
    sums: Floats = field(default_factory=_none(0, 0, 0, 3))
    """(n, m, k, 3) e-/s: `SUMS`."""
    owner: NDArray[np.uint8] = field(default_factory=_none(0, 0, dtype=np.uint8))
    """(ny, nx) which star gives most light in a pixel; of no size where there is one star."""
    owner_light: Light = field(default_factory=_none(0, 0, dtype=np.float32))
    """(ny, nx) e-/s of that star alone; likewise."""

    def check(self) -> None:
        """Compare the shapes of the columns.

        Raises
        ------
        StoreError
            If the table cannot be true.
        """
        if self.planes.ndim != 3 or self.planes.dtype != np.float32 or not len(self.planes):
            raise StoreError(f"The table of the light behind GR700XD of an exposure is not valid; {REMEDY}.")
        (k, ny, nx), n, nodes, m = self.planes.shape, self.index.size, self.node_order.size, self.orders.size
        expected = {
            "position": (n, self.position.shape[-1]), "flux": (n,), "xy": (n, 2), "shift": (n, 2), "ends": (m, 2),
            "node_wavelength": (nodes,), "node_column": (nodes,), "node_row": (nodes,), "node_response": (nodes,),
        }  # fmt: skip
        if n:
            expected |= {"light": (n * k, nodes), "sums": (n, m, k, len(SUMS))}
        if self.owner.size:
            expected |= {"owner": (ny, nx), "owner_light": (ny, nx)}
        if any(getattr(self, name).shape != shape for name, shape in expected.items()):
            raise StoreError(f"The table of the stars behind GR700XD of an exposure is not valid; {REMEDY}.")


@dataclass(frozen=True, eq=False)
class SossCurves(SossLight):
    """One star whose light in a pixel is planes[0] + sum of planes[1 + k] c_k(t)."""

    kind: ClassVar[str] = "soss_light_curve"
    times: Floats = field(default_factory=_none(0))
    """(T,) seconds since the start of the first integration, rising."""
    courses: Floats = field(default_factory=_none(0, 0))
    """(K, T) c_k."""
    wavelength: Floats = field(default_factory=_none(0))
    """(L,) micron, of the light curves that were given."""
    shapes: Floats = field(default_factory=_none(0, 0))
    """(K, L) s_k there: the light over that where nothing happens is 1 - sum of s_k c_k."""
    error: float = 0.0
    """Of that, at most."""
    star_wavelength: Floats = field(default_factory=_none(0))
    """(s,) micron, of the star's own spectrum."""
    star_flux: Floats = field(default_factory=_none(0))
    """(s,) erg/s/cm2/Angstrom."""
    middles: Floats = field(default_factory=_none(0))
    """Middles of transits during the exposure, seconds as the times; none where light curves are the user's."""

    def check(self) -> None:
        """Compare the shapes of the columns, and look at the times.

        Raises
        ------
        StoreError
            If the table cannot be true.
        """
        super().check()
        k = len(self.planes) - 1
        fits = (
            self.index.size == 1
            and self.courses.shape == (k, self.times.size)
            and self.times.size > 0
            and self.shapes.shape == (k, self.wavelength.size)
            and self.star_wavelength.shape == self.star_flux.shape
        )
        if not (fits and np.isfinite(self.courses).all() and (np.diff(self.times) > 0).all()):
            raise StoreError(f"The table of the target of a SOSS time series is not valid; {REMEDY}.")
