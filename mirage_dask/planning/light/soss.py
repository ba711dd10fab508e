"""Exposures behind GR700XD of NIRISS: the traces of the target and of stars beside it, drawn into the plan.

Magnitudes are those of the catalogs in F150W (`niriss_f150w_magnitude`, or `magnitude`), with those of the other
filters for the course of the spectrum, or spectra of a file, as behind other grisms (`spectra`). Behind F277W they are
those of F277W.

NOT modelled: traces of galaxies and images, ghosts, the steps of the sky behind the edges of the pick-off mirror.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError
from mirage_dask.instruments import SOSS
from mirage_dask.planning.light.grisms import FoundCatalog
from mirage_dask.planning.light.notes import Notes
from mirage_dask.planning.light.spectra import FLAT, flat_spectrum, read_given, source_light
from mirage_dask.pointing import SkyProjection, aperture
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.soss.orders import SossOrder, orders_with, read_orders
from mirage_dask.scene.dispersed.spectra import Spectrum, spectrum_weights
from mirage_dask.scene.dispersed.tables import TABLES
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.layers.background import UniformBackground
from mirage_dask.scene.layers.soss import SossLayer
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.placement import pixels_of
from mirage_dask.scene.sky.bands import band_of
from mirage_dask.scene.soss.drawing import NARROW, Images, box_of, reaches, segment_of
from mirage_dask.scene.soss.stars import Bounds, DrawnStar, draw_stars, node_columns
from mirage_dask.scene.sources import PointSources
from mirage_dask.settings import ExposureRow
from mirage_dask.settings.row import read_soss
from mirage_dask.settings.spectra import SossChoice, SpectraChoice

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

MOST_STARS = 40
"""Stars beside one another whose traces are drawn: the brightest."""
FAINT = 0.01
"""Of the brightest star's light: images of fainter stars reach fewer rows."""


def direct_row(row: ExposureRow) -> ExposureRow:
    """Return the exposure with the optics of its magnitudes in place of the grism: F150W, or the filter beside the grism."""
    return replace(row, pupil="F150W" if row.filter == "CLEAR" else "CLEARP")


def orders_of(row: ExposureRow) -> tuple[SossOrder, ...]:
    """Return the orders of an exposure, with its traces, its pupil wheel and its filter.

    Raises
    ------
    InputError
        If a file of traces cannot be used.
    """
    choice = row.soss or SossChoice()
    found = orders_with(read_orders(choice.traces) if choice.traces else ())
    found = tuple(order.turned(choice.pwcpos) for order in found)
    if row.filter != "CLEAR":
        band = band_of(*direct_row(row).optics)
        found = tuple(order.through(*band) for order in found)
    return tuple(order for order in found if segment_of(order) is not None)


def check_soss(rows: pd.DataFrame) -> None:
    """Read the traces of the user's that exposures need.

    Parameters
    ----------
    rows
        Of the exposure table, with the columns of the settings.

    Raises
    ------
    InputError
        With every problem of every file.
    """
    problems: list[str] = []
    choices = (read_soss(text) for text in sorted(set(rows["soss"])))
    for path in dict.fromkeys(choice.traces for choice in choices if choice is not None and choice.traces):
        try:
            read_orders(path)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)


@dataclass(frozen=True, eq=False)
class PlannedTraces:
    """The orders of an exposure, and a flat spectrum of one electron per second in the direct image."""

    orders: tuple[SossOrder, ...]
    segments: tuple[Segment, ...]
    flat: Spectrum


