"""Layers `dispersed_star`, `dispersed_galaxy` and `dispersed_background`: sources and sky behind a grism.

Sources are placed as in the direct image through the same filter, and looked for as far beyond the detector as the
configuration's XRANGE and YRANGE say, which is where the pick-off mirror ends: by their centres. The light of each order of
each source falls along its trace (`mirage_dask.scene.dispersed`).

How far the image of a source reaches across its trace in an order depends on its brightest pixel L along that order, in
electrons/s: a line of light through a PSF is about 3 r times as bright at a distance r as the PSF is, and ends where

    L 3 r P(r) <= FAINTEST

but not before `LEAST_LIGHT` of a point's light, and not before the end of the PSF for the brightest. What lies beyond is
lost: at most 5 % of the light of a faint order, each pixel less than 1 / 500 of an electron/s (the sky there is some 100
times as bright), and less than 1 % of a bright one; and orders whose pixels are all below a tenth of that. A galaxy ends
there too, but not before its own body, and with at most `GALAXY_WINGS` pixels of the PSF's wings.

A run takes tiles that are whole along one axis one after the other: their light is cut from blocks of `BLOCK` rows (or
columns) at fixed places that stay in this process, so that a trace that crosses many tiles is drawn a few times only. Any
window has the same bits, from blocks or not.

NOT modelled: light of sources whose centre is outside of the pick-off mirror; that of extended images.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.io.tables import load_table, save_table
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.sky import DispersedSky
from mirage_dask.scene.dispersed.sources import (
    Images,
    SourceSpectra,
    add_images,
    default_nodes,
    galaxy_images,
    star_images,
)
from mirage_dask.scene.dispersed.spectra import load_weights
from mirage_dask.scene.dispersed.tables import (
    DispersedGalaxies,
    DispersedSources,
    DispersedStars,
    open_configuration,
)
from mirage_dask.scene.dispersed.traces import Segment, reaches, segments
from mirage_dask.scene.galaxies.convolution import token
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import (
    LARGEST_REACH,
    Bounds,
    circle,
    counted_from,
    nearby,
    pixels_of,
    place_galaxies,
)
from mirage_dask.scene.sources import Galaxies, PointSources, load_near, load_once
from mirage_dask.scene.trails.images import body_half

FAINTEST = 2e-3
"""e-/s in a pixel below which the image of a source ends."""
LEAST_LIGHT = 0.95
"""Fraction of a point's light that every image holds."""
SOFTER = 10
"""Pixels beyond the body of a galaxy that it is blurred over."""
GALAXY_WINGS = 40
"""Pixels of the PSF's wings that a galaxy has at most: 1 to 2.5 % of its light lies beyond."""
LARGEST_HALF = 200
"""Half width of the largest image of a galaxy, pixels."""
BLOCK = 512
"""Rows or columns of a block."""
BLOCKS = CACHES["dispersed light"]


@dataclass(frozen=True, eq=False)
class Dispersed:
    """The sources behind a grism that reach one exposure: n of them, in catalog order."""

    segments: tuple[Segment, ...]
    spectra: SourceSpectra
    x: NDArray[np.float64]
    """(n,) in the direct image, full-frame science pixels, 0-based."""
    y: NDArray[np.float64]
    index: NDArray[np.int64]
    """(n,) catalog index."""
    half_width: NDArray[np.int64]
    """(segments, n) of images, pixels; 0 where nothing is drawn."""
    boxes: NDArray[np.float64]
    """(segments, 4, n) around traces; nan where a source is outside the margins of the order."""
    pivot: float

    def take(self, keep: NDArray[Any]) -> Dispersed:
        """Return some of the sources, with the spectra that they need."""
        return replace(
            self,
            spectra=self.spectra.take(keep),
            x=self.x[keep],
            y=self.y[keep],
            index=self.index[keep],
            half_width=self.half_width[:, keep],
            boxes=self.boxes[:, :, keep],
        )

    def reaching(self, bounds: Bounds) -> NDArray[np.bool_]:
        """Return (n,) which of them may send light into an array."""
        x0, x1, y0, y1 = bounds
        half = self.half_width.astype(np.float64)
        near = reaches(self.boxes, half, x0=x0, y0=y0, nx=x1 - x0, ny=y1 - y0)
        return np.asarray((near & (self.half_width > 0)).any(axis=0))


def _opened(cls: type[DispersedSources], key: str, view: View) -> tuple[DispersedSources, Bounds]:
    """Return the table of a layer, checked, and the box that its sources lie in."""
    table = load_once(cls, view.tables, key)
    for _ in table.named():  # which checks it
        pass
    return table, field_of(open_configuration(view.tables, table.grism))


