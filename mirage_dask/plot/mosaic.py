r"""Quick-look mosaic of a store: the count rates of all exposures, coadded on the sky.

The rate of a pixel is the median of its group differences, which is robust against a cosmic ray in one group; for saturated
ramps it is computed from the first groups. The median of each row of each output, as it is read (along y with NIRISS and
FGS), is subtracted, without the pixels of sources, which removes the sky and the 1/f noise; single pixels far above all
their neighbours (hot ones) are replaced. Pixel positions follow the distortion of the detector; a dataset without the
coordinate `sky_projection` does not know it, and has them interpolated between the corners of S_REGION, to a few pixels.

Rates are surface brightness by the zero points of the detector, so that filters of other pixel scales compare: a source of
equal AB magnitude in all filters is white.

For visual inspection only. NOT done: flat field, linearity, outlier rejection between exposures; use the JWST pipeline for
these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.footprints import corners
from mirage_dask.footprints.bands import passband, wavelength
from mirage_dask.footprints.plane import Centre, Floats, middle, tangent
from mirage_dask.formatting import counted
from mirage_dask.instruments import MEGAJANSKY, get_detector, get_zeropoint
from mirage_dask.instruments.orientation import Orientation
from mirage_dask.plot.exposure import group_times
from mirage_dask.plot.style import (
    INK,
    SKY,
    band_colour,
    colour_bar,
    new_figure,
    stretch,
    style,
)
from mirage_dask.pointing import unit_to_radec
from mirage_dask.store.plain.description import SKY as PROJECTION
from mirage_dask.store.plain.description import read_projection

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Image = NDArray[np.float32]

NEARLY_FULL = 45_000
"""Raw counts above which a pixel is considered saturated at the end of its ramp."""
OUTPUT_COLUMNS = 512
"""Columns over which a row is levelled: those of one output of a full frame."""
NODES = 17
"""Places along each side of a detector whose position is computed; straight lines between them are right to 0.1 pixels."""
COVERED = 0.25
"""Part of a pixel of the image that an exposure must cover: what lies on its edge has the noise of few pixels."""
FREE_PIXELS = 0.2
"""Part of a row that must be free of sources to be levelled by itself; else it takes the level of its neighbours."""
MAGNITUDES = 2.5
"""Colours, in magnitudes either side of zero, that the bar of colours shows."""


@dataclass(frozen=True, eq=False)
class Coadd:
    """Images of one field in one or more filters, on a common grid: north up, east left."""

    images: dict[str, Image]
    """(ny, nx) in `unit` by filter, from short to long wavelength; NaN where nothing was observed."""
    centre: tuple[float, float]
    """Right ascension and declination of the centre, degrees."""
    extent: tuple[float, float, float, float]
    """East offset of the left and right edges, north offset of the bottom and top edges, arcsec from the centre."""
    scale: float
    """arcsec per pixel."""
    exposures: int
    unit: str = "DN/s"
    """'MJy/sr'; 'DN/s' where zero points are not known."""


def coadd(table: pd.DataFrame, read: Callable[[str], xr.Dataset], *, pixels: int = 900) -> Coadd:
    """Coadd exposures on the sky.

    Parameters
    ----------
    table
        Rows to use; needs name, s_region, filter, pupil.
    read
        Returns the dataset of an exposure by its name; `raw` is loaded completely, one exposure at a time.
    pixels
        Length of the longer side of the images.

    Raises
    ------
    InputError
        If no row has a region on the sky.
    """
    used = table[table["s_region"].astype(str).str.startswith("POLYGON")]
    if used.empty:
        raise InputError(
            "No exposure of this table has a region on the sky (s_region); there is nothing to coadd."
        )
    sky = corners(used.set_index("name")["s_region"])
    centre = middle(sky[..., 0], sky[..., 1])
    east, north = tangent(sky[..., 0], sky[..., 1], centre)
    west_edge, east_edge, south, top = east.min(), east.max(), north.min(), north.max()
    scale = float(max(east_edge - west_edge, top - south) / pixels)
    nx, ny = (int(np.ceil(side / scale)) for side in (east_edge - west_edge, top - south))

    sums: dict[str, Floats] = {}
    counts: dict[str, Floats] = {}
    enough: dict[str, float] = {}
    bands = [passband(f, p) for f, p in zip(used["filter"], used["pupil"], strict=True)]
    unit = "MJy/sr"
    for i, (name, band) in enumerate(zip(used["name"], bands, strict=True)):
        outline = np.stack([east[i], north[i]], axis=-1)
        exposure = read(str(name))
        pixel = float(np.hypot(*(outline[1] - outline[0]))) / exposure.sizes["x"]
        both = math.gcd(exposure.sizes["x"], exposure.sizes["y"])
        rate = rate_image(exposure, squeeze=_squeeze(both, pixel, scale))
        factor = brightness_of_dn(exposure, pixel)
        if factor is None:
            unit = "DN/s"
        rate *= factor or 1.0
        total = sums.setdefault(band, np.zeros(ny * nx))
        count = counts.setdefault(band, np.zeros(ny * nx))
        points = 0
        for values, e, n in _points(rate, _nodes(exposure, outline, centre), scale):
            points += values.size
            u, v = (east_edge - e) / scale, (n - south) / scale  # east grows to the left
            inside = (u >= 0) & (u < nx) & (v >= 0) & (v < ny) & np.isfinite(values)
            cell = v[inside].astype(np.int64) * nx + u[inside].astype(np.int64)
            total += np.bincount(cell, weights=values[inside], minlength=ny * nx)
            count += np.bincount(cell, minlength=ny * nx)
        cells = float(np.prod([np.hypot(*(outline[k] - outline[0])) / scale for k in (1, 3)]))
        enough[band] = min(COVERED * points / cells, enough.get(band, np.inf))
    images = {}
    for band in sorted(sums, key=lambda b: (wavelength(b), b)):
        seen = np.where(counts[band] >= enough[band], counts[band], np.nan)
        images[band] = (sums[band] / seen).reshape(ny, nx).astype(np.float32)
    extent = (float(east_edge), float(east_edge - nx * scale), float(south), float(south + ny * scale))
    return Coadd(images=images, centre=centre, extent=extent, scale=scale, exposures=len(used), unit=unit)


def rate_image(exposure: xr.Dataset, *, squeeze: int = 1) -> Image:
    """Return the sky-subtracted count rate of an exposure's first integration.

    Parameters
    ----------
    exposure
        Dataset with `raw` (integration, group, y, x).
    squeeze
        Average this many pixels along the rows; rows are not averaged, because 1/f noise differs from row to row. Rows are
        those of the read-out: along y with NIRISS and FGS.

    Returns
    -------
    (ny, nx / squeeze), or (ny / squeeze, nx) where rows are along y: DN/s; NaN on the reference pixels of a full frame.
    """
    name = exposure.attrs.get("detector")
    detector = get_detector(str(name)) if name else None
    turn = detector.orientation if detector else Orientation(fast_axis=1, slow_axis=2)
    ramp = turn.detector(np.asarray(exposure["raw"].isel(integration=0).values))
    times, _ = group_times(exposure)
    if len(ramp) == 1:
        rate = ramp[0].astype(np.float32)
    else:
        steps = np.diff(ramp.astype(np.float32), axis=0)
        steps /= np.diff(times).astype(np.float32)[:, None, None]
        rate = _bright_rates(ramp, times, steps, np.median(steps, axis=0))
    ny, nx = rate.shape
    rate = rate.reshape(ny, nx // squeeze, squeeze).mean(axis=2)
    for columns in np.array_split(np.arange(nx // squeeze), max(1, nx // OUTPUT_COLUMNS)):
        part = rate[:, columns[0] : columns[-1] + 1]
        part -= row_levels(part)[:, None]
    rate = _without_single_pixels(rate)
    if detector and (sensitive := turn.detector(detector.array.science_sensitive)).shape == (ny, nx):
        rate[~sensitive.reshape(ny, nx // squeeze, squeeze).all(axis=2)] = np.nan
    return turn.science(rate)


def row_levels(image: Image) -> Image:
    """Return the level of each row, the median of its pixels without those of sources.

    Sources are what is above the noise in an image smoothed over a few pixels, and what surrounds that. They are found with
    the levels of all pixels first, which are too high in the rows of bright stars, then again.

    Parameters
    ----------
    image
        (y, x), one output of a detector.

    Returns
    -------
    numpy.ndarray
        (y,)
    """
    from scipy.ndimage import binary_dilation, gaussian_filter, median_filter

    levels = np.median(image, axis=1)
    usual = np.median(levels)
    spread = 1.4826 * np.median(np.abs(levels - usual))
    levels = np.where(levels > usual + 5.0 * spread, usual, levels)  # rows that are light for the most part
    for _ in range(3):
        smooth = gaussian_filter(image - levels[:, None], 2.0)
        middle = np.median(smooth)
        noise = 1.4826 * np.median(np.abs(smooth - middle)) or 1e-6
        source = binary_dilation(smooth > middle + 3.0 * noise, iterations=4)
        free = np.where(source, np.nan, image)
        enough = (~source).mean(axis=1) >= FREE_PIXELS
        if not enough.any():
            break
        levels[enough] = np.nanmedian(free[enough], axis=1)
        rows = np.arange(len(levels))
        around = median_filter(levels[enough], size=31, mode="nearest")
        levels[~enough] = np.interp(rows[~enough], rows[enough], around)
    return np.asarray(levels, np.float32)


def brightness_of_dn(exposure: xr.Dataset, pixel: float) -> float | None:
    """Return the surface brightness of 1 DN/s in a pixel, MJy/sr; None where detector or filter have no zero point.

    Parameters
    ----------
    exposure
        Dataset with the attributes detector, filter and pupil.
    pixel
        Side of a pixel, arcsec.
    """
    attrs = exposure.attrs
    try:
        detector = get_detector(str(attrs["detector"]))
        zero = get_zeropoint(detector.name, str(attrs["filter"]), str(attrs["pupil"]))
    except (KeyError, InputError):
        return None
    steradian = np.radians(pixel / 3600.0) ** 2
    return float(zero.photfnu / MEGAJANSKY / steradian)


def _bright_rates(ramp: Any, times: Floats, steps: Image, rate: Image) -> Image:
    """Replace the rates of pixels that saturate before the end, without mistaking cosmic rays for stars."""
    from scipy.ndimage import binary_opening

    # Light increases both groups at the same rate; a hit increases one of them.
    first = (ramp[0] - np.median(ramp[0])) / np.float32(times[0])
    rate = np.where(ramp[-1] >= NEARLY_FULL, np.minimum(steps[0], first), rate)
    # Saturated in the first group: a star's core has at least three by three such pixels.
    core = binary_opening(ramp[0] >= NEARLY_FULL, np.ones((3, 3)))
    return np.where(core, first, rate)


def _without_single_pixels(image: Image) -> Image:
    """Reduce isolated pixels, five times above noise and neighbours, to the brightest of the neighbours."""
    from scipy.ndimage import maximum_filter

    neighbours = maximum_filter(image, footprint=[[1, 1, 1], [1, 0, 1], [1, 1, 1]], mode="nearest")
    noise = np.float32(1.4826 * np.median(np.abs(image)))
    return np.where(image > 5.0 * np.maximum(neighbours, noise), neighbours, image)


def _squeeze(nx: int, pixel: float, scale: float) -> int:
    """Return the number of pixels to average along a row, such that they remain well below the image's pixel size."""
    return next(n for n in (8, 4, 2, 1) if nx % n == 0 and n * pixel <= max(0.5 * scale, pixel))


