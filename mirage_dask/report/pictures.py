"""Pictures of a report as data URIs: footprint, thumbnails of exposures, a mosaic, plots of stars against the truth.

A picture that cannot be made is a sentence on the page and no error: what it shows is known from the tables too.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.plot.footprint import draw_footprint
from mirage_dask.plot.style import IMAGE_COLOURS, blocks, stretch, style
from mirage_dask.store.simulation import SimulationStore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THUMBNAIL = 256
"""Pixels of the longer side."""
MOST_THUMBNAILS = 24


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