def field_of(grism: GrismConfiguration) -> Bounds:
    """Return the box that sources of any order lie in, full-frame science pixels, half open."""
    nx, ny = grism.size
    return (
        int(np.floor(min(o.xrange[0] for o in grism.orders))),
        int(np.ceil(max(nx + o.xrange[1] for o in grism.orders))),
        int(np.floor(min(o.yrange[0] for o in grism.orders))),
        int(np.ceil(max(ny + o.yrange[1] for o in grism.orders))),
    )


def disperse(
    table: DispersedSources, view: View, x: Any, y: Any, index: Any, flux: Any, half: Any = None
) -> Dispersed:
    """Return sources with their spectra, traces and half widths; `half(L)` gives the latter, default those of stars."""
    grism = open_configuration(view.tables, table.grism)
    found = segments(grism)
    rows, amounts = table.of(index, flux)
    spectra = SourceSpectra(load_weights(view.tables, table.weights), rows, amounts)
    boxes = np.empty((len(found), 4, x.size))
    for k, one in enumerate(found):
        boxes[k] = np.where(one.trace.accepts(x, y, grism.size), one.boxes(x, y), np.nan)
    brightest = spectra.brightest()
    width = star_halves(brightest, view.psf("")) if half is None else np.stack([half(b) for b in brightest])
    return Dispersed(found, spectra, x, y, index, np.asarray(width, np.int64), boxes, table.pivot)


def star_halves(brightest: NDArray[np.float64], psf: PsfLibrary) -> NDArray[np.int64]:
    """Return how far images of points reach across their traces, pixels; 0 of what is not seen at all.

    Parameters
    ----------
    brightest
        (...) most light of a pixel along the trace, e-/s.
    """
    distance = np.arange(psf.profile.size, dtype=np.float64)
    line = np.minimum(3.0 * distance * psf.profile, 1.0)
    line[0] = 1.0
    falling = np.maximum.accumulate(line[::-1])[::-1]
    limit = np.divide(FAINTEST, brightest, out=np.full(brightest.shape, np.inf), where=brightest > 0)
    reach = np.searchsorted(-falling, -limit, side="left")
    least = int(np.searchsorted(psf.enclosed, np.float32(LEAST_LIGHT * psf.total_energy), side="left"))
    half = np.clip(np.maximum(reach, least), 0, psf.wings_half_width)
    return np.where(brightest > FAINTEST / 10, half, 0).astype(np.int64)


