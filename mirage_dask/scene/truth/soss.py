"""Orders of stars behind GR700XD: where their light falls, how much of it, and what of other stars lies on it.

As `mirage_dask.scene.truth.dispersed`, with the box of `mirage_dask.scene.soss.tables`. How much light of each order falls
where was noted when the planes were drawn.

NOT modelled: pixels that an order saturates beyond its box, and those where another star of the catalog is brighter, are not
counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mirage_dask.scene.soss.stars import TraceBox, trace_between
from mirage_dask.scene.soss.tables import SUMS, SossLight
from mirage_dask.scene.truth.dispersed import OrdersSeen
from mirage_dask.scene.truth.saturation import Wells

Floats = NDArray[np.float64]
Light = NDArray[np.float32]


def light_of_star(table: SossLight, star: int, factors: Floats) -> Light:
    """Return the light of a star in the planes of its table, (ny, nx) e-/s.

    Of several stars it is known where a star is the brightest of them, and 0 elsewhere.

    Parameters
    ----------
    factors
        (k,) of the components.
    """
    if table.owner.size:
        return np.where(table.owner == star, table.owner_light, np.float32(0))
    return np.tensordot(factors, table.planes, 1).astype(np.float32)


def trace_of(table: SossLight, star: int, order: int) -> tuple[Floats, Floats, Floats]:
    """Return wavelengths (micron), columns and rows (full-frame science pixels) of an order, its number in the table."""
    own = table.node_order == table.orders[order]
    low, high = table.ends[order].tolist()
    column, row = table.node_column[own] + table.shift[star, 0], table.node_row[own] + table.shift[star, 1]
    return trace_between(table.node_wavelength[own], column, row, low, high)


def soss_orders_seen(
    tables: Sequence[SossLight],
    factors: Sequence[Floats],
    most: Sequence[Floats],
    wells: Wells,
    transmission: Light | None = None,
) -> list[OrdersSeen]:
    """Return the orders of all stars behind GR700XD of an exposure, table by table.

    Parameters
    ----------
    tables
        Of all its layers of such stars.
    factors
        (k,) of the components of each table: the mean over the exposure.
    most
        (k,) likewise, where it is brightest: what saturates.
    wells
        The pixels of the exposure.
    transmission
        (ny, nx) of the optics; None for 1.
    """
    ny, nx = wells.limit.shape
    total = np.zeros((1, ny, nx))
    for table, amounts in zip(tables, factors, strict=True):
        part = np.s_[
            0,
            table.y0 - wells.y0 : table.y0 - wells.y0 + table.planes.shape[1],
            table.x0 - wells.x0 : table.x0 - wells.x0 + table.planes.shape[2],
        ]
        total[part] += np.tensordot(amounts, table.planes, 1)
    if transmission is not None:
        total *= transmission
    return [
        _seen(table, amounts, brightest, total, wells, transmission)
        for table, amounts, brightest in zip(tables, factors, most, strict=True)
    ]


def _seen(
    table: SossLight, factors: Floats, most: Floats, total: Floats, wells: Wells, transmission: Light | None
) -> OrdersSeen:
    ny, nx = wells.limit.shape
    bounds = wells.x0, wells.y0, wells.x0 + nx, wells.y0 + ny
    k, count = len(table.planes), table.orders.size
    rows = table.index.size * count
    rate, wavelength, trace = np.zeros(rows), np.zeros((rows, 3)), np.zeros((rows, 3, 2))
    seen, box, others = np.full((rows, 2), np.nan), np.full((rows, 4), -1), np.zeros(rows)
    saturated, passed = np.zeros(rows, np.int32), np.ones(rows)
    sums = np.einsum("nmks,k->nms", table.sums, factors).reshape(rows, len(SUMS))
    for star in range(table.index.size):
        light = factors @ table.light[star * k : (star + 1) * k].astype(np.float64)
        image = light_of_star(table, star, most)
        for o in range(count):
            row = star * count + o
            rate[row] = light[table.node_order == table.orders[o]].sum()
            wave, column, line = trace_of(table, star, o)
            wavelength[row] = table.ends[o, 0], table.ends[o].mean(), table.ends[o, 1]
            for axis, places in enumerate((column, line)):
                trace[row, :, axis] = np.interp(wavelength[row], wave, places)
            on = (column > bounds[0] - 0.5) & (column < bounds[2] - 0.5)
            on &= (line > bounds[1] - 0.5) & (line < bounds[3] - 0.5)
            if on.any():
                seen[row] = wave[on].min(), wave[on].max()
            around = TraceBox.of(column, line, bounds)
            if (limits := around.limits) is not None:
                box[row] = np.array(limits) + np.repeat([wells.x0, wells.y0], 2)
            own = TraceBox.of(column, line, _box(table))
            near = np.where(own.mask(table.planes.shape[1]), image, np.float32(0))
            saturated[row] = wells.count(near, table.x0, table.y0)
            if transmission is not None:
                passed[row] = _passed(table, near, wells, transmission)
            others[row] = max(float(around.sum(total)[0]) - passed[row] * sums[row, 2], 0.0)
    return OrdersSeen(
        source=np.repeat(np.arange(table.index.size), count),
        order=np.tile(table.orders, table.index.size).astype(np.int16),
        rate=rate,
        on_array=sums[:, 0],
        measured=sums[:, 0] * passed,
        wavelength=wavelength,
        trace=trace,
        seen=seen,
        box=box,
        box_rate=sums[:, 1] * passed,
        others=others,
        saturated=saturated,
    )


def _box(table: SossLight) -> tuple[int, int, int, int]:
    ny, nx = table.planes.shape[1:]
    return table.x0, table.y0, table.x0 + nx, table.y0 + ny


def _passed(table: SossLight, light: Light, wells: Wells, transmission: Light) -> float:
    """Return the mean transmission of light in the planes of a table."""
    ny, nx = light.shape
    x, y = table.x0 - wells.x0, table.y0 - wells.y0
    total = float(light.sum(dtype=np.float64))
    return (
        float((light * transmission[y : y + ny, x : x + nx]).sum(dtype=np.float64)) / total if total else 1.0
    )
