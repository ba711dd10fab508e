"""Pictures of a report as data URIs: footprint, thumbnails of exposures, a mosaic, plots of stars against the truth.

A picture that cannot be made is a sentence on the page and no error: what it shows is known from the tables too.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.plot.footprint import draw_footprint
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
from mirage_dask.store.simulation import SimulationStore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THUMBNAIL = 256
"""Pixels of the longer side."""
MOST_THUMBNAILS = 24
MOSAIC_SIDE = 1400
"""Pixels of the longer side of a mosaic."""


@dataclass(frozen=True)
class Picture:
    """A picture of a page, or why there is none."""

    caption: str
    source: str = ""
    """Data URI."""
    problem: str = ""


def check_pictures() -> None:
    """Raise an InputError, before anything is measured, where pictures cannot be drawn."""
    with style():
        pass


def picture_of(caption: str, make: Callable[[], str]) -> Picture:
    """Make a picture, or say why it cannot be made."""
    try:
        return Picture(caption, make())
    except Exception as error:  # a picture is no reason to lose the page
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Picture(caption, problem=reason)


def footprint(table: pd.DataFrame) -> Picture:
    """Draw where the exposures of a table are on the sky."""
    return picture_of("Footprints of all exposures on the sky", lambda: figure_source(draw_footprint(table)))


def figure_source(figure: Figure, dpi: int = 110) -> str:
    """Return a figure as the data URI of a PNG with 256 colours."""
    from PIL import Image  # matplotlib depends on it

    buffer = io.BytesIO()
    figure.draw_without_rendering()
    figure.savefig(buffer, format="png", dpi=dpi)
    picture = Image.open(buffer).convert("RGB")
    few = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, format="png", optimize=True)
    return _uri("png", out.getvalue())


def image_source(image: NDArray[Any], *, bright: float = 99.95, colours: str = IMAGE_COLOURS) -> str:
    """Return an image (y, x), asinh scale, as the data URI of a JPEG; the first row is at the bottom."""
    from matplotlib import colormaps
    from PIL import Image

    scale = stretch(image, bright=bright)
    low, high = float(scale.vmin or 0.0), float(scale.vmax or 0.0)
    seen = np.asarray(scale(np.clip(np.where(np.isfinite(image), image, low), low, high)))
    rgb = (colormaps[colours](seen)[::-1, :, :3] * 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, format="jpeg", quality=85)
    return _uri("jpeg", out.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def thumbnail(store: SimulationStore, name: str, caption: str) -> Picture:
    """Draw an exposure: the last group less the first of its first integration; of one group, less its median."""

    def make() -> str:
        raw = store.raw(name)
        last = np.asarray(raw[0, -1]).astype(np.float32)
        first = np.asarray(raw[0, 0]).astype(np.float32) if raw.shape[1] > 1 else np.float32(np.median(last))
        return image_source(blocks(last - first, THUMBNAIL))

    return picture_of(caption, make)


def chosen_fairly(table: pd.DataFrame, most: int = MOST_THUMBNAILS) -> list[str]:
    """Return names of exposures: the first of each detector, optics and observation, then the second, …, in order."""
    kinds = [c for c in ("observation", "detector", "filter", "pupil", "subarray") if c in table]
    rank = table.groupby(kinds, sort=False).cumcount().to_numpy()
    first = np.sort(np.argsort(rank, kind="stable")[:most])
    return list(table["name"].iloc[first])


def draw_mosaic(label: str, path: Path) -> Picture:
    """Draw the mosaic of stage 3 with its own WCS."""

    def make() -> str:
        import astropy.visualization.wcsaxes  # noqa: F401 - registers the projection
        from astropy.io import fits
        from astropy.wcs import WCS

        with fits.open(path) as hdus, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the pipeline's headers have both MJD-BEG and DATE-BEG
            image, weight = np.asarray(hdus["SCI"].data), np.asarray(hdus["WHT"].data)
            wcs = WCS(hdus["SCI"].header)
        image = np.where(weight > 0, image, np.nan)
        step = max(1, round(max(image.shape) / MOSAIC_SIDE))
        small = blocks(image, max(image.shape) // step)
        step = image.shape[1] // small.shape[1] if small.shape[1] else 1
        height, width = small.shape
        with style():
            figure = new_figure(10.5, float(np.clip(9.2 * height / width, 4.0, 13.0)))
            axes = figure.add_subplot(projection=wcs[::step, ::step] if step > 1 else wcs)
            picture = axes.imshow(small, norm=stretch(small, bright=99.8), cmap="gray", origin="lower")
            axes.set_facecolor("#20262f")
            axes.coords.grid(color=FAINT, alpha=0.35, linewidth=0.5)
            axes.set_xlabel("right ascension (ICRS)")
            axes.set_ylabel("declination (ICRS)")
            axes.set_title(f"{label}: {image.shape[1]:,} × {image.shape[0]:,} pixels", fontweight="bold")
            colour_bar(figure, picture, axes, "surface brightness (MJy/sr)")
            return figure_source(figure)

    return picture_of(f"{label}: mosaic of stage 3 (drizzled), with its WCS", make)


def mosaic_shape(path: Path) -> tuple[int, int]:
    """Return the size of a mosaic of stage 3, (ny, nx)."""
    from astropy.io import fits

    header = fits.getheader(path, "SCI")
    return int(header["NAXIS2"]), int(header["NAXIS1"])


def draw_completeness(label: str, mosaic: pd.DataFrame, catalog: pd.DataFrame) -> Picture:
    """Draw which part of the stars the catalog has, and flux ratios on the mosaic, with and without outliers in the core."""

    def make() -> str:
        usable = catalog[~catalog["saturated"].astype(bool)]
        parts = usable.groupby(np.floor(usable["magnitude"] * 2) / 2)["matched"].agg(["mean", "count"])
        with style():
            figure = new_figure(10.5, 4.2)
            left, right = figure.subplots(1, 2)
            low = parts.index.to_numpy(float)
            left.bar(low, parts["mean"], width=0.46, align="edge", color=ACCENT, alpha=0.85)
            for at, count in zip(low, parts["count"], strict=True):
                left.text(at + 0.23, 1.02, f"{count:,}", ha="center", va="bottom", fontsize=7, color=INK)
            left.set(xlabel="magnitude", ylabel="part that the catalog has", ylim=(0.0, 1.1))
            left.set_title(f"{label}: completeness, number of stars")
            right.axhline(1.0, color=FAINT, lw=1.0)
            for flagged, colour, name in (
                (False, ACCENT, "no outlier in the core"),
                (True, INK, "flagged by outlier_detection"),
            ):
                own = mosaic[mosaic["flagged"] == flagged]
                right.plot(own["magnitude"], own["ratio"], ".", color=colour, ms=4, alpha=0.7, label=name)
            right.set(xlabel="magnitude", ylabel="flux found / true", ylim=(0.7, 1.3))
            right.legend(loc="lower left", markerscale=2.5)
            right.set_title("flux on the mosaic")
            return figure_source(figure)

    return picture_of(f"{label}: completeness of the catalog of stage 3, and stars on the mosaic", make)


def draw_stars(label: str, stars: pd.DataFrame) -> Picture:
    """Draw flux ratio and places of the stars on calibrated images against their magnitude."""

    def make() -> str:
        with style():
            figure = new_figure(10.5, 4.2)
            left, right = figure.subplots(1, 2)
            left.axhline(1.0, color=FAINT, lw=1.0)
            left.plot(stars["magnitude"], stars["ratio"], ".", color=ACCENT, ms=4, alpha=0.7)
            left.set(xlabel="magnitude", ylabel="flux found / true", ylim=(0.8, 1.2))
            bright = stars[stars["snr"] >= 20.0]
            right.axhline(0.0, color=FAINT, lw=1.0)
            for column, colour, name in (("dx", ACCENT, "x"), ("dy", INK, "y")):
                right.plot(
                    bright["magnitude"], bright[column], ".", color=colour, ms=4, alpha=0.7, label=name
                )
            right.set(xlabel="magnitude", ylabel="place found − true (pixel)", ylim=(-0.2, 0.2))
            right.legend(loc="upper left", markerscale=2.5)
            left.set_title(f"{label}: flux")
            right.set_title("place, signal to noise of 20 and more")
            return figure_source(figure)

    return picture_of(f"{label}: stars on calibrated images against the truth", make)
