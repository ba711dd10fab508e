r"""The configuration of one filter, grism and module: traces, sensitivities, and the form that plans keep.

With the source at (x0, y0) in the direct image (0-based full-frame science pixels, pixel centres at integers), light of an
order lands at

.. math:: \lambda = \sum_i L_i(x_0, y_0)\, t^i, \qquad X = x_0 - w_x + \sum_i A_i(x_0, y_0)\, t^i, \qquad
          Y = y_0 - w_y + \sum_i B_i(x_0, y_0)\, t^i

where L, A, B are the tables `displ`, `dispx`, `dispy`; each row holds the coefficients of the polynomial

    1;  x, y;  x^2, xy, y^2;  x^3, x^2 y, x y^2, y^3

of (x0, y0), which is not clamped to the detector. t is a parameter only: it need not lie in 0 … 1. (w_x, w_y) is the shift
of a direct image through another filter (`GrismConfiguration.wedges`). The counted rate of a source of flux F_lambda is

.. math:: \int S(\lambda)\, F_\lambda\, d\lambda \quad \mathrm{e^-/s}, \qquad d\lambda\ \mathrm{in\ Angstrom}

with S interpolated linearly between its samples and 0 outside. Source of the format: N. Pirzkal's grismconf (documentation
and configurations NIRCam V9, NIRISS V3); equations and signs checked against its version 1.60.

In NIRISS traces turn with the filter wheel about the source (`GrismConfiguration.turned`).

NOT modelled: the pick-off mirror's edge (a file POM or a polygon), and traces that change in time.

Workers use this module: numbers are made with + - * / and sqrt alone, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirage_dask.errors import InputError, StoreError
from mirage_dask.io.tables import load_table, save_table

Floats = NDArray[np.float64]

KIND = "grism configuration"
TERMS = (1, 3, 6, 10)
"""How many coefficients of (x0, y0) a row may have: polynomials of degree 0 to 3."""
MOST_POWERS = 8
LEAST_RESPONSE = 1e-3
"""Of the peak: beyond the first and last sample above it an order has no light (as grismconf's WRANGE)."""
GAP = 0.03
"""Relative width in wavelength: samples below `LEAST_RESPONSE` over more than this split an order into segments."""
NEWTON_STEPS = 12


@dataclass(frozen=True, eq=False)
class GrismOrder:
    """One order of a grism."""

    order: int
    """+1, +2, +3, 0, -1 …"""
    dispx: Floats
    """(powers of t, terms) offsets in x, pixels."""
    dispy: Floats
    """(powers of t, terms) offsets in y, pixels."""
    displ: Floats
    """(powers of t, terms) wavelength, micron."""
    xrange: tuple[float, float]
    """Margins, pixels: a source counts if xrange[0] < x0 < nx + xrange[1]."""
    yrange: tuple[float, float]
    wavelength: Floats
    """(n,) of the samples of the sensitivity, micron, ascending."""
    response: Floats
    """(n,) e-/s per erg/s/cm2/Angstrom and Angstrom."""
    sensitivity_file: str = ""
    """Where the samples are from."""

    def __post_init__(self) -> None:
        for name in ("dispx", "dispy", "displ"):
            table = getattr(self, name)
            if table.ndim != 2 or not 1 <= len(table) <= MOST_POWERS or table.shape[1] not in TERMS:
                raise ValueError(f"{name} of order {self.order} has the shape {table.shape}")
        if len(self.displ) < 2 or self.wavelength.shape != self.response.shape or self.wavelength.size < 2:
            raise ValueError(f"order {self.order} has no wavelengths or no sensitivity")

    def trace(self, x0: ArrayLike, y0: ArrayLike, t: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return where light lands.

        Parameters
        ----------
        x0, y0
            Position in the direct image, 0-based full-frame science pixels.
        t
            Parameter of the trace; all three are broadcast together.

        Returns
        -------
        wavelength, x, y
            float64; micron, pixels.
        """
        x, y, t = (np.asarray(v, dtype=np.float64) for v in (x0, y0, t))
        wave, dx, dy = (polynomial(at_place(p, x, y), t) for p in (self.displ, self.dispx, self.dispy))
        return wave, x + dx, y + dy

    def parameter(self, x0: ArrayLike, y0: ArrayLike, wavelength: ArrayLike) -> Floats:
        """Return the parameter t of wavelengths (micron): the exact inverse of the trace's wavelength.

        For a quadratic the root that continues the linear solution; nan beyond the vertex. Higher powers take Newton's steps
        from there.
        """
        x, y, wave = (np.asarray(v, dtype=np.float64) for v in (x0, y0, wavelength))
        return inverse(at_place(self.displ, x, y), wave)

    def respond(self, wavelength: ArrayLike) -> Floats:
        """Return the sensitivity at wavelengths (micron): e-/s per erg/s/cm2/Angstrom and Angstrom, 0 outside."""
        return np.interp(
            np.asarray(wavelength, np.float64), self.wavelength, self.response, left=0.0, right=0.0
        )

    @cached_property
    def segments(self) -> tuple[tuple[float, float], ...]:
        """Ranges of wavelength with light, micron, ascending: several where the sensitivity has gaps (red leaks)."""
        lit = np.flatnonzero(self.response > LEAST_RESPONSE * self.response.max())
        if not lit.size:
            return ()
        wave = self.wavelength[lit]
        breaks = np.flatnonzero((np.diff(wave) > GAP * wave[:-1]) & (np.diff(lit) > 1))
        first, last = np.append(0, breaks + 1), np.append(breaks, wave.size - 1)
        found = ((float(wave[a]), float(wave[b])) for a, b in zip(first, last, strict=True))
        return tuple((low, high) for low, high in found if high > low)

    def accepts(self, x0: Floats, y0: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which sources are inside the margins of a detector of (nx, ny) pixels."""
        return (
            (x0 > self.xrange[0])
            & (x0 < size[0] + self.xrange[1])
            & (y0 > self.yrange[0])
            & (y0 < size[1] + self.yrange[1])
        )


@dataclass(frozen=True, eq=False)
class GrismConfiguration:
    """Traces and sensitivities of one filter, grism and module."""

    name: str
    """Such as 'NIRCAM_F444W_modA_R'."""
    size: tuple[int, int]
    """(nx, ny) of the detector."""
    orders: tuple[GrismOrder, ...]
    wedges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Shift (wx, wy) of the trace, pixels, by the filter of the direct image that (x0, y0) is measured in.

    jwst has the same as its reference `filteroffset`: use one of them, not both."""
    fwcpos_ref: float | None = None
    """Angle of NIRISS's filter wheel, degrees, at which the traces hold."""
    notes: tuple[str, ...] = ()
    """What a user should know about how the files were read."""

    def order(self, number: int) -> GrismOrder:
        """Return one order.

        Raises
        ------
        InputError
            If the configuration does not have it.
        """
        for found in self.orders:
            if found.order == number:
                return found
        known = ", ".join(f"{o.order:+d}" if o.order else "0" for o in self.orders)
        raise InputError(f"the grism configuration {self.name} has no order {number:+d}; it has {known}.")

    def trace(self, order: int, x0: ArrayLike, y0: ArrayLike, t: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return wavelength (micron), x and y of light of an order: `GrismOrder.trace`."""
        return self.order(order).trace(x0, y0, t)

    def parameter(self, order: int, x0: ArrayLike, y0: ArrayLike, wavelength: ArrayLike) -> Floats:
        """Return t of wavelengths (micron) of an order: `GrismOrder.parameter`."""
        return self.order(order).parameter(x0, y0, wavelength)

    def shifted(self, direct_filter: str) -> Self:
        """Return the configuration for positions in a direct image through some filter (`wedges`); itself if it has none."""
        wx, wy = self.wedges.get(direct_filter.upper(), (0.0, 0.0))
        if not (wx or wy):
            return self
        orders = tuple(
            replace(o, dispx=_moved(o.dispx, -wx), dispy=_moved(o.dispy, -wy)) for o in self.orders
        )
        return replace(self, orders=orders, wedges={})

    def turned(self, degrees: float) -> Self:
        """Return the configuration with traces turned about the source, from +x towards +y.

        Parameters
        ----------
        degrees
            FWCPOS_REF - FWCPOS for NIRISS: jwst 3.0 turns by `theta = fwcpos - fwcpos_ref` from the dispersed to the direct
            position (assign_wcs, niriss.py).
        """
        if degrees == 0.0:
            return self
        angle = np.deg2rad(degrees)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))  # on the client; workers read the tables
        turned = []
        for o in self.orders:
            a, b = _alike(o.dispx, o.dispy)
            turned.append(replace(o, dispx=cos * a - sin * b, dispy=sin * a + cos * b))
        return replace(self, orders=tuple(turned))

    # -- the form that a plan keeps ----------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it as arrays by name; `from_arrays` is the inverse."""
        arrays: dict[str, NDArray[Any]] = {
            "name": np.array([self.name]),
            "size": np.array(self.size, np.int64),
            "notes": np.array(self.notes, dtype=np.str_),
            "wedge_filters": np.array(list(self.wedges), dtype=np.str_),
            "wedges": np.array(list(self.wedges.values()), np.float64).reshape(-1, 2),
            "fwcpos_ref": np.array([] if self.fwcpos_ref is None else [self.fwcpos_ref], np.float64),
            "orders": np.array([o.order for o in self.orders], np.int64),
            "ranges": np.array([[*o.xrange, *o.yrange] for o in self.orders], np.float64).reshape(-1, 4),
            "files": np.array([o.sensitivity_file for o in self.orders], dtype=np.str_),
        }
        for i, o in enumerate(self.orders):
            for name in _TABLES:
                arrays[f"{name}_{i}"] = getattr(o, name)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a configuration from the result of `to_arrays`.

        Raises
        ------
        StoreError
            If something is missing or has another shape.
        """
        try:
            orders = tuple(
                GrismOrder(
                    order=int(number),
                    **{name: np.asarray(arrays[f"{name}_{i}"], np.float64) for name in _TABLES},
                    xrange=(float(limits[0]), float(limits[1])),
                    yrange=(float(limits[2]), float(limits[3])),
                    sensitivity_file=str(file),
                )
                for i, (number, limits, file) in enumerate(
                    zip(arrays["orders"], arrays["ranges"], arrays["files"], strict=True)
                )
            )
            nx, ny = (int(v) for v in arrays["size"])
            wedges = zip(arrays["wedge_filters"], arrays["wedges"], strict=True)
            return cls(
                name=str(arrays["name"][0]),
                size=(nx, ny),
                orders=orders,
                wedges={str(name): (float(w[0]), float(w[1])) for name, w in wedges},
                fwcpos_ref=float(arrays["fwcpos_ref"][0]) if arrays["fwcpos_ref"].size else None,
                notes=tuple(str(note) for note in arrays["notes"]),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise StoreError(
                f"A grism configuration of the plan is damaged ({error}); plan the simulation again."
            ) from error

    def save(self, url: str | Path) -> str:
        """Write it into a folder of tables and return its content key; see `io.tables.save_table`."""
        return save_table(url, self.to_arrays(), kind=KIND)

    @classmethod
    def load(cls, url: str | Path, key: str) -> Self:
        """Read a configuration from a folder of tables by its key.

        Raises
        ------
        StoreError
            If there is none, or it is damaged.
        """
        return cls.from_arrays(load_table(url, key, kind=KIND))


_TABLES = ("dispx", "dispy", "displ", "wavelength", "response")


def at_place(table: Floats, x0: ArrayLike, y0: ArrayLike) -> list[Floats]:
    """Return the coefficients of the powers of t at (x0, y0): `table` is (powers, terms), each item has the shape of x0."""
    x, y = np.asarray(x0, np.float64), np.asarray(y0, np.float64)
    terms = [np.ones_like(x), x, y, x * x, x * y, y * y]
    if table.shape[1] == TERMS[-1]:
        terms += [x * x * x, x * x * y, x * y * y, y * y * y]
    found = []
    for row in table:
        total = row[0] * terms[0]
        for coefficient, term in zip(row[1:], terms[1:], strict=False):
            total = total + coefficient * term
        found.append(total)
    return found


def polynomial(coefficients: list[Floats], t: Floats) -> Floats:
    """Return the sum of coefficients times powers of t."""
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * t + coefficient
    return np.broadcast_to(total, np.broadcast_shapes(np.shape(total), np.shape(t)))


def inverse(displ: list[Floats], wavelength: Floats) -> Floats:
    """Return t of wavelengths, where `displ` are the coefficients of the powers of t at a place."""
    c, b = displ[0] - wavelength, displ[1]
    if len(displ) == 2:
        return -c / b
    with np.errstate(invalid="ignore"):
        root = np.sqrt(b * b - 4.0 * displ[2] * c)
    t = -2.0 * c / (b + np.where(b < 0, -root, root))
    if len(displ) > 3:
        slope = [i * value for i, value in enumerate(displ)][1:]
        for _ in range(NEWTON_STEPS):
            t = t - (polynomial(displ, t) - wavelength) / polynomial(slope, t)
    return t


def _moved(table: Floats, by: float) -> Floats:
    moved = table.copy()
    moved[0, 0] += by
    return moved


def _alike(*tables: Floats) -> list[Floats]:
    """Fill tables up with zeros to one shape."""
    rows, columns = (max(t.shape[axis] for t in tables) for axis in (0, 1))
    return [np.pad(t, ((0, rows - t.shape[0]), (0, columns - t.shape[1]))) for t in tables]
