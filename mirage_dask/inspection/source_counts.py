"""How many sources of a catalog fall on detectors: what tells an empty sky from one that was meant.

A source falls on an exposure if its position lies in the array that is read, the polygon `s_region` of the exposure table,
whose edges are taken as great circles (they bend by a few pixels); positions in pixels must lie in the array. Behind GR700XD
(SOSS), whose target lies beside the array that its traces fall on, that polygon is of twice the size, and around the target.
The wings of stars beside the field do not count, and galaxies count by their centres. What moves counts by where it is at
the start of the first exposure that looks at it.

Sources are found by a tree of unit vectors: first those within the largest circle inside a polygon, then, of what is left,
those between that circle and the corners. So a mosaic of 12,160 exposures over 100,000 sources takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.formatting import counted
from mirage_dask.pointing import radec_to_unit, unit_to_radec
from mirage_dask.scene import Catalog

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NOUNS = {
    "point_source": ("star", "stars"),
    "galaxy": ("galaxy", "galaxies"),
    "extended": ("image", "images"),
    "moving_pointsource": ("moving point source", "moving point sources"),
    "moving_extended": ("moving image", "moving images"),
    "tso_grism_catalog": ("target of a time series", "targets of time series"),
    "moving_sersic": ("moving galaxy", "moving galaxies"),
    "tso_imaging_catalog": ("star with a light curve", "stars with light curves"),
}
NEAR = 0.5
"""Degrees from the middle of an exposure within which sources are taken to be meant for it."""
FAR = np.radians(5.0)
"""From here on, distances are told in whole degrees."""
MOST_PAIRS = 2_000_000
"""Pairs of an exposure and a source that are looked at together, which bounds the memory."""


@dataclass(frozen=True)
class SourceCount:
    """How many sources of one catalog fall on how many exposures."""

    path: str
    kind: str
    """One of `NOUNS`."""
    sources: int
    """In the catalog."""
    on_detectors: int
    """Sources that fall on at least one exposure."""
    exposures: int
    """Detector exposures that look at the catalog."""
    with_sources: int
    """Those on which at least one source falls."""
    nearest: float | None = None
    """Degrees from the nearest source to the middle of an exposure, where none falls on any; None for pixels."""
    guess: str = ""
    """A question to ask then: what would put the sources onto the exposures."""

    def __str__(self) -> str:
        of = f"of {self.sources:,} {NOUNS[self.kind][self.sources > 1]}"
        name, exposures = Path(self.path).name, counted(self.exposures, "detector exposure")
        if self.on_detectors:
            verb = "fall" if self.on_detectors > 1 else "falls"
            return f"{name}: {self.on_detectors:,} {of} {verb} on {self.with_sources:,} of {exposures}"
        where = "" if self.nearest is None else f"; the nearest is {angle_text(self.nearest)} away"
        guess = f": {self.guess}" if self.guess else ""
        return f"{name}: none {of} falls on any of {exposures}{where}{guess}"


def count_sources(catalog: Catalog, rows: pd.DataFrame) -> SourceCount:
    """Count the sources of a catalog that fall on exposures.

    Parameters
    ----------
    catalog
        As read.
    rows
        The rows of the exposure table that look at it, with the columns s_region, nx, ny, mode, ra_ref and dec_ref.
    """
    seen: Flags
    reached: Flags
    nearest, guess = None, ""
    if catalog.pixels:
        shapes = rows[["nx", "ny"]].to_numpy()
        unique, of_row = np.unique(shapes, axis=0, return_inverse=True)
        inside = (catalog.x >= -0.5) & (catalog.y >= -0.5)
        on = np.stack(
            [inside & (catalog.x < nx - 0.5) & (catalog.y < ny - 0.5) for nx, ny in unique.tolist()]
        )
        seen, reached = np.any(on, axis=0), np.asarray(np.any(on, axis=1))[of_row.ravel()]
    else:
        regions, of_row = np.unique(_regions(rows), return_inverse=True)
        polygons = Polygons.of(regions)
        units = radec_to_unit(catalog.x, catalog.y)
        seen, polygon_reached = polygons.find(units)
        reached = polygon_reached[of_row.ravel()]
        if not seen.any() and len(polygons.centres):
            nearest = polygons.nearest(units)
            guess = next((question for question, u in _guesses(catalog) if polygons.nearest(u) < NEAR), "")
    return SourceCount(
        path=catalog.path,
        kind=catalog.kind,
        sources=len(catalog),
        on_detectors=int(seen.sum()),
        exposures=len(rows),
        with_sources=int(reached.sum()),
        nearest=nearest,
        guess=guess,
    )


def _regions(rows: pd.DataFrame) -> NDArray[Any]:
    """Return the polygon of each row in which sources count, as S_REGION texts."""
    regions = np.array(rows["s_region"], dtype=object)
    for i in np.flatnonzero(rows["mode"].to_numpy() == "soss"):
        numbers = np.array(regions[i].split()[2:], float).reshape(-1, 2)
        corners = radec_to_unit(*numbers.T)
        around = radec_to_unit(rows["ra_ref"].iloc[i], rows["dec_ref"].iloc[i])
        moved = unit_to_radec(around + 2.0 * (corners - corners.mean(axis=0)))
        regions[i] = " ".join(["POLYGON ICRS", *(f"{value:.9f}" for value in np.column_stack(moved).ravel())])
    return regions.astype(str)


def _guesses(catalog: Catalog) -> Iterator[tuple[str, Floats]]:
    """Yield questions, and where the sources would be if the answer were yes."""
    x, y = catalog.x, catalog.y
    if x.max() <= 24:
        yield "are the right ascensions hours?", radec_to_unit(15.0 * x, y)
    if x.max() <= 2 * np.pi and np.abs(y).max() <= np.pi / 2:
        yield "are these radians?", radec_to_unit(np.degrees(x), np.degrees(y))
    yield "have the declinations lost their sign?", radec_to_unit(x, -y)
    if x.max() <= 90:
        yield "are right ascension and declination exchanged?", radec_to_unit(y, x)


def angle_text(degrees: float) -> str:
    """Return an angle for people, '12 arcmin'."""
    if degrees >= 1.0:
        return f"{degrees:.0f} deg" if degrees >= np.degrees(FAR) else f"{degrees:.2f} deg"
    return f"{degrees * 60.0:.3g} arcmin"


@dataclass(frozen=True, eq=False)
class Polygons:
    """Convex polygons of four corners on the sky, n of them."""

    centres: Floats
    """(n, 3) unit vectors; 1000 where there is no polygon."""
    corners: Floats
    """(n, 4, 3) unit vectors, likewise."""
    normals: Floats
    """(n, 4, 3) of the planes of the edges, pointing inwards."""
    inner: Floats
    """(n,) chord of the largest circle around the centre inside."""
    outer: Floats
    """(n,) chord from the centre to the farthest corner."""

    @classmethod
    def of(cls, regions: NDArray[Any]) -> Polygons:
        """Return the polygons of S_REGION texts; those without one are left far from everything."""
        numbers = np.full((len(regions), 8), np.nan)
        for i, text in enumerate(regions):
            words = text.split()[2:]
            if len(words) == 8:
                numbers[i] = [float(word) for word in words]
        ra, dec = numbers.reshape(-1, 4, 2)[..., 0], numbers.reshape(-1, 4, 2)[..., 1]
        corners = radec_to_unit(ra.ravel(), dec.ravel()).reshape(-1, 4, 3)
        centres = corners.sum(axis=1)
        centres /= np.linalg.norm(centres, axis=1)[:, None]
        normals = np.cross(corners, np.roll(corners, -1, axis=1))
        normals /= np.linalg.norm(normals, axis=2)[:, :, None]
        depth = np.einsum("nij,nj->ni", normals, centres)
        normals *= np.sign(depth)[:, :, None]
        inner = 2.0 * np.sin(np.arcsin(np.abs(depth).min(axis=1)) / 2.0)
        outer = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)
        known = np.isfinite(outer)
        centres[~known] = corners[~known] = 1e3  # no source is there
        return cls(centres, corners, normals, np.where(known, inner, 0.0), np.where(known, outer, 0.0))

    def find(self, units: Floats) -> tuple[Flags, Flags]:
        """Return which of (m, 3) unit vectors are in a polygon, and which polygons have one."""
        from scipy.spatial import cKDTree

        seen, reached = np.zeros(len(units), dtype=bool), np.zeros(len(self.centres), dtype=bool)
        sources = cKDTree(units)
        # Those that are near a centre need no look at the edges: in a crowded field nearly all.
        distance, _ = sources.query(
            self.centres, distance_upper_bound=float(self.inner.max(initial=0.0)) + 1e-12
        )
        reached |= distance < self.inner
        for inner in np.unique(np.round(self.inner, 6)):
            of_this = np.abs(self.inner - inner) < 1e-6
            radius = float(self.inner[of_this].min())
            distance, _ = cKDTree(self.centres[of_this]).query(units, distance_upper_bound=radius)
            seen |= distance < radius
        left = np.flatnonzero(~seen)
        self._look(units, left, np.arange(len(self.centres)), seen, reached)
        self._look(units, np.arange(len(units)), np.flatnonzero(~reached), seen, reached)
        return seen, reached

    def _look(
        self,
        units: Floats,
        sources: NDArray[np.intp],
        polygons: NDArray[np.intp],
        seen: Flags,
        reached: Flags,
    ) -> None:
        """Look at all pairs of these sources and polygons that are near each other; mark both where one is in the other."""
        from scipy.spatial import cKDTree

        if not len(sources) or not len(polygons):
            return
        tree, radius = cKDTree(units[sources]), float(self.outer.max()) + 1e-12
        many = tree.query_ball_point(self.centres[polygons], radius, return_length=True)
        polygons, many = polygons[many > 0], many[many > 0]
        for part in np.split(polygons, np.flatnonzero(np.diff(np.cumsum(many) // MOST_PAIRS)) + 1):
            if not len(part):
                continue
            pairs = cKDTree(self.centres[part]).sparse_distance_matrix(tree, radius, output_type="ndarray")
            p, s = part[pairs["i"]], sources[pairs["j"]]
            inside = (np.einsum("nij,nj->ni", self.normals[p], units[s]) >= 0.0).all(axis=1)
            seen[s[inside]] = True
            reached[p[inside]] = True

    def nearest(self, units: Floats) -> float:
        """Return the degrees between the nearest pair of a unit vector and a centre; to 0.1 degree where it is far."""
        from scipy.spatial import cKDTree

        # A tree is slow for what is far away: there, places that are 0.06 degrees apart count as one.
        few = [np.unique(np.round(vectors, 3), axis=0) for vectors in (units, self.centres)]
        distance, _ = cKDTree(few[1]).query(few[0])
        if distance.min() < FAR:
            distance, _ = cKDTree(self.centres).query(units, distance_upper_bound=2.0 * FAR)
        return float(np.degrees(2.0 * np.arcsin(min(distance.min() / 2.0, 1.0))))
