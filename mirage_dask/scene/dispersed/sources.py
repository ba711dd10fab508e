"""Stars and galaxies behind a grism: all orders of all sources that reach a window.

Sources are added in catalog order, each with its segments in their order, so that any window has the bits of the whole. The
image of a source is drawn at the wavelengths of the brightest segment (`stamps.image_nodes`) and serves all of them.

NOT modelled: that the PSF is that of where the light lands; it is that of the source's place in the direct image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.stamps import Stamp, galaxy_stamps, image_nodes, star_stamps, stretch_at
from mirage_dask.scene.dispersed.traces import Segment
from mirage_dask.scene.galaxies.placed import PlacedGalaxies

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SourceSpectra:
    """Which spectrum each of n sources has: several may share one."""

    weights: tuple[NDArray[np.float32], ...]
    """For each segment (spectra, nodes), e-/s: `mirage_dask.scene.dispersed.weights.node_weights`."""
    index: NDArray[np.int64]
    """(n,) row of `weights`."""
    amount: Floats
    """(n,) by which that row is multiplied."""


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
        (n,) of their images, pixels; 0 for stars that are not drawn.
    pivot
        Wavelength of the library, micron: the PSF of others is scaled.
    nodes
        Wavelengths at which images are drawn, micron, ascending; default `default_nodes`.
    """
    nodes = default_nodes(segments) if nodes is None else nodes
    ratios = [pivot / float(node) for node in nodes]

    def draw(i: int) -> list[tuple[Stamp, ...]]:
        return star_stamps(psf, x=float(x[i]), y=float(y[i]), half=int(half_width[i]), ratios=ratios)

    _add(out, segments, spectra, x, y, half_width, nodes, draw, x0, y0)


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
    x0: int,
    y0: int,
) -> None:
    """Add dispersed galaxies to a window in place; what is not named here is as in `add_stars`.

    Parameters
    ----------
    galaxies
        In the direct image; their flux is not used.
    """
    nodes, main = default_nodes(segments) if nodes is None else nodes, brightest(segments)
    ratios = [pivot / float(node) for node in nodes]
    middle = float(nodes[len(nodes) // 2])

    def draw(i: int) -> list[tuple[Stamp, ...]]:
        stretch = stretch_at(main, float(galaxies.x[i]), float(galaxies.y[i]), middle)
        return galaxy_stamps(galaxies, i, psf, half=int(half_width[i]), ratios=ratios, stretch=stretch)

    _add(out, segments, spectra, galaxies.x, galaxies.y, half_width, nodes, draw, x0, y0)


def default_nodes(segments: Sequence[Segment]) -> Floats:
    """Return the wavelengths at which images are drawn: those of the brightest segment."""
    main = brightest(segments)
    return image_nodes(main.low, main.high)


def _add(
    out: NDArray[np.float32],
    segments: Sequence[Segment],
    spectra: SourceSpectra,
    x: Floats,
    y: Floats,
    half_width: NDArray[np.int64],
    nodes: Floats,
    draw: Callable[[int], list[tuple[Stamp, ...]]],
    x0: int,
    y0: int,
) -> None:
    ny, nx = out.shape
    near = np.stack(
        [s.reaches(x, y, half_width.astype(np.float64), x0=x0, y0=y0, nx=nx, ny=ny) for s in segments]
    )
    near &= half_width > 0
    for i in np.flatnonzero(near.any(axis=0)):
        images = draw(int(i))
        for k in map(int, np.flatnonzero(near[:, i])):
            add_spectrum(
                out, segments[k], images, x=float(x[i]), y=float(y[i]), weights=spectra.weights[k][spectra.index[i]],
                amount=float(spectra.amount[i]), nodes=nodes if len(nodes) > 1 else None, x0=x0, y0=y0,
            )  # fmt: skip
