"""Measure stars, sky and cosmic-ray flags in what the pipeline made of an exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mirage_dask.scene.sources import PointSources
from mirage_dask.spec import ExposureSpec
from support.closure_runs import Calibrated

RADIUS = 14
"""Pixels: stars are fitted in squares of 29 pixels."""
NEAR = 20
"""Pixels around stars that do not count as sky."""

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A cal file: light per pixel in Jy, and what the photometric keywords make of one electron per second."""

    light: Image
    """cal x AREA x PIXAR_SR, Jy."""
    variance: Image
    """Of photons and read noise, from the ramp fit, Jy^2."""
    read_variance: Image
    surface: Image
    """cal, MJy/sr."""
    area: Image
    good: NDArray[np.bool_]
    photmjsr: float
    electron: float
    """Jy of 1 e-/s: PHOTMJSR / mean gain x PIXAR_SR."""
    pixels: Image
    """(n, 2): where the file's WCS puts the stars of the catalog."""


@dataclass(frozen=True)
class Stars:
    """Measurements of n stars."""

    ratio: Image
    """Measured flux over the catalog's."""
    error: Image
    """Of the ratio, from photons and read noise."""
    offset: Image
    """(n, 2): measured position minus that of the catalog through the file's WCS, pixels."""
    offset_error: Image
    jansky: Image
    """The catalog's flux density."""

    @property
    def pull(self) -> Image:
        """Deviations from the catalog in units of the error."""
        return (self.ratio - 1.0) / self.error

    @property
    def mean(self) -> float:
        """Weighted mean of the ratios."""
        return float(np.average(self.ratio, weights=self.error**-2))

    @property
    def mean_error(self) -> float:
        """Its error."""
        return float(np.sum(self.error**-2) ** -0.5)


def background_of(spec: ExposureSpec) -> float:
    """Return the uniform background of an exposure, e-/s; 0 of one without."""
    return float(dict(spec.layers).get("background", 0.0))


def read_calibration(exposure: Calibrated, pixel_area: float | None = None) -> Calibration:
    """Read the cal file of an exposure; its pixels have the nominal area of its AREA file, or the one given (steradians)."""
    from stdatamodels.jwst import datamodels

    with datamodels.open(exposure.product("cal")) as model:
        photometry = model.meta.photometry
        surface, area = np.asarray(model.data, float), np.asarray(model.area, float)
        nominal = photometry.pixelarea_steradians if pixel_area is None else pixel_area
        unit = area * nominal * 1e6
        photon, read = (np.asarray(v, float) * unit**2 for v in (model.var_poisson, model.var_rnoise))
        x, y = model.meta.wcs.invert(exposure.catalog[:, 3], exposure.catalog[:, 4], with_bounding_box=False)
        gain = exposure.references.pack.meta["mean_gain"]
        megajansky = photometry.conversion_megajanskys
        return Calibration(
            light=surface * unit,
            variance=photon + read,
            read_variance=read,
            surface=surface,
            area=area,
            good=((np.asarray(model.dq) & 1) == 0) & np.isfinite(surface),
            photmjsr=megajansky,
            electron=megajansky / gain * nominal * 1e6,
            pixels=np.column_stack([x, y]),
        )


def measure_stars(exposure: Calibrated, cal: Calibration) -> Stars:
    """Fit flux, position and local sky of each star that is whole and has no bad pixel in its core.

    A linear fit of the PSF, its two derivatives and a level. Weights come from the model and not from the data, which would
    bias the flux; errors come from the variances that the pipeline gives.
    """
    spec, references = exposure.spec, exposure.references
    psf, coupling = references.pack.psf(), np.asarray(references.pack.meta["ipc"])
    seed = exposure.truth["seed"].astype(float)
    seconds = spec.tgroup * (spec.ngroups - 1) * spec.nints
    table = PointSources.load(f"{references.pack.url}/sources", dict(spec.layers)["point_source"])
    rates = dict(zip(table.index.tolist(), table.flux.tolist(), strict=True))
    results = []
    for (index, x, y, _, _, jansky), (wx, wy) in zip(exposure.catalog, cal.pixels, strict=True):
        column, row = round(x), round(y)
        box = np.s_[row - RADIUS : row + RADIUS + 1, column - RADIUS : column + RADIUS + 1]
        inside = (
            min(column, row) >= RADIUS + 6 and column < spec.nx - RADIUS - 6 and row < spec.ny - RADIUS - 6
        )
        if not inside or not cal.good[row - 1 : row + 2, column - 1 : column + 2].all():
            continue
        at_y, at_x = np.mgrid[row - RADIUS - 1 : row + RADIUS + 2, column - RADIUS - 1 : column + RADIUS + 2]

        def image(dx: float, dy: float, at=(at_x, at_y), x=wx, y=wy) -> Image:
            px, py = at[0] + spec.x0, at[1] + spec.y0
            return ndimage.convolve(psf.evaluate(px, py, x + spec.x0 + dx, y + spec.y0 + dy), coupling)[
                1:-1, 1:-1
            ]

        h = 0.02
        star = image(0.0, 0.0)
        along = [(image(h, 0) - image(-h, 0)) / (2 * h), (image(0, h) - image(0, -h)) / (2 * h)]
        area, good = cal.area[box], cal.good[box]
        # The wings of other stars: what the scene holds beside this one, which is taken away in electrons. In Jy it would be
        # right only where the zero points are, and the measured flux would be that of the catalog whatever they are.
        own = psf.evaluate(at_x + spec.x0, at_y + spec.y0, wx + spec.x0, wy + spec.y0)[1:-1, 1:-1]
        others = cal.electron * (seed[box] - background_of(spec) * area - rates[int(index)] * own)
        design = np.stack([star, area, *(jansky * d for d in along)], axis=-1)[good]
        variance = np.median(cal.read_variance[box][good]) + cal.electron**2 * seed[box][good] / seconds
        weighted = design / variance[:, None]
        solve = np.linalg.solve(weighted.T @ design, weighted.T)
        value = solve @ (cal.light[box] - others)[good]
        error = np.sqrt(solve**2 @ cal.variance[box][good])
        results.append((value[0] / jansky, error[0] / jansky, value[2], value[3], error[2], error[3], jansky))
    found = np.array(results)
    return Stars(found[:, 0], found[:, 1], found[:, 2:4], found[:, 4:6], found[:, 6])


