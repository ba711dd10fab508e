"""Read a catalog: its positions, shapes and magnitudes as arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.scene.catalogs.columns import (
    SHAPE_COLUMNS,
    ColumnChecker,
    Floats,
    read_index,
    read_numbers,
    read_positions,
    read_shapes,
)
from mirage_dask.scene.catalogs.magnitudes import magnitude_columns
from mirage_dask.scene.catalogs.text import name_lines, read_text, split_text

Optics = tuple[str, str, str]
"""(instrument or detector, filter, pupil)."""

KINDS = ("point_source", "galaxy")
BRIGHTEST = -30.0
"""The Sun from here is -27: brighter values are marks for "unknown", which would give 10^(0.4 x 99) electrons."""


@dataclass(frozen=True, eq=False)
class Catalog:
    """A checked catalog: n sources in the order of the file."""

    path: str
    kind: str
    """'point_source' or 'galaxy'."""
    system: str
    """'abmag', 'stmag' or 'vegamag'."""
    pixels: bool
    """True if x, y are 0-based pixels of the aperture, not degrees."""
    radius_pixels: bool
    index: NDArray[np.int64]
    x: Floats
    """(n,) right ascension in degrees, [0, 360), or pixel."""
    y: Floats
    """(n,) declination in degrees, or pixel."""
    shapes: dict[str, Floats]
    """radius, ellipticity, pos_angle, sersic_index of galaxies, (n,) each; empty for points."""
    magnitudes: dict[str, Floats]
    """Magnitude columns by lower-case name; NaN if the text is not a number."""
    lines: NDArray[np.int64]
    """(n,) line of each source in the file, from 1."""

    def __len__(self) -> int:
        return self.index.size

    def magnitude(self, instrument: str, filter: str, pupil: str = "CLEAR") -> Floats:
        """Return the (n,) magnitudes for a filter.

        Parameters
        ----------
        instrument
            'NIRCAM', 'NIRISS', 'FGS', or the name of a detector.
        filter, pupil
            Elements in the two wheels.

        Raises
        ------
        InputError
            If there is no such column, or if a magnitude is missing, not finite or brighter than -30.
        """
        values, problems = self._checked_magnitude(instrument, filter, pupil)
        if problems:
            raise InputError(problems)
        return values

    def _checked_magnitude(self, instrument: str, filter: str, pupil: str) -> tuple[Floats, list[str]]:
        wanted = magnitude_columns(instrument, filter, pupil)
        name = next((n for n in wanted if n in self.magnitudes), None)
        if name is None:
            hint = nearest(wanted[0], sorted(self.magnitudes))
            optics = f" {filter}/{pupil}" if filter or pupil else ""
            return np.empty(0), [
                f"{self.path}: no magnitude for {instrument}{optics}; add a column "
                f"{' or '.join(repr(n) for n in wanted)}{hint or '.'}"
            ]
        values = self.magnitudes[name]
        bad = ~np.isfinite(values)
        bright = ~bad & (values < BRIGHTEST)
        problems = []
        if bad.any():
            where = name_lines(self.lines, bad)
            problems.append(
                f"{self.path}: column {name!r} is not finite in {where}; write 99 for a source that is "
                f"not visible in this filter."
            )
        if bright.any():
            where = name_lines(self.lines, bright, values)
            problems.append(
                f"{self.path}: column {name!r} is brighter than {BRIGHTEST:g} in {where}; "
                f"write 99 for an unknown magnitude."
            )
        return values, problems


def read_catalog(path: str | Path, kind: str, *, optics: Iterable[Optics] = ()) -> Catalog:
    """Read and check a catalog.

    Parameters
    ----------
    path
        Text file in the format that `mirage_dask.scene.catalogs` describes.
    kind
        'point_source' or 'galaxy'.
    optics
        (instrument, filter, pupil) whose magnitudes are needed, and checked with the other columns.

    Returns
    -------
    Catalog

    Raises
    ------
    InputError
        If the catalog is not valid; lists all problems with lines, column and remedy.
    """
    if kind not in KINDS:
        raise InputError(
            f"{kind!r} is not a valid catalog kind; known: {', '.join(KINDS)}{nearest(kind, KINDS)}"
        )
    path = Path(path)
    text = split_text(path, read_text(path))
    problems = text.problems
    table = pd.read_csv(
        io.StringIO("\n".join([" ".join(text.names), *text.rows])),
        sep=r"\s+",
        index_col=False,
        dtype=str,  # converted below: pandas does not guarantee the nearest float64
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
    )
    table.columns = pd.Index([name.casefold() for name in text.names])
    check = ColumnChecker(path, table, text.lines, problems)

    required = ("x_or_ra", "y_or_dec", *(SHAPE_COLUMNS if kind == "galaxy" else ()))
    check.columns(required, text.names)
    x, y = read_positions(check, pixels=text.position_pixels)
    index = read_index(check)
    shapes = read_shapes(check) if kind == "galaxy" else {}
    magnitudes = {
        str(name): read_numbers(table[name]) for name in table.columns if str(name).endswith("magnitude")
    }
    if not magnitudes:
        problems.append(f"{path}: no magnitude column; add one, such as 'nircam_f200w_magnitude'.")
    catalog = Catalog(
        path=str(path),
        kind=kind,
        system=text.system,
        pixels=text.position_pixels,
        radius_pixels=text.radius_pixels,
        index=index,
        x=x,
        y=y,
        shapes=shapes,
        magnitudes=magnitudes,
        lines=text.lines,
    )
    if magnitudes:
        for instrument, filter_, pupil in sorted(set(optics)):
            problems += catalog._checked_magnitude(instrument, filter_, pupil)[1]
    if problems:
        raise InputError(dict.fromkeys(problems))
    return catalog
