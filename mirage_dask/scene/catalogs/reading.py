"""Read a catalog: its positions, shapes and magnitudes as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.scene.catalogs.columns import (
    IMAGE_COLUMNS,
    LIGHT_CURVE,
    SHAPE_COLUMNS,
    ColumnChecker,
    Floats,
    empty_cells,
    is_empty,
    optional_numbers,
    read_ghost_stamps,
    read_images,
    read_index,
    read_light_curve_files,
    read_numbers,
    read_positions,
    read_shapes,
)
from mirage_dask.scene.catalogs.formats import read_table
from mirage_dask.scene.catalogs.magnitudes import ANY, magnitude_columns, misspelt
from mirage_dask.scene.catalogs.motions import Motion, read_motion, tracked_object, with_places
from mirage_dask.scene.catalogs.phrases import read_phrases
from mirage_dask.scene.catalogs.proper_motions import ProperMotions, read_proper_motions
from mirage_dask.scene.catalogs.table import CatalogTable, name_rows
from mirage_dask.scene.catalogs.units import apply_units

Optics = tuple[str, str, str]
"""(instrument or detector, filter, pupil)."""

EXTENDED = "extended"
IMAGE_KINDS = (EXTENDED, "moving_extended")
"""Types of catalogs whose sources are images; that of a tracked target may be one, too."""
TRACKED = "moving_target_to_track"
"""Type of the catalog of the target that the telescope follows."""
MOVING_KINDS = ("moving_pointsource", "moving_sersic", "moving_extended", TRACKED)
VARIABLE = "tso_imaging_catalog"
"""Type of the catalog of stars with light curves."""
SERIES_KINDS = ("tso_grism_catalog",)
"""Types of catalogs of the targets of grism time series."""
CATALOG_KINDS = ("point_source", "galaxy", EXTENDED, *MOVING_KINDS, VARIABLE, *SERIES_KINDS)
"""Types of catalogs that are read and simulated."""
PROPER_KINDS = ("point_source", "galaxy", VARIABLE)
"""Types of catalogs whose sources may have proper motions."""
OWN_COLUMNS = {
    "galaxy": SHAPE_COLUMNS,
    "moving_sersic": SHAPE_COLUMNS,
    **dict.fromkeys(IMAGE_KINDS, IMAGE_COLUMNS),
    VARIABLE: (LIGHT_CURVE,),
}
"""Columns that a catalog of a kind needs besides positions."""
BRIGHTEST = -30.0
"""The Sun from here is -27: brighter values are marks for "unknown", which would give 10^(0.4 x 99) electrons."""


@dataclass(frozen=True, eq=False)
class Catalog:
    """A checked catalog: n sources in the order of the file."""

    path: str
    kind: str
    """One of `CATALOG_KINDS`."""
    system: str
    """'abmag', 'stmag' or 'vegamag'."""
    pixels: bool
    """True if x, y are 0-based pixels of the aperture, not degrees."""
    radius_pixels: bool
    index: NDArray[np.int64]
    x: Floats
    """(n,) right ascension in degrees, [0, 360), or pixel; NaN for a source with an ephemeris."""
    y: Floats
    """(n,) declination in degrees, or pixel."""
    shapes: dict[str, Floats]
    """radius, ellipticity, pos_angle, sersic_index of galaxies, (n,) each; of extended sources pos_angle, NaN for None;
    empty for points."""
    magnitudes: dict[str, Floats]
    """Magnitude columns by lower-case name; NaN if the text is not a number."""
    table: CatalogTable
    """The cells that these arrays were made from."""
    unused_phrases: tuple[str, ...] = ()
    """Phrases in comments that change nothing in a catalog of this kind."""
    files: tuple[str, ...] = ()
    """Absolute paths of the images of extended sources, one each."""
    ghost_stamps: tuple[str, ...] = ()
    """Absolute paths of the images of the sources' ghosts, one each, empty for the usual one; () where all have that."""
    motion: Motion | None = None
    """How the sources move; None where they do not."""
    proper: ProperMotions | None = None
    """Proper motions of stars and galaxies; None where the catalog has none."""
    light_curves: tuple[str, ...] = ()
    """Absolute paths of the files of light curves, one for each source; () where the sources do not vary."""

    def __len__(self) -> int:
        return self.index.size

    @property
    def lines(self) -> NDArray[np.int64]:
        """(n,) line of each source in the file, from 1; its row in a format without lines."""
        return self.table.lines

    @property
    def images(self) -> bool:
        """Whether the sources are images."""
        return self.kind in IMAGE_KINDS or bool(self.files)

    def at(self, year: float | None) -> Catalog:
        """Return the catalog with the positions of a Julian year, as `ProperMotions.year` gives it; itself for None."""
        if year is None or self.proper is None:
            return self
        x, y = self.proper.places(self.x, self.y, year)
        return replace(self, x=x, y=y)

    def magnitude_column(self, instrument: str, filter: str, pupil: str = "CLEAR") -> str | None:
        """Return the lower-case name of the column that has the magnitudes for a filter; None if there is none."""
        wanted = magnitude_columns(instrument, filter, pupil)
        return next((name for name in wanted if name in self.magnitudes), None)

    def magnitude(self, instrument: str, filter: str, pupil: str = "CLEAR") -> Floats:
        """Return the (n,) magnitudes for a filter; NaN for an extended source whose image counts as it is.

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
        name = self.magnitude_column(instrument, filter, pupil)
        optics = f" {filter}/{pupil}" if filter or pupil else ""
        if self.images and not self.magnitudes:
            return np.full(len(self), np.nan), []
        if name is None:
            hint = nearest(wanted[0], sorted(self.magnitudes))
            return np.empty(0), [
                f"{self.path}: no magnitude for {instrument}{optics}; add a column "
                f"{' or '.join(repr(n) for n in wanted)}{hint or '.'}"
            ]
        problems = []
        if name == ANY and (meant := misspelt(wanted[:-1], self.table.columns)):
            problems.append(
                f"{self.path}: column {meant[0]!r} is not of any filter, and {instrument}{optics} would use the column "
                f"'magnitude'; rename it to {meant[1]!r}, or remove it."
            )
        values = self.magnitudes[name]
        cells = self.table.columns[name]
        said = ~is_empty(cells)
        if self.images:
            said = optional_numbers(cells)[1]  # others have the counts of their images
        elif not said.all():
            remedy = "write 99 for a source that is not visible in this filter"
            problems.append(empty_cells(self.table, name, ~said, remedy))
        bad = ~np.isfinite(values) & said
        with np.errstate(invalid="ignore"):
            bright = values < BRIGHTEST
        for which, what, shown in (
            (bad, "is not finite", None),
            (bright, f"is brighter than {BRIGHTEST:g}", values),
        ):
            if which.any():
                where = name_rows(self.table.counted, self.lines, which, shown)
                problems.append(
                    f"{self.path}: column {name!r} {what} in {where}; write 99 for a source that is not visible in "
                    "this filter."
                )
        return values, problems


def read_catalog(path: str | Path, kind: str, *, optics: Iterable[Optics] = ()) -> Catalog:
    """Read and check a catalog.

    Parameters
    ----------
    path
        A file in one of the formats that `mirage_dask.scene.catalogs` describes.
    kind
        One of `CATALOG_KINDS`.
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
    if kind not in CATALOG_KINDS:
        raise InputError(
            f"{kind!r} is not a valid catalog kind; known: {', '.join(CATALOG_KINDS)}{nearest(kind, CATALOG_KINDS)}"
        )
    wanted = sorted(set(optics))
    table = read_table(Path(path))
    try:
        return _interpret(str(path), table, kind, wanted)
    except InputError:
        if table.shows_texts:
            raise
    return _interpret(str(path), read_table(Path(path), careful=True), kind, wanted)


