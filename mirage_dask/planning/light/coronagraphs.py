"""Coronagraphic exposures: their stars near an occulting mask get images of their own, written into the plan.

A star within the area in which a mask takes light is taken out of the table of its catalog, and its image for its own
place is computed (`mirage_dask.reference.builtin.occulted.stars`). All other sources, and stars beyond the `MOST` brightest,
are dimmed pixel by pixel by what the masks transmit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.apt.table import NON_SIDEREAL
from mirage_dask.instruments import LYOT_STOPS
from mirage_dask.planning.light.notes import Notes
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.masks.places import Place, places_on
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import OccultedStars
from mirage_dask.scene.placement import pixels_of, star_margin
from mirage_dask.scene.sources import PointSources
from mirage_dask.settings import ExposureRow

MOST = 50
"""Stars of an exposure that get images of their own, 1 MB and about a second each; chosen."""

Floats = NDArray[np.float64]


class OccultedTables:
    """Writes the stars near occulting masks of the exposures of a plan.

    Parameters
    ----------
    url
        Folder of the source tables.
    """

    def __init__(self, url: str):
        self._url = url
        self._known: dict[Hashable, PointSources] = {}
        self._notes = Notes("coronagraphs")

    def layers(
        self, row: ExposureRow, pack: ReferencePack, attitude: Floats, sources: Iterable[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Return (kind, key) of the layers of an exposure's sources, those near a mask in a layer of their own.

        Parameters
        ----------
        attitude
            Row-major 3 x 3, as in the specification.
        sources
            (kind, key) of the exposure's tables of sources.

        Raises
        ------
        ReferenceFileError
            If the bandpass of the filter is not known.
        """
        found = list(sources)
        if row.pupil not in LYOT_STOPS:
            return found
        if "transmission" in row.overrides:
            self._notes.add(
                "stars behind occulting masks are dimmed by the transmission given in reffile_overrides alone"
            )
            return found
        self._notes.add(
            "the shapes of the Lyot stops, which pass a fifth of the light, and the density of the squares for acquisitions "
            "are chosen"
        )
        masks = [place for place in places_on(row.detector, row.pupil) if place.occulter is not None]
        if not masks or row.tracking == NON_SIDEREAL:
            return found
        projection = SkyProjection.of(attitude.ravel(), pack.distortion)
        layers = []
        for kind, key in found:
            layers += (
                self._split(row, pack, projection, masks, key) if kind == PointSources.kind else [(kind, key)]
            )
        return layers

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that a user should know."""
        return self._notes.sentences

    def _split(
        self, row: ExposureRow, pack: ReferencePack, projection: SkyProjection, masks: list[Place], key: str
    ) -> list[tuple[str, str]]:
        """Return the layers of a table of stars: those beside the masks, and those near one."""
        if key not in self._known:
            self._known = {key: PointSources.load(self._url, key)}
        table = self._known[key]
        bounds = (row.x0, row.x0 + row.nx, row.y0, row.y0 + row.ny)
        xy = pixels_of(table.position, projection, bounds)
        margin = star_margin(pack.psf(""))
        with np.errstate(invalid="ignore"):
            near = (xy > np.array([row.x0, row.y0]) - margin).all(axis=1)
            near &= (xy < np.array([row.x0 + row.nx, row.y0 + row.ny]) + margin).all(axis=1)
        near &= table.flux > 0
        behind: dict[int, tuple[Place, float, float]] = {}
        rows = np.flatnonzero(near)
        v2, v3 = pack.distortion.to_v2v3(xy[rows, 0], xy[rows, 1])
        for mask in masks:
            x, y = mask.offsets(v2, v3)
            assert mask.occulter is not None
            for i in np.flatnonzero(mask.occulter.covers(x, y)).tolist():
                behind.setdefault(int(rows[i]), (mask, float(x[i]), float(y[i])))
        if len(behind) > MOST:
            self._notes.add(
                f"more than {MOST} stars are near a mask; all but the brightest are dimmed pixel by pixel"
            )
            kept = sorted(behind, key=lambda r: (-table.flux[r], r))[:MOST]
            behind = {r: behind[r] for r in kept}
        if not behind:
            return [(PointSources.kind, key)]
        chosen = np.array(sorted(behind), np.intp)
        others = np.delete(np.arange(len(table)), chosen)
        layers = [(PointSources.kind, _taken(table, others).save(self._url))] if others.size else []
        stars = self._stars(row, pack, _taken(table, chosen), [behind[r] for r in chosen.tolist()])
        return [*layers, (OccultedStars.kind, stars.save(self._url))]

    def _stars(
        self,
        row: ExposureRow,
        pack: ReferencePack,
        stars: PointSources,
        places: list[tuple[Place, float, float]],
    ) -> OccultedStars:
        from mirage_dask.reference.builtin.occulted.stars import occulted_star  # needs scipy and poppy

        images: list[Any] = []
        for mask, x, y in places:
            assert mask.occulter is not None
            at = pack.distortion.to_pixels(np.array(mask.place.v2_ref), np.array(mask.place.v3_ref))
            middle = float(at[0]), float(at[1])
            images.append(occulted_star(*row.optics, mask=mask.occulter.siaf_name, x=x, y=y, place=middle))
        return OccultedStars.of(stars, [i.library for i in images], [i.throughput for i in images])


def _taken(table: PointSources, rows: NDArray[np.intp]) -> PointSources:
    return replace(table, index=table.index[rows], position=table.position[rows], flux=table.flux[rows])
