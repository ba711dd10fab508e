"""Outlines of exposures on the sky as SVG: north is up, east is left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.footprints import corners
from mirage_dask.footprints.bands import passband, wavelength
from mirage_dask.footprints.fields import fields
from mirage_dask.footprints.plane import Centre, Floats, middle, tangent
from mirage_dask.formatting import counted
from mirage_dask.representation.page import swatch, text

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT, FOOT = 300.0, 230.0, 18.0
"""Largest picture of a field, and the height of its scale, pixels."""
APART = 0.1
"""Degrees between exposures that are drawn apart: a subarray is a dot beside a mosaic."""
MOST_FIELDS = 3
MOST_OUTLINES = 600
"""Different outlines that are drawn; of more, every n-th."""
MOST_MARKS, MOST_NAMES = 20, 2
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
    rows, count = table[has], int(number.max()) + 1
    here = [number == k for k in range(min(count, MOST_FIELDS))]
    frames = [_Frame.of(sky[chosen]) for chosen in here]
    outlines = [
        [frame.outlines(sky[chosen & layer.chosen[has]]) for layer in given]
        for frame, chosen in zip(frames, here, strict=True)
    ]
    different = sum(len(found) for parts in outlines for found in parts)
    step = -(-different // MOST_OUTLINES)
    drawn = [
        frame.draw(
            "".join(_path(found, step, layer.colour) for found, layer in zip(parts, given, strict=True))
            + _targets(rows[chosen], frame),
            int(chosen.sum()),
        )
        for frame, parts, chosen in zip(frames, outlines, here, strict=True)
    ]
    left = count - len(drawn)
    more = f"<div>{counted(left, 'more field')} not drawn</div>" if left else ""
    more += f"<div>{different:,} different outlines, of which 1 in {step} is drawn</div>" if step > 1 else ""
    return f"{''.join(drawn)}{_legend(given)}{more}"


@dataclass(frozen=True)
class _Frame:
    """The picture of a field: offsets in arcsec -> pixels, x to the right and y down."""

    centre: Centre
    east: float
    """Of the left edge."""
    north: float
    """Of the upper edge."""
    scale: float
    """Pixels of an arcsec."""
    shift: float
    """Pixels at the left."""
    width: float
    height: float

    @classmethod
    def of(cls, sky: Floats) -> Self:
        """Return the frame of exposures, (n, corner, 2) ra and dec, degrees."""
        centre = middle(sky[..., 0], sky[..., 1])
        plane = np.nan_to_num(np.stack(tangent(sky[..., 0], sky[..., 1], centre), axis=-1)).reshape(-1, 2)
        margin = max(0.04 * float(np.ptp(plane, axis=0).max()), 0.01)
        (east, north), (west, south) = plane.max(axis=0) + margin, plane.min(axis=0) - margin
        scale = float(min(WIDTH / (east - west), (HEIGHT - FOOT) / (north - south)))
        width, height = max(scale * float(east - west), 120.0), scale * float(north - south) + FOOT
        shift = (width - scale * float(east - west)) / 2.0
        return cls(centre, float(east), float(north), scale, shift, width, height)

    def place(self, ra: Any, dec: Any) -> tuple[Floats, Floats]:
        """Return the pixels of positions; NaN on the opposite half of the sky."""
        east, north = tangent(ra, dec, self.centre)
        return self.shift + self.scale * (self.east - east), self.scale * (self.north - north)

    def outlines(self, sky: Floats) -> Floats:
        """Return the different outlines of exposures, (n, 8): x and y of four corners, to half a pixel."""
        x, y = self.place(sky[..., 0], sky[..., 1])
        found = np.round(2.0 * np.stack([x, y], axis=-1)).reshape(-1, 8) / 2.0
        return np.unique(found[np.isfinite(found).all(axis=1)], axis=0)

    def draw(self, content: str, exposures: int) -> str:
        """Return the picture with its content, a scale and a compass."""
        length, words = scale_bar(0.45 * self.width / self.scale)
        right, y = self.width - 6.0, self.height - 4.0
        end = 4.0 + self.scale * length
        return (
            f'<svg width="{self.width:.0f}" height="{self.height:.0f}" viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
            f'role="img" aria-label="footprint of {counted(exposures, "exposure")}" style="margin-right:14px">{content}'
            f'<path d="M4 {y - 4:.1f}V{y:.1f}H{end:.1f}V{y - 4:.1f}" fill="none" stroke="currentColor"/>'
            f'<text x="{end + 6:.1f}" y="{y:.1f}" font-size="11">{words}</text>'
            f'<path d="M{right:.1f} {y:.1f}h-16m4 -3l-4 3 4 3M{right:.1f} {y:.1f}v-12m-3 4l3 -4 3 4" fill="none" '
            'stroke="currentColor"/>'
            f'<text x="{right - 28:.1f}" y="{y:.1f}" font-size="10">E</text>'
            f'<text x="{right - 14:.1f}" y="{y - 8:.1f}" font-size="10">N</text></svg>'
        )


def _path(outlines: Floats, step: int, colour: str) -> str:
    """Return outlines in one colour, every n-th of them; the more there are, the fainter."""
    count = len(outlines)
    if not count:
        return ""
    lines = "".join(
        f"M{a:g} {b:g}L{c:g} {d:g} {e:g} {f:g} {g:g} {h:g}Z" for a, b, c, d, e, f, g, h in outlines[::step]
    )
    fill = min(max(0.35 / math.sqrt(count), 0.03), 0.22)
    edge = min(max(3.0 / math.sqrt(count), 0.25), 0.95)
    return (
        f'<path d="{lines}" fill="{colour}" fill-opacity="{fill:.2f}" stroke="{colour}" stroke-opacity="{edge:.2f}" '
        'stroke-width="1.1"/>'
    )


def _targets(rows: pd.DataFrame, frame: _Frame) -> str:
    """Mark the targets that are inside of the picture; the name is shown while the mouse is over the mark."""
    import pandas as pd

    if not {"target", "target_ra", "target_dec"} <= set(rows.columns):
        return ""
    known = rows[["target", "target_ra", "target_dec"]].drop_duplicates()[:MOST_MARKS]
    places = (pd.to_numeric(known[name], errors="coerce") for name in ("target_ra", "target_dec"))
    marks = []
    for name, u, v in zip(known["target"], *frame.place(*places), strict=True):
        if not (0 < u < frame.width and 0 < v < frame.height - FOOT):
            continue
        words = f'<text x="{u + 6:.1f}" y="{v - 4:.1f}" font-size="10">{text(name, 30)}</text>'
        marks.append(
            f'<g><title>{text(name, 60)}</title><path d="M{u - 5:.1f} {v:.1f}h10m-5 -5v10" stroke="currentColor" '
            f'stroke-width="1.5" fill="none"/>{words if len(known) <= MOST_NAMES else ""}</g>'
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
