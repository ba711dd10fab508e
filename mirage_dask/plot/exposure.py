"""Summary picture of a raw exposure: the collected light, the ramp of a bright pixel, and a cut-out group by group.

Behind a grism the boxes of the brightest traces are marked, each with its order and the index of its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mirage_dask.plot.boxes import LEGEND, draw_traces
from mirage_dask.plot.scene import describe, origin
from mirage_dask.plot.style import (
    ACCENT,
    FAINT,
    IMAGE_COLOURS,
    INK,
    blocks,
    colour_bar,
    new_figure,
    stretch,
    style,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mirage_dask.plot.marks import SceneMarks

CUTOUTS = 6
"""Groups shown in the strip."""
MARGIN = 4
"""Pixels at the edges that are not looked at for a bright one: reference pixels, and pixels without all their neighbours."""
LONELY = 10.0
"""A pixel of a star has two neighbours of more than a tenth of its light; of a hot one they have 1 %."""
NEARLY_FULL = 55_000
"""Raw counts of a pixel whose ramp becomes flat: it is not chosen as the bright one."""


def draw_exposure(
    exposure: xr.Dataset,
    *,
    marks: SceneMarks | None = None,
    integration: int = 0,
    title: str | None = None,
    cutout: int = 72,
) -> Figure:
    """Draw one integration of an exposure; pixels that are full in the first group are as bright as the brightest.

    Only a few groups and one pixel's ramp are read, so a lazy exposure with hundreds of groups is drawn as fast as one
    with ten.

    Parameters
    ----------
    exposure
        Dataset of one exposure with `raw`, uint16 DN over (integration, group, y, x), lazy or not.
    marks
        From `scene_marks`: the traces of an exposure behind a grism are marked. Default none.
    integration
        Index of the integration.
    title
        Default: the name of the exposure and its filter.
    cutout
        Side of the cut-outs in the strip, pixels.
    """
    raw = exposure["raw"]
    ngroups = raw.sizes["group"]
    groups, shown = _some_groups(raw, integration)
    light = _growth(groups[0], groups[-1]) if ngroups > 1 else groups[0] - np.float32(np.median(groups[0]))
    y, x = _bright_pixel(groups)
    ramp = np.asarray(raw.isel(integration=integration, y=y, x=x).values, np.float64)

    with style():
        figure = new_figure(11.5, 7.6)
        grid = figure.add_gridspec(2, 2, height_ratios=(2.6, 1.0), width_ratios=(1.35, 1.0))
        full = figure.add_subplot(grid[0, 0])
        scale = stretch(light)
        x0, y0 = origin(exposure)
        extent = (x0 - 0.5, x0 + light.shape[1] - 0.5, y0 - 0.5, y0 + light.shape[0] - 0.5)
        picture = full.imshow(blocks(light), norm=scale, cmap=IMAGE_COLOURS, extent=extent)
        full.plot(x0 + x, y0 + y, "s", ms=9, mfc="none", mec=ACCENT, mew=1.4)
        full.set_title(title if title is not None else describe(exposure), fontweight="bold")
        full.set_xlabel("x (pixel)")
        full.set_ylabel("y (pixel)")
        if marks is not None and marks.traces:
            limits = full.get_xlim(), full.get_ylim()
            handles = draw_traces(full, marks, (x0, y0))
            full.set(xlim=limits[0], ylim=limits[1])
            figure.legend(handles=handles, loc="outside lower left", ncols=5, frameon=False, title=LEGEND)
        label = "last group − first group (DN)" if ngroups > 1 else "only group − its median (DN)"
        colour_bar(figure, picture, full, label)
        _draw_ramp(figure.add_subplot(grid[0, 1]), exposure, ramp, (y0 + y, x0 + x))
        strip = grid[1, :].subgridspec(1, max(len(shown) - 1, 1), wspace=0.04)
        _draw_strip(figure, strip, groups, shown, (y, x), cutout)
    return figure


def _some_groups(raw: xr.DataArray, integration: int) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
    """Return the first group, the last one and a few between, (group, y, x), and their indices.

    Each is selected by a single indexing operation: dask passes only the first one on to the source of the values.
    """
    last = raw.sizes["group"] - 1
    step = max(1, -(-last // CUTOUTS))
    numbers = np.arange(0, last + 1, step)
    groups = np.asarray(raw.isel(integration=integration, group=slice(0, None, step)).values, np.float32)
    if numbers[-1] != last:
        final = np.asarray(raw.isel(integration=integration, group=slice(last, None)).values, np.float32)
        groups, numbers = np.concatenate([groups, final]), np.append(numbers, last)
    return groups, numbers


def group_times(exposure: xr.Dataset) -> tuple[NDArray[np.float64], str]:
    """Return (time or number of each group, axis label): the coordinate along `group` in seconds if there is one."""
    count = exposure.sizes["group"]
    for name, coordinate in exposure.coords.items():
        if coordinate.dims == ("group",) and coordinate.attrs.get("units") == "s":
            return np.asarray(coordinate.values, float), f"{str(name).replace('_', ' ')} (s)"
    return np.arange(1.0, count + 1.0), "group"


def _growth(first: NDArray[np.float32], later: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what groups have more than the first, (…, y, x); as much as any other pixel where the first is full already."""
    grown, full = later - first, first >= NEARLY_FULL
    return np.where(full, grown.max(axis=(-2, -1), keepdims=True, initial=0.0, where=~full), grown)


