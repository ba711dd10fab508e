"""Polygons on the sky in the region format of DS9, version 4.1: https://ds9.si.edu/doc/ref/region.html."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HEADER = "# Region file format: DS9 version 4.1"
COLOURS = {"NIRCAM": "cyan", "NIRISS": "magenta", "FGS": "yellow"}
"""Names of DS9, by instrument; chosen."""


def colour_of(instrument: str) -> str:
    """Return the colour of an instrument; green, which is that of DS9, for others."""
    return COLOURS.get(instrument.upper(), "green")


def ds9_regions(corners: NDArray[np.float64], names: Sequence[str], colours: Sequence[str]) -> str:
    """Return a region file: a line for each polygon.

    Parameters
    ----------
    corners : (n, corner, 2)
        ICRS ra and dec, degrees; written to 1e-9 degree.
    names, colours
        Text and colour of each.
    """
    lines = [HEADER, "icrs"]
    for outline, name, colour in zip(corners, names, colours, strict=True):
        numbers = ",".join(f"{value:.9f}" for value in outline.ravel())
        text = "".join(c for c in name if c.isprintable() and c not in "{}")  # braces end the text
        lines.append(f"polygon({numbers}) # color={colour} text={{{text}}}")
    return "\n".join(lines) + "\n"
