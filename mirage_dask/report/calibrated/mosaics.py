"""Mosaic and source catalog of stage 3 against the truth: flux and place of stars, completeness, and what stage 3 changed.

The stars are those of `photometry`. On the mosaic they are measured as on calibrated images, and judged where the step
outlier_detection has not flagged their core on any image; how many it has flagged, and what that costs them, is told, and
so is by how much the step tweakreg has moved images. In the catalog it is the source nearest to each star, within one
pixel of the mosaic.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.formatting import counted
from mirage_dask.report.calibrated.changes import CHANGES
from mirage_dask.report.calibrated.photometry import (
    BRIGHT,
    Comparison,
    Floats,
    by_magnitude,
    median_checks,
    robust,
)
from mirage_dask.report.calibrated.stars import STARS
from mirage_dask.report.checks import Check, Section, judged, not_judged
from mirage_dask.report.page import Table

MOSAIC_FLUX, MOSAIC_PLACE = 0.005, 0.0125
"""Systematic error of the median flux ratio and of the median place (pixels) on mosaics, one sigma."""
MOVED = 0.05
"""The same of the alignment by tweakreg, in pixels of an image."""
CATALOG_FLUX, CATALOG_PLACE = 0.0125, 0.05
"""The same of the catalog of stage 3, whose isophotal centroids lie beside those of Gaussians where the PSF is not
symmetric (see `centroids`), and whose fluxes lack the pixels that are flagged as outliers: 5 % and 0.2 pixel."""
COMPLETE = 0.95
"""Part of the bright stars that the catalog should have."""
PLACES = {"Δx (pixel)": "dx", "Δy (pixel)": "dy"}


def compare_mosaic(label: str, stars: pd.DataFrame, directory: Path, product: str) -> Comparison:
    """Compare the stars that were measured on a mosaic with the truth, and tell what stage 3 changed.

    Parameters
    ----------
    label, stars
        As for `photometry.compare_images`.
    directory
        Where the tables `_stars.csv` and `_changes.csv` of the product are.
    product
        Its name.
    """
    changes = pd.read_csv(directory / f"{product}{CHANGES}", keep_default_na=False)
    flagged = {int(star) for own in changes["flagged"].astype(str) for star in own.split()}
    found = _merged(stars).merge(
        pd.read_csv(directory / f"{product}{STARS}"), on="id", suffixes=("_true", "")
    )
    found = found[~found["saturated"].astype(bool) & found["isolated"]]
    found = found.assign(
        ratio=found["flux"] / found["jansky"],
        snr=found["jansky"] / found["error"],
        dx=found["x_found"] - found["x"],
        dy=found["y_found"] - found["y"],
        flagged=found["id"].isin(flagged),
    )
    bright = found[found["snr"] >= BRIGHT]
    whole = bright[~bright["flagged"]]
    checks = [*median_checks(whole, MOSAIC_FLUX, MOSAIC_PLACE)]
    if len(bright):
        lost = bright[bright["flagged"]]
        ratio = f"{robust(lost['ratio'].to_numpy(float))[0]:.3f}" if len(lost) else "–"
        checks.append(
            not_judged(
                "stars with an outlier in their core",
                f"0 of {len(bright):,}",
                f"{len(lost):,}",
                f"flux found / true of these: {ratio}",
            )
        )
    if len(changes):
        farthest = float(changes["farthest"].astype(float).max())
        checks.append(
            judged(
                "largest shift of an image (pixel)",
                f"0 ± {MOVED}",
                f"{farthest:.4f}",
                farthest / MOVED,
                ", by tweakreg",
            )
        )
    section = Section(
        f"Stars on the mosaic: {label}",
        f"Medians over {counted(len(whole), 'star')} of a signal to noise of {BRIGHT:.0f} and more, measured as on "
        "calibrated images but in circles of 80 % of the light, since the resampling blurs; for that they may be some 0.3 % "
        "low still, bright and faint stars alike. Not among them are stars in whose core outlier_detection has flagged a "
        "pixel of some image: it takes the peak of a star that is undersampled for a particle, and the star is too faint in "
        "the mosaic. Pointings are exact, so that what tweakreg shifts is its error.",
        "",
        tuple(checks),
        "If the stars on calibrated images agree, look at the steps of stage 3: tweakreg, outlier_detection, resample.",
    )
    tables = []
    if len(found):
        tables.append(
            (
                f"By magnitude: {label}, mosaic, stars without outliers",
                by_magnitude(found[~found["flagged"]], "ratio", PLACES),
            )
        )
    return Comparison((section,) if checks else (), tuple(tables), found, whole)


def _merged(stars: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each star of several images."""
    return stars.groupby("id").agg(
        ra=("ra", "first"), dec=("dec", "first"), magnitude=("magnitude", "first"), jansky=("jansky", "mean"),
        saturated=("saturated", "any"), isolated=("isolated", "all"),
    ).reset_index()  # fmt: skip