def _bright_pixel(groups: NDArray[np.float32]) -> tuple[int, int]:
    """Return (y, x) of the brightest pixel that is not nearly saturated and not a reference pixel.

    Brightness is the smallest step between groups, which a cosmic ray in one of them does not increase. A pixel that is
    more than `LONELY` times as bright as its neighbours on two sides is a hot one.
    """
    growth = np.diff(groups, axis=0).min(axis=0) if len(groups) > 1 else groups[0]
    padded = np.pad(growth, 1, mode="edge")
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    level = np.float32(np.median(growth))
    growth = np.minimum(growth - level, LONELY * (np.sort(sides, axis=0)[-2] - level))
    edge = MARGIN if min(growth.shape) > 8 * MARGIN else 0
    inner = np.s_[edge : growth.shape[0] - edge, edge : growth.shape[1] - edge]
    candidates = np.where(groups[-1][inner] < NEARLY_FULL, growth[inner], -np.inf)
    y, x = np.unravel_index(int(candidates.argmax()), candidates.shape)
    return int(y) + edge, int(x) + edge


def _draw_ramp(ax: Axes, exposure: xr.Dataset, ramp: NDArray[np.float64], place: tuple[int, int]) -> None:
    """Draw the ramp of one pixel, and the straight line through its first half, which shows the non-linearity."""
    times, label = group_times(exposure)
    ax.plot(times, ramp, "o-", color=ACCENT, ms=5, lw=1.4)
    half = max(2, len(times) // 2)
    if len(times) > 2:
        slope, zero = np.polyfit(times[:half], ramp[:half], 1)
        ax.plot(
            times,
            zero + slope * times,
            "--",
            color=FAINT,
            lw=1.1,
            label="straight line through the first half",
        )
        ax.legend(loc="lower right")
    ax.set_title(f"pixel x = {place[1]}, y = {place[0]}, up the ramp")
    ax.set_xlabel(label)
    ax.set_ylabel("raw (DN)")
    ax.grid(True)


def _draw_strip(
    figure: Figure,
    grid: object,
    groups: NDArray[np.float32],
    shown: NDArray[np.int_],
    place: tuple[int, int],
    side: int,
) -> None:
    """Draw the surroundings of the bright pixel in each group shown, minus the first group."""
    ny, nx = groups.shape[1:]
    y0 = int(np.clip(place[0] - side // 2, 0, max(ny - side, 0)))
    x0 = int(np.clip(place[1] - side // 2, 0, max(nx - side, 0)))
    cuts = groups[:, y0 : y0 + side, x0 : x0 + side]
    cuts = _growth(cuts[0], cuts[1:]) if len(cuts) > 1 else cuts - np.median(cuts)
    numbers = shown[1:] if len(shown) > 1 else shown
    scale = stretch(cuts[-1], bright=99.9)
    for i, (cut, number) in enumerate(zip(cuts, numbers, strict=True)):
        ax = figure.add_subplot(grid[0, i])  # type: ignore[index]
        ax.imshow(cut, norm=scale, cmap=IMAGE_COLOURS, interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
        text = f"group {number + 1} − 1" if len(shown) > 1 else f"group {number + 1}"
        ax.set_title(text, fontsize=10, color=INK)
