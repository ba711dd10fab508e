"""Exponential and logarithm of float64 arrays from + - * / alone: a library's last bit depends on the machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_LOWEST = -700.0
"""Exponentials of less are 0."""

Doubles = NDArray[np.float64]


def exponential(x: ArrayLike) -> Doubles:
    """Return exp(x) for x <= 700, relative error 1e-14; 0 below -700."""
    x = np.asarray(x, np.float64)
    clipped = np.maximum(x, _LOWEST)
    power = np.rint(clipped / _LN2)
    rest = clipped - power * _LN2
    total = term = np.ones_like(rest)
    for k in range(1, 15):
        term = term * rest / k
        total = total + term
    return np.where(x < _LOWEST, 0.0, np.ldexp(total, power.astype(np.int64)))


def logarithm(x: ArrayLike) -> Doubles:
    """Return the natural logarithm of positive numbers, relative error 1e-14."""
    mantissa, power = np.frexp(np.asarray(x, np.float64))
    small = mantissa < _SQRT_HALF
    mantissa, power = np.where(small, 2 * mantissa, mantissa), power - small
    z = (mantissa - 1) / (mantissa + 1)  # log m = 2 atanh z, |z| < 0.172
    square, total = z * z, np.zeros_like(z)
    for k in range(21, 0, -2):
        total = total * square + 1 / k
    return np.asarray(2 * z * total + power * _LN2)


def power(x: ArrayLike, exponent: float) -> Doubles:
    """Return positive numbers to a power, relative error 1e-13."""
    return exponential(exponent * logarithm(x))
