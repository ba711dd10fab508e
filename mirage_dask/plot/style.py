"""Common style of all pictures: dark background, light text, colours by wavelength of the filter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.footprints.bands import wavelength

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import AsinhNorm
    from matplotlib.figure import Figure

SKY = "#0d1117"
PANEL = "#11161f"
INK = "#e6edf3"
FAINT = "#8b98a9"
ACCENT = "#ffd166"
IMAGE_COLOURS = "inferno"
WEBP = {"quality": 90, "method": 6}
"""Of Pillow: colour bars without steps, noise that is not smoothed."""

# Filter colours between the shortest and the longest NIRCam wavelength [micron], on a logarithmic axis.
_WAVELENGTHS = (0.7, 1.15, 2.0, 3.0, 4.8)
_COLOURS = ("#8f7bff", "#4f9dff", "#43d9bd", "#ffd166", "#ff6b5e")

_SETTINGS: dict[str, Any] = {
    "figure.facecolor": SKY,
    "savefig.facecolor": SKY,
    "axes.facecolor": PANEL,
    "axes.edgecolor": "#39424f",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "font.size": 11,
    "font.family": "sans-serif",
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "grid.color": "#2a323d",
    "grid.linewidth": 0.6,
    "legend.facecolor": PANEL,
    "legend.edgecolor": "#39424f",
    "legend.fontsize": 10,
    "image.origin": "lower",
    "image.interpolation": "antialiased",
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the style of this package inside the block; the user's settings are restored afterwards.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise InputError("Pictures need matplotlib: pip install 'mirage_dask[plot]'.") from None
    with rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    return figure


def save(figure: Figure, path: str | Path, *, dpi: int = 110) -> Path:
    """Write a figure and return its path.

    Parameters
    ----------
    figure
        From one of the `draw_…` functions.
    path
        Its suffix determines the file format; .webp, which browsers show, has all colours at a fifth of the size of .png.
    dpi
        Pixels per inch.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written, or matplotlib does not support the suffix.
    """
    path = Path(path)
    try:
        figure.draw_without_rendering()  # labels are placed in a first pass, the layout is computed in the second
        options: dict[str, Any] = {"pil_kwargs": WEBP} if path.suffix == ".webp" else {}
        figure.savefig(path, dpi=dpi, **options)
    except ValueError as error:  # matplotlib lists its formats
        raise InputError(
            f"{path}: the file format is not supported; use .png, .pdf or .svg ({error})."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: the picture cannot be written ({error.strerror}); check the folder."
        ) from None
    return path


def band_colour(band: str) -> tuple[float, float, float]:
    """Return the colour (r, g, b) of a filter: violet for the shortest wavelengths, red for the longest."""
    from matplotlib.colors import to_rgb

    stops = np.array([to_rgb(c) for c in _COLOURS])
    position = np.log(wavelength(band))
    r, g, b = (float(np.interp(position, np.log(_WAVELENGTHS), stops[:, i])) for i in range(3))
    return (r, g, b)


def observation_colour(number: int, count: int) -> tuple[float, float, float]:
    """Return a colour (r, g, b) for one of several observations: neighbours in number differ clearly."""
    from matplotlib import colormaps

    if count <= 10:
        r, g, b = colormaps["tab10"](number)[:3]
    else:  # steps of the golden ratio around the circle of hues
        from matplotlib.colors import hsv_to_rgb

        r, g, b = hsv_to_rgb(((0.618034 * number) % 1.0, 0.55 + 0.25 * (number % 2), 0.95))
    return (float(r), float(g), float(b))


def stretch(image: NDArray[Any], *, faint: float = 3.0, bright: float = 99.95) -> AsinhNorm:
    """Return an asinh scale: linear within a few times the noise, logarithmic above.

    Parameters
    ----------
    image
        Any shape; values that are not finite are ignored.
    faint
        The scale is linear up to this many times the noise, estimated from the median absolute deviation.
    bright
        Percentile of the values that is drawn at full brightness.
    """
    from matplotlib.colors import AsinhNorm

    values = np.asarray(image, np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        values = np.zeros(1)
    middle = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - middle))) or float(np.std(values)) or 1.0
    top = max(float(np.percentile(values, bright)), middle + 5.0 * noise)
    return AsinhNorm(linear_width=faint * noise, vmin=middle - 2.0 * noise, vmax=top)


def blocks(image: NDArray[Any], size: int = 1024) -> NDArray[np.float32]:
    """Return an image averaged over square blocks so that no side is longer than `size` (or just above)."""
    step = max(1, round(max(image.shape) / size))
    if step == 1:
        return np.asarray(image, np.float32)
    ny, nx = (n - n % step for n in image.shape)
    cut = np.asarray(image[:ny, :nx], np.float32)
    return cut.reshape(ny // step, step, nx // step, step).mean(axis=(1, 3), dtype=np.float32)


def colour_bar(figure: Figure, image: Any, axes: Axes, label: str, *, cax: Axes | None = None) -> None:
    """Add a colour bar to an image with an asinh scale, with ticks that do not overlap; beside the axes, or into `cax`."""
    where: dict[str, Any] = {"ax": axes, "fraction": 0.045, "pad": 0.015} if cax is None else {"cax": cax}
    bar = figure.colorbar(image, **where)
    low, high = image.norm.vmin, image.norm.vmax
    decades = [m * 10.0**e for e in range(-4, 7) for m in (1, 3)]
    ticks: list[float] = []
    for value in [0.0, *reversed(decades)]:  # zero and the brightest have precedence
        place = float(image.norm(value))
        if low <= value <= high and all(abs(place - float(image.norm(t))) > 0.09 for t in ticks):
            ticks.append(value)
    bar.set_ticks(sorted(ticks), labels=[f"{t:g}" if t < 1e4 else f"{t / 1000:g}k" for t in sorted(ticks)])
    bar.ax.minorticks_off()
    bar.set_label(label)
    bar.outline.set_visible(False)