def _nodes(exposure: xr.Dataset, outline: Floats, centre: Centre) -> Floats:
    """Return (row, column, 2): east and north, arcsec, of a regular grid over an exposure, from edge to edge.

    `outline` holds the (4, 2) corners in arcsec, counter-clockwise in pixels from the outer corner of pixel (0, 0): the grid
    of a dataset that does not know its distortion.
    """
    if PROJECTION not in exposure.coords:
        return outline[[[0, 1], [3, 2]]]
    projection = read_projection(exposure.coords[PROJECTION].attrs)
    x, y = (np.asarray(exposure.coords[axis].values, float) for axis in "xy")
    columns, rows = (np.linspace(a[0] - 0.5, a[-1] + 0.5, NODES) for a in (x, y))
    places = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    sky = tangent(*unit_to_radec(projection.units(places)), centre)
    return np.stack(sky, axis=-1).reshape(NODES, NODES, 2)


def _points(
    rate: Image, nodes: Floats, scale: float, rows: int = 256
) -> Iterator[tuple[Image, Floats, Floats]]:
    """Yield (values, east, north) of all pixels, a few rows at a time.

    Pixels not much smaller than those of the image are split, to avoid gaps between them.
    """
    ny, nx = rate.shape
    kx, ky = (
        _split(np.hypot(*(corner - nodes[0, 0])) / n, scale)
        for corner, n in ((nodes[0, -1], nx), (nodes[-1, 0], ny))
    )
    s = (np.arange(nx * kx) + 0.5) / (nx * kx)
    for start in range(0, ny, rows):
        part = rate[start : start + rows]
        t = ((np.arange(len(part) * ky) + 0.5) / ky + start) / ny
        place = _between(_between(nodes, t).swapaxes(0, 1), s).swapaxes(0, 1)
        yield part.repeat(ky, axis=0).repeat(kx, axis=1), place[..., 0], place[..., 1]


