r"""How traps fill: from the expected light of earlier exposures to the amplitudes of persistence. Three models.

`power_law` (romanisim 0.15.0 `persistence.py`, after Sanchez et al. 2023), of each earlier exposure by itself:

.. math:: \dot N = A\, \frac{(x/x_0)^\alpha}{1 + e^{-(x - x_0)/\delta x}} \left(\frac{t}{1000\,\mathrm s}\right)^{-\gamma}

with x the charge that an integration of it collects [e-], and proportional to x below half the well (50,000 e-). A is 0.003
e-/s instead of romanisim's 0.017, so that a NIRCam pixel releases less than 0.01 % in an equal exposure (JDox).

`exponentials` (Tulloch & George 2019, arXiv 1908.06469), traps of five time constants, whose fill N follows the charge Q:

.. math:: \frac{dN_k}{dt} = \frac{s_k\, d\, Q - N_k}{\tau_k}

with shares s_k (ESA Pyxel 3.0.2, an H4RG) and the density d of traps per electron; solved exactly for charge that grows
evenly up to the full well, one integration after the other, with Q = 0 between them.

`traps` (the pipeline's former step, jwst 1.16 `persistence/persistence.py`; a file TRAPPARS has the coefficients of three
families), with s the slope in full wells per second, t the time until the pixel is full, and tau = 1/\|c_1\|:

.. math::
    F &= 2 D s^2 \left[ t^2 (c_0 + c_2)/2 + c_0 (t \tau + \tau^2) e^{-t/\tau} - c_0 \tau^2 \right] \\
    F &\leftarrow F + (D c_0 - (F - D c_2)) (1 - e^{-|c_1| t_\mathrm{full}})

and release of F (1 - exp(-\|decay\| dt)); one frame of the reset counts as exposure.

NOT modelled: light that varies, and what cosmic rays leave; persistence that an earlier exposure itself received; charge
above the full well, in `exponentials` and `traps`; capture that depends on temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.charge.elementary import Doubles, exponential, power
from mirage_dask.detector.effects import TRAP_COEFFICIENTS, TRAP_FAMILIES

MODELS = ("power_law", "exponentials", "traps")

X0, DX, ALPHA, HALF_WELL = 6e4, 5e4, 0.045, 5e4
"""Of the power law, electrons but alpha."""
TAU = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""Seconds, of the exponentials."""
SHARES = (0.307, 0.175, 0.188, 0.136, 0.194)
"""Of the traps of each time constant."""


@dataclass(frozen=True, eq=False)
class Fill:
    """What an earlier exposure has done to the pixels that it filled."""

    pixel: NDArray[np.int64]
    """row x 65536 + column of the full-frame detector, ascending."""
    rate: Doubles
    """Expected light, e-/s."""
    well: Doubles
    """Full well, e-."""
    seconds: float
    """Of one integration, up to its last read."""
    reset: float
    """Seconds between the end of one integration and the start of the next."""
    integrations: int
    since: float
    """Seconds from its end to the start of the exposure that receives; at least one frame."""
    density: Doubles | None = None
    """Traps of each pixel, e-, where a file has them: instead of the parameter `trap_density`."""

    @property
    def duration(self) -> float:
        """Seconds from the start of the first integration to the last read."""
        return self.integrations * self.seconds + (self.integrations - 1) * self.reset


