"""Axes on the sky: right ascension and declination along the edges, and a compass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.footprints.plane import Centre, Floats, from_tangent
from mirage_dask.plot.style import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGHEST = 85.0
"""Declination above which meridians are too oblique for ticks; offsets are shown instead."""


def sky_axes(ax: Axes, centre: Centre, size: float, unit: str, *, most: int = 5) -> None:
    """Label axes in the tangent plane with right ascension and declination, and draw lines of both.

    Parameters
    ----------
    ax
        Axes with limits; x is east, y is north of the centre, and east is left.
    centre
        Where the plane touches the sky, degrees.
    size, unit
        Arcsec in a unit of the axes, and its sign: near a pole the labels stay offsets in it.
    most
        Ticks on an axis.
    """
    left, right = ax.get_xlim()
    low, high = ax.get_ylim()
    if abs(centre[1]) + max(abs(low), abs(high)) * size / 3600.0 > HIGHEST:
        ax.set_xlabel(f"east of centre ({unit})")
        ax.set_ylabel(f"north of centre ({unit})")
        ax.grid(True)
        return
    x, y = np.meshgrid(np.linspace(right, left, 60), np.linspace(low, high, 60))
    ra, dec = from_tangent(x * size, y * size, centre)
    meridians, digits = nice(ra[0].min(), ra[0].max(), most)
    ax.set_xticks(
        np.interp(meridians, ra[0], x[0]), labels=[f"{value % 360.0:.{digits}f}°" for value in meridians]
    )
    parallels, digits = nice(dec[:, -1].min(), dec[:, -1].max(), most)
    ax.set_yticks(
        np.interp(parallels, dec[:, -1], y[:, -1]), labels=[f"{value:+.{digits}f}°" for value in parallels]
    )
    for values, field in ((meridians, ra), (parallels, dec)):
        if len(values):
            ax.contour(x, y, field, levels=values, colors="#2a323d", linewidths=0.6, zorder=0)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_xlabel("right ascension")
    ax.set_ylabel("declination")


def nice(low: float, high: float, most: int) -> tuple[Floats, int]:
    """Return round values in a range, at most so many, and the decimals that they have."""
    step = next(m * 10.0**e for e in range(-8, 4) for m in (1, 2, 5) if (high - low) / (m * 10.0**e) <= most)
    first = np.ceil(low / step - 1e-9)
    values = step * np.arange(first, np.floor(high / step + 1e-9) + 1)
    return values, max(0, -int(np.floor(np.log10(step) + 1e-9)))


def compass(ax: Axes) -> None:
    """Draw arrows to north and east into the lower right corner; north is up and east is left."""
    arrow = {"arrowstyle": "-|>", "color": FAINT, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    for name, (dx, dy) in {"N": (0, 34), "E": (-34, 0)}.items():
        ax.annotate(
            name, xy=(0.955, 0.05), xycoords="axes fraction", xytext=(dx, dy), textcoords="offset points",
            color=INK, fontsize=9, ha="center", va="center",
            arrowprops={**arrow, "arrowstyle": "<|-"}, zorder=6,
        )  # fmt: skip