def _between(nodes: Floats, at: Floats) -> Floats:
    """Interpolate along the first axis at fractions, 0 to 1, of its length."""
    position = at * (len(nodes) - 1)
    k = np.minimum(position.astype(int), len(nodes) - 2)
    weight = (position - k)[:, None, None]
    return np.asarray((1.0 - weight) * nodes[k] + weight * nodes[k + 1], float)


def _split(pixel: float, scale: float) -> int:
    """Return the number of parts into which to split the side of a pixel."""
    return 1 if pixel < 0.6 * scale else int(np.ceil(1.6 * pixel / scale))


def colours(images: dict[str, Image], *, faint: float = 3.0, smooth: float = 0.8) -> Image:
    """Combine several filters into a picture, (ny, nx, 3), values 0 to 1.

    All filters have one scale, that of the noisiest, so that hue is colour and not signal to noise; each is drawn in its own
    hue, short wavelengths blue, long ones red. The brightness of the sum is stretched by asinh, which preserves the hues of
    bright sources (Lupton et al. 2004, PASP 116, 133). What is no brighter than noise is grey: it has no colour.
    Where a filter has no data, the mean of the others is used, which is neutral in colour.

    Parameters
    ----------
    images
        (ny, nx) by filter, from short to long wavelength; NaN where nothing was observed.
    faint
        The stretch is linear up to about this many times the noise.
    smooth
        Width (sigma) in pixels of a Gaussian filter; 0 for none.
    """
    stack = np.stack([_smoothed(image, smooth) for image in images.values()])
    middles = np.nanmedian(stack, axis=(1, 2), keepdims=True)
    stack /= float(1.4826 * np.nanmedian(np.abs(stack - middles), axis=(1, 2)).max()) or 1.0
    seen = np.isfinite(stack)
    others = np.where(seen, stack, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    stack = np.clip(np.where(seen, stack, others), 0.0, None)
    picture = np.einsum("bij,bc->ijc", stack, _hues(len(images)))
    brightness = np.maximum(picture.mean(axis=-1), 1e-9)
    known = (brightness**2 / (brightness**2 + faint**2))[..., None]
    picture = known * picture + (1.0 - known) * brightness[..., None]
    top = max(float(np.percentile(brightness, 99.8)), 12.0 * faint)
    picture *= (np.arcsinh(brightness / faint) / (np.arcsinh(top / faint) * brightness))[..., None]
    return np.asarray(picture / np.maximum(picture.max(axis=-1, keepdims=True), 1.0), np.float32)


def _smoothed(image: Image, width: float) -> Floats:
    """Convolve with a Gaussian, ignoring pixels without data."""
    from scipy.ndimage import gaussian_filter

    seen = np.isfinite(image)
    light = gaussian_filter(np.where(seen, image, 0.0).astype(float), width)
    weight = gaussian_filter(seen.astype(float), width)
    return np.where(seen, light / np.where(seen, weight, 1.0), np.nan)


def _hues(count: int) -> Floats:
    """Return (count, 3) colours from blue to red whose sum is white."""
    if count == 1:
        return np.ones((1, 3))
    stops = np.array([[0.15, 0.45, 1.0], [0.5, 0.9, 0.55], [1.0, 0.45, 0.15]])
    place = np.linspace(0.0, 2.0, count)
    hues = np.stack([np.interp(place, [0.0, 1.0, 2.0], stops[:, k]) for k in range(3)], axis=1)
    return hues / hues.sum(axis=0)


def _bar_of_colours(ax: Axes, bands: list[str], unit: str) -> None:
    """Draw which hue a source has by its colour between the first and the last filter, even in between."""
    magnitudes = np.linspace(-MAGNITUDES, MAGNITUDES, 200)
    fluxes = 10.0 ** (0.4 * magnitudes[:, None] * (np.linspace(0.0, 1.0, len(bands)) - 0.5))
    hues = fluxes @ _hues(len(bands))
    bar = ax.inset_axes((1.015, 0.0, 0.022, 1.0))
    strip = (hues / hues.max(axis=1, keepdims=True))[:, None, :]
    bar.imshow(strip, extent=(0.0, 1.0, -MAGNITUDES, MAGNITUDES), aspect="auto")
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    system = "AB mag" if unit == "MJy/sr" else "mag of DN/s"
    bar.set_ylabel(f"{bands[0]} − {bands[-1]} ({system})")


def draw_mosaic(mosaic: Coadd, *, title: str | None = None) -> Figure:
    """Draw a coadd: one filter in grey, several in colour, with the filters' names in their hues.

    Parameters
    ----------
    mosaic
        From `coadd`.
    title
        Default: the number of exposures.
    """
    with style():
        size = 60.0 if max(np.abs(mosaic.extent)) > 120.0 else 1.0
        unit = "′" if size == 60.0 else "″"
        left, right, bottom, top = (side / size for side in mosaic.extent)
        extent = (left, right, bottom, top)
        aspect = (top - bottom) / abs(left - right)
        figure = new_figure(9.0, float(np.clip(9.0 * aspect, 3.5, 11.0)))
        ax = figure.add_subplot()
        if len(mosaic.images) == 1:
            image = next(iter(mosaic.images.values()))
            shown = ax.imshow(image, norm=stretch(image, bright=99.8), cmap="gray", extent=extent)
            bar = ax.inset_axes((1.015, 0.0, 0.022, 1.0))
            colour_bar(figure, shown, ax, f"surface brightness ({mosaic.unit})", cax=bar)
        else:
            covered = np.any([np.isfinite(image) for image in mosaic.images.values()], axis=0)
            picture = colours(mosaic.images)
            alpha = covered.astype(float)[..., None]
            ax.imshow(np.concatenate([picture, alpha], axis=-1), extent=extent)
            _bar_of_colours(ax, list(mosaic.images), mosaic.unit)
        ax.set_facecolor(SKY)
        ax.set_aspect("equal")
        ax.set_xlabel(f"east of centre ({unit})")
        ax.set_ylabel(f"north of centre ({unit})")
        default = f"{counted(mosaic.exposures, 'raw exposure')}, {mosaic.scale:.2f}″ per pixel"
        ax.set_title(title if title is not None else default, fontweight="bold")
        for i, band in enumerate(mosaic.images):
            colour = band_colour(band) if len(mosaic.images) > 1 else INK
            ax.text(
                0.985 - 0.085 * (len(mosaic.images) - 1 - i), 0.975, band, color=colour, ha="right", va="top",
                transform=ax.transAxes, fontweight="bold", fontsize=10,
            )  # fmt: skip
    return figure
