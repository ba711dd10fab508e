r"""The light of a star while a planet passes before it, by the package batman.

Source: Kreidberg 2015, PASP 127, 1161 (batman); for a quadratic law of limb darkening the formulas of Mandel and Agol
2002, ApJ 580, L171. batman's numbers for other laws are right to 1 ppm, its own setting.

Times count from the start of the exposure's first integration, which is `Transit.start` on the clock of the catalog.

NOT modelled: secondary eclipses, phase curves, starspots, the light travel time within the system; the night side of the
planet. For these give light curves of your own.

batman is the extra `tso`; it is imported by the function that needs it, on the client only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError

Floats = NDArray[np.float64]

LAWS = {
    "uniform": 0,
    "linear": 1,
    "quadratic": 2,
    "squareroot": 2,
    "logarithmic": 2,
    "exponential": 2,
    "power2": 2,
    "nonlinear": 4,
}
"""Laws of limb darkening by batman's names, and how many coefficients each has."""


@dataclass(frozen=True, eq=False)
class Transit:
    """A star and the planet before it."""

    semimajor_axis: float
    """In radii of the star."""
    inclination: float
    """Degrees."""
    eccentricity: float
    periastron: float
    """Longitude of periastron, degrees."""
    period: float
    """Seconds."""
    midpoint: float
    """Of the transit (inferior conjunction), seconds on the clock of the catalog."""
    start: float
    """Of the exposure, seconds on the same clock."""
    law: str
    """One of `LAWS`."""
    wavelength: Floats
    """(L,) micron, rising."""
    radius_ratio: Floats
    """(L,) radius of the planet over that of the star."""
    coefficients: Floats
    """(L, n) of the law of limb darkening."""

    def light(self, times: Floats, rows: NDArray[np.intp] | None = None) -> Floats:
        """Return the light of the star over that without the planet, (wavelengths, times), at moments.

        Parameters
        ----------
        times
            (T,) seconds since the start of the exposure.
        rows
            Numbers of the wavelengths; default all.

        Raises
        ------
        InputError
            If batman is not installed, or refuses the parameters.
        """
        batman = _batman()
        chosen = np.arange(self.wavelength.size) if rows is None else rows
        largest = int(chosen[np.argmax(self.radius_ratio[chosen])])
        try:
            model: Any = batman.TransitModel(
                self._parameters(batman, largest), times + self.start, nthreads=1
            )
            return np.stack([model.light_curve(self._parameters(batman, int(i))) for i in chosen])
        except Exception as error:  # batman raises plain Exception
            raise InputError(f"The transit cannot be computed: batman says: {error}") from error

    def middles(self, seconds: float) -> Floats:
        """Return the middles of the transits during an exposure, seconds since its start."""
        first = np.ceil((self.start - self.midpoint) / self.period)
        count = int(np.floor((self.start + seconds - self.midpoint) / self.period) - first) + 1
        return self.midpoint + self.period * (first + np.arange(max(count, 0))) - self.start

    def _parameters(self, batman: Any, row: int) -> Any:
        found = batman.TransitParams()
        found.t0, found.per, found.a, found.inc = (
            self.midpoint,
            self.period,
            self.semimajor_axis,
            self.inclination,
        )
        found.ecc, found.w, found.limb_dark = self.eccentricity, self.periastron, self.law
        found.rp, found.u = float(self.radius_ratio[row]), [float(v) for v in self.coefficients[row]]
        return found


def _batman() -> Any:
    try:
        import batman
    except ImportError:
        raise InputError(
            "The transit of a tso_grism_catalog is computed by the package batman, which is not installed; install it with "
            "pip install 'mirage_dask[tso]', or give light curves of your own (the column lightcurve_file)."
        ) from None
    return batman