def compare_catalog(label: str, stars: pd.DataFrame, catalog: Path, mosaic: Path) -> Comparison:
    """Compare the source catalog of stage 3 with the truth.

    Parameters
    ----------
    label, stars
        As for `photometry.compare_images`.
    catalog, mosaic
        The files `_cat.ecsv` and `_i2d.fits`.
    """
    from astropy.io import fits
    from astropy.table import Table as Catalog
    from astropy.wcs import WCS

    found = Catalog.read(catalog, format="ascii.ecsv")
    true = _merged(stars)
    with fits.open(mosaic) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pipeline's headers have both MJD-BEG and DATE-BEG
        wcs, weight = WCS(hdus["SCI"].header), np.asarray(hdus["WHT"].data)
    x, y = (np.asarray(v, float) for v in wcs.all_world2pix(true["ra"], true["dec"], 0))
    column, row = (
        np.clip(np.round(v).astype(int), 0, n - 1) for v, n in ((x, weight.shape[1]), (y, weight.shape[0]))
    )
    inside = (x >= 5) & (y >= 5) & (x < weight.shape[1] - 5) & (y < weight.shape[0] - 5)
    on = inside & (weight[row, column] > 0)
    true, x, y = true[on].reset_index(drop=True), x[on], y[on]
    nearest, apart = _nearest(x, y, found)
    matched = apart <= 1.0
    own = found[nearest] if len(found) else None
    values: dict[str, Any] = {name: np.full(len(true), np.nan) for name in ("ratio", "snr", "dx", "dy")}
    if own is not None:
        flux, error = (np.asarray(own[name], float) for name in ("aper_total_flux", "aper_total_flux_err"))
        values = {
            "ratio": flux / true["jansky"].to_numpy(float),
            "snr": true["jansky"].to_numpy(float) / error,
            "dx": np.asarray(own["xcentroid"], float) - x,
            "dy": np.asarray(own["ycentroid"], float) - y,
        }
    true = true.assign(matched=matched, **{name: np.where(matched, v, np.nan) for name, v in values.items()})
    good = true[true["matched"] & ~true["saturated"].astype(bool) & true["isolated"]]
    bright = good[good["snr"] >= BRIGHT]
    checks = median_checks(bright, CATALOG_FLUX, CATALOG_PLACE)
    complete, table = _completeness(label, true)
    sections = []
    if checks:
        sections.append(
            Section(
                f"Catalog of stage 3: {label}",
                f"Medians over the stars of a signal to noise of {BRIGHT:.0f} and more that the pipeline's source catalog "
                "has: its total aperture flux, its isophotal centroids, in pixels of the mosaic. Such a centroid follows "
                "the wings of a PSF that is not symmetric, and lies up to 0.1 pixel beside the place of the star.",
                "",
                checks,
                "If the stars on the mosaic agree, look at the step source_catalog.",
            )
        )
    if complete is not None:
        sections.append(complete)
    tables = [(f"Completeness by magnitude: {label}", table)]
    if len(good):
        tables.append((f"By magnitude: {label}, catalog of stage 3", by_magnitude(good, "ratio", PLACES)))
    return Comparison(tuple(sections), tuple(tables), true, bright)


def _nearest(x: Floats, y: Floats, found: Any) -> tuple[NDArray[np.int_], Floats]:
    """Return the number of the nearest source of a catalog, and how far away it is in pixels."""
    from scipy.spatial import cKDTree

    if not len(found) or not len(x):
        return np.zeros(len(x), int), np.full(len(x), np.inf)
    tree = cKDTree(np.column_stack([found["xcentroid"], found["ycentroid"]]))
    apart, nearest = tree.query(np.column_stack([x, y]))
    return np.asarray(nearest), np.asarray(apart)


def _completeness(label: str, true: pd.DataFrame) -> tuple[Section | None, Table]:
    """Return the part of the stars that the catalog has within a pixel, by half magnitudes."""
    usable = true[~true["saturated"].astype(bool)]
    rows = []
    for low, own in usable.groupby(np.floor(usable["magnitude"] * 2) / 2):
        part = own["matched"].mean()
        error = float(np.sqrt(max(part * (1 - part), 0.25 / len(own)) / len(own)))
        rows.append(
            [
                f"{low:.1f} to {low + 0.5:.1f}",
                f"{len(own):,}",
                f"{int(own['matched'].sum()):,}",
                f"{part:.2f} ± {error:.2f}",
            ]
        )
    full = int(true["saturated"].sum())
    if full:
        found = int((true["matched"] & true["saturated"].astype(bool)).sum())
        rows.append(["saturated", f"{full:,}", f"{found:,}", f"{found / full:.2f}"])
    table = Table(("magnitude", "stars", "found", "completeness"), rows, frozenset((1, 2, 3)))
    bright = usable[usable["isolated"] & (usable["magnitude"] <= _depth(usable))]
    if len(bright) < 3:
        return None, table
    found_part, count = float(bright["matched"].mean()), len(bright)
    sigma = float(np.sqrt(COMPLETE * (1 - COMPLETE) / count))
    ok = found_part >= COMPLETE - 2.0 * sigma
    check = Check(
        f"{count:,} stars brighter than {bright['magnitude'].max():.1f} mag", f"at least {COMPLETE:.0%}",
        f"{found_part:.1%}", 0.0 if ok else (found_part - COMPLETE) / sigma, ok,
        "complete" if ok else "stars are missing",
    )  # fmt: skip
    return Section(
        f"Completeness: {label}",
        f"Part of the isolated stars of a signal to noise of {2 * BRIGHT:.0f} and more that the source catalog of stage 3 "
        "has within one pixel of the mosaic.",
        "",
        (check,),
        "Look at the mosaic for the missing stars, and at the threshold of the step source_catalog.",
    ), table


def half_complete(true: pd.DataFrame) -> float | None:
    """Return the magnitude at which the catalog has half of the stars; None if it has more than that of the faintest.

    Parameters
    ----------
    true
        Stars of `compare_catalog`.
    """
    usable = true[~true["saturated"].astype(bool)]
    bins = usable.groupby(np.floor(usable["magnitude"] * 2) / 2)["matched"].mean()
    middles, parts = bins.index.to_numpy(float) + 0.25, bins.to_numpy(float)
    over = np.flatnonzero(parts >= 0.5)
    if not len(over):
        return float(middles[0]) if len(middles) else None
    last = int(over[-1])
    if last + 1 == len(parts):
        return None
    step = (parts[last] - 0.5) / (parts[last] - parts[last + 1])
    return float(middles[last] + step * (middles[last + 1] - middles[last]))


def _depth(true: pd.DataFrame) -> float:
    """Return the magnitude from which found stars have a signal to noise below twice `BRIGHT`, which a detection needs."""
    known = true[np.isfinite(true["snr"].astype(float)) & (true["snr"] > 0)]
    faint = known[known["snr"] < 2.0 * BRIGHT]
    if known.empty:
        return -np.inf
    return float(faint["magnitude"].min() if len(faint) else known["magnitude"].max())
