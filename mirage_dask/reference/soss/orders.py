r"""The orders of GR700XD: traces, wavelengths and throughputs, built in or of the user.

A trace is a list of nodes (column, row, wavelength) for a star at the reference point of its aperture, with the pupil
wheel at `COMMANDED`. Between nodes columns and rows are cubic splines of the wavelength. The wheel does not come back to the
same angle; at an angle P the trace is turned about its pivot by P - COMMANDED, from columns towards rows, and light changes
its column: with delta = P - COMMANDED the wavelength in a column is

.. math:: \lambda(c) = \lambda_0(c) + \lambda_1(c)\,\delta + \lambda_2(c)\,\delta^2

A star that is elsewhere has the same trace, moved as its direct image would be. The counted rate of a flux F_lambda is

.. math:: \int S\, F_\lambda\, d\lambda, \qquad S = \frac{A\, T(\lambda)\, \lambda}{h c}

with the throughput T, electrons per photon on the primary mirror of the area A.

Accuracy: built-in traces within 0.01 pixel of pastasoss 1.2.4 at the commanded angle, wavelengths within 0.001 pixel.
Order 3 is not built in, for there is no public trace of it. NOT modelled: the tilt of monochromatic images against
columns (up to 2 degrees), order 0, distortion between the direct image and the trace.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.instruments.tables import read_table

Floats = NDArray[np.float64]

COMMANDED = 245.76
"""Degrees, of the pupil wheel: keyword PWCPOS."""
FARTHEST = 0.25
"""Degrees from there within which traces are known."""
STRIP_ROW = 1792
"""Row of the detector that is row 0 of the traces: the first of SUBSTRIP256."""
AREA = 25.326e4
"""cm2, of the primary mirror."""
HC = 1.98644586e-16
"""erg cm."""
ANGSTROMS = 1e4
"""Per micron."""
ORDERS = (1, 2, 3)
LEAST_NODES = 4
MOST_NODES = 4096
MOST_BYTES = 4_000_000
"""Of a file of the user's."""
COLUMNS = ("order", "column", "row", "wavelength", "throughput")
"""Of a file of the user's."""


@dataclass(frozen=True, eq=False)
class SossOrder:
    """One order, nodes in the order of rising wavelength."""

    order: int
    column: Floats
    """(n,) 0-based."""
    row: Floats
    """(n,) of SUBSTRIP256, 0-based; those outside of it are there too."""
    wavelength: Floats
    """(n,) micron, rising."""
    sample_wavelength: Floats
    """(m,) micron, rising: where the throughput is known."""
    throughput: Floats
    """(m,) electrons per photon on the primary mirror, 0 to 1."""
    turn: Floats
    """(2, n) change of the wavelength with the angle of the wheel and its square, micron per degree."""
    pivot: tuple[float, float] = (0.0, 0.0)
    """Column and row about which the trace turns."""

    def turned(self, pwcpos: float) -> SossOrder:
        """Return the order with the pupil wheel at an angle, degrees."""
        delta = pwcpos - COMMANDED
        if delta == 0.0:
            return self
        cos, sin = math.cos(math.radians(delta)), math.sin(math.radians(delta))
        x, y = self.column - self.pivot[0], self.row - self.pivot[1]
        column, row = self.pivot[0] + cos * x - sin * y, self.pivot[1] + sin * x + cos * y
        # Wavelengths belong to columns: those of the nodes' new columns.
        rising = np.argsort(self.column)
        now = self.wavelength + self.turn[0] * delta + self.turn[1] * delta**2
        wave = _spline(self.column[rising], now[rising], column)
        return replace(self, column=column, row=row, wavelength=wave)

    def place(self, wavelength: Floats) -> tuple[Floats, Floats]:
        """Return columns and rows where light of wavelengths (micron) falls; in a line beyond the outermost nodes."""
        return _spline(self.wavelength, self.column, wavelength), _spline(
            self.wavelength, self.row, wavelength
        )

    def wavelengths(self, column: Floats) -> Floats:
        """Return the wavelengths (micron) of light in columns."""
        rising = np.argsort(self.column)
        return _spline(self.column[rising], self.wavelength[rising], column)

    @property
    def response(self) -> Floats:
        """(m,) e-/s per erg/s/cm2/Angstrom and Angstrom, at `sample_wavelength`."""
        return AREA * self.throughput * self.sample_wavelength * 1e-4 / HC

    def through(self, low: float, high: float) -> SossOrder:
        """Return the order behind a filter that lets wavelengths from `low` to `high` (micron) through."""
        edges = np.array([low, np.nextafter(low, high), np.nextafter(high, low), high])
        wave = np.unique(np.concatenate([self.sample_wavelength, edges]))
        inside = (wave > low) & (wave < high)
        part = np.where(inside, np.interp(wave, self.sample_wavelength, self.throughput, 0.0, 0.0), 0.0)
        return replace(self, sample_wavelength=wave, throughput=part)


