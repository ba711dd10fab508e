"""The ramp of one pixel: raw counts of its groups, the cosmic rays that hit it, and where it saturates.

A mark stands in each group in which the truth has more charge of cosmic rays than in the group before. A hit within the
frames of a group is shared out by their average, so that it may be marked in two groups. Charge that comes from a
neighbour (by inter-pixel capacitance, or spilled over) is not marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.formatting import counted
from mirage_dask.plot.exposure import group_times
from mirage_dask.plot.scene import describe
from mirage_dask.plot.style import ACCENT, INK, new_figure, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MOST = 6
"""Integrations that are drawn unless some are named: each is another tile to compute or read."""
HIT = "#ff6b5e"


def draw_ramp(
    exposure: xr.Dataset,
    x: int,
    y: int,
    *,
    integrations: Sequence[int] | None = None,
    saturation: float | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the ramp of a pixel of an exposure, one line for each integration.

    Parameters
    ----------
    exposure
        Dataset of one exposure with `raw`, DN over (integration, group, y, x), lazy or not. With `cosmic_rays`, electrons,
        hits are marked.
    x, y
        0-based indices of the arrays of the dataset.
    integrations
        0-based indices; default the first `MOST`.
    saturation
        Raw counts above which the calibration pipeline calls the pixel saturated, DN; default no line.
    title
        Default: name and filter of the exposure, and the pixel in the full frame.

    Raises
    ------
    InputError
        If there is no such pixel or integration, the dataset has no `raw`, or matplotlib is not installed.
    """
    if "raw" not in exposure:
        raise InputError("This dataset has no variable raw, of which ramps are drawn.")
    nx, ny = exposure.sizes["x"], exposure.sizes["y"]
    if not (0 <= x < nx and 0 <= y < ny):
        raise InputError(
            f"The dataset has no pixel x = {x}, y = {y}; it has x 0 to {nx - 1} and y 0 to {ny - 1}."
        )
    count = exposure.sizes.get("integration", 1)
    chosen = list(range(min(count, MOST)) if integrations is None else integrations)
    if not chosen or not all(0 <= number < count for number in chosen):
        raise InputError(f"integrations={integrations!r}: the dataset has integrations 0 to {count - 1}.")
    ramps = _of_pixel(exposure, "raw", x, y, chosen)
    rays = _of_pixel(exposure, "cosmic_rays", x, y, chosen) if "cosmic_rays" in exposure else None
    times, label = group_times(exposure)
    with style():
        figure = new_figure(8.6, 4.8)
        ax = figure.add_subplot()
        for place, (number, ramp) in enumerate(zip(chosen, ramps, strict=True)):
            colour = ACCENT if len(chosen) == 1 else _shade(place, len(chosen))
            ax.plot(
                times, ramp, "o-", color=colour, ms=4.5, lw=1.3, label=f"integration {number + 1}", zorder=2
            )
        if rays is not None:
            _mark_hits(ax, times, ramps, rays)
        if saturation is not None and np.isfinite(saturation):
            limits = ax.get_ylim()
            ax.axhline(
                saturation, color=INK, ls="--", lw=1.1, label=f"saturation, {saturation:,.0f} DN", zorder=1
            )
            if saturation > limits[1] + np.ptp(limits):  # a ramp far below it would be a flat line
                ax.set_ylim(limits)
        ax.set_title(title if title is not None else _title(exposure, x, y), fontweight="bold")
        ax.set_xlabel(label)
        ax.set_ylabel("raw (DN)")
        ax.grid(True)
        left = count - len(chosen)
        note = counted(left, "more integration") if left and integrations is None else None
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title=note)
    return figure


def new_charge(rays: Floats) -> Floats:
    """Return the charge that cosmic rays have added since the group before, electrons, (integration, group)."""
    return np.diff(rays, axis=1, prepend=0.0)


def _mark_hits(ax: Axes, times: Floats, ramps: Floats, rays: Floats) -> None:
    """Mark the groups with new charge, and write how much it is."""
    added = new_charge(rays)
    hit = added > 0
    if not hit.any():
        return
    _, groups = np.nonzero(hit)
    ax.plot(times[groups], ramps[hit], "o", ms=11, mfc="none", mec=HIT, mew=1.6, label="cosmic ray", zorder=3)
    for time, counts, charge in zip(times[groups], ramps[hit], added[hit], strict=True):
        ax.annotate(
            f"+{charge:,.0f} e⁻", (time, counts), xytext=(-9, 6), textcoords="offset points", color=HIT, fontsize=9,
            ha="right",
        )  # fmt: skip


def _of_pixel(exposure: xr.Dataset, name: str, x: int, y: int, integrations: Sequence[int]) -> Floats:
    """Return (integration, group) of one variable at a pixel; one integration after the other is asked for."""
    found = exposure[name].isel(x=x, y=y)
    if "integration" not in found.dims:
        found = found.expand_dims("integration")
    if "group" not in found.dims:
        found = found.expand_dims("group", axis=1)
    return np.stack(
        [np.asarray(found.isel(integration=number).values, np.float64) for number in integrations]
    )


def _shade(place: int, count: int) -> tuple[float, float, float]:
    from matplotlib import colormaps

    r, g, b = colormaps["viridis"](0.45 + 0.5 * place / max(count - 1, 1))[:3]
    return float(r), float(g), float(b)


def _title(exposure: xr.Dataset, x: int, y: int) -> str:
    """Return name, filter and pixel: in the full frame where the dataset has its numbers."""
    where = [
        int(exposure.coords[axis].values[index])
        if axis in exposure.coords and exposure.coords[axis].ndim == 1
        else index
        for axis, index in (("x", x), ("y", y))
    ]
    return f"{describe(exposure)}\npixel x = {where[0]}, y = {where[1]}"
