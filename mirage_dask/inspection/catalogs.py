"""What the catalogs of a proposal add to it, and what of them changes nothing.

A column that no exposure uses, a filter that falls back to the column `magnitude`, numbers that cannot be magnitudes: each
is valid by itself, and each is how a sky becomes false without a word. So all of it is said, in one sentence each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mirage_dask.errors import InputError
from mirage_dask.inspection.scene_images import ImageCount, count_image
from mirage_dask.inspection.source_counts import SourceCount, count_sources
from mirage_dask.pointing import read_ephemeris
from mirage_dask.scene.catalogs import (
    CATALOG_KINDS,
    TRACKED,
    Catalog,
    Motion,
    magnitude_columns,
    magnitude_owner,
    read_catalog,
)
from mirage_dask.scene.catalogs.columns import GHOST_STAMP
from mirage_dask.scene.catalogs.magnitudes import ANY
from mirage_dask.scene.catalogs.motions import STEEP
from mirage_dask.scene.catalogs.proper_motions import EPOCH_COLUMN, GAIA_EPOCH, motion_columns
from mirage_dask.scene.catalogs.reading import OWN_COLUMNS, SERIES_KINDS
from mirage_dask.scene.catalogs.table import name_rows
from mirage_dask.scene.catalogs.units import VELOCITY_COLUMNS
from mirage_dask.settings.row import read_scene_image
from mirage_dask.settings.spectra import CONTINUA, FRAMES, SpectraChoice

if TYPE_CHECKING:
    import pandas as pd

Optics = tuple[str, str, str]
"""(detector, filter, pupil)."""

FAINTEST = 40.0
"""Magnitudes above are either marks for an invisible source or no magnitudes."""
_MARKS = ((90.0, 100.0), (990.0, 1000.0), (9990.0, 10000.0), (99990.0, 100000.0))
"""Ranges of numbers that are written for a source that is not visible."""
_FLUX_LIKE = 1.0
"""A column of several sources that are all between -1 and 1 holds fluxes, or colours."""
_MOTION = re.compile(
    r"(pm|mu)([_-]?(ra|dec|x|y|l|b|alpha|delta)\w*)?|.*(proper|motion|parallax|velocity|epoch).*|plx|rv"
)
_SHOWN = 6
"""Most columns or filters that a sentence lists."""


@dataclass(frozen=True)
class CatalogReport:
    """What was found in the catalogs of an exposure table."""

    counts: tuple[SourceCount, ...] = ()
    """How many sources fall on detectors, one for each catalog."""
    notes: tuple[str, ...] = ()
    """What changes nothing or may be meant otherwise."""
    images: tuple[ImageCount, ...] = ()
    """How many exposures each image of the scene falls on."""

    @property
    def _all(self) -> tuple[SourceCount | ImageCount, ...]:
        return (*self.counts, *self.images)

    @property
    def empty(self) -> tuple[str, ...]:
        """A sentence for each catalog of which no source, and each image of which nothing, falls on any detector."""
        return tuple(str(count) for count in self._all if not count.on_detectors)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each catalog and each image of the scene."""
        return tuple(str(count) for count in self._all)


def report_catalogs(table: pd.DataFrame) -> CatalogReport:
    """Read the catalogs of the exposures that can be simulated and return what is to be said of them.

    Catalogs that cannot be read are left out: whoever simulates or checks hears of them.

    Parameters
    ----------
    table
        Exposure table with the columns of the settings.
    """
    ready = table[table["status"] == "ready"]
    counts: list[SourceCount] = []
    said: dict[str, list[str]] = {}
    for kind in CATALOG_KINDS:
        for path, rows in ready[ready[kind] != ""].groupby(kind):
            try:
                catalog = read_catalog(str(path), kind)
                placed = _placed(catalog, rows)
            except InputError:
                continue
            if kind != TRACKED:  # the telescope points at it
                counts.append(count_sources(placed, rows))
            uses = rows[["detector", "filter", "pupil"]].drop_duplicates().itertuples(index=False, name=None)
            own = catalog_notes(catalog, uses, _spectra_columns(catalog, rows))
            for note in (*own, *_light_curve_notes(catalog, rows)):
                said.setdefault(note, []).append(Path(str(path)).name)
    notes = tuple(f"{', '.join(dict.fromkeys(names))}: {note}" for note, names in said.items())
    return CatalogReport(tuple(counts), notes, tuple(_images(ready)))