class SossTables:
    """Writes what exposures of a plan that are behind GR700XD need.

    Parameters
    ----------
    url
        Folder of the source tables.
    catalogs
        (kind, path, catalog) of those that exposures look at.
    """

    def __init__(self, url: str, catalogs: Iterable[FoundCatalog]):
        self._url = url
        self._catalogs = {(kind, path): catalog for kind, path, catalog in catalogs if kind in TABLES}
        self._images: Images | None = None
        self._known: dict[Hashable, Any] = {}
        self._notes = Notes(SOSS)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        return self._notes.sentences

    def layers(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        attitude: Iterable[float],
        sources: Iterable[tuple[str, str]],
        level: float,
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layers of an exposure.

        Parameters
        ----------
        attitude
            Nine numbers.
        sources
            (kind, key) of the tables of sources of its direct image.
        level
            Of the sky in the direct image, e-/s in a pixel of mean area.

        Raises
        ------
        InputError, ReferenceFileError
            If traces or spectra cannot be used.
        """
        light = self.traces(row, pack)
        layers = []
        if level:
            total = sum(float(parts[0].sum()) for parts in spectrum_weights([light.flat], light.segments))
            layers.append((UniformBackground.kind, UniformBackground(level * total).key))
        for kind, key in sources:
            if kind != PointSources.kind:
                self._notes.add(
                    f"catalogs of the type {kind} are not dispersed, and their sources are left out"
                )
                continue
            found = self._stars(row, pack, light, tuple(attitude), kind, key)
            if found:
                layers.append((SossLayer.kind, found))
        if row.scene_image is not None:
            self._notes.add("images of the scene (scene_image) are not dispersed, and are left out")
        return layers

    def traces(self, row: ExposureRow, pack: ReferencePack) -> PlannedTraces:
        """Return the orders of an exposure.

        Raises
        ------
        InputError
            If a file of traces cannot be used.
        """
        name = ("light", row.soss, row.optics, pack.zeropoint)
        if name not in self._known:
            orders = orders_of(row)
            flat = flat_spectrum(FLAT, direct_row(row).optics, pack.zeropoint)
            found = tuple(one for order in orders if (one := segment_of(order)) is not None)
            self._known[name] = PlannedTraces(orders, found, flat)
        light: PlannedTraces = self._known[name]
        return light

    def _stars(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        light: PlannedTraces,
        attitude: tuple[float, ...],
        kind: str,
        key: str,
    ) -> str:
        """Return the key of the table of the light of stars; empty where there is none."""
        place = (row.x0, row.y0, row.x0 + row.nx, row.y0 + row.ny)
        name = (
            "stars",
            key,
            attitude,
            place,
            row.aperture,
            row.soss,
            row.spectra,
            row.optics,
            pack.zeropoint,
        )
        if name not in self._known:
            self._known[name] = self._drawn(row, pack, light, attitude, kind, key, place)
        return str(self._known[name])

    def _drawn(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        light: PlannedTraces,
        attitude: tuple[float, ...],
        kind: str,
        key: str,
        bounds: tuple[int, int, int, int],
    ) -> str:
        stars = PointSources.load(self._url, key)
        xy, shift = places(row, pack, attitude, stars.position)
        images = self.images
        reach = reach_of(images)
        shown = self._seen(stars, shift, light, bounds, reach)
        if not shown.size:
            return ""
        spectra = self._spectra(row, pack, light, kind, stars, shown)
        brightest = max(float(sum(part.sum() for part in one)) for one in spectra)
        box = box_around(light, shift[shown[0]], bounds, reach) if len(shown) == 1 else bounds
        narrow = images.narrowed(NARROW)
        drawn = [
            DrawnStar(
                (float(shift[star, 0]), float(shift[star, 1])),
                [part[None, :] for part in parts],
                images if float(sum(part.sum() for part in parts)) > FAINT * brightest else narrow,
            )
            for star, parts in zip(shown, spectra, strict=True)
        ]
        columns = draw_stars(light.orders, light.segments, drawn, bounds=box, reach=reach)
        layer = SossLayer(
            x0=box[0], y0=box[1], index=stars.index[shown], position=stars.position[shown], flux=stars.flux[shown],
            xy=xy[shown], shift=shift[shown], **columns, **node_columns(light.orders, light.segments),
        )  # fmt: skip
        return layer.save(self._url)

    def _seen(
        self,
        stars: PointSources,
        shift: Floats,
        light: PlannedTraces,
        bounds: tuple[int, int, int, int],
        reach: int,
    ) -> NDArray[np.intp]:
        """Return the rows of the brightest stars whose traces may reach the array, in catalog order."""
        near = np.isfinite(shift).all(axis=1) & (np.abs(shift) < 2300).all(axis=1) & (stars.flux > 0)
        found = [
            int(i)
            for i in np.flatnonzero(near)[np.argsort(-stars.flux[near], kind="stable")][: 10 * MOST_STARS]
            if any(
                reaches(order, (float(shift[i, 0]), float(shift[i, 1])), bounds, reach)
                for order in light.orders
            )
        ]
        if len(found) > MOST_STARS:
            self._notes.add(
                f"of the stars whose traces reach the array, the {MOST_STARS} brightest are drawn"
            )
        return np.array(sorted(found[:MOST_STARS]), np.intp)

    def _spectra(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        light: PlannedTraces,
        kind: str,
        stars: PointSources,
        shown: NDArray[np.intp],
    ) -> list[list[Floats]]:
        """Return the light of each star at the nodes of each order, e-/s."""
        catalog = self._catalogs[kind, row.catalogs[kind]]
        choice = row.spectra or SpectraChoice()
        optics = direct_row(row).optics
        flux = count_rate(catalog.magnitude(*optics), catalog.system, pack.zeropoint)
        given = read_given(choice)
        made = source_light(
            optics, pack.zeropoint, light.segments, catalog, choice, given, flux, list_all=True
        )
        found = []
        for star in shown:
            at = int(np.searchsorted(made.index, stars.index[star]))
            pairs = list(zip(made.rows[at], made.amounts[at], strict=True))
            found.append(
                [
                    sum(amount * part[number].astype(np.float64) for number, amount in pairs)
                    for part in made.light
                ]
            )
        return found

    @property
    def images(self) -> Images:
        """Images of all rows that they reach."""
        if self._images is None:
            from mirage_dask.reference.builtin.soss import psf  # most proposals need none

            self._images = Images.of(psf.soss_images(), psf.wavelengths(), psf.OVERSAMPLING)
        return self._images


def places(
    row: ExposureRow, pack: ReferencePack, attitude: Iterable[float], position: Floats
) -> tuple[Floats, Floats]:
    """Return where sources are in the direct image, and how far from the reference point: (n, 2) each, full-frame pixels.

    Parameters
    ----------
    attitude
        Nine numbers.
    position
        (n, 3) ICRS unit vectors, or (n, 2) 0-based pixels of the aperture.
    """
    projection = SkyProjection.of(np.array(tuple(attitude)), pack.distortion)
    where = aperture(row.aperture)
    middle = pack.distortion.to_pixels(np.array([where.v2_ref]), np.array([where.v3_ref]))
    corner = (row.x0, row.x0 + row.nx, row.y0, row.y0 + row.ny)
    xy = pixels_of(position, projection, corner)
    return xy, xy - np.array([float(v[0]) for v in middle])


def reach_of(images: Images) -> int:
    """Return how many rows images reach from their middle."""
    return int(images.coefficients.shape[1] // 2 // images.oversampling)


def box_around(light: PlannedTraces, shift: Floats, bounds: Bounds, reach: int) -> Bounds:
    """Return the part of an array that a star, (2,) pixels from the reference point, sends light to; all of it if none."""
    box = box_of(light.orders, (float(shift[0]), float(shift[1])), bounds, reach)
    return bounds if box[3] <= box[1] else box
