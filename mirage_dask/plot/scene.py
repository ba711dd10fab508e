"""Picture of the light on one detector: the seed image of an exposure, without noise, its sources marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.plot.boxes import LEGEND, draw_traces
from mirage_dask.plot.style import (
    ACCENT,
    FAINT,
    IMAGE_COLOURS,
    INK,
    PANEL,
    blocks,
    colour_bar,
    new_figure,
    style,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mirage_dask.plot.marks import Curve, Path, SceneMarks

SMOOTH = 0.01
"""Part of the sky by which neighbouring pixels differ at most where there is no source."""
TARGET = "target that is followed"
SYMBOLS = {
    "stars": ("o", ACCENT),
    "galaxies": ("D", "#43d9bd"),
    "images of sources": ("s", "#4f9dff"),
    "stars with light curves": ("^", "#8f7bff"),
    "moving sources": (">", "#ff6b5e"),
    TARGET: ("P", INK),
}
"""Symbol and colour of each type of sources; those of `plot.marks.TYPES`."""
TRACK = "#ff6b5e"
"""Colour of paths."""
EVEN = 0.02
"""Part of its mean by which light that has no light curve must change to have a scale of its own."""
MARGIN = 0.05
"""Part of the range of light curves that is free above and below them."""
SHORT = 0.12
"""Part of the picture below which a path has one label, for both its ends."""


def draw_scene(
    exposure: xr.Dataset, *, marks: SceneMarks | None = None, title: str | None = None, zoom: int = 160
) -> Figure:
    """Draw the scene on one detector, complete and around its brightest source.

    Parameters
    ----------
    exposure
        Dataset of one exposure, lazy or not, with `seed` in electrons/s over (y, x); for a time-dependent scene
        the first frame is drawn.
    marks
        From `scene_marks`: sources are marked by type, the brightest of each, those whose centre is on the detector; what
        moves leaves its trail and has its path with times at the ends; light that changes has its curve below. Default none.
    title
        Default: the name of the exposure and its filter.
    zoom
        Side of the enlarged cut-out, pixels.
    """
    seed = exposure["seed"]
    seed = seed.isel({d: 0 for d in seed.dims if d not in ("y", "x")})
    image = np.asarray(seed.values, np.float32)
    if marks is not None and marks.varying is not None:
        image = image + marks.varying
    curves = marks.curves if marks is not None else ()
    with style():
        from matplotlib.colors import AsinhNorm, Normalize

        areas = _relative_areas(exposure, image.shape)
        sky, lines = float(np.median(image / areas)), ""
        if marks is not None and marks.traces:  # behind a grism the sky differs along the dispersion
            axis, lines = (1, "row") if marks.traces[0].along_y else (0, "column")
            image = image - np.median(image, axis=axis, keepdims=True).astype(np.float32)
        else:
            image = image - np.float32(sky) * areas
        # Linear up to a few percent of the sky, about its noise.
        linear = max(0.03 * abs(sky), 1e-4)
        scale: Normalize = AsinhNorm(
            linear_width=linear, vmin=-linear, vmax=max(float(np.percentile(image, 99.9995)), 30.0 * linear)
        )
        empty = not has_sources(image, sky)
        if empty:  # a scale on which the few percent by which pixels differ in area do not look like a nebula
            scale = Normalize(-0.25 * (abs(sky) or 1.0), abs(sky) or 1.0)
        below = 0.45 if marks is not None and (marks.marks or marks.paths or marks.traces) else 0.0
        figure = new_figure(11.5, 5.4 + below + (2.1 if curves else 0.0))
        rows = figure.add_gridspec(2, 2, height_ratios=(3.0, 1.0)) if curves else figure.add_gridspec(1, 2)
        full, near = (figure.add_subplot(rows[0, column]) for column in (0, 1))
        x1, y1 = origin(exposure)
        extent = (x1 - 0.5, x1 + image.shape[1] - 0.5, y1 - 0.5, y1 + image.shape[0] - 0.5)
        full.imshow(blocks(image), norm=scale, cmap=IMAGE_COLOURS, extent=extent)
        y0, x0 = _around_brightest(image, zoom)
        cut = image[y0 : y0 + zoom, x0 : x0 + zoom]
        x0, y0 = x0 + x1, y0 + y1
        box = (x0 - 0.5, x0 + cut.shape[1] - 0.5, y0 - 0.5, y0 + cut.shape[0] - 0.5)
        picture = near.imshow(cut, norm=scale, cmap=IMAGE_COLOURS, extent=box, interpolation="nearest")
        full.plot(
            [box[0], box[1], box[1], box[0], box[0]],
            [box[2], box[2], box[3], box[3], box[2]],
            color=INK,
            lw=0.9,
        )
        full.set_title(title if title is not None else describe(exposure), fontweight="bold")
        brightest = (
            "around the brightest spectrum"
            if marks is not None and marks.traces
            else "around the brightest source"
        )
        near.set_title("no source on this detector" if empty else brightest)
        for ax in (full, near):
            ax.set_xlabel("x (pixel)")
            ax.set_ylabel("y (pixel)")
        level = f"median of its {lines}" if lines else f"sky of {sky:.3g}"
        colour_bar(figure, picture, near, f"light above the {level} (electrons/s per pixel)")
        if marks is not None:
            _draw_marks(figure, full, near, marks, (x1, y1))
        if curves:
            _draw_curves(figure.add_subplot(rows[1, :]), curves)
    return figure


def _draw_marks(figure: Figure, full: Axes, near: Axes, marks: SceneMarks, corner: tuple[int, int]) -> None:
    """Draw sources and paths into both pictures, and one legend below them."""
    x1, y1 = corner
    limits = [(ax, ax.get_xlim(), ax.get_ylim()) for ax in (full, near)]
    handles: list[Any] = []
    for found in marks.marks:
        symbol, colour = SYMBOLS[found.type]
        larger = 2.5 if found.type == TARGET else 1.0  # what it marks is bright
        what = f"{found.type} at the start" if found.moves else found.type
        label = f"{what}: {found.count:,}"
        if found.count > found.x.size:
            label = f"{what}: brightest {found.x.size} of {found.count:,}"
        for ax, size in ((full, 42), (near, 110)):
            drawn = ax.scatter(
                found.x + x1, found.y + y1, s=larger * size, marker=symbol, facecolors="none", edgecolors=colour,
                linewidths=1.1,
            )  # fmt: skip
            drawn.set_label(label)
            handles += [drawn] if ax is full else []
    for label, dashes, paths in (
        ("paths during the exposure", "-", [path for path in marks.paths if not path.sky]),
        ("way of the target on the sky", (0, (4, 2)), [path for path in marks.paths if path.sky]),
    ):
        for path in paths:
            for ax in (near, full):
                lines = ax.plot(path.x + x1, path.y + y1, color=TRACK, lw=1.3, ls=dashes, label=label)
        handles += lines if paths else []
    if (
        marks.paths
    ):  # all between the same times, but for those that leave: one is enough, the target's if it is followed
        _name_ends(full, next((path for path in marks.paths if path.sky), marks.paths[0]), corner)
    draw_traces(near, marks, corner)
    handles += draw_traces(full, marks, corner)
    for ax, x, y in limits:
        ax.set_xlim(x)
        ax.set_ylim(y)
    if handles:
        title, most = (LEGEND, 5) if marks.traces else (None, 4)
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=min(len(handles), most),
            frameon=False,
            title=title,
        )


def _name_ends(ax: Axes, path: Path, corner: tuple[int, int]) -> None:
    """Write the times at the ends of a path, away from it; one label for a path that is short."""
    x, y = path.x + corner[0], path.y + corner[1]
    width = abs(ax.get_xlim()[1] - ax.get_xlim()[0])
    dx, dy = x[-1] - x[0], y[-1] - y[0]
    times = [f"{when:%H:%M:%S}" for when in (path.start, path.stop)]
    length = float(np.hypot(dx, dy))
    if length < SHORT * width:
        named = [(len(x) // 2, f"{times[0]} to {times[1]} UTC", 1.0)]
    else:
        named = [(0, f"{times[0]} UTC", -dy), (-1, f"{times[1]} UTC", dy)]
    for at, text, up in named:
        # Text runs away from the nearer side of the picture, so that none of it lies outside.
        right = x[at] - ax.get_xlim()[0] < 0.5 * width
        ax.plot(x[at], y[at], ".", color=TRACK, ms=5)
        ax.annotate(
            text, (x[at], y[at]), xytext=(8 if right else -8, 14 * float(np.sign(up or 1.0))),
            textcoords="offset points", ha="left" if right else "right", va="center", fontsize=9, color=INK,
            bbox={"facecolor": PANEL, "edgecolor": "none", "alpha": 0.7, "pad": 1.0},
        )  # fmt: skip


def _draw_curves(ax: Axes, curves: tuple[Curve, ...]) -> None:
    """Draw light against time; several curves as parts of their means, for their light may differ by orders."""
    last = max(float(curve.edges[-1]) for curve in curves)
    unit, factor = ("s", 1.0) if last < 300 else ("min", 60.0) if last < 3 * 3600 else ("h", 3600.0)
    several = len(curves) > 1
    drawn: list[NDArray[Any]] = []
    for curve in curves:
        mean = float(curve.rate.mean())
        shown = curve.rate / mean if several else curve.rate
        label = f"{curve.label}, mean {mean:.3g} electrons/s" if several else curve.label
        colour = SYMBOLS[curve.type][1]
        ax.stairs(shown, curve.edges / factor, baseline=None, color=colour, lw=1.5, label=label)
        drawn.append(shown)
    ax.set_title("light that changes, on the detector", fontsize=11)
    ax.set_xlabel(f"time since the start of the first integration ({unit})")
    ax.set_ylabel("light over its mean" if several else "light (electrons/s)")
    ax.set_xlim(0.0, last / factor)
    # Not by the axes' own limits, in which matplotlib 3.9 has zero.
    rates = np.concatenate(drawn)
    margin, middle = MARGIN * float(np.ptp(rates)), 0.5 * float(rates.min() + rates.max())
    low, high = float(rates.min()) - margin, float(rates.max()) + margin
    least = 1e-6 if all(curve.own for curve in curves) else EVEN
    if high - low < least * abs(middle):  # what only moves has the same light: a line, not its last digits
        low, high = sorted((middle * (1.0 - 2.0 * EVEN), middle * (1.0 + 2.0 * EVEN)))
    ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend above the curves
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.set_axisbelow(True)
    ax.grid(True)
    ax.tick_params(colors=FAINT)
    ax.legend(loc="upper right", ncols=min(len(curves), 3), framealpha=0.8)


def _relative_areas(exposure: xr.Dataset, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the area of pixels, by which they collect sky, over its median; 1 where the dataset does not know it."""
    if "pixel_area" not in exposure:
        return np.ones(shape, np.float32)
    areas = np.asarray(exposure["pixel_area"].values, np.float32)
    return np.asarray(areas / np.median(areas), np.float32)