def _images(ready: pd.DataFrame) -> Iterator[ImageCount]:
    """Yield how many exposures each image of the scene falls on; those that cannot be read are left out, as catalogs are."""
    for text, rows in ready[ready["scene_image"] != ""].groupby("scene_image"):
        file = read_scene_image(str(text))
        with suppress(InputError):
            if file is not None:
                yield count_image(file, rows)


def _placed(catalog: Catalog, rows: pd.DataFrame) -> Catalog:
    """Return a catalog whose sources are where they count: those that move in any way, at the first exposure."""
    if catalog.proper is not None:
        return catalog.at(catalog.proper.year(_times(rows)[1]))
    if catalog.motion is None or catalog.kind == TRACKED:
        return catalog
    from mirage_dask.scene.moving_sources import places_at  # with kernels, which others do without

    return places_at(catalog, *_times(rows))


def _times(rows: pd.DataFrame) -> tuple[datetime, datetime]:
    """Return the start of the first observation among rows, and that of its first exposure."""
    first = rows.loc[rows["start_time"].idxmin()]
    began, start = str(first["observation_start"]), str(first["start_time"])
    return datetime.fromisoformat(began or start), datetime.fromisoformat(start)


def _spectra_columns(catalog: Catalog, rows: pd.DataFrame) -> set[str]:
    """Return the columns that the light of sources behind grisms follows from."""
    found: set[str] = set()
    for text, instrument in (
        rows[rows["spectra"] != ""][["spectra", "instrument"]].drop_duplicates().to_numpy()
    ):
        choice = SpectraChoice.from_text(str(text))
        if choice.continuum == CONTINUA[0]:
            start = f"{str(instrument).lower()}_"
            found |= {name for name in catalog.magnitudes if name.startswith(start)}
        if FRAMES[1] in (choice.frame, choice.lines_frame):
            found.add("redshift")
        found.add(choice.normalise)
    return found


def catalog_notes(catalog: Catalog, uses: Iterable[Optics], also: Iterable[str] = ()) -> Iterator[str]:
    """Yield what of a catalog changes nothing, or may be meant otherwise.

    Parameters
    ----------
    catalog
        As read.
    uses
        (detector, filter, pupil) that look at it.
    also
        Columns that are used besides.
    """
    owners = sorted({(magnitude_owner(detector), f, p) for detector, f, p in uses})
    used = {use: column for use in owners if (column := catalog.magnitude_column(*use))}
    without = [use for use, column in used.items() if column == ANY]
    if without and len(catalog.magnitudes) > 1:  # a column alone is meant for all filters
        names = _listed([_optics_name(*use) for use in without])
        own = _own_column(*without[0])
        verb, whose = ("use", "their own, such as") if len(without) > 1 else ("uses", "its own,")
        yield f"{names} {verb} the column 'magnitude': there is no column of {whose} {own!r}."
    columns = {"x_or_ra", "y_or_dec", "index", *used.values(), *also}
    if any(owner == "NIRISS" for owner, _, _ in owners):
        columns.add(GHOST_STAMP)
    columns |= set(OWN_COLUMNS.get(catalog.kind, ())) | set(catalog.shapes)
    if catalog.kind in SERIES_KINDS:
        from mirage_dask.scene.time_series.targets import COLUMNS  # of transits, which few proposals have

        columns |= COLUMNS
    if catalog.proper is not None:
        columns |= motion_columns(catalog.table)
        if catalog.proper.assumed:
            yield (
                f"positions of sources with proper motions are taken to be of {GAIA_EPOCH:.1f}, as Gaia's are: there is no "
                f"{EPOCH_COLUMN!r}, and no comment '# epoch: {GAIA_EPOCH:.1f}'."
            )
    if catalog.motion is not None:
        columns |= {*VELOCITY_COLUMNS, "ephemeris_file", "object"}
        yield from _motion_notes(catalog, catalog.motion)
    others = [name for name in catalog.table.names if name.casefold() not in columns]
    if moving := [name for name in others if _MOTION.fullmatch(name.casefold())]:
        yield f"motions and epochs are not simulated: nothing uses {_listed(moving)}; positions hold for all dates."
    if rest := [name for name in others if name not in moving]:
        yield f"no exposure uses {_listed(rest)}."
    for phrase in catalog.unused_phrases:
        yield f"{phrase} changes nothing in a catalog of type {catalog.kind}."
    if catalog.files:
        yield from _stamp_notes(catalog)
    for column in sorted(set(used.values())):
        yield from _odd_magnitudes(catalog, column)