@dataclass(frozen=True, eq=False)
class DispersedLayer(ABC):
    """Sources behind a grism."""

    kind: ClassVar[str]
    table: ClassVar[type[DispersedSources]]
    varying: ClassVar[bool] = False
    key: str
    """Of the table."""
    found: Dispersed
    psf: PsfLibrary
    bounds: Bounds
    """Of the array of the exposure."""

    @cached_property
    def digest(self) -> bytes:
        """Hash of all that the light follows from, for cache keys: the table names spectra and traces by content."""
        found = self.found
        digest = hashlib.blake2b(f"{self.key} {self.bounds}".encode() + token(self.psf), digest_size=16)
        for column in (found.x, found.y, found.index, found.half_width):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.digest() + self.form

    @property
    def form(self) -> bytes:
        """Hash of the shapes of the sources."""
        return b""

    @property
    @abstractmethod
    def images(self) -> Images:
        """What draws the images of the sources, at the wavelengths `nodes` or one for all."""

    @property
    def nodes(self) -> NDArray[np.float64]:
        """Wavelengths at which images are drawn, micron."""
        return default_nodes(self.found.segments)

    def draw(self, out: Floats, x0: int, y0: int) -> None:
        """Add the light of all sources to a window."""
        f = self.found
        add_images(
            out, f.segments, f.spectra, self.images, x=f.x, y=f.y, half_width=f.half_width, nodes=self.nodes,
            boxes=f.boxes, x0=x0, y0=y0,
        )  # fmt: skip

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        left, right, low, high = self.bounds
        ny, nx = out.shape
        axis = 0 if nx == right - left else 1 if ny == high - low else None
        if axis is None or (nx == right - left and ny == high - low):
            light = np.zeros_like(out)
            self.draw(light, x0, y0)
            out += light
            return
        start = (y0, x0)[axis]
        stop = start + out.shape[axis]
        for number in range(start // BLOCK, (stop - 1) // BLOCK + 1):
            first, last = max(number * BLOCK, start), min((number + 1) * BLOCK, stop)
            block, begin = self._block(axis, number)
            part, place = slice(first - begin, last - begin), slice(first - start, last - start)
            if axis == 0:
                out[place] += block[part]
            else:
                out[:, place] += block[:, part]

    def _block(self, axis: int, number: int) -> tuple[Floats, int]:
        """Return a block, whole along the other axis, and its first row or column."""
        left, right, low, high = self.bounds
        edges = [(low, high), (left, right)]
        begin, end = max(number * BLOCK, edges[axis][0]), min((number + 1) * BLOCK, edges[axis][1])
        shape, corner = (
            ((end - begin, right - left), (left, begin))
            if axis == 0
            else (
                (high - low, end - begin),
                (begin, low),
            )
        )

        def make() -> Floats:
            light = np.zeros(shape, np.float32)
            self.draw(light, *corner)
            return light

        return BLOCKS.array((self.digest, axis, number), make), begin


@dataclass(frozen=True, eq=False)
class DispersedStarLayer(DispersedLayer):
    """Stars behind a grism."""

    kind: ClassVar[str] = DispersedStars.kind
    table: ClassVar[type[DispersedSources]] = DispersedStars

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project what of the layer's table is near."""
        table, around = _opened(cls.table, key, view)
        sources = load_near(PointSources, view.tables, table.source, circle(view.projection, around, 1.0))
        own = replace(sources, position=counted_from(sources.position, view.bounds, around))
        rows = nearby(own, view.projection, around, 1.0)
        rows = rows[own.flux[rows] > 0]
        xy = pixels_of(own.position[rows], view.projection, around)
        seen = np.isfinite(xy).all(axis=1)
        rows, xy = rows[seen], np.ascontiguousarray(xy[seen].T)
        found = disperse(table, view, xy[0], xy[1], own.index[rows], own.flux[rows])
        return cls(key, found.take(found.reaching(view.bounds)), view.psf(""), view.bounds)

    @property
    def images(self) -> Images:
        """What draws the images of the stars."""
        f = self.found
        return star_images(self.psf, f.x, f.y, nodes=self.nodes, pivot=f.pivot)


@dataclass(frozen=True, eq=False)
class DispersedGalaxyLayer(DispersedLayer):
    """Galaxies behind a grism."""

    kind: ClassVar[str] = DispersedGalaxies.kind
    table: ClassVar[type[DispersedSources]] = DispersedGalaxies
    galaxies: PlacedGalaxies

    @property
    def form(self) -> bytes:
        """Hash of the shapes of the galaxies."""
        return self.galaxies.digest

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read and project what of the layer's table is near."""
        table, around = _opened(cls.table, key, view)
        near = circle(view.projection, around, LARGEST_REACH)
        sources = load_near(Galaxies, view.tables, table.source, near)
        own = replace(sources, position=counted_from(sources.position, view.bounds, around))
        psf = view.psf("")
        galaxies, index = place_galaxies(own, view.projection, bounds=around, psf=psf)

        def half(brightest: NDArray[np.float64]) -> NDArray[np.int64]:
            # Summed along the trace, a body of some width is brighter than its image, by that in pixels.
            wide = 1.0 + 2.5 * np.sqrt(np.maximum(galaxies.form[:, 0], galaxies.form[:, 2]))
            body = np.ceil(body_half(replace(galaxies, flux=brightest * wide), FAINTEST)) + SOFTER
            wings = star_halves(brightest, psf)
            reach = np.minimum(np.maximum(body, np.minimum(wings, GALAXY_WINGS)), LARGEST_HALF)
            return np.where(wings > 0, reach, 0).astype(np.int64)

        found = disperse(table, view, galaxies.x, galaxies.y, index, galaxies.flux, half)
        keep = found.reaching(view.bounds)
        return cls(key, found.take(keep), psf, view.bounds, galaxies.take(keep))

    @property
    def images(self) -> Images:
        """What draws the images of the galaxies."""
        f = self.found
        return galaxy_images(self.psf, self.galaxies, f.segments, nodes=self.nodes, pivot=f.pivot)


@dataclass(frozen=True, eq=False)
class DispersedSkyLayer:
    """The sky behind a grism."""

    kind: ClassVar[str] = "dispersed_background"
    varying: ClassVar[bool] = False
    sky: DispersedSky

    @classmethod
    def save(cls, url: str | Path, sky: DispersedSky) -> str:
        """Write the table of a layer into a folder and return its content key."""
        return save_table(url, sky.to_arrays(), kind=cls.kind)

    @classmethod
    def open(cls, key: str, view: View) -> Self:
        """Read the layer from its table."""
        return cls(DispersedSky.from_arrays(load_table(view.tables, key, kind=cls.kind)))

    def add(self, out: Floats, *, x0: int, y0: int, area: Floats | None) -> None:
        """Add it to a window."""
        ny, nx = out.shape
        part = self.sky.window(x0=x0, y0=y0, nx=nx, ny=ny)
        out += part if area is None else part * area
