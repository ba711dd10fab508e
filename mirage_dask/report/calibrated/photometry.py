"""Stars on calibrated images against the truth: flux and place, by magnitude.

*Stars* are point sources of the truth tables, which lie on the calibrated images and nowhere saturate; photometry uses those
without a neighbour of a tenth of their light within `ISOLATED` arcsec. The expected flux is rate x zero point (Jy); the
expected place is that of the centroid of the PSF, `centroids`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mirage_dask.exposure.references import open_references
from mirage_dask.formatting import counted, error_size
from mirage_dask.report.calibrated.centroids import centroid_bias
from mirage_dask.report.calibrated.stars import STARS
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


@dataclass(frozen=True)
class Comparison:
    """What came of one product."""

    sections: tuple[Section, ...]
    tables: tuple[tuple[str, Table], ...]
    stars: pd.DataFrame
    """Each measurement: id, magnitude, ratio, dx, dy, snr."""
    judged: pd.DataFrame
    """Those over which medians are."""

    def summary(self) -> list[str]:
        """Return number of stars, then median and scatter of flux ratio and of the place in x and y, as texts."""
        cells = [f"{self.judged['id'].nunique():,}"]
        for column, form in (("ratio", ".4f"), ("dx", "+.4f"), ("dy", "+.4f")):
            middle, scatter = robust(self.judged[column].to_numpy(float))
            cells += [f"{middle:{form}}", f"{scatter:.4f}"]
        return cells


NOTHING = Comparison((), (), pd.DataFrame(), pd.DataFrame(columns=["id", "ratio", "dx", "dy"]))
"""Where no star was measured."""


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
        exposure, id, ra, dec, x, y, magnitude, jansky, saturated, isolated, and the bias of a centroid core_x, core_y
        (pixels).
    """
    stars = truth[truth["kind"].astype(str).str.contains("point") & ~truth["moves"].astype(bool)].copy()
    zero: dict[str, float] = {}
    bias: dict[str, tuple[float, float]] = {}
    known: dict[str, tuple[float, float]] = {}
    for name in map(str, stars["exposure"].unique()):
        spec = store.plan.spec(store.plan.row(name))
        pack = open_references(spec, store.plan.url).pack
        zero[name] = pack.zeropoint.photfnu_e / JANSKY
        if spec.pack not in known:
            known[spec.pack] = centroid_bias(pack.psf(), *pack.array.science_shape)
        bias[name] = known[spec.pack]
    stars["jansky"] = stars["rate"] * stars["exposure"].map(zero)
    for axis, column in enumerate(("core_x", "core_y")):
        stars[column] = stars["exposure"].map({name: both[axis] for name, both in bias.items()})
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
        path = directory / f"{root}{STARS}"
        if path.is_file():
            parts.append(pd.read_csv(path).assign(image=root))
    if not parts:
        return NOTHING
    found = stars.merge(pd.concat(parts), on=["image", "id"], suffixes=("_true", ""))
    found = found[~found["saturated"].astype(bool) & found["isolated"]]
    if found.empty:
        return NOTHING
    found = found.assign(
        ratio=found["flux"] / found["jansky"],
        snr=found["jansky"] / found["error"],
        dx=found["x_found"] - found["x"],
        dy=found["y_found"] - found["y"],
    )
    bright = found[found["snr"] >= BRIGHT]
    checks = median_checks(bright, FLUX, PLACE)
    sections = (
        [
            Section(
                f"Stars on calibrated images: {label}",
                f"Medians over {counted(len(bright), 'measurement')} of {counted(bright['id'].nunique(), 'star')} of a "
                f"signal to noise of {BRIGHT:.0f} and more; found: photutils, circles of 70 % of the light with the "
                "pipeline's aperture correction, centroids of fitted Gaussians against the pipeline's WCS plus the bias of "
                f"such a centroid on the PSF, which is ({stars['core_x'].mean():+.3f}, "
                f"{stars['core_y'].mean():+.3f}) pixel.",
                "",
                checks,
                "Flux: compare PHOTOM, APCORR and the zero points of the plan. Places: look at the pipeline's assign_wcs "
                "and the file DISTORTION in use.",
            )
        ]
        if checks
        else []
    )
    table = by_magnitude(found, "ratio", {"Δx (pixel)": "dx", "Δy (pixel)": "dy"})
    return Comparison(tuple(sections), ((f"By magnitude: {label}, calibrated images", table),), found, bright)


def median_checks(bright: pd.DataFrame, flux: float, place: float) -> tuple[Check, ...]:
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
        middle, scatter = robust(values)
        sigma = np.hypot(systematic, median_error(scatter, len(values)))
        note = f", scatter {scatter:.4f}"
        checks.append(
            judged(
                what, f"{target:.0f} ± {error_size(sigma)}", f"{middle:{form}}",
                (middle - target) / sigma, note,
            )
        )  # fmt: skip
    return tuple(checks)


def robust(values: Floats) -> tuple[float, float]:
    """Return median and scatter (1.4826 x median absolute deviation)."""
    good = values[np.isfinite(values)]
    if not len(good):
        return float("nan"), float("nan")
    middle = float(np.median(good))
    return middle, 1.4826 * float(np.median(np.abs(good - middle)))


def median_error(scatter: float, count: int) -> float:
    """Return the standard error of the median of so many normal deviates that scatter by this."""
    return float(np.sqrt(np.pi / 2.0 / max(count, 1))) * scatter


def by_magnitude(found: pd.DataFrame, ratio: str, places: dict[str, str]) -> Table:
    """Return medians, that of the ratio with its error, and scatter in bins of a magnitude."""
    columns = ["magnitude", "measurements", "flux ratio", "scatter", "expected error"]
    for name in places:
        columns += [name, "scatter"]
    rows = []
    for low, own in found.groupby(np.floor(found["magnitude"])):
        middle, scatter = robust(own[ratio].to_numpy(float))
        middle_error = median_error(scatter, int(own[ratio].notna().sum()))
        row = [
            f"{low:.0f} to {low + 1:.0f}",
            f"{len(own):,}",
            f"{middle:.4f} ± {middle_error:.4f}",
            f"{scatter:.4f}",
        ]
        row.append(f"{1.0 / float(own['snr'].median()):.4f}")
        for column in places.values():
            middle, scatter = robust(own[column].to_numpy(float))
            row += [f"{middle:+.4f}", f"{scatter:.4f}"]
        rows.append(row)
    return Table(tuple(columns), rows, frozenset(range(1, len(columns))))
