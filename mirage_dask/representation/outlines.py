"""Outlines of exposures on the sky as SVG: north is up, east is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.footprints import corners
from mirage_dask.footprints.bands import passband, wavelength
from mirage_dask.footprints.fields import fields
from mirage_dask.footprints.plane import Floats, middle, tangent
from mirage_dask.representation.page import swatch, text

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 300.0, 230.0
"""Largest picture of a field, pixels."""
APART = 0.1
"""Degrees between exposures that are drawn apart: a subarray is a dot beside a mosaic."""
MOST_FIELDS = 3
MOST_OUTLINES = 600
"""Different outlines that are drawn of a field."""
MOST_MARKS, MOST_NAMES = 100, 2
"""Targets of a field that are marked; so few are named, too."""
MOST_LINES = 8
"""Entries of a legend."""
_VIOLET, _RED = 265.0, 5.0
_SHORTEST, _LONGEST = 0.7, 4.8


@dataclass(frozen=True)
class Layer:
    """Exposures that are drawn alike."""

    chosen: NDArray[np.bool_]
    colour: str
    label: str


def band_colour(band: str) -> str:
    """Return the colour of a filter, from violet to red by wavelength; legible on white and on black."""
    place = math.log(wavelength(band) / _SHORTEST) / math.log(_LONGEST / _SHORTEST)
    hue = _VIOLET + (_RED - _VIOLET) * min(max(place, 0.0), 1.0)
    return f"hsl({hue:.0f},70%,52%)"


def by_band(table: pd.DataFrame) -> list[Layer]:
    """Return the exposures of each bandpass, long wavelengths first, whose detectors are larger."""
    pairs = zip(table["filter"].astype(str), table["pupil"].astype(str), strict=True)
    bands = np.array([passband(filter, pupil) for filter, pupil in pairs], object)
    return [
        Layer(bands == band, band_colour(band), f"{band or 'no filter'}: {int((bands == band).sum()):,}")
        for band in sorted(set(bands), key=lambda band: (-wavelength(band), band))
    ]


def footprint(table: pd.DataFrame, layers: Iterable[Layer] | None = None) -> str:
    """Return the outlines of an exposure table as SVG with a legend; empty where there are none.

    Parameters
    ----------
    table
        With name, s_region, filter, pupil; uses target, target_ra, target_dec. Rows without a region are left out, and so is
        everything where a region cannot be read, as in a store that is damaged.
    layers
        What is drawn in which colour; default by bandpass.
    """
    if not {"name", "s_region", "filter", "pupil"} <= set(table.columns):
        return ""
    given = list(by_band(table) if layers is None else layers)
    has = table["s_region"].astype(str).str.startswith("POLYGON").to_numpy(bool, copy=True)
    try:
        sky = corners(table["s_region"][has])
    except InputError:
        return ""
    finite = np.isfinite(sky).all(axis=(1, 2)) & (np.abs(sky) <= 400.0).all(axis=(1, 2))
    has[has] = finite
    sky = sky[finite]
    if not len(sky):
        return ""
    apart = np.ptp(sky[..., 0]) > APART or np.ptp(sky[..., 1]) > APART
    number = fields(sky, APART) if apart else np.zeros(len(sky), int)
    rows = table[has]
    drawn = [
        _field(
            sky[number == k], rows[number == k], [(layer.chosen[has][number == k], layer) for layer in given]
        )
        for k in range(min(int(number.max()) + 1, MOST_FIELDS))
    ]
    left = int(number.max()) + 1 - len(drawn)
    more = f"<div>{left} more fields are not drawn</div>" if left else ""
    return f"{''.join(drawn)}{_legend(given)}{more}"


def _field(sky: Floats, rows: pd.DataFrame, layers: Sequence[tuple[NDArray[np.bool_], Layer]]) -> str:
    """Draw the exposures of one field."""
    centre = middle(sky[..., 0], sky[..., 1])
    plane = np.stack(tangent(sky[..., 0], sky[..., 1], centre), axis=-1)
    low, high = plane.reshape(-1, 2).min(axis=0), plane.reshape(-1, 2).max(axis=0)
    margin = 0.04 * float(max(high - low))
    low, high = low - margin, high + margin
    east, north = (float(v) for v in high - low)
    scale = min(WIDTH / east, (HEIGHT - 18.0) / north)  # pixels of an arcsec
    width, height = max(scale * east, 120.0), scale * north + 18.0
    shift = (width - scale * east) / 2.0
    points = np.stack([shift + scale * (high[0] - plane[..., 0]), scale * (high[1] - plane[..., 1])], axis=-1)
    paths = []
    for chosen, layer in layers:
        different = np.unique(points[chosen].round(1).reshape(-1, 8), axis=0)
        if not len(different):
            continue
        step = -(-len(different) // MOST_OUTLINES)
        lines = "".join(
            f"M{a:g} {b:g}L{c:g} {d:g} {e:g} {f:g} {g:g} {h:g}Z"
            for a, b, c, d, e, f, g, h in different[::step]
        )
        fill = min(max(0.35 / math.sqrt(len(different)), 0.03), 0.22)
        edge = min(max(3.0 / math.sqrt(len(different)), 0.25), 0.95)
        paths.append(
            f'<path d="{lines}" fill="{layer.colour}" fill-opacity="{fill:.2f}" stroke="{layer.colour}" '
            f'stroke-opacity="{edge:.2f}" stroke-width="1.1"/>'
        )
    length, words = scale_bar(0.45 * width / scale)
    y = height - 4.0
    bar = (
        f'<path d="M4 {y - 4:.1f}V{y:.1f}H{4 + scale * length:.1f}V{y - 4:.1f}" fill="none" stroke="currentColor"/>'
        f'<text x="{10 + scale * length:.1f}" y="{y:.1f}" font-size="11">{words}</text>'
        f'<path d="M{width - 6:.1f} {y:.1f}h-16m4 -3l-4 3 4 3M{width - 6:.1f} {y:.1f}v-12m-3 4l3 -4 3 4" fill="none" '
        'stroke="currentColor"/>'
        f'<text x="{width - 34:.1f}" y="{y:.1f}" font-size="10">E</text>'
        f'<text x="{width - 20:.1f}" y="{y - 8:.1f}" font-size="10">N</text>'
    )
    marks = _targets(
        rows, centre, lambda x, z: (shift + scale * (high[0] - x), scale * (high[1] - z)), width, height
    )
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="footprint of {len(rows)} exposures" style="margin-right:14px">{"".join(paths)}{bar}{marks}</svg>'
    )


def _targets(
    rows: pd.DataFrame,
    centre: tuple[float, float],
    place: Callable[[float, float], tuple[float, float]],
    width: float,
    height: float,
) -> str:
    """Mark the targets that are inside of the picture; the name is shown while the mouse is over the mark."""
    if not {"target", "target_ra", "target_dec"} <= set(rows.columns):
        return ""
    known = rows[["target", "target_ra", "target_dec"]].drop_duplicates().dropna()[:MOST_MARKS]
    words = len(known) <= MOST_NAMES
    marks = []
    for name, x, z in zip(
        known["target"], *tangent(known["target_ra"], known["target_dec"], centre), strict=True
    ):
        u, v = place(x, z)
        if 0 < u < width and 0 < v < height - 18.0:
            beside = (
                f'<text x="{u + 6:.1f}" y="{v - 4:.1f}" font-size="10">{text(name, 30)}</text>'
                if words
                else ""
            )
            marks.append(
                f'<g><title>{text(name, 60)}</title><path d="M{u - 5:.1f} {v:.1f}h10m-5 -5v10" stroke="currentColor" '
                f'stroke-width="1.5" fill="none"/>{beside}</g>'
            )
    return "".join(marks)


def scale_bar(longest: float) -> tuple[float, str]:
    """Return the round length, arcsec, that is not longer than `longest`, and its words."""
    for unit, sign in ((3600.0, "°"), (60.0, "′"), (1.0, "″")):
        for number in (100, 50, 20, 10, 5, 2, 1):
            if number * unit <= longest and (sign == "°" or number < 60):
                return number * unit, f"{number}{sign}"
    return longest, f"{longest:.2g}″"


def _legend(layers: Sequence[Layer]) -> str:
    shown = [layer for layer in reversed(layers) if layer.chosen.any()]
    lines = [
        f'<span style="white-space:nowrap">{swatch(layer.colour)} {text(layer.label, 60)}</span>'
        for layer in shown[:MOST_LINES]
    ]
    lines += [f"and {len(shown) - MOST_LINES} more"] if len(shown) > MOST_LINES else []
    return f'<div style="max-width:{WIDTH:.0f}px">{" &#160; ".join(lines)}</div>'
