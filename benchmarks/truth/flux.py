"""Flux scale: DN/s of a star of known AB magnitude, as its source table and the gain of its pack make it.

The reference is the flight PHOTMJSR of the pipeline (MJy/sr per DN/s) with the pixel area that belongs to it:

    DN/s = 3631 Jy 10^(-0.4 m) / (PHOTMJSR PIXAR_SR)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

from measure import Measurement

from mirage_dask.instruments import detectors_of, get_detector, get_zeropoint
from mirage_dask.reference.builtin.psf import passband
from mirage_dask.scene.catalogs import Catalog, read_catalog
from mirage_dask.scene.sources import SOURCE_TABLES, PointSources
from truth.exposures import MAGNITUDE, NIRCAM, pack_of, plan_of, plan_url, spec_of, work_folder
from truth.references import attempt, judge, references

AB_ZERO = 3631e-6
"""MJy of magnitude 0 (Oke and Gunn 1983)."""


def measure_flux() -> Iterator[Measurement]:
    """Yield a row per detector in its filter of the plan, one for the filter that differs most, and the pivots of F150W2."""
    for detector in NIRCAM:
        spec = spec_of(detector)
        yield compare_star((detector, spec.filter, spec.pupil), lambda d=detector: planned_rate(d))
    every = [
        compare_star(optics, lambda o=optics: rate(*o)) for optics in map(str.split, references()["PHOTMJSR"])
    ]
    worst = max(every, key=lambda row: math.inf if row.difference is None else abs(row.difference))
    yield replace(worst, name=f"largest difference of {len(every)} detectors and filters", note=worst.name)
    value, note = attempt(mean_pivot)
    yield Measurement(
        "pivot of F150W2: zero points, mean of 8 detectors, against bandpass", value, "um", note=note,
        reference=passband("F150W2", "CLEAR", instrument="NIRCAM")[0], tolerance=0.002, relative=True,
    )  # fmt: skip


def compare_star(optics: Sequence[str], simulated: Callable[[], float]) -> Measurement:
    """Return the row of a detector, filter and pupil."""
    photmjsr = references()["PHOTMJSR"][" ".join(optics)]
    area = references()["PIXAR_SR"][optics[0]].value
    expected = AB_ZERO * 10 ** (-0.4 * MAGNITUDE) / (photmjsr.value * area)
    reference = replace(photmjsr, value=expected, unit="DN/s")
    return judge(f"star of {MAGNITUDE:.0f} mag, {' '.join(optics[:2])}", reference, simulated)


def planned_rate(detector: str) -> float:
    """Return the DN/s of the star in the exposure of a detector: electrons of its layer over the mean gain of its pack."""
    spec = spec_of(detector)
    (key,) = (key for kind, key in spec.layers if kind == PointSources.kind)
    sources = PointSources.load(f"{plan_url(spec)}/sources", key)
    return float(sources.flux[0]) / float(pack_of(detector).meta["mean_gain"])


def rate(detector: str, filter: str, pupil: str) -> float:
    """Return the DN/s of the star with the nominal gain, in any filter."""
    sources = SOURCE_TABLES[PointSources.kind](star(), detector, filter, pupil)
    return float(sources.flux[0]) / get_detector(detector).gain


@cache
def star() -> Catalog:
    """Return the catalog of the star, written with the plan."""
    plan_of("NIRCAM")
    return read_catalog(work_folder() / "point_source.cat", "point_source")


def mean_pivot() -> float:
    """Return the mean of the pivot wavelengths in the zero points of the detectors that have F150W2."""
    short = [d.name for d in detectors_of("NIRCAM") if d.channel == "SHORT"]
    return sum(get_zeropoint(name, "F150W2", "CLEAR").pivot for name in short) / len(short)
