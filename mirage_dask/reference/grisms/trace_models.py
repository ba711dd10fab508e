r"""Traces of a grism in the form of the pipeline's reference file `specwcs`.

The pipeline evaluates polynomials of a parameter u whose coefficients are polynomials of the place (x0, y0) in the direct
image, and it searches inverses on nodes between u = 0 and 1 only (jwst 3.0, assign_wcs; stdatamodels, transforms). So a
configuration is not copied but fitted, on places all over the field, its margins included:

    NIRCam    the offset along the dispersion *is* the parameter, a + b u: from a pixel to u and back without a search;
              wavelength and offset across are polynomials of u, and u is one of the wavelength
    NIRISS    the wavelength is a + b u; both offsets are polynomials of u

The range of u holds all wavelengths that are extracted everywhere on the field, and `MARGIN` beyond. Polynomials of degree
3 in u and 5 in the place: all published and built-in configurations within 0.001 pixels (`TraceModels.error`).

NOT modelled: wavelengths outside of the band of the filter (red leaks), where the polynomials are not fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.reference.grisms.configuration import GrismConfiguration, GrismOrder
from mirage_dask.reference.grisms.sky import is_along_y

Floats = NDArray[np.float64]

MARGIN = 0.06
"""Of the range of the parameter, at both of its ends."""
BEYOND = 0.01
"""Of the wavelength: how much further than the band polynomials are fitted."""
LEAST_LIGHT = 0.01
"""Of the peak: the sensitivity at the ends of the range that is extracted."""
WORST = 0.02
"""Pixels: a fit that is worse is an error."""
DEGREE = 5
"""Of polynomials of the place."""
POWERS = 4
"""Of the parameter: 0 to 3."""
PLACES, LOOKS = 11, 9
"""Places along each axis of the field, and wavelengths, at which polynomials are fitted."""
_UNIT = 1e-3
"""Pixels are counted in thousands in the fit."""


def extracted_range(order: GrismOrder) -> tuple[float, float]:
    """Return the wavelengths, micron, between which the sensitivity is above 1 % of its peak without a gap."""
    peak = int(np.argmax(order.response))
    dark = np.flatnonzero(order.response < LEAST_LIGHT * order.response[peak])
    below, above = dark[dark < peak], dark[dark > peak]
    first = int(below[-1]) + 1 if below.size else 0
    last = int(above[0]) - 1 if above.size else order.wavelength.size - 1
    return float(order.wavelength[first]), float(order.wavelength[last])


@dataclass(frozen=True)
class TraceModels:
    """Traces as astropy models, by the names of the pipeline's data models."""

    tree: Mapping[str, Any]
    """displ, dispx, dispy, invdispl, orders, and invdispx or invdispy for NIRCam."""
    error: float
    """Pixels: the worst deviation from the configuration at the places of the fit."""


def trace_models(configuration: GrismConfiguration, *, instrument: str) -> TraceModels:
    """Return the traces of a configuration in the pipeline's form.

    Parameters
    ----------
    configuration
        Any: built in or read from the instrument teams' files.
    instrument
        'NIRCAM' or 'NIRISS'.

    Raises
    ------
    InputError
        If polynomials do not fit the traces within `WORST` pixels.
    """
    along_y = is_along_y(configuration)
    names = ("displ", "dispx", "dispy", "invdispl")
    tree: dict[str, Any] = {name: [] for name in names}
    inverse_along = "invdispy" if along_y else "invdispx"
    worst = 0.0
    for order in configuration.orders:
        sampled = _Samples.of(order, configuration.size, along_y)
        if instrument == "NIRCAM":
            made, error = _nircam(sampled)
            tree.setdefault(inverse_along, []).append(made.pop("inverse"))
        else:
            made, error = _niriss(sampled)
        along, across = made.pop("along"), made.pop("across")
        made |= {"dispx": across, "dispy": along} if along_y else {"dispx": along, "dispy": across}
        for name in names:
            tree[name].append(made[name])
        worst = max(worst, error)
        if error > WORST:
            raise InputError(
                f"The grism configuration {configuration.name}: order {order.order} cannot be given to the pipeline, whose "
                f"polynomials deviate from its trace by {error:.3f} pixels; make its displacements smooth over the field."
            )
    return TraceModels(tree | {"orders": [order.order for order in configuration.orders]}, worst)


