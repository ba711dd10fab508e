"""Mosaics against the truth: stars with outliers in their core are told and not judged; shifts of images are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mirage_dask.report.calibrated.calibrate import _wanted_on_mosaic
from mirage_dask.report.calibrated.mosaics import compare_mosaic, half_complete

COUNT = 40


def tables(directory: Path, farthest: float = 0.01, flagged: str = "0 1 2") -> pd.DataFrame:
    """Write the tables of a product whose first stars have lost light; return the true stars, on two images each."""
    random = np.random.default_rng(1)
    ids = np.arange(COUNT)
    flux = 1e-6 * (1 + 0.01 * random.standard_normal(COUNT))
    flux[:3] *= 0.7
    x = 100.0 + ids
    found = {"x_found": x + 0.01 * random.standard_normal(COUNT), "y_found": x + 0.004}
    pd.DataFrame({"id": ids, "x": x, "y": x, **found, "flux": flux, "error": 1e-8}).to_csv(
        directory / "p_stars.csv", index=False
    )
    changes = {
        "image": ["a", "b"],
        "dx": 0.0,
        "dy": 0.0,
        "farthest": [0.0, farthest],
        "outliers": 9,
        "stars": COUNT,
    }
    pd.DataFrame({**changes, "flagged": [flagged, ""]}).to_csv(directory / "p_changes.csv", index=False)
    one = pd.DataFrame(
        {"id": ids, "ra": 10.0, "dec": 0.0, "magnitude": 20.0 + ids / 20, "jansky": 1e-6, "saturated": False}
    )
    return pd.concat([one.assign(image=image, isolated=True) for image in ("a", "b")])


def test_stars_with_outliers_are_told_and_not_judged(tmp_path):
    found = compare_mosaic("B1", tables(tmp_path), tmp_path, "p")
    (section,) = found.sections
    assert section.ok
    flux, x, y, outliers, moved = section.checks
    assert float(flux.found) == pytest.approx(1.0, abs=0.005)
    assert float(y.found) == pytest.approx(0.004, abs=1e-4)
    assert x.ok
    assert (outliers.expected, outliers.found, outliers.deviation) == (f"0 of {COUNT}", "3", None)
    assert "0.7" in outliers.verdict
    assert moved.found == "0.0100"
    assert found.summary()[0] == str(COUNT - 3)


def test_medians_by_magnitude_have_their_errors(tmp_path):
    found = compare_mosaic("B1", tables(tmp_path), tmp_path, "p")
    ((_, table),) = found.tables
    rows = {row[0]: row for row in table.rows}
    for (low, own), count in zip(
        found.judged.groupby(np.floor(found.judged["magnitude"])), (17, 20), strict=True
    ):
        row = rows[f"{low:.0f} to {low + 1:.0f}"]
        median, error = map(float, row[2].split(" ± "))
        assert row[1] == str(count) == str(len(own))
        assert median == pytest.approx(own["ratio"].median(), abs=1e-4)
        assert error == pytest.approx(1.2533 * float(row[3]) / count**0.5, abs=1e-4)
        assert 0.0005 < error < 0.006


def test_images_that_have_moved_are_told(tmp_path):
    found = compare_mosaic("B1", tables(tmp_path, farthest=0.5, flagged=""), tmp_path, "p")
    (section,) = found.sections
    assert not section.ok
    assert section.checks[-1].verdict == "disagrees by 10.0 sigma, by tweakreg"
    assert section.checks[-2].found == "0"


def test_where_half_of_the_stars_are_found():
    magnitude = np.repeat(np.arange(20.25, 24.0, 0.5), 10)
    part = np.tile(np.arange(10), 8) / 10
    stars = pd.DataFrame({"magnitude": magnitude, "saturated": False})
    # 1.0, 1.0, 0.8 at 21.25, 0.2 at 21.75, then none
    limit = {20.25: 1.0, 20.75: 1.0, 21.25: 0.8, 21.75: 0.2}
    stars["matched"] = part < stars["magnitude"].map(limit).fillna(0.0)
    assert half_complete(stars) == pytest.approx(21.5)
    assert half_complete(stars.assign(matched=True)) is None


def test_places_on_the_mosaic_are_the_mean_of_the_images(tmp_path):
    """Also of a star on the meridian of 0 hours; a star of one image is measured, too."""
    for root, ra, ids in (("a", 359.99999, [7, 9]), ("b", 0.00001, [7])):
        pd.DataFrame({"id": ids, "ra_core": ra, "dec_core": 1.0, "flux": 1.0}).to_csv(
            tmp_path / f"{root}_stars.csv", index=False
        )
    text = _wanted_on_mosaic(tmp_path, "p", ["a", "b", "c"])["p"]
    (tmp_path / "wanted.csv").write_text(text)
    wanted = pd.read_csv(tmp_path / "wanted.csv").set_index("id")
    assert list(wanted.columns) == ["ra", "dec", "core_x", "core_y"]
    assert wanted.loc[7, "ra"] % 360.0 == pytest.approx(0.0, abs=1e-9) or wanted.loc[
        7, "ra"
    ] == pytest.approx(360.0)
    assert wanted.loc[9, "ra"] == pytest.approx(359.99999)
    assert _wanted_on_mosaic(tmp_path, "p", ["c"]) == {}
