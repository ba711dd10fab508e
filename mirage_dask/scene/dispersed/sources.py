"""Stars and galaxies behind a grism: all orders of all sources that reach a window.

Sources are added in catalog order, each with its segments in their order, so that any window has the bits of the whole. The
image of a source is drawn at the wavelengths of the brightest segment (`stamps.image_nodes`) and serves all of them, each
to its own half width.

NOT modelled: that the PSF is that of where the light lands; it is that of the source's place in the direct image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import float64 as f8
from numpy.typing import NDArray

from mirage_dask.compiled import kernel
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.stamps import Stamp, galaxy_stamps, image_nodes, star_stamps, stretch_at
from mirage_dask.scene.dispersed.traces import Segment, reaches
from mirage_dask.scene.galaxies.placed import PlacedGalaxies

Floats = NDArray[np.float64]

Images = Callable[[int, int, bool], tuple[Stamp, ...]]
"""Image of a source by its number, its half width in pixels, and whether traces run along y."""

PIXEL_NODES = 5
"""Nodes that lie in one pixel (`traces.SPACING`), and one more."""


@dataclass(frozen=True, eq=False)
class SourceSpectra:
    """Which spectrum each of n sources has: several may share one."""

    weights: tuple[NDArray[np.float32], ...]
    """For each segment (spectra, nodes), e-/s: `mirage_dask.scene.dispersed.weights.node_weights`."""
    index: NDArray[np.int64]
    """(n,) row of `weights`; or (n, k): the spectrum is a sum of k rows."""
    amount: Floats
    """(n,) or (n, k) by which each row is multiplied; 0 where there is none."""

    def of(self, segment: int, source: int) -> tuple[NDArray[np.float32], float]:
        """Return the light of a source at the nodes of a segment, and by what it is multiplied."""
        rows, index, amount = self.weights[segment], self.index[source], self.amount[source]
        if index.ndim == 0:
            return rows[index], float(amount)
        used = np.flatnonzero(amount)
        if used.size == 1:
            return rows[index[used[0]]], float(amount[used[0]])
        total = np.zeros(rows.shape[1])
        for k in used:  # in their order: a fixed sequence of + and *
            total += amount[k] * rows[index[k]]
        return total.astype(np.float32), 1.0

    def take(self, keep: NDArray[Any]) -> SourceSpectra:
        """Return those of some sources, without the spectra that these do not need."""
        index, amount = self.index[keep], self.amount[keep]
        used, index_of = np.unique(index, return_inverse=True)
        return SourceSpectra(tuple(w[used] for w in self.weights), index_of.reshape(index.shape), amount)

    def brightest(self) -> Floats:
        """Return (segments, n) the most light of a pixel along the trace of a point, e-/s, or a bit more."""
        most = np.stack([_brightest(rows) for rows in self.weights])
        found = np.abs(self.amount) * most[:, self.index]
        return found if found.ndim == 2 else found.sum(axis=2)


@kernel
def _brightest(rows):
    """The largest sum of `PIXEL_NODES` absolute values that follow each other, of each row."""
    found = np.zeros(rows.shape[0])
    for i in range(rows.shape[0]):
        row, total = rows[i], f8(0)
        for k in range(row.size):
            total += abs(row[k])
            if k >= PIXEL_NODES:
                total -= abs(row[k - PIXEL_NODES])
            found[i] = max(found[i], total)
    return found


def brightest(segments: Sequence[Segment]) -> Segment:
    """Return the segment that counts most of a flat spectrum."""
    light = [float(np.trapezoid(s.trace.respond(s.wavelength), s.wavelength)) for s in segments]
    return segments[int(np.argmax(light))]


def add_stars(
    out: NDArray[np.float32],
    psf: PsfLibrary,
    segments: Sequence[Segment],
    spectra: SourceSpectra,
    *,
    x: Floats,
    y: Floats,
    half_width: NDArray[np.int64],
    pivot: float,
    nodes: Floats | None = None,
    boxes: Floats | None = None,
    x0: int,
    y0: int,
) -> None:
    """Add dispersed stars to a window in place.

    Parameters
    ----------
    out
        (ny, nx) window, e-/s; out[0, 0] is the full-frame science pixel (x0, y0).
    psf
        Library of the detector and filter.
    segments
        Those of the grism, `traces.segments`.
    spectra
        Of the stars.
    x, y
        (n,) places in the direct image, full-frame science pixels, 0-based.
    half_width
        (n,) of their images, pixels, or (segments, n); 0 for stars that are not drawn.
    pivot
        Wavelength of the library, micron: the PSF of others is scaled.
    nodes
        Wavelengths at which images are drawn, micron, ascending; default `default_nodes`.
    boxes
        (segments, 4, n) boxes around traces as `Segment.boxes` makes them, nan where a segment is not drawn; default all.
    """
    nodes = default_nodes(segments) if nodes is None else nodes
    images = star_images(psf, x, y, nodes=nodes, pivot=pivot)
    add_images(
        out,
        segments,
        spectra,
        images,
        x=x,
        y=y,
        half_width=half_width,
        nodes=nodes,
        boxes=boxes,
        x0=x0,
        y0=y0,
    )


def add_galaxies(
    out: NDArray[np.float32],
    psf: PsfLibrary,
    segments: Sequence[Segment],
    spectra: SourceSpectra,
    *,
    galaxies: PlacedGalaxies,
    half_width: NDArray[np.int64],
    pivot: float,
    nodes: Floats | None = None,
    boxes: Floats | None = None,
    x0: int,
    y0: int,
) -> None:
    """Add dispersed galaxies to a window in place; what is not named here is as in `add_stars`.

    Parameters
    ----------
    galaxies
        In the direct image; their flux is not used.
    """
    nodes = default_nodes(segments) if nodes is None else nodes
    images = galaxy_images(psf, galaxies, segments, nodes=nodes, pivot=pivot)
    add_images(
        out, segments, spectra, images, x=galaxies.x, y=galaxies.y, half_width=half_width, nodes=nodes, boxes=boxes,
        x0=x0, y0=y0,
    )  # fmt: skip


def star_images(psf: PsfLibrary, x: Floats, y: Floats, *, nodes: Floats, pivot: float) -> Images:
    """Return what draws the images of stars; parameters are those of `add_stars`."""
    ratios = [pivot / float(node) for node in nodes]

    def image(i: int, half: int, along_y: bool) -> tuple[Stamp, ...]:
        return star_stamps(psf, x=float(x[i]), y=float(y[i]), half=half, ratios=ratios, along_y=along_y)

    return image


def galaxy_images(
    psf: PsfLibrary, galaxies: PlacedGalaxies, segments: Sequence[Segment], *, nodes: Floats, pivot: float
) -> Images:
    """Return what draws the images of galaxies; parameters are those of `add_galaxies`."""
    main, middle = brightest(segments), float(nodes[len(nodes) // 2])
    ratios = [pivot / float(node) for node in nodes]

    def image(i: int, half: int, along_y: bool) -> tuple[Stamp, ...]:
        stretch = stretch_at(main, float(galaxies.x[i]), float(galaxies.y[i]), middle)
        return galaxy_stamps(galaxies, i, psf, half=half, ratios=ratios, stretch=stretch, along_y=along_y)

    return image


def default_nodes(segments: Sequence[Segment]) -> Floats:
    """Return the wavelengths at which images are drawn: those of the brightest segment."""
    main = brightest(segments)
    return image_nodes(main.low, main.high)


def add_images(
    out: NDArray[np.float32],
    segments: Sequence[Segment],
    spectra: SourceSpectra,
    images: Images,
    *,
    x: Floats,
    y: Floats,
    half_width: NDArray[np.int64],
    nodes: Floats,
    boxes: Floats | None = None,
    x0: int,
    y0: int,
) -> None:
    """Add dispersed sources of any shape to a window in place; what is not named here is as in `add_stars`.

    Parameters
    ----------
    images
        Of the sources, at `nodes` or one for all wavelengths.
    """
    ny, nx = out.shape
    around = np.stack([s.boxes(x, y) for s in segments]) if boxes is None else boxes
    half = np.broadcast_to(half_width, (len(segments), x.size))
    near = reaches(around, half.astype(np.float64), x0=x0, y0=y0, nx=nx, ny=ny) & (half > 0)
    widest = np.where(np.isfinite(around[:, 0]), half, 0).max(axis=0, initial=0)
    for i in map(int, np.flatnonzero(near.any(axis=0))):
        drawn: dict[bool, tuple[Stamp, ...]] = {}
        for k in map(int, np.flatnonzero(near[:, i])):
            segment = segments[k]
            if segment.along_y not in drawn:
                drawn[segment.along_y] = images(i, int(widest[i]), segment.along_y)
            add_segment(
                out, segment, drawn[segment.along_y], spectra.of(k, i), x=float(x[i]), y=float(y[i]), nodes=nodes,
                reach=int(half[k, i]), x0=x0, y0=y0,
            )  # fmt: skip


def add_segment(
    out: NDArray[np.float32],
    segment: Segment,
    image: tuple[Stamp, ...],
    light: tuple[NDArray[np.float32], float],
    *,
    x: float,
    y: float,
    nodes: Floats,
    reach: int,
    x0: int,
    y0: int,
) -> None:
    """Add one segment of one source to a window in place.

    Parameters
    ----------
    image
        Of the source, at `nodes` or one for all wavelengths.
    light
        `SourceSpectra.of`.
    x, y
        Place in the direct image.
    reach
        Half width of the image, pixels.
    """
    weights, amount = light
    add_spectrum(
        out, segment, image, x=x, y=y, weights=weights, amount=amount,
        nodes=nodes if len(image[0].coefficients) > 1 else None, reach=reach, x0=x0, y0=y0,
    )  # fmt: skip