@dataclass(frozen=True)
class _Samples:
    """Where light of an order lands, at places all over the field and wavelengths of its band."""

    x: Floats
    y: Floats
    wave: Floats
    along: Floats
    across: Floats
    speed: float
    """Largest dispersion, pixels per micron."""

    @classmethod
    def of(cls, order: GrismOrder, size: tuple[int, int], along_y: bool) -> _Samples:
        low, high = extracted_range(order)
        looks = 0.5 - 0.5 * np.cos(np.pi * np.arange(LOOKS) / (LOOKS - 1))
        wave = low * (1 - BEYOND) + (high * (1 + BEYOND) - low * (1 - BEYOND)) * looks
        places = (
            np.linspace(margin[0], side + margin[1], PLACES)
            for margin, side in ((order.xrange, size[0]), (order.yrange, size[1]))
        )
        x, y, wave = (v.ravel() for v in np.meshgrid(*places, wave, indexing="ij"))
        t = order.parameter(x, y, wave)
        _, px, py = order.trace(x, y, t)
        offsets = (py - y, px - x) if along_y else (px - x, py - y)
        steps = [np.diff(v.reshape(-1, LOOKS), axis=1) for v in (offsets[0], wave)]
        return cls(x, y, wave, *offsets, float(np.abs(steps[0] / steps[1]).max()))


def _nircam(s: _Samples) -> tuple[dict[str, Any], float]:
    start, width = _range(s.along)
    if s.along.reshape(-1, LOOKS)[0, 0] > s.along.reshape(-1, LOOKS)[0, -1]:
        start, width = start + width, -width  # u rises with the wavelength
    u = (s.along - start) / width
    displ, wave_error = _fit(u, s.wave, s)
    across, across_error = _fit(u, s.across, s)
    invdispl, u_error = _fit(s.wave, u, s)
    made = {
        "displ": displ,
        "along": [_line(start, width)],
        "across": across,
        "invdispl": invdispl,
        "inverse": _line(-start / width, 1.0 / width),
    }
    return made, max(wave_error * s.speed, across_error, u_error * abs(width))


def _niriss(s: _Samples) -> tuple[dict[str, Any], float]:
    start, width = _range(s.wave)
    u = (s.wave - start) / width
    along, along_error = _fit(u, s.along, s)
    across, across_error = _fit(u, s.across, s)
    made = {
        "displ": _line(start, width),
        "along": along,
        "across": across,
        "invdispl": _line(-start / width, 1.0 / width),
    }
    return made, max(along_error, across_error)


def _range(values: Floats) -> tuple[float, float]:
    """Start and width of a range that holds values with `MARGIN` at both ends."""
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low)
    return low - margin, high - low + 2.0 * margin


def _line(start: float, slope: float) -> Any:
    from astropy.modeling.models import Polynomial1D

    return Polynomial1D(1, c0=float(start), c1=float(slope))


def _fit(u: Floats, values: Floats, s: _Samples) -> tuple[list[Any], float]:
    """Fit values by powers of u times polynomials of the place; return the models and the worst deviation."""
    from astropy.modeling.models import Polynomial2D

    terms = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    x, y, scale = s.x * _UNIT, s.y * _UNIT, float(np.abs(u).max())
    field = np.stack([x**i * y**j for i, j in terms], axis=1)
    powers = (u[:, None] / scale) ** np.arange(POWERS)
    matrix = (powers[:, :, None] * field[:, None, :]).reshape(u.size, -1)
    found = np.linalg.lstsq(matrix, values, rcond=None)[0]
    error = float(np.abs(matrix @ found - values).max())
    models = []
    for power, row in enumerate(found.reshape(POWERS, len(terms))):
        numbers = {
            f"c{i}_{j}": float(value / scale**power * _UNIT ** (i + j))
            for (i, j), value in zip(terms, row, strict=True)
        }
        models.append(Polynomial2D(DEGREE, **numbers))
    return models, error