def has_sources(image: np.ndarray, sky: float) -> bool:
    """Return whether anything stands out of an image without noise; the sky varies slowly, with the area of pixels.

    Parameters
    ----------
    image
        (y, x), light above the sky.
    sky
        Its level, in the same unit.
    """
    steps = max((float(np.abs(np.diff(image, axis=axis)).max(initial=0.0)) for axis in (0, 1)), default=0.0)
    return steps > SMOOTH * abs(sky) if sky else steps > 0.0


def origin(exposure: xr.Dataset) -> tuple[int, int]:
    """Return (x, y) of the first pixel as the coordinates of the dataset count it: a subarray does not begin at 0."""
    x, y = (int(exposure[d].values[0]) if d in exposure.coords else 0 for d in ("x", "y"))
    return x, y


def describe(exposure: xr.Dataset) -> str:
    """Return name, detector and filter of an exposure from its attributes, without missing ones."""
    attrs = exposure.attrs
    words = [str(attrs.get(key, "")) for key in ("name", "filter", "pupil")]
    return "  ".join(w for w in words if w and w != "CLEAR")


def _around_brightest(image: np.ndarray, side: int) -> tuple[int, int]:
    """Return the first row and column of a square around the brightest pixel, inside the image."""
    y, x = np.unravel_index(int(np.nanargmax(image)), image.shape)
    ny, nx = image.shape
    return int(np.clip(y - side // 2, 0, max(ny - side, 0))), int(
        np.clip(x - side // 2, 0, max(nx - side, 0))
    )
