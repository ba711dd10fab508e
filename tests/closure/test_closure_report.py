"""The closure report with --calibrate: the stock pipeline on a small subarray, stars against the truth, and once more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.report_stores import NAMES, simulated

import mirage_dask as md
from mirage_dask.report.calibrated.calibrate import calibrate
from mirage_dask.report.calibrated.photometry import compare_images

pytestmark = pytest.mark.closure


def test_report_with_the_pipeline(tmp_path: Path) -> None:
    pytest.importorskip("jwst")
    store = simulated(tmp_path / "s.zarr")
    simulation, page = md.open_simulation(store.url), tmp_path / "page.html"
    products = tmp_path / "products"
    report = simulation.report(page, calibrate=True, products=products, workers=1)
    assert report.ok, report.disagreements
    text = page.read_text()
    for words in (
        "Stars on calibrated images",
        "Stars on the mosaic",
        "largest shift of an image",
        "Catalog of stage 3",
        "Completeness by magnitude",
        "mosaic of stage 3",
    ):
        assert words in text
    assert text.count("data:image/") == 6  # footprint, two exposures, mosaic, stars, completeness
    stars = _found(products)
    assert len(stars) >= 8
    # Nothing is calibrated again; what fails is a sentence of the page.
    made = {path.name: path.stat().st_mtime_ns for path in products.glob("*_cal.fits")}
    assert len(made) == 2
    broken = products / "results" / f"{NAMES[0]}.json"
    broken.write_text(json.dumps(json.loads(broken.read_text()) | {"key": "of another version"}))
    (products / f"{NAMES[0]}_uncal.fits").chmod(0o644)
    again = simulation.report(page, calibrate=True, products=products, workers=1)
    assert again.ok
    after = {path.name: path.stat().st_mtime_ns for path in products.glob("*_cal.fits")}
    assert [name for name in made if after[name] != made[name]] == [f"{NAMES[0]}_cal.fits"]


def test_segments_are_calibrated_each(tmp_path: Path) -> None:
    """Two integrations in two files: the pipeline takes both, and either has the light of the stars."""
    pytest.importorskip("jwst")
    store = simulated(tmp_path / "s.zarr", NAMES[:1])
    found = calibrate(store, tmp_path / "products", None, workers=1, segment_bytes=24 * 400 * 400)
    (product,) = found.products
    assert product.failures == ()
    roots = [NAMES[0].replace("_nrcb1", f"-seg00{k}_nrcb1") for k in (1, 2)]
    assert all((found.directory / f"{root}_cal.fits").is_file() for root in roots)
    assert product.mosaic is not None
    measured = compare_images("B1", product.stars, found.directory).stars
    assert set(measured["image"]) == set(roots)
    bright = measured[measured["snr"] > 20].groupby("image")["ratio"].median()
    assert bright.between(0.97, 1.03).all(), bright


def _found(products: Path) -> list[str]:
    return [line for path in products.glob("*_stars.csv") for line in path.read_text().splitlines()[1:]]
