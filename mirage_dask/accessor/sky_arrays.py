"""Right ascension and declination of pixels as arrays that compute the window they are asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.io.indexing import select_axes
from mirage_dask.pointing import SkyProjection, unit_to_radec, v2v3_to_unit

Floats = NDArray[np.float64]
AXES = ("ra", "dec")


@dataclasses.dataclass(frozen=True)
class SkyArray:
    """Right ascension or declination, degrees, of full-frame science pixels: array[i, j] is that of (x[j], y[i]).

    Takes integers, slices with steps and an ellipsis.
    """

    projection: SkyProjection
    axis: str
    """One of `AXES`."""
    y: range
    x: range

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), len(self.x)

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values: float64, a thousandth of a pixel being 1e-8 degree."""
        return np.dtype(np.float64)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (
            "mirage_dask.SkyArray",
            repr(self.projection),
            self.axis,
            *(v for r in (self.y, self.x) for v in (r.start, r.stop, r.step)),
        )

    def __getitem__(self, key: Any) -> Floats:
        rows, columns = (np.asarray(axis, float) for axis in select_axes((self.y, self.x), key))
        shape = rows.shape + columns.shape
        x, y = np.broadcast_arrays(columns, rows if not columns.shape else rows[..., None])
        values = radec_of_pixels(self.projection, x.ravel(), y.ravel())
        return np.ascontiguousarray(values[AXES.index(self.axis)].reshape(shape))


def radec_of_pixels(projection: SkyProjection, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return ICRS ra and dec, degrees, of full-frame science pixels (n,); the same whatever other pixels are asked for.

    NaN outside of the domain of the distortion, where its polynomials mean nothing: beyond 600 pixels around the detector.
    """
    inside = in_domain(projection, x, y)
    v = v2v3_to_unit(*projection.distortion.to_v2v3(np.where(inside, x, np.nan), np.where(inside, y, np.nan)))
    r = projection.attitude
    # Written out: the order of a BLAS product depends on its size.
    u = [r[i] * v[:, 0] + r[3 + i] * v[:, 1] + r[6 + i] * v[:, 2] for i in range(3)]
    ra, dec = unit_to_radec(np.stack(u, axis=-1))
    return ra, dec


def in_domain(projection: SkyProjection, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Return whether full-frame science pixels lie where the distortion holds."""
    centre, half = projection.distortion.centre, projection.distortion.half
    return np.asarray((np.abs(x - centre) <= half) & (np.abs(y - centre) <= half))
