"""Images as small PNG files inside of a page; zlib is all that this needs."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from mirage_dask.representation.page import text

FAINT = 2.0
"""Noise below the median that is drawn black; the asinh scale is linear up to twice as much."""
BRIGHT = 99.8
"""Percentile that is drawn white."""
LEVEL = 8
"""Steps of grey."""


def thumbnail(image: NDArray[np.floating], caption: str, *, zoom: float = 1.0) -> str:
    """Return an image as a figure with a line of words below it.

    Parameters
    ----------
    image
        (y, x), row 0 at the bottom; values that are not finite are black.
    caption
        One line.
    zoom
        Pixels of the screen for one of the image.
    """
    shades = (
        stretched(image)[::-1] // LEVEL * LEVEL
    )  # noise in all 256 shades of grey would be twice as large
    data = base64.b64encode(png(shades)).decode("ascii")
    ny, nx = image.shape
    return (
        f'<figure><img width="{nx * zoom:.0f}" height="{ny * zoom:.0f}" style="image-rendering:pixelated" '
        f'alt="{text(caption)}" src="data:image/png;base64,{data}"/><figcaption>{text(caption)}</figcaption></figure>'
    )


def stretched(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return an image on an asinh scale from 0 to 255: linear in the noise, logarithmic above."""
    values = np.asarray(image, np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    middle = float(np.median(finite))
    noise = 1.4826 * float(np.median(np.abs(finite - middle))) or float(finite.std()) or 1.0
    top = max(float(np.percentile(finite, BRIGHT)), middle + 5.0 * noise)
    low = middle - FAINT * noise
    scaled = np.arcsinh((np.nan_to_num(values, nan=low) - low) / (2.0 * FAINT * noise))
    return (255.0 * np.clip(scaled / np.arcsinh((top - low) / (2.0 * FAINT * noise)), 0.0, 1.0)).astype(
        np.uint8
    )


def png(grey: NDArray[np.uint8]) -> bytes:
    """Return an image of 256 levels of grey, (y, x), row 0 on top, as a PNG file (ISO/IEC 15948)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(grey))  # 0: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits of grey
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )
