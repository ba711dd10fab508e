"""Light behind a grism in one full frame: a star, and 2,000 sources each with a spectrum of its own, all orders.

CPU seconds, kernels compiled before. The configurations are built in; PSFs have one place.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from measure import Measurement, cpu_seconds

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.sources import SourceSpectra, add_galaxies, add_stars
from mirage_dask.scene.dispersed.spectra import Spectrum, spectrum_weights
from mirage_dask.scene.dispersed.stamps import star_stamps
from mirage_dask.scene.dispersed.traces import Segment, segments
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.sersic import constants

COUNT = 2000
CASES = (
    ("NIRCam A F444W R", "NRCALONG", "F444W", "GRISMR", 4.42, 1.0, 8.0),
    ("NIRCam A F444W C", "NRCALONG", "F444W", "GRISMC", 4.42, 1.0, 8.0),
    ("NIRCam A F322W2 R", "NRCALONG", "F322W2", "GRISMR", 3.25, 0.75, 8.0),
    ("NIRISS F150W GR150R", "NIS", "F150W", "GR150R", 1.49, 0.6, 10.0),
)
"""Name, detector, filter, grism, pivot, sigma of the PSF's core in pixels, goal."""


def library(sigma: float) -> PsfLibrary:
    """Return a PSF of a core and a halo that falls with the cube of the distance."""

    def light(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        r2 = dx**2 + dy**2
        core = np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        return 0.85 * core + 0.15 * 4 / (2 * np.pi) / (r2 + 16) ** 1.5

    fine = (np.arange(164) - 81.5) / 4
    wide = np.arange(-80, 81.0)
    return PsfLibrary.from_samples(
        CoreFile(light(*np.meshgrid(fine, fine))[None], 4, (1024.0,), (1024.0,)),
        light(*np.meshgrid(wide, wide)),
    )


def spectra_of(found: tuple[Segment, ...], rng: np.random.Generator) -> SourceSpectra:
    """Return spectra with a slope and a line each, brightness included."""
    middle = found[0].wavelength.mean()
    made = [
        Spectrum.flat_fnu(rng.uniform(20, 26)).with_lines([(middle * rng.uniform(0.9, 1.1), 1e-17, 1e-3)])
        for _ in range(COUNT)
    ]
    return SourceSpectra(spectrum_weights(made, found), np.arange(COUNT), np.ones(COUNT))


def one_star(segment: Segment, psf: PsfLibrary) -> float:
    """Return milliseconds of one image of one star, stamp included."""
    out, weights = np.zeros((2048, 2048), np.float32), np.ones(segment.count, np.float32)

    def ten() -> None:
        for _ in range(10):
            images = star_stamps(psf, x=1100.3, y=1012.6, half=10)
            add_spectrum(out, segment, images, x=1100.3, y=1012.6, weights=weights, x0=0, y0=0)

    return 100 * cpu_seconds(ten, repeats=5)


def draw(
    found: tuple[Segment, ...], psf: PsfLibrary, spectra: SourceSpectra, x: np.ndarray, y: np.ndarray, pivot: float,
    nodes: np.ndarray | None,
) -> None:  # fmt: skip
    """Draw 1,200 galaxies of 41 x 41 pixels, 760 stars of 21 x 21 and 40 of 121 x 121 in a full frame."""
    out, rng, many = np.zeros((2048, 2048), np.float32), np.random.default_rng(6), slice(0, 1200)
    _, variances, weights = constants(rng.uniform(0.7, 4, 1200))
    form = np.stack([rng.uniform(2, 30, 1200), rng.uniform(-1, 1, 1200), rng.uniform(2, 30, 1200)], axis=1)
    galaxies = PlacedGalaxies(x[many], y[many], np.ones(1200), form, variances, weights)
    place = {"pivot": pivot, "nodes": nodes, "x0": 0, "y0": 0}
    add_galaxies(out, psf, found, spectra, galaxies=galaxies, half_width=np.full(1200, 20), **place)
    stars = replace(spectra, index=spectra.index[1200:], amount=spectra.amount[1200:])
    half = np.where(np.arange(800) % 20 == 7, 60, 10)
    add_stars(out, psf, found, stars, x=x[1200:], y=y[1200:], half_width=half, **place)


def measure() -> list[Measurement]:
    """Return what each case costs."""
    results = []
    for name, detector, filter_, grism, pivot, sigma, goal in CASES:
        rng, psf = np.random.default_rng(5), library(sigma)
        found = segments(builtin_configuration(detector, filter_, grism))
        if not results:
            results.append(
                Measurement("one star of 21 x 21 pixels, F444W A R, +1", one_star(found[0], psf), "ms", 1.4)
            )
        order = found[0].trace
        x = rng.uniform(order.xrange[0], 2048 + order.xrange[1], COUNT)
        y = rng.uniform(order.yrange[0], 2048 + order.yrange[1], COUNT)
        spectra = spectra_of(found, rng)
        cost = cpu_seconds(partial(spectra_of, found, rng), repeats=1, warm_up=False)
        results.append(Measurement(f"2,000 spectra at the nodes, {name}", cost, "s"))
        for label, nodes in (("three images", None), ("one image", np.array([pivot]))):
            cost = cpu_seconds(partial(draw, found, psf, spectra, x, y, pivot, nodes), repeats=2)
            results.append(Measurement(f"2,000 sources, {label} of each, {name}", cost, "s", goal))
    return results
