r"""The occulting masks of NIRCam: the amplitude that they transmit.

With X along and Y across a mask, arcsec from its centre in the ideal frame of its aperture,

    round masks   t = 1 - (2 J1(x) / x)^2,   x = s r                up to the second zero of J1; 1 beyond
    bars          t = 1 - (sin(x) / x)^2,    x = s(X) |Y|           up to 2 pi; 1 beyond, and where |X| > 10

The intensity is t squared. s of the round masks: 5.253 (MASK210R), 3.2928 (MASK335R), 2.5883 (MASK430R) per arcsec, so
that half the light passes at 0.40, 0.64 and 0.81 arcsec, 6 lambda / D of 2.1, 3.35 and 4.3 micron. A bar lets half the light
pass at w(X) lambda / D, w from 2 to 6 over its 15 arcsec in the middle and constant in 2.5 arcsec at the ends; lambda is
2.1 micron (MASKSWB, wide towards positive X: 0.13 to 0.40 arcsec) and 4.6 micron (MASKLWB, wide towards negative X: 0.29 to
0.88 arcsec).

Beside the masks lie squares of neutral density for acquisitions, 5 arcsec wide: the intensity is 10^-2.65 of the light.

Source: Krist et al. 2009 (Proc. SPIE 7440), as tabulated in stpsf (124fc9e, optics.py); density: 2.85 x 0.93 near 5 micron
(ground test), and taken for all wavelengths, which is chosen (JWST User Documentation: about 7.5 magnitudes).
NOT modelled: the change of density with wavelength, imperfect masks (defects, phase), the squares of 2 arcsec.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ARCSEC = np.pi / 180.0 / 3600.0
DIAMETER = 6.5
"""Metres, of the telescope in lambda / D."""
HALF = 1.7996025155702242
"""x at which a bar transmits half the light: 1 - (sin(x) / x)^2 = sqrt(1/2)."""
SECOND_ZERO = 7.015586669815619
"""Of J1."""
BAR_LENGTH, BAR_END = 20.0, 2.5
"""arcsec: of a bar, and of each end in which its width is constant."""
BAR_WIDTHS = (2.0, 6.0)
"""lambda / D from the middle to where half the light passes, at the narrow and the wide end."""
DENSITY = 2.85 * 0.93
"""Optical density of the squares; chosen for all wavelengths."""
SQUARE = 5.0
"""arcsec, side of a square."""


@dataclass(frozen=True)
class Occulter:
    """One occulting mask."""

    name: str
    """As the header's keyword CORONMSK has it: 'MASKA335R', 'MASKALWB'."""
    slope: float = 0.0
    """s of a round mask, 1/arcsec; 0 for a bar."""
    wavelength: float = 0.0
    """Metres, for which a bar is made."""
    wide: int = 0
    """Sign of X at the wide end of a bar."""

    @property
    def siaf_name(self) -> str:
        """As APT and the SIAF have it: 'MASK335R'."""
        return self.name.replace("MASKA", "MASK")

    def amplitude(self, x: Floats, y: Floats) -> Floats:
        """Return the amplitude that is transmitted, 0 to 1.

        Parameters
        ----------
        x, y
            arcsec along and across, from the mask's centre; broadcast together.
        """
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        if self.slope:
            from scipy.special import j1  # only builders need it

            at = np.clip(self.slope * np.hypot(x, y), 1e-9, SECOND_ZERO)
            return np.asarray(1.0 - (2.0 * j1(at) / at) ** 2)
        at = np.clip(self._slope(x) * np.abs(y), 0.0, 2.0 * np.pi)
        return np.where(np.abs(x) > BAR_LENGTH / 2.0, 1.0, 1.0 - np.sinc(at / np.pi) ** 2)

    def covers(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Return where less than all of the light is transmitted."""
        if self.slope:
            return np.asarray(np.hypot(x, y) < SECOND_ZERO / self.slope)
        return np.asarray((np.abs(x) <= BAR_LENGTH / 2.0) & (np.abs(y) < 2.0 * np.pi / self._slope(x)))

    @property
    def reach(self) -> float:
        """arcsec across the mask within which it takes light, at most."""
        if self.slope:
            return SECOND_ZERO / self.slope
        return float(2.0 * np.pi / self._slope(np.array(self.wide * BAR_LENGTH / 2.0)))

    def _slope(self, x: Floats) -> Floats:
        low, high = BAR_WIDTHS
        wedge = BAR_LENGTH / 2.0 - BAR_END
        width = low + (high - low) * np.clip(0.5 + 0.5 * self.wide * x / wedge, 0.0, 1.0)
        return np.asarray(HALF / (width * self.wavelength / DIAMETER / ARCSEC))


OCCULTERS = {
    "MASK210R": Occulter("MASKA210R", slope=5.253),
    "MASK335R": Occulter("MASKA335R", slope=3.2927866),
    "MASK430R": Occulter("MASKA430R", slope=2.58832),
    "MASKSWB": Occulter("MASKASWB", wavelength=2.1e-6, wide=1),
    "MASKLWB": Occulter("MASKALWB", wavelength=4.6e-6, wide=-1),
}
"""By the names that APT and the SIAF have for them."""


def square_transmission() -> float:
    """Return the part of the light that a square of neutral density transmits."""
    return float(10.0**-DENSITY)
