"""The boxes of traces behind a grism, in a picture of a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mirage_dask.plot.style import ACCENT, INK, PANEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mirage_dask.plot.marks import SceneMarks, Trace

ORDER_COLOURS = {1: ACCENT, 2: "#43d9bd", 3: "#4f9dff", 0: "#8f7bff", -1: "#ff6b5e"}
"""Colours of orders; of others `style.INK`."""
EDGE = 0.07
"""Part of the picture's width that a name keeps from its sides."""
LEGEND = "boxes of traces, named by order: index of the source"
APART = 0.035
"""Part of the picture's height and width that names are apart; where there is no room, one is left out."""


def order_name(order: int) -> str:
    """Return an order as it is written: +1, 0, -1."""
    return f"{order:+d}" if order else "0"


def draw_traces(ax: Axes, marks: SceneMarks, corner: tuple[int, int]) -> list[Any]:
    """Draw the boxes of traces, each with its order and the index of its source, and return what a legend needs.

    Parameters
    ----------
    ax
        Axes of a picture of the detector, whose limits are kept by who calls.
    marks
        Of the exposure.
    corner
        (x, y) of its first pixel as the axes count it.
    """
    limits = ax.get_xlim(), ax.get_ylim()
    names: list[tuple[float, float]] = []
    handles: dict[int, Any] = {}
    for trace in marks.traces:
        colour = ORDER_COLOURS.get(trace.order, INK)
        (handles[trace.order],) = ax.plot(trace.x + corner[0], trace.y + corner[1], color=colour, lw=0.9)
        _name(ax, trace, corner, colour, limits, names)
    counts = dict(marks.orders)
    for order, line in handles.items():
        shown = sum(trace.order == order for trace in marks.traces)
        many = f"brightest {shown} of {counts[order]:,}" if counts[order] > shown else f"{shown}"
        line.set_label(f"order {order_name(order)}: {many} {'source' if counts[order] == 1 else 'sources'}")
    return list(handles.values())


def _name(
    ax: Axes,
    trace: Trace,
    corner: tuple[int, int],
    colour: str,
    limits: Any,
    names: list[tuple[float, float]],
) -> None:
    """Write order and index beside a box, where it is in the picture and no other name is."""
    (left, right), (low, high) = limits
    x, y = trace.x + corner[0], trace.y + corner[1]
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    if not inside.any():
        return
    width, height = right - left, high - low
    if trace.along_y:  # to the right of the box, or to its left where the picture ends
        at_right = x[inside].max() < left + 0.85 * width
        place = (x[inside].max() if at_right else x[inside].min()), float(np.median(y[inside]))
        move, align = ((4, 0), ("left", "center")) if at_right else ((-4, 0), ("right", "center"))
    else:
        middle = float(np.clip(np.median(x[inside]), left + EDGE * width, right - EDGE * width))
        place = middle, y[inside].max()
        above = place[1] < low + 0.93 * height
        place = place if above else (place[0], y[inside].min())
        move, align = ((0, 3), ("center", "bottom")) if above else ((0, -3), ("center", "top"))
    scaled = (place[0] - left) / width, (place[1] - low) / height
    if any(abs(scaled[0] - a) < 4.0 * APART and abs(scaled[1] - b) < APART for a, b in names):
        return
    names.append(scaled)
    ax.annotate(
        f"{order_name(trace.order)}: {trace.index}", place, xytext=move, textcoords="offset points", ha=align[0],
        va=align[1], fontsize=8, color=colour, clip_on=True,
        bbox={"facecolor": PANEL, "edgecolor": "none", "alpha": 0.6, "pad": 0.8},
    )  # fmt: skip