def _spline(at: Floats, values: Floats, where: Floats) -> Floats:
    """Return a cubic spline through nodes, and beyond them the line with its last slope."""
    from scipy.interpolate import CubicSpline

    found = CubicSpline(at, values, bc_type="natural" if at.size < 4 else "not-a-knot")
    inside = np.clip(where, at[0], at[-1])
    return np.asarray(found(inside) + found(inside, 1) * (where - inside), np.float64)


@cache
def builtin_orders() -> tuple[SossOrder, ...]:
    """Return the built-in orders: 1 and 2."""
    package = "mirage_dask.reference.soss"
    rows, samples = read_table("soss_traces", package), read_table("soss_throughput", package)
    found = []
    for number in sorted({int(row["order"]) for row in rows}):
        own = sorted(
            (row for row in rows if int(row["order"]) == number), key=lambda row: float(row["wavelength"])
        )
        lit = [row for row in samples if int(row["order"]) == number]
        column, row_, wave = (
            np.array([float(row[name]) for row in own]) for name in ("column", "row", "wavelength")
        )
        at, part = (np.array([float(row[name]) for row in lit]) for name in ("wavelength", "throughput"))
        turn = np.array([[float(row[name]) for row in own] for name in ("turn", "turn2")])
        pivot = float(own[0]["pivot_column"]), float(own[0]["pivot_row"])
        found.append(SossOrder(number, column, row_, wave, at, part, turn, pivot))
    return tuple(found)


def read_orders(path: str | Path) -> tuple[SossOrder, ...]:
    """Read orders of the user's: they take the place of the built-in ones of the same number, or are added.

    Parameters
    ----------
    path
        Text with the columns `COLUMNS`, separated by blanks, such as an ECSV file; lines that begin with # are left
        out. Two or more orders may be in it.

    Raises
    ------
    InputError
        With every problem of the file, by its lines.
    """
    lines = _lines(path)
    names = lines[0][1].split() if lines else []
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(f"{path}: it has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}.")
    problems: list[str] = []
    values: dict[int, list[list[float]]] = {}
    for number, line in lines[1:]:
        words = line.split()
        try:
            row = [float(words[names.index(name)]) for name in COLUMNS]
        except (ValueError, IndexError):
            problems.append(f"{path}, line {number}: {line.strip()!r} is not {len(names)} numbers.")
            continue
        wrong = _wrong_row(row)
        if wrong:
            problems.append(f"{path}, line {number}: {wrong}.")
        else:
            values.setdefault(int(row[0]), []).append(row[1:])
    if not values and not problems:
        problems.append(f"{path}: it has no nodes; give at least {LEAST_NODES} of an order.")
    found = []
    known = {order.order: order for order in builtin_orders()}
    for order, nodes in sorted(values.items()):
        table = np.array(sorted(nodes, key=lambda node: node[2])).T
        about = f"{path}: order {order}"
        if not LEAST_NODES <= table.shape[1] <= MOST_NODES:
            problems.append(
                f"{about} has {counted(table.shape[1], 'node')}; give {LEAST_NODES} to {MOST_NODES}."
            )
        elif not (np.diff(table[2]) > 0).all() or not _monotonic(table[0]):
            problems.append(
                f"{about} does not go one way: wavelengths must differ, and columns rise or fall with them."
            )
        elif not table[3].any():
            problems.append(f"{about} has no light: its throughput is 0 everywhere.")
        else:
            pivot = known[order].pivot if order in known else (float(table[0, -1]), float(table[1, -1]))
            column, row_, wave, part = table
            turn = np.zeros((2, wave.size))
            found.append(SossOrder(order, column, row_, wave, wave, part, turn, pivot))
    if problems:
        raise InputError(problems)
    return tuple(found)


def _lines(path: str | Path) -> list[tuple[int, str]]:
    """Return the lines of a text with their numbers, without comments and empty ones."""
    file = Path(path)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: it is larger than {MOST_BYTES // 10**6} MB, and no table of traces.")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: it cannot be read ({error}).") from error
    numbered = enumerate(text.splitlines(), start=1)
    return [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]


def _wrong_row(row: list[float]) -> str:
    order, column, place, wave, part = row
    if not all(map(math.isfinite, row)):
        return "a value is not finite"
    if order not in ORDERS:
        return f"there is no order {order:g}; it must be 1, 2 or 3"
    if not 0.3 <= wave <= 6.0:
        return f"the wavelength {wave:g} is not between 0.3 and 6 micron"
    if not 0.0 <= part <= 1.0:
        return f"the throughput {part:g} is not between 0 and 1"
    if not (-4096 <= column <= 6144 and -4096 <= place <= 6144):
        return f"column {column:g}, row {place:g} is far from the detector"
    return ""


def _monotonic(values: Floats) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def orders_with(own: Iterable[SossOrder]) -> tuple[SossOrder, ...]:
    """Return the built-in orders, those of the user in the place of the same number or beside them."""
    found: Mapping[int, SossOrder] = {order.order: order for order in (*builtin_orders(), *own)}
    return tuple(found[number] for number in sorted(found))
