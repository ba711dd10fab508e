"""What the pipeline made against the truth: flux and place of stars, completeness of the catalog, by magnitude.

*Stars* are point sources of the truth tables, which lie on the calibrated images and nowhere saturate; photometry uses those
without a neighbour of a tenth of their light within `ISOLATED` arcsec. The expected flux is rate x zero point (Jy). Found
are the stars on calibrated images (`stars`), and in the source catalog of stage 3 the source nearest to each, within one
pixel of the mosaic.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.exposure.references import open_references
from mirage_dask.report.checks import Check, Section, judged
from mirage_dask.report.page import Table
from mirage_dask.store.simulation import SimulationStore

Floats = NDArray[np.floating]

JANSKY = 1e-23
"""erg/s/cm2/Hz."""
ISOLATED = 1.0
"""arcsec."""
BRIGHT = 20.0
"""Signal to noise from which stars are judged."""
FLUX, PLACE = 0.0025, 0.0125
"""Systematic error of the median flux ratio and of the median place (pixels) on calibrated images, one sigma: the pipeline
gives back flux within 1 % and places within 0.05 pixel."""
CATALOG_FLUX, CATALOG_PLACE = 0.0125, 0.05
"""The same of the catalog of stage 3, whose isophotal centroids and small apertures suffer from the resampling of
undersampled images: 5 % and 0.2 pixel of the mosaic."""
COMPLETE = 0.95
"""Part of the bright stars that the catalog should have."""


@dataclass(frozen=True)
class Comparison:
    """What came of one product."""

    sections: tuple[Section, ...]
    tables: tuple[tuple[str, Table], ...]
    stars: pd.DataFrame
    """Each measurement on a calibrated image: id, magnitude, ratio, dx, dy, snr."""


def true_stars(store: SimulationStore, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the stars of truth tables with their flux, one row for each exposure.

    Parameters
    ----------
    store
        The store.
    truth
        From `read_truth`.

    Returns
    -------
    DataFrame
        exposure, id, ra, dec, x, y, magnitude, jansky, saturated, isolated.
    """
    stars = truth[truth["kind"].astype(str).str.contains("point") & ~truth["moves"].astype(bool)].copy()
    zero = {}
    for name in stars["exposure"].unique():
        row = store.plan.row(str(name))
        zero[name] = open_references(store.plan.spec(row), store.plan.url).pack.zeropoint.photfnu_e / JANSKY
    stars["jansky"] = stars["rate"] * stars["exposure"].map(zero)
    stars["isolated"] = _are_isolated(stars, truth)
    return stars


