r"""The Sersic profile as a sum of Gaussians: their weights and widths, once, on the client.

With the half-light radius r_e along the major axis, the axis ratio q = 1 - ellipticity, and the elliptical radius
s = sqrt((u / r_e)^2 + (v / (q r_e))^2) in coordinates u, v along the axes,

.. math:: I(s) = I_0 \exp(-b\, s^{1/n}), \qquad \gamma(2n, b) = \Gamma(2n) / 2, \qquad
          I_0 = \frac{F}{q r_e^2} \frac{b^{2n}}{2 \pi n\, \Gamma(2n)}

for a total flux F integrated to infinity. The fraction inside s is the regularised gamma function P(2n, b s^{1/n}).
Sources: Sersic (1963); Graham & Driver (2005, PASA 22, 118), equations 1 to 5.

It is drawn as `COMPONENTS` Gaussians of widths sigma_k r_e, evenly spaced in log(sigma) between two ends that follow from
n (Hogg & Lang 2013, PASP 125, 719, who fit both). Their weights w_k sum to 1, so no light is cut, and minimise, over radii s
evenly spaced in log(s), the sum of the squares of

.. math:: \frac{\sum_k w_k E_k(s)}{P(s)} - 1, \qquad
          \frac12\, \frac{\sum_k w_k G_k(s) - I(s)}{P(s) F / (\pi q r_e^2 s^2)}, \qquad \lambda w_k

with the light E_k inside s and the brightness G_k at s of a Gaussian: both are compared with what is inside s, hence with
the peak of an image that is blurred by s. For n >= 0.5 a Sersic profile is a sum of Gaussians with positive weights; below,
where its edge is sharper than a Gaussian's, weights of both signs come close. Differences for n from 0.3 to 8
(tests/scene/galaxies/test_sersic.py): the light inside any radius beyond 0.003 r_e is right within 0.2 % of the light there
and 0.06 % of the galaxy's.

NOT modelled: spiral arms, bars, boxy isophotes, truncated discs, colour gradients. Indices below `SMALLEST_INDEX` and above
`LARGEST_INDEX` are drawn as these.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments.tables import read_table

Floats = NDArray[np.float64]

SMALLEST_INDEX = 0.25
LARGEST_INDEX = 10.0
COMPONENTS = 20
STEPS = 120
"""Indices, evenly in log(n), of the table `data/mixtures.ecsv`; between them weights and widths are interpolated."""
RADII = 300
"""Radii of a fit."""
DAMPING = 2e-4
"""Lambda: keeps weights of opposite signs small."""
NARROWEST = {
    0.25: 0.3,
    0.3: 0.3,
    0.4: 0.12,
    0.5: 0.1,
    0.7: 0.03,
    1.0: 0.005,
    1.5: 0.0022,
    2.5: 0.0013,
    4.0: 0.001,
    8.0: 0.0007,
    10.0: 0.0007,
}
"""Width of the first Gaussian in r_e, by index."""
INNERMOST = 0.002
"""Radius, r_e, within which the profile is not looked at: 0.6 pixel of a galaxy of 10 arcsec."""
WIDEST = 2.2
"""The last Gaussian is this much narrower than the radius of 99.99 % of the light."""


def constants(sersic_index: Floats) -> tuple[Floats, NDArray[np.float32], NDArray[np.float32]]:
    """Return what depends on the Sersic index alone.

    Parameters
    ----------
    sersic_index
        (n,)

    Returns
    -------
    index
        (n,) the index that is drawn.
    variances
        (n, COMPONENTS) of the Gaussians, in squares of the half-light radius, ascending.
    weights
        (n, COMPONENTS) fractions of the flux.
    """
    n = np.clip(np.asarray(sersic_index, dtype=np.float64), SMALLEST_INDEX, LARGEST_INDEX)
    logs, widths, weights = _table()
    place = (np.log(n) - logs[0]) / (logs[1] - logs[0])
    low = np.clip(place.astype(int), 0, len(logs) - 2)
    t = (place - low)[:, None]
    log_width = (1 - t) * widths[low] + t * widths[low + 1]
    weight = (1 - t) * weights[low] + t * weights[low + 1]
    return n, np.exp(2 * log_width).astype(np.float32), weight.astype(np.float32)


@cache
def _table() -> tuple[Floats, Floats, Floats]:
    """Logarithms of indices, (STEPS, COMPONENTS) logarithms of widths, and weights."""
    rows = read_table("mixtures", "mirage_dask.scene.galaxies")
    logs, first, last = (
        np.array([float(r[c]) for r in rows]) for c in ("log_index", "log_first", "log_last")
    )
    weights = np.array([[float(row[f"w{k}"]) for k in range(COMPONENTS)] for row in rows])
    return logs, np.linspace(first, last, COMPONENTS, axis=1), weights


def fit(n: float) -> tuple[Floats, Floats]:
    """Fit the Gaussians of one index.

    The table `data/mixtures.ecsv` was made by it: a fit's last digits differ between processors, which would give one
    catalog two tables of sources.

    Returns
    -------
    log_widths, weights
        (COMPONENTS,) each; widths in half-light radii.
    """
    from scipy import special

    b = special.gammaincinv(2 * n, 0.5)
    narrowest = np.exp(np.interp(np.log(n), np.log(list(NARROWEST)), np.log(list(NARROWEST.values()))))
    widest = (special.gammaincinv(2 * n, 0.9999) / b) ** n / WIDEST
    widths = np.linspace(np.log(narrowest), np.log(widest), COMPONENTS)
    outermost = 1.3 * (special.gammaincinv(2 * n, 0.99999) / b) ** n
    s = np.geomspace(max(narrowest, INNERMOST), outermost, RADII)[:, None]
    enclosed = special.gammainc(2 * n, b * s ** (1 / n))
    norm = np.exp(2 * n * np.log(b) - special.gammaln(2 * n)) / (2 * np.pi * n)
    mean = 2 * enclosed / (np.pi * s**2)
    square = s**2 / (2 * np.exp(2 * widths))
    left = np.concatenate(
        [-np.expm1(-square) / enclosed, np.exp(-square) / (2 * np.pi * np.exp(2 * widths)) / mean]
    )
    right = np.concatenate([np.ones(RADII), norm * np.exp(-b * s[:, 0] ** (1 / n)) / mean[:, 0]])
    weights = np.linalg.solve(left.T @ left + DAMPING**2 * np.eye(COMPONENTS), left.T @ right)
    return widths, weights / weights.sum()
