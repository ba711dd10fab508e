"""Fit a pair of stars to the closure phases and squared visibilities of a file of the pipeline's stage 3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.optimize import least_squares

MAS = np.pi / 180 / 3600e3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fringes:
    """Closure phases (degrees) with their errors and triangles, squared visibilities with their baselines; metres."""

    phase: Floats
    phase_error: Floats
    triangles: Floats
    squared: Floats
    squared_error: Floats
    baselines: Floats
    wavelength: float

    @classmethod
    def read(cls, path: Path) -> Fringes:
        """Read an OIFITS file."""
        with fits.open(path) as hdus:
            t3, v2, wave = (hdus[name].data for name in ("OI_T3", "OI_VIS2", "OI_WAVELENGTH"))
            names = ("U1COORD", "V1COORD", "U2COORD", "V2COORD")
            return cls(
                phase=np.ravel(t3["T3PHI"]).astype(float),
                phase_error=np.ravel(t3["T3PHIERR"]).astype(float),
                triangles=np.stack([np.ravel(t3[name]).astype(float) for name in names]),
                squared=np.ravel(v2["VIS2DATA"]).astype(float),
                squared_error=np.ravel(v2["VIS2ERR"]).astype(float),
                baselines=np.stack([np.ravel(v2[name]).astype(float) for name in ("UCOORD", "VCOORD")]),
                wavelength=float(np.ravel(wave["EFF_WAVE"])[0]),
            )

    def model(self, east: float, north: float, ratio: float) -> tuple[Floats, Floats]:
        """Return closure phases and squared visibilities of a pair: mas, light of the second over that of the first."""
        u1, v1, u2, v2 = self.triangles
        product = self._visibility(u1, v1, east, north, ratio) * self._visibility(u2, v2, east, north, ratio)
        product = product * np.conj(self._visibility(u1 + u2, v1 + v2, east, north, ratio))
        squared = np.abs(self._visibility(*self.baselines, east, north, ratio)) ** 2
        return np.degrees(np.angle(product)), squared

    def _visibility(
        self, u: Floats, v: Floats, east: float, north: float, ratio: float
    ) -> NDArray[np.complex128]:
        turns = (u * east + v * north) * MAS / self.wavelength
        return (1 + ratio * np.exp(-2j * np.pi * turns)) / (1 + ratio)

    def pair(self) -> tuple[float, float, float]:
        """Return east, north (mas) and ratio of the pair that fits best, within 400 mas."""

        def misfit(p: Floats) -> Floats:
            phase, squared = self.model(*p)
            wrapped = (self.phase - phase + 180) % 360 - 180
            errors = np.maximum(self.phase_error, 0.05), np.maximum(self.squared_error, 0.01)
            return np.concatenate([wrapped / errors[0], (self.squared - squared) / errors[1]])

        grid = np.linspace(-400, 400, 33)
        starts = [(x, y, 0.1) for x in grid for y in grid]
        best = sorted(starts, key=lambda p: float((misfit(np.array(p)) ** 2).sum()))[:5]
        bounds = ([-500, -500, 1e-4], [500, 500, 0.999])
        fits_ = [least_squares(misfit, p, bounds=bounds, x_scale=(10, 10, 0.01)) for p in best]
        found = min(fits_, key=lambda f: f.cost)
        return tuple(float(v) for v in found.x)  # type: ignore[return-value]