def _are_isolated(stars: pd.DataFrame, truth: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which stars have no neighbour of a tenth of their light within `ISOLATED`."""
    from scipy.spatial import cKDTree

    isolated = np.ones(len(stars), bool)
    for exposure, own in stars.groupby("exposure"):
        every = truth[truth["exposure"] == exposure]
        scale = np.cos(np.radians(float(every["dec"].mean())))
        places = [np.column_stack([t["ra"] * scale, t["dec"]]) * 3600.0 for t in (own, every)]
        rates = every["rate"].to_numpy()
        near = cKDTree(places[1]).query_ball_point(places[0], ISOLATED)
        found = [
            sum(rates[other] > 0.1 * rate for other in others) <= 1
            for others, rate in zip(near, own["rate"], strict=True)
        ]
        isolated[stars.index.get_indexer(own.index)] = found
    return isolated


def compare_images(label: str, stars: pd.DataFrame, directory: Path) -> Comparison:
    """Compare the stars that were measured on calibrated images with the truth.

    Parameters
    ----------
    label
        Instrument and optics.
    stars
        From `true_stars`, with the column `image`: a row for each star and image of the product.
    directory
        Where the tables of `stars.measure_stars` are.
    """
    parts = []
    for root in stars["image"].unique():
        path = directory / f"{root}_stars.csv"
        if path.is_file():
            parts.append(pd.read_csv(path).assign(image=root))
    if not parts:
        return Comparison((), (), pd.DataFrame())
    found = stars.merge(pd.concat(parts), on=["image", "id"], suffixes=("_true", ""))
    found = found[~found["saturated"].astype(bool) & found["isolated"]]
    if found.empty:
        return Comparison((), (), pd.DataFrame())
    found = found.assign(
        ratio=found["flux"] / found["jansky"],
        snr=found["jansky"] / found["error"],
        dx=found["x_found"] - found["x"],
        dy=found["y_found"] - found["y"],
    )
    bright = found[found["snr"] >= BRIGHT]
    checks = _medians(label, bright, FLUX, PLACE)
    sections = (
        [
            Section(
                f"Stars on calibrated images: {label}",
                f"Medians over {len(bright):,} measurements of {bright['id'].nunique():,} stars of a signal to noise of "
                f"{BRIGHT:.0f} and more; found: photutils, circles of 70 % of the light with the pipeline's aperture "
                "correction, centroids of fitted Gaussians against the pipeline's WCS.",
                "",
                checks,
                "Flux: compare PHOTOM, APCORR and the zero points of the plan. Places: look at the pipeline's assign_wcs "
                "and the file DISTORTION in use.",
            )
        ]
        if checks
        else []
    )
    table = _by_magnitude(found, "ratio", {"Δx (pixel)": "dx", "Δy (pixel)": "dy"})
    return Comparison(tuple(sections), ((f"By magnitude: {label}, calibrated images", table),), found)


def _medians(label: str, bright: pd.DataFrame, flux: float, place: float) -> tuple[Check, ...]:
    """Return the checks of flux ratio and place."""
    if len(bright) < 3:
        return ()
    checks = []
    for what, column, target, systematic, form in (
        ("flux found / true", "ratio", 1.0, flux, ".4f"),
        ("place in x (pixel)", "dx", 0.0, place, "+.4f"),
        ("place in y (pixel)", "dy", 0.0, place, "+.4f"),
    ):
        values = bright[column].to_numpy(float)
        middle, scatter = _robust(values)
        sigma = np.hypot(systematic, 1.2533 * scatter / np.sqrt(len(values)))
        note = f", scatter {scatter:.4f}"
        checks.append(
            judged(
                f"{label}: {what}", f"{target:.0f} ± {sigma:.2g}", f"{middle:{form}}",
                (middle - target) / sigma, note,
            )
        )  # fmt: skip
    return tuple(checks)


def _robust(values: Floats) -> tuple[float, float]:
    """Return median and scatter (1.4826 x median absolute deviation)."""
    good = values[np.isfinite(values)]
    if not len(good):
        return float("nan"), float("nan")
    middle = float(np.median(good))
    return middle, 1.4826 * float(np.median(np.abs(good - middle)))


def _by_magnitude(found: pd.DataFrame, ratio: str, places: dict[str, str]) -> Table:
    """Return medians and scatter in bins of a magnitude."""
    columns = ["magnitude", "measurements", "flux: median ratio", "scatter", "expected error"]
    for name in places:
        columns += [f"{name}: median", "scatter"]
    rows = []
    for low, own in found.groupby(np.floor(found["magnitude"])):
        middle, scatter = _robust(own[ratio].to_numpy(float))
        row = [f"{low:.0f} to {low + 1:.0f}", f"{len(own):,}", f"{middle:.4f}", f"{scatter:.4f}"]
        row.append(f"{1.0 / float(own['snr'].median()):.4f}")
        for column in places.values():
            middle, scatter = _robust(own[column].to_numpy(float))
            row += [f"{middle:+.4f}", f"{scatter:.4f}"]
        rows.append(row)
    return Table(tuple(columns), rows, frozenset(range(1, len(columns))))


def compare_catalog(label: str, stars: pd.DataFrame, catalog: Path, mosaic: Path) -> Comparison:
    """Compare the source catalog of stage 3 with the truth.

    Parameters
    ----------
    label, stars
        As for `compare_images`.
    catalog, mosaic
        The files `_cat.ecsv` and `_i2d.fits`.
    """
    from astropy.io import fits
    from astropy.table import Table as Catalog
    from astropy.wcs import WCS

    found = Catalog.read(catalog, format="ascii.ecsv")
    true = stars.groupby("id").agg(
        ra=("ra", "first"), dec=("dec", "first"), magnitude=("magnitude", "first"), jansky=("jansky", "mean"),
        saturated=("saturated", "any"), isolated=("isolated", "all"),
    ).reset_index()  # fmt: skip
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
    checks = _medians(label, good[good["snr"] >= BRIGHT], CATALOG_FLUX, CATALOG_PLACE)
    complete, table = _completeness(label, true)
    sections = []
    if checks:
        sections.append(
            Section(
                f"Catalog of stage 3: {label}",
                f"Medians over the stars of a signal to noise of {BRIGHT:.0f} and more that the pipeline's source catalog "
                "has: its total aperture flux, its isophotal centroids, in pixels of the mosaic.",
                "",
                checks,
                "If the stars on calibrated images agree, look at the steps of stage 3: tweakreg, "
                "outlier_detection, resample.",
            )
        )
    if complete is not None:
        sections.append(complete)
    tables = [(f"Completeness by magnitude: {label}", table)]
    if len(good):
        places = {"Δx (pixel)": "dx", "Δy (pixel)": "dy"}
        tables.append((f"By magnitude: {label}, catalog of stage 3", _by_magnitude(good, "ratio", places)))
    return Comparison(tuple(sections), tuple(tables), true)


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
        f"{label}: {count:,} stars brighter than {bright['magnitude'].max():.1f} mag", f"at least {COMPLETE:.0%}",
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


def _depth(true: pd.DataFrame) -> float:
    """Return the magnitude from which found stars have a signal to noise below twice `BRIGHT`, which a detection needs."""
    known = true[np.isfinite(true["snr"].astype(float)) & (true["snr"] > 0)]
    faint = known[known["snr"] < 2.0 * BRIGHT]
    if known.empty:
        return -np.inf
    return float(faint["magnitude"].min() if len(faint) else known["magnitude"].max())
