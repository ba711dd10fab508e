"""Picture of the light on one detector: the seed image of an exposure, without noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.plot.style import IMAGE_COLOURS, INK, blocks, colour_bar, new_figure, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

SMOOTH = 0.01
"""Part of the sky by which neighbouring pixels differ at most where there is no source."""


def draw_scene(exposure: xr.Dataset, *, title: str | None = None, zoom: int = 160) -> Figure:
    """Draw the scene on one detector, complete and around its brightest source.

    Parameters
    ----------
    exposure
        Dataset of one exposure, lazy or not, with `seed` in electrons/s over (y, x); for a time-dependent scene
        the first frame is drawn.
    title
        Default: the name of the exposure and its filter.
    zoom
        Side of the enlarged cut-out, pixels.
    """
    seed = exposure["seed"]
    seed = seed.isel({d: 0 for d in seed.dims if d not in ("y", "x")})
    image = np.asarray(seed.values, np.float32)
    with style():
        from matplotlib.colors import AsinhNorm, Normalize

        sky = float(np.median(image))
        image = image - np.float32(sky)
        # Linear up to a few percent of the sky, about its noise.
        linear = max(0.03 * abs(sky), 1e-4)
        scale: Normalize = AsinhNorm(
            linear_width=linear, vmin=-linear, vmax=max(float(np.percentile(image, 99.9995)), 30.0 * linear)
        )
        empty = not has_sources(image, sky)
        if empty:  # a scale on which the few percent by which pixels differ in area do not look like a nebula
            scale = Normalize(-(abs(sky) or 1.0), abs(sky) or 1.0)
        figure = new_figure(11.5, 5.4)
        full, near = figure.subplots(1, 2)
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
        near.set_title("no source on this detector" if empty else "around the brightest source")
        for ax in (full, near):
            ax.set_xlabel("x (pixel)")
            ax.set_ylabel("y (pixel)")
        colour_bar(figure, picture, near, f"light above the sky of {sky:.3g} (electrons/s per pixel)")
    return figure


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
