"""Pictures of what the pipeline made: the mosaic of stage 3 on the sky, and stars against the truth."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from mirage_dask.plot.style import ACCENT, FAINT, INK, blocks, colour_bar, new_figure, stretch, style
from mirage_dask.report.pictures import Picture, figure_source, picture_of

SIDE = 1400
"""Pixels of the longer side of a mosaic."""


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
        step = max(1, round(max(image.shape) / SIDE))
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
            right.legend(loc="upper left")
            left.set_title(f"{label}: flux")
            right.set_title("place, signal to noise of 20 and more")
            return figure_source(figure)

    return picture_of(f"{label}: stars on calibrated images against the truth", make)
