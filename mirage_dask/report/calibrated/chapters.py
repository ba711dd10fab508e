"""The chapters of a page about calibrated images: a table of all, then pictures, comparisons and tables of each filter."""

from __future__ import annotations

from pathlib import Path

from mirage_dask.formatting import counted, duration, size
from mirage_dask.io.privacy import anonymous
from mirage_dask.io.progress import Progress
from mirage_dask.report.calibrated.calibrate import Calibration, Product, calibrate
from mirage_dask.report.calibrated.mosaics import compare_catalog, compare_mosaic, half_complete
from mirage_dask.report.calibrated.photometry import Comparison, compare_images
from mirage_dask.report.calibrated.stars import STARS
from mirage_dask.report.page import Chapter, Table
from mirage_dask.report.pictures import Picture, draw_completeness, draw_mosaic, draw_stars, mosaic_shape
from mirage_dask.selection import Selection
from mirage_dask.store.simulation import SimulationStore

CALIBRATED, MOSAIC, CATALOG_OF_STAGE_3 = "calibrated images", "mosaic", "catalog of stage 3"
JUDGED = "Stars of a signal to noise of 20 and more against the truth: medians and scatter"
TITLE = "Calibrated by the JWST pipeline"
MEASURED = (
    "filter", "measured on", "images", "stars", "flux ratio", "scatter", "Δx (pixel)", "scatter", "Δy (pixel)", "scatter",
)  # fmt: skip
MADE = (
    "filter",
    "mosaic (pixels)",
    "sources in the catalog",
    "half of the stars found at (mag)",
    "computed in",
)


def calibrated_chapters(
    store: SimulationStore,
    select: Selection,
    directory: Path,
    processes: int | None,
    progress: Progress | None,
) -> list[Chapter]:
    """Calibrate a selection, and return the chapters about it.

    Parameters
    ----------
    store, select, directory, processes, progress
        As for `calibrate.calibrate`.

    Raises
    ------
    InputError, StoreError
        As `calibrate.calibrate`.
    """
    found = calibrate(store, directory, select, workers=processes, progress=progress)
    failures = [f"Calibration, {name}: {reason}" for p in found.products for name, reason in p.failures]
    chapters: list[Chapter] = []
    measured: list[list[str]] = []
    made: list[list[str]] = []
    for product in found.products:
        comparisons: dict[str, Comparison] = {}
        try:
            comparisons = _comparisons(product, found.directory)
        except (OSError, KeyError, ValueError) as error:
            failures.append(
                f"Calibration, {product.label}: its files cannot be compared ({type(error).__name__}: {error})"
            )
        images = f"{product.stars['image'].nunique():,}"
        measured += [[product.label, on, images, *one.summary()] for on, one in comparisons.items()]
        made.append(_made(product, comparisons.get(CATALOG_OF_STAGE_3)))
        chapters.append(
            Chapter(
                f"{TITLE}: {product.label}",
                sections=tuple(section for one in comparisons.values() for section in one.sections),
                tables=tuple(table for one in comparisons.values() for table in one.tables),
                pictures=tuple(_pictures(product, comparisons)),
            )
        )
    numbers = frozenset(range(2, len(MEASURED)))
    tables = (
        (
            "Stars of a signal to noise of 20 and more against the truth: medians and scatter",
            Table(MEASURED, measured, numbers),
        ),
        ("Products of stage 3", Table(MADE, made, frozenset(range(1, len(MADE))))),
    )
    paragraphs = (_text(found), *(f"The pipeline failed. {failure}" for failure in failures))
    first = Chapter(TITLE, paragraphs, tables=tables, failures=tuple(map(anonymous, failures)))
    return [first, *chapters]


def _comparisons(product: Product, directory: Path) -> dict[str, Comparison]:
    """Return the comparisons of a product with the truth, by what is compared."""
    found = {}
    if len(product.stars):
        found[CALIBRATED] = compare_images(product.label, product.stars, directory)
    if product.mosaic is None or not len(product.stars):
        return found
    if (directory / f"{product.name}{STARS}").is_file():
        found[MOSAIC] = compare_mosaic(product.label, product.stars, directory, product.name)
    if product.catalog is not None:
        found[CATALOG_OF_STAGE_3] = compare_catalog(
            product.label, product.stars, product.catalog, product.mosaic
        )
    return found


def _pictures(product: Product, comparisons: dict[str, Comparison]) -> list[Picture]:
    pictures = [draw_mosaic(product.label, product.mosaic)] if product.mosaic is not None else []
    if CALIBRATED in comparisons and len(comparisons[CALIBRATED].stars):
        pictures.append(draw_stars(product.label, comparisons[CALIBRATED].stars))
    if {MOSAIC, CATALOG_OF_STAGE_3} <= comparisons.keys() and len(comparisons[MOSAIC].stars):
        both = comparisons[MOSAIC].stars, comparisons[CATALOG_OF_STAGE_3].stars
        pictures.append(draw_completeness(product.label, *both))
    return pictures


def _made(product: Product, catalog: Comparison | None) -> list[str]:
    """Return the row of a product in the second table."""
    if product.mosaic is None:
        return [product.label, "none", "", "", ""]
    height, width = mosaic_shape(product.mosaic)
    half = half_complete(catalog.stars) if catalog is not None and len(catalog.stars) else None
    return [
        product.label,
        f"{width:,} × {height:,}",
        f"{product.sources:,}",
        f"{half:.1f}" if half is not None else "–",
        duration(product.seconds),
    ]


def _text(found: Calibration) -> str:
    """Return what was done, in words."""
    text = (
        f"JWST pipeline {found.version}, its default parameters, the reference files of the simulation: Detector1 and "
        f"Image2 of each exposure, Image3 of each filter. {found.chosen}"
    )
    if found.kept:
        text += (
            f" {counted(found.kept, 'image')} had been calibrated before, and nothing of them has changed."
        )
    if found.processes:
        text += f" {counted(found.processes, 'process')}; the largest took {size(found.memory)}."
    return text