def _interpret(path: str, table: CatalogTable, kind: str, optics: list[Optics]) -> Catalog:
    """Return the catalog that cells mean; all problems are one `InputError`."""
    phrases = read_phrases(table.path, table.comments, kind)
    table, units, problems = apply_units(table, phrases)
    problems = [*table.problems, *problems]
    moves = kind in MOVING_KINDS
    table = with_places(table) if moves else table
    check = ColumnChecker(table, problems)
    target = tracked_object(check) if kind == TRACKED else ""
    shaped = kind in ("galaxy", "moving_sersic") or target == "sersic"
    pictured = kind in IMAGE_KINDS or target == EXTENDED
    own = SHAPE_COLUMNS if shaped else IMAGE_COLUMNS if pictured else OWN_COLUMNS.get(kind, ())
    check.columns(("x_or_ra", "y_or_dec", *own))
    x, y = read_positions(check, pixels=units.pixels)
    motion = read_motion(check, units.velocity) if moves else None
    if motion is not None:
        known = np.array([not path for path in motion.ephemerides])
        x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
    index = read_index(check)
    shapes = read_shapes(check) if shaped else {}
    files: tuple[str, ...] = ()
    if pictured:
        files, shapes = read_images(check)
    magnitudes = {
        name: read_numbers(values) for name, values in table.columns.items() if name.endswith("magnitude")
    }
    if not magnitudes and not pictured:
        problems.append(f"{path}: no magnitude column; add one, such as 'nircam_f200w_magnitude'.")
    catalog = Catalog(
        path=path,
        kind=kind,
        system=units.system,
        pixels=units.pixels,
        radius_pixels=units.radius_pixels,
        index=index,
        x=x,
        y=y,
        shapes=shapes,
        magnitudes=magnitudes,
        table=table,
        unused_phrases=phrases.unused,
        files=files,
        ghost_stamps=() if moves else read_ghost_stamps(check),
        motion=motion,
        light_curves=read_light_curve_files(check) if kind == VARIABLE else (),
        proper=read_proper_motions(check, pixels=units.pixels) if kind in PROPER_KINDS else None,
    )
    if magnitudes:
        for instrument, filter_, pupil in optics:
            problems += catalog._checked_magnitude(instrument, filter_, pupil)[1]
    if problems:
        raise InputError(dict.fromkeys(problems))
    return catalog
