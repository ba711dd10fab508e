"""Sky to pixels: the part of the pointing that workers evaluate.

A position on the sky is an ICRS unit vector u. The attitude turns it into v = R u in the V frame, and

    V2 = atan(v_y / v_x),    V3 = asin(v_z)

are small angles (the whole focal plane is within 0.25 degrees of V1), so both functions are evaluated as Taylor
series, exact to float64 below 0.05 rad. The distortion polynomials give pixels. All operations are + - * / of
float64 in a fixed order, without BLAS matrix products (whose order depends on the processor): the same
bits everywhere.

Beyond 0.05 rad from V1 the series are continued by straight lines, only to keep such
sources far off the detector; outside a cone of 60 degrees positions are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.pointing.attitude import ARCSEC, Floats, v2v3_to_unit
from mirage_dask.pointing.distortion import Distortion

_PER_RADIAN = 1.0 / ARCSEC
_SERIES_LIMIT = 0.05
_FRONT = 0.5


def _small_arctan(t: Floats) -> Floats:
    """Return atan(t) for small t, continued by a straight line."""
    s = np.minimum(np.maximum(t, -_SERIES_LIMIT), _SERIES_LIMIT)
    q = s * s
    series = 1.0 - q * (1.0 / 3.0 - q * (1.0 / 5.0 - q * (1.0 / 7.0 - q * (1.0 / 9.0 - q / 11.0))))
    return s * series + (t - s)


def _small_arcsin(z: Floats) -> Floats:
    """Return asin(z) for small z, continued by a straight line."""
    s = np.minimum(np.maximum(z, -_SERIES_LIMIT), _SERIES_LIMIT)
    q = s * s
    tail = 35.0 / 1152.0 + q * (63.0 / 2816.0)
    series = 1.0 + q * (1.0 / 6.0 + q * (3.0 / 40.0 + q * (15.0 / 336.0 + q * tail)))
    return s * series + (z - s)


@dataclass(frozen=True)
class SkyProjection:
    """Projection of the sky onto one detector during one exposure."""

    attitude: tuple[float, ...]
    """Row-major 3 x 3 rotation R with v = R u."""
    distortion: Distortion

    @classmethod
    def of(cls, attitude: npt.ArrayLike, distortion: Distortion) -> SkyProjection:
        """Create a projection from an attitude, a 3 x 3 array or nine numbers."""
        numbers = tuple(np.asarray(attitude, float).reshape(9).tolist())
        return cls(numbers, distortion)

    def pixels(self, unit: npt.ArrayLike) -> Floats:
        """Return the pixels of positions on the sky.

        Parameters
        ----------
        unit
            ICRS unit vectors, shape (n, 3).

        Returns
        -------
        ndarray, float64, shape (n, 2)
            x, y: full-frame science pixels, 0-based; NaN for positions more than 60 degrees from V1 (or
            NaN). Accurate on the detector and 600 pixels around it, monotonic beyond.
        """
        u = np.atleast_2d(np.asarray(unit, np.float64))
        r = self.attitude
        ux, uy, uz = u[:, 0], u[:, 1], u[:, 2]
        vx = r[0] * ux + r[1] * uy + r[2] * uz
        vy = r[3] * ux + r[4] * uy + r[5] * uz
        vz = r[6] * ux + r[7] * uy + r[8] * uz
        front = vx > _FRONT
        vx = np.where(front, vx, np.nan)
        v2 = _small_arctan(vy / vx) * _PER_RADIAN
        v3 = _small_arcsin(np.where(front, vz, np.nan)) * _PER_RADIAN
        x, y = self.distortion.to_pixels(v2, v3)
        return np.stack([x, y], axis=-1)

    def units(self, xy: npt.ArrayLike) -> Floats:
        """Return ICRS unit vectors (n, 3) of 0-based full-frame science pixels (n, 2).

        Uses library trigonometry, so it is for the client, not for pixel values.
        """
        pixels = np.atleast_2d(np.asarray(xy, np.float64))
        v2, v3 = self.distortion.to_v2v3(pixels[:, 0], pixels[:, 1])
        return v2v3_to_unit(v2, v3) @ np.asarray(self.attitude).reshape(3, 3)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON."""
        return {"attitude": list(self.attitude), "distortion": self.distortion.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SkyProjection:
        """Inverse of `to_dict`."""
        return cls.of(values["attitude"], Distortion.from_dict(values["distortion"]))
