"""Distortion: detector pixels <-> telescope coordinates V2, V3, as polynomials fitted to any model.

A `Distortion` holds two maps between full-frame science pixels (0-based) and (V2, V3) in arcsec. Each is

    p = sum_{i+j<=n} c_ij a^i b^j

in normalised coordinates (a, b) with values in [-1, 1] inside the *domain*, the detector and a margin around
it. The inverse first applies an affine map, (V2, V3) -> normalised pixels, so that its polynomial is the
identity and a small correction. Outside the domain a polynomial of high order would soon return values on the
detector; there (a, b) are clamped to the domain and the affine excess is added, so that a distant source
stays distant.

`Distortion.to_pixels` uses + - * / and comparisons of float64 only, in a fixed order: the same bits on every
processor. Fits use LAPACK; they are computed once, on the client, and only the coefficients are sent to workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import ReferenceFileError

Floats = npt.NDArray[np.float64]
Model = Callable[[Floats, Floats], tuple[Any, Any]]
Coefficients = tuple[tuple[float, ...], ...]
"""Row i holds the coefficients of a^i b^j for j = 0 … n - i."""

TOLERANCE = 1e-4
"""Largest residual of a fit, pixels."""


def polynomial(coefficients: Coefficients, a: Floats, b: Floats) -> Floats:
    """Evaluate a polynomial by Horner's rule in b within a; elementwise, the order of operations is fixed."""
    total = np.zeros_like(a)
    for row in reversed(coefficients):
        inner = np.zeros_like(b)
        for c in reversed(row):
            inner = inner * b + c
        total = total * a + inner
    return total


def _fit(a: Floats, b: Floats, values: tuple[Floats, ...], order: int) -> list[Coefficients]:
    """Fit polynomials of one order to several sets of values at the same points."""
    terms = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    design = np.stack([a**i * b**j for i, j in terms], axis=-1)
    solved = np.linalg.lstsq(design, np.stack(values, axis=-1), rcond=None)[0]
    tables = [dict(zip(terms, column, strict=True)) for column in solved.T.tolist()]
    rows = range(order + 1)
    return [tuple(tuple(table[i, j] for j in range(order + 1 - i)) for i in rows) for table in tables]