@dataclass(frozen=True, eq=False)
class Release:
    """Amplitudes of persistence: a column each as in `mirage_dask.detector.charge.persistence`."""

    pixel: NDArray[np.int64]
    component: NDArray[np.int64]
    amplitude: Doubles
    exponent: Doubles
    scale: Doubles

    def table(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns, sorted, without amplitudes of 0."""
        kept = self.amplitude.astype(np.float32) > 0
        order = np.lexsort((self.component[kept], self.pixel[kept]))
        pixel = self.pixel[kept][order]
        return {
            "row": (pixel >> 16).astype(np.int16),
            "column": (pixel & 0xFFFF).astype(np.int16),
            "component": self.component[kept][order].astype(np.int16),
            "amplitude": self.amplitude[kept][order].astype(np.float32),
            "exponent": self.exponent,
            "scale": self.scale,
        }


Parameters = Callable[[str], float | str]
"""Value of a parameter of the effect by its name."""


Coefficients = tuple[float, float, float, float]
"""Of a family of traps: capture0, capture1, capture2, decay."""


def release(
    fills: Sequence[Fill], parameter: Parameters, families: Sequence[Coefficients] | None = None
) -> Release:
    """Return what the earlier exposures let a detector release.

    Parameters
    ----------
    fills
        The earlier exposures, in the order of time, all relative to the same exposure.
    parameter
        Values of the parameters of the effect `persistence`.
    families
        Of the model `traps`, instead of those of the parameters.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    model = parameter("model")
    if model == "power_law":
        return _power_law(fills, float(parameter("amplitude")), float(parameter("exponent")))
    if model == "exponentials":
        density = float(parameter("density"))
        return _states(fills, [_Exponential(tau, s * density) for tau, s in zip(TAU, SHARES, strict=True)])
    if model == "traps":
        if families is None:
            families = [_coefficients(parameter, k) for k in TRAP_FAMILIES]
        density = float(parameter("trap_density"))
        traps = [_Family(density, c0, abs(c1), c2, abs(decay)) for c0, c1, c2, decay in families]
        return _states(fills, [family for family in traps if family.decay > 0])
    raise ValueError(f"persistence has no model {model!r}; it has {', '.join(MODELS)}")


def _coefficients(parameter: Parameters, family: int) -> Coefficients:
    """Return those of a family, by its number, from the parameters."""
    c0, c1, c2, decay = (float(parameter(f"{name}_{family}")) for name in TRAP_COEFFICIENTS)
    return c0, c1, c2, decay


def stimulus(charge: Doubles) -> Doubles:
    """Return what the power law of a charge [e-] is proportional to, 1 about at twice the half well."""
    x = np.maximum(charge, HALF_WELL)
    found = power(x / X0, ALPHA) / (1 + exponential(-(x - X0) / DX))
    return found * np.minimum(charge / HALF_WELL, 1.0)


def _power_law(fills: Sequence[Fill], amplitude: float, exponent: float) -> Release:
    return Release(
        pixel=np.concatenate([np.zeros(0, np.int64), *(fill.pixel for fill in fills)]),
        component=np.repeat(np.arange(len(fills)), [fill.pixel.size for fill in fills]),
        amplitude=np.concatenate(
            [np.zeros(0), *(amplitude * stimulus(fill.rate * fill.seconds) for fill in fills)]
        ),
        exponent=np.full(len(fills), exponent),
        scale=np.array([fill.since for fill in fills], np.float64),
    )


class _Traps(Protocol):
    """Traps of one kind."""

    @property
    def decay(self) -> float:
        """Of what is trapped, 1/s."""

    def exposed(self, fill: Fill) -> float:
        """Return the seconds during which an integration fills traps."""

    def captured(self, fill: Fill) -> Doubles:
        """Return the electrons that one integration leaves in empty traps."""


@dataclass(frozen=True)
class _Exponential:
    """Traps of one time constant, seconds, and their number per electron."""

    tau: float
    density: float

    @property
    def decay(self) -> float:
        return 1 / self.tau

    def exposed(self, fill: Fill) -> float:
        return fill.seconds

    def captured(self, fill: Fill) -> Doubles:
        t = np.minimum(fill.seconds, fill.well / fill.rate)
        ramp = fill.rate * (t - self.tau * (1 - exponential(-t / self.tau)))
        kept = exponential(-(fill.seconds - t) / self.tau)
        return np.asarray(self.density * (ramp * kept + fill.well * (1 - kept)))


@dataclass(frozen=True)
class _Family:
    """A family of traps of the pipeline's former step."""

    density: float
    c0: float
    c1: float
    c2: float
    decay: float

    def exposed(self, fill: Fill) -> float:
        return fill.seconds + fill.reset  # one frame of the reset counts

    def captured(self, fill: Fill) -> Doubles:
        seconds, slope = self.exposed(fill), fill.rate / fill.well
        density = self.density if fill.density is None else fill.density
        t = np.minimum(seconds, 1 / slope)
        bracket = t**2 * self.c2 / 2
        if self.c1 > 0:
            tau = 1 / self.c1
            bracket = bracket + self.c0 * (t**2 / 2 - tau**2 + (t * tau + tau**2) * exponential(-t / tau))
        found = 2 * density * slope**2 * bracket
        free = density * self.c0 - (found - density * self.c2)
        return np.maximum(found + free * (1 - exponential(-self.c1 * (seconds - t))), 0.0)


def _states(fills: Sequence[Fill], families: Sequence[_Traps]) -> Release:
    """Follow the trapped electrons of each family through the earlier exposures."""
    pixels = np.unique(np.concatenate([np.zeros(0, np.int64), *(fill.pixel for fill in fills)]))
    states = np.zeros((len(families), pixels.size))
    for fill, later in zip(fills, (*fills[1:], None), strict=True):
        where = np.searchsorted(pixels, fill.pixel)
        gap = fill.since if later is None else max(fill.since - later.since - later.duration, 0.0)
        for state, family in zip(states, families, strict=True):
            # Each integration multiplies what there was and adds the same: a geometric series.
            again = family.decay * (fill.seconds + fill.reset)
            series = (1 - exponential(-again * fill.integrations)) / (1 - exponential(-again))
            state *= exponential(-family.decay * (fill.duration + family.exposed(fill) - fill.seconds))
            state[where] += family.captured(fill) * series
            state *= exponential(-family.decay * gap)
    count = len(families)
    return Release(
        pixel=np.tile(pixels, count),
        component=np.repeat(np.arange(count), pixels.size),
        amplitude=states.ravel(),
        exponent=np.zeros(count),
        scale=np.array([1 / family.decay for family in families], np.float64),
    )