def measure_sky(exposure: Calibrated, cal: Calibration) -> float:
    """Return the sky between the stars over the background of the settings, the wings of the stars taken away."""
    spec = exposure.spec
    free = cal.good.copy()
    for column, row in np.rint(exposure.catalog[:, 1:3]).astype(int):
        free[max(row - NEAR, 0) : row + NEAR + 1, max(column - NEAR, 0) : column + NEAR + 1] = False
    wings = (exposure.truth["seed"] / cal.area - background_of(spec)) / background_of(spec)
    sky = cal.surface / (cal.photmjsr * exposure.background) - wings
    return float(np.median(sky[free]))


@dataclass(frozen=True)
class Flags:
    """How well the jump step found the cosmic rays; counts of pixels and reads."""

    hits: int
    """Hits above 7 sigma between two reads."""
    found: int
    flags: int
    true: int
    """Flags within 1 pixel of a hit."""
    quiet: int
    """Pixels and reads without a hit within 1 pixel."""

    @property
    def completeness(self) -> float:
        """Part of the hits that were found."""
        return self.found / self.hits

    @property
    def purity(self) -> float:
        """Part of the flags that are due to hits."""
        return self.true / self.flags

    @property
    def false(self) -> float:
        """Part of what is far from hits that is flagged."""
        return (self.flags - self.true) / self.quiet


def measure_flags(exposure: Calibrated) -> Flags:
    """Compare the flags of the jump step with the charge that particles left."""
    from astropy.io import fits

    spec, truth = exposure.spec, exposure.truth
    with fits.open(exposure.product("ramp")) as hdus:
        quality, bad = hdus["GROUPDQ"].data, (hdus["PIXELDQ"].data & 1) > 0
    per_electron, read_noise = exposure.plane("inverse_gain"), exposure.plane("read_noise")
    rate = truth["seed"] * exposure.plane("response") + exposure.plane("dark_rate")
    sigma = np.sqrt(2.0 * read_noise**2 / spec.nframes + per_electron**2 * rate * spec.tgroup)
    return count_flags(truth["cosmic_rays"], quality, sigma / per_electron, ~bad)


def count_flags(
    charge: NDArray[np.floating],
    quality: NDArray[np.integer],
    sigma: NDArray[np.floating],
    used: NDArray[np.bool_],
    *,
    threshold: float = 7.0,
) -> Flags:
    """Compare flags with charge; what comes after saturation does not count.

    Parameters
    ----------
    charge
        (integration, group, y, x), what particles left, e-.
    quality
        (integration, group, y, x), flags of the groups.
    sigma
        (y, x), noise of a difference of two groups: read noise of both, and photons, e-. A hit is a pixel that got more than
        `threshold` times as much between two groups.
    used
        (y, x), pixels that count.
    """
    counts = np.zeros(5, int)
    for collected, groups in zip(charge, quality, strict=True):
        saturated = np.logical_or.accumulate((groups & 2) > 0)[1:]
        for step, flag, full in zip(np.diff(collected, axis=0), groups[1:], saturated, strict=True):
            clear = used & ~full
            hit = clear & (step > threshold * sigma)
            flagged = clear & ((flag & 4) > 0)
            near = ndimage.maximum_filter(step > 0, 3)
            counts += [
                hit.sum(),
                (hit & flagged).sum(),
                flagged.sum(),
                (flagged & near).sum(),
                (clear & ~near).sum(),
            ]
    return Flags(*map(int, counts))