@dataclass(frozen=True)
class Distortion:
    """Polynomials between full-frame science pixels and V2, V3; see the module's docstring."""

    centre: float
    """Pixel at normalised 0, in both axes."""
    half: float
    """Pixels at normalised 1: half the detector plus the margin."""
    v2: Coefficients
    """V2, arcsec, of normalised pixels."""
    v3: Coefficients
    v_centre: tuple[float, float]
    """V2, V3 of the affine map's origin, arcsec."""
    affine: tuple[float, float, float, float]
    """Row-major 2 x 2, arcsec -> normalised pixels."""
    reach: float
    """Largest absolute affine coordinate inside the domain; a little above 1."""
    x: Coefficients
    """Normalised x of the affine map's result."""
    y: Coefficients
    residual: float
    """Largest residual of the fits, pixels, at points that were not fitted."""

    def to_pixels(self, v2: Floats, v3: Floats) -> tuple[Floats, Floats]:
        """Return 0-based full-frame science pixels of V2, V3 in arcsec; bit-stable."""
        dv2, dv3 = v2 - self.v_centre[0], v3 - self.v_centre[1]
        a = self.affine[0] * dv2 + self.affine[1] * dv3
        b = self.affine[2] * dv2 + self.affine[3] * dv3
        inside_a = np.minimum(np.maximum(a, -self.reach), self.reach)
        inside_b = np.minimum(np.maximum(b, -self.reach), self.reach)
        x = polynomial(self.x, inside_a, inside_b) + (a - inside_a)
        y = polynomial(self.y, inside_a, inside_b) + (b - inside_b)
        return x * self.half + self.centre, y * self.half + self.centre

    def to_v2v3(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return V2, V3, arcsec, of 0-based full-frame science pixels inside the domain."""
        a, b = (x - self.centre) / self.half, (y - self.centre) / self.half
        return polynomial(self.v2, a, b), polynomial(self.v3, a, b)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON, which keeps every bit of a float64."""
        return {
            "centre": self.centre,
            "half": self.half,
            "v_centre": list(self.v_centre),
            "affine": list(self.affine),
            "reach": self.reach,
            "residual": self.residual,
            **{k: [list(row) for row in getattr(self, k)] for k in ("v2", "v3", "x", "y")},
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Distortion:
        """Inverse of `to_dict`."""
        v_centre, affine = (tuple(map(float, values[k])) for k in ("v_centre", "affine"))
        polynomials = {k: tuple(tuple(map(float, row)) for row in values[k]) for k in ("v2", "v3", "x", "y")}
        numbers = {k: float(values[k]) for k in ("centre", "half", "reach", "residual")}
        return cls(v_centre=v_centre, affine=affine, **numbers, **polynomials)  # type: ignore[arg-type]


def distortion_from_model(
    forward: Model,
    inverse: Model | None = None,
    *,
    size: int,
    margin: int = 600,
    orders: tuple[int, ...] = (5, 6, 7, 8, 9, 10, 14, 16),
    label: str = "distortion model",
) -> Distortion:
    """Fit a `Distortion` to a model.

    Parameters
    ----------
    forward
        Callable of arrays x, y (0-based full-frame science pixels) that returns V2, V3 in arcsec.
    inverse
        Callable of V2, V3 that returns x, y. By default the inverse is fitted to `forward` itself, so that it is
        consistent with a pipeline that uses `forward`.
    size
        Pixels along the longer side of the detector.
    margin
        Pixels around the detector on which the fit holds.
    orders
        Polynomial orders to try, lowest first, until the residual is below `TOLERANCE`. The high ones are for the wedges of
        Lyot stops: the SIAF has measured their distortion in a part of the detector, and it is steep in the rest.
    label
        Name of the model in errors, such as its file name.

    Raises
    ------
    ReferenceFileError
        If the model gives values that are not finite, is singular, or no order reaches `TOLERANCE`.
    """
    centre, half = (size - 1) / 2.0, size / 2.0 + margin
    # Chebyshev nodes keep the fit even at the edges; the check grid is uniform, reaches the corners and
    # shares no points with them.
    nodes = np.cos(np.pi * (np.arange(28) + 0.5) / 28)
    checks = np.linspace(-1.0, 1.0, 23)
    fit_a, fit_b = (g.ravel() for g in np.meshgrid(nodes, nodes))
    check_a, check_b = (g.ravel() for g in np.meshgrid(checks, checks))
    a, b = np.concatenate([fit_a, check_a]), np.concatenate([fit_b, check_b])
    fitted = slice(0, fit_a.size)

    x, y = a * half + centre, b * half + centre
    v2, v3 = (np.asarray(v, float) for v in forward(x, y))
    if inverse is not None:
        x, y = (np.asarray(p, float) for p in inverse(v2, v3))
    if not all(np.isfinite(q).all() for q in (v2, v3, x, y)):
        raise ReferenceFileError(
            f"{label}: the model gives values that are not finite on or near the detector."
        )

    plane = np.stack([np.ones(fit_a.size), fit_a, fit_b], axis=-1)
    slope2, slope3 = (np.linalg.lstsq(plane, v[fitted], rcond=None)[0] for v in (v2, v3))
    jacobian = np.array([[slope2[1], slope2[2]], [slope3[1], slope3[2]]])  # arcsec per normalised pixel
    if not abs(np.linalg.det(jacobian)) > 1e-6 * np.abs(jacobian).max() ** 2:
        raise ReferenceFileError(f"{label}: the model is singular: pixels do not map to an area in V2, V3.")
    affine = np.linalg.inv(jacobian)
    v_centre = (float(slope2[0]), float(slope3[0]))
    back_a = affine[0, 0] * (v2 - v_centre[0]) + affine[0, 1] * (v3 - v_centre[1])
    back_b = affine[1, 0] * (v2 - v_centre[0]) + affine[1, 1] * (v3 - v_centre[1])
    # With distortion the affine map exceeds the domain slightly; the clamp must not cut that off.
    reach = float(max(np.abs(back_a).max(), np.abs(back_b).max()))

    scale = float(np.sqrt(abs(np.linalg.det(jacobian)))) / half  # arcsec per pixel
    best = np.inf
    for order in orders:
        pv2, pv3 = _fit(fit_a, fit_b, (v2[fitted], v3[fitted]), order)
        normalised = (x[fitted] - centre) / half, (y[fitted] - centre) / half
        px, py = _fit(back_a[fitted], back_b[fitted], normalised, order)
        residual = max(
            *(np.abs(polynomial(c, a, b) - v).max() / scale for c, v in ((pv2, v2), (pv3, v3))),
            *(np.abs(polynomial(c, back_a, back_b) * half + centre - p).max() for c, p in ((px, x), (py, y))),
        )
        best = min(best, float(residual))
        if residual < TOLERANCE:
            break
    else:
        raise ReferenceFileError(
            f"{label}: the polynomial fit has residuals of {best:.2g} pixel, above {TOLERANCE}."
        )
    return Distortion(
        centre=centre,
        half=half,
        v2=pv2,
        v3=pv3,
        v_centre=v_centre,
        affine=tuple(affine.ravel().tolist()),
        reach=reach,
        x=px,
        y=py,
        residual=float(residual),
    )