def _light_curve_notes(catalog: Catalog, rows: pd.DataFrame) -> list[str]:
    """Return what is to be said of the light curves of a catalog."""
    if not catalog.light_curves:
        return []
    from mirage_dask.catalogs.variable_stars import light_curve_notes  # with astropy, which others do without

    return light_curve_notes(catalog, rows)


def _stamp_notes(catalog: Catalog) -> Iterator[str]:
    """Yield what is to be said of the images of extended sources."""
    from mirage_dask.sky_images.tables import check_stamps  # most catalogs name no images

    try:
        stamps = check_stamps(catalog)
    except InputError:
        return  # as for the catalog itself
    found = {Path(path).name: stamp for path, stamp in stamps.items()}
    for which, what in (
        (
            [n for n, s in found.items() if s.scale is None],
            "without a pixel scale: their pixels are those of the detector",
        ),
        ([n for n, s in found.items() if s.not_finite], "with pixels that are not finite, which count as 0"),
        ([n for n, s in found.items() if s.negative], "with negative pixels, which are kept"),
    ):
        if which:
            yield f"images {what}: {_listed(which)}."


def _motion_notes(catalog: Catalog, motion: Motion) -> Iterator[str]:
    """Yield what may be meant otherwise in velocities and ephemerides."""
    with np.errstate(invalid="ignore"):
        steep = (
            (np.abs(catalog.y) > STEEP) & (motion.velocity[:, 0] != 0.0) & np.isfinite(motion.velocity[:, 0])
        )
    if motion.meaning == "velocity_RA_Dec" and not catalog.pixels and steep.any():
        cosine = np.cos(np.radians(catalog.y[steep][0]))
        yield (
            "velocities in RA are taken as changes of the coordinate, as Mirage does: at declination "
            f"{catalog.y[steep][0]:.1f} a source moves {cosine:.2f} times as fast on the sky; if they are on the sky "
            "already (dRA*cosD of Horizons), write '# velocity_on_sky' instead of '# velocity_RA_Dec'."
        )
    for path in dict.fromkeys(filter(None, motion.ephemerides)):
        try:
            observer = read_ephemeris(path).observer
        except InputError:
            continue
        if observer and not re.search(r"jwst|webb|\(-170\)", observer, re.IGNORECASE):
            yield (
                f"{Path(path).name} is seen from {observer}; JWST is 1.5 million km from the Earth, from where near targets "
                "are elsewhere by up to a degree: request it from Horizons for the observer @JWST."
            )


def _odd_magnitudes(catalog: Catalog, column: str) -> Iterator[str]:
    """Yield a sentence on numbers that are not likely to be magnitudes."""
    values = catalog.magnitudes[column]
    with np.errstate(invalid="ignore"):
        marks = np.any([(values >= low) & (values <= high) for low, high in _MARKS], axis=0)
        faint = (values > FAINTEST) & ~marks
        visible = values[np.isfinite(values) & ~marks]
    if faint.any():
        where = name_rows(catalog.table.counted, catalog.lines, faint, values)
        yield (
            f"column {column!r} is fainter than magnitude {FAINTEST:g} in {where}: such a source is not visible; are these "
            "fluxes? Write 99 for a source that is not visible."
        )
    elif visible.size > 1 and np.abs(visible).max() < _FLUX_LIKE:
        yield f"column {column!r}: all {visible.size:,} magnitudes are between -1 and 1; are these fluxes?"


def _own_column(owner: str, filter_: str, pupil: str) -> str:
    return magnitude_columns(owner, filter_, pupil)[-2]


def _optics_name(owner: str, filter_: str, pupil: str) -> str:
    own = _own_column(owner, filter_, pupil).removesuffix("_magnitude")
    return own.rpartition("_")[2].upper() if "_" in own else owner


def _listed(names: list[str]) -> str:
    """Return 'a, b and 3 more'."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
