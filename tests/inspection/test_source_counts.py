"""How many sources fall on how many detectors, against the projection that the simulation itself uses."""

import time

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from mirage_dask import example_proposal, open_proposal
from mirage_dask.cli import main
from mirage_dask.inspection import count_sources
from mirage_dask.pointing import (
    SkyProjection,
    attitude_matrix,
    distortion_from_siaf,
    full_frame,
    radec_to_unit,
)
from mirage_dask.scene import read_catalog

EXAMPLE = example_proposal()
FIELD = {"roll_angle": 30.0, "dates": "2021-12-01"}


def catalog(folder, ra, dec, name="stars.cat", comments=()):
    table = Table({"x_or_RA": ra, "y_or_Dec": dec, "magnitude": np.full(len(ra), 20.0)})
    table.meta["comments"] = list(comments)
    table.write(folder / name, format="ascii.basic")
    return folder / name


def opened(path):
    return open_proposal(EXAMPLE, catalogs={"point_source": path}, **FIELD)


def scattered(count=3000):
    rng = np.random.default_rng(5)
    return 150.175 + rng.uniform(-0.12, 0.12, count), 2.25 + rng.uniform(-0.12, 0.12, count)


def test_agrees_with_the_projection(tmp_path):
    """Sources within 3 pixels of an edge are left out: there the edge, an arc, bends."""
    table = opened(EXAMPLE.parent / "stars.cat").table
    rows = table[table["status"] == "ready"]
    ra, dec = scattered()
    units = radec_to_unit(ra, dec)
    surely, perhaps = np.zeros((2, ra.size), dtype=bool)
    for row in rows.itertuples():
        attitude = attitude_matrix(row.ra_pointing, row.dec_pointing, row.v2, row.v3, row.pa_v3)
        distortion = distortion_from_siaf(full_frame(row.detector).name)
        x, y = (SkyProjection.of(attitude, distortion).pixels(units) - (row.x0, row.y0)).T
        for margin, found in ((3.0, surely), (-3.0, perhaps)):
            found |= (x > margin) & (x < row.nx - margin) & (y > margin) & (y < row.ny - margin)
    count = count_sources(read_catalog(catalog(tmp_path, ra, dec), "point_source"), rows)
    assert surely.sum() <= count.on_detectors <= perhaps.sum()
    assert perhaps.sum() - surely.sum() < 60


def test_right_ascensions_in_hours(tmp_path):
    proposal = opened(catalog(tmp_path, [10.015], [2.3]))
    (line,) = proposal.catalog_report.empty
    assert line == (
        "stars.cat: none of 1 star falls on any of 28 detector exposures; the nearest is 140 deg away: are the right "
        "ascensions hours?"
    )
    assert line in proposal.notes


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        (2.3, 90.0, "deg away"),
        (150.225, -2.3, "the nearest is 4.47 deg away: have the declinations lost their sign?"),
        (2.3, 150.225 - 75, "deg away"),
        (np.radians(150.225), np.radians(2.3), "are these radians?"),
        (150.4, 2.3, "arcmin away"),
    ],
)
def test_where_the_nearest_source_is(tmp_path, ra, dec, words):
    (line,) = opened(catalog(tmp_path, [ra], [dec])).catalog_report.empty
    assert words in line


def test_counts_of_one_source(tmp_path):
    """One star in the field of observation 2 falls on its exposures alone; across RA 0 as well."""
    (count,) = opened(catalog(tmp_path, [150.225, 10.0], [2.3, 2.3])).catalog_report.counts
    assert (count.sources, count.on_detectors, count.exposures, count.with_sources) == (2, 1, 28, 8)
    assert str(count) == "stars.cat: 1 of 2 stars falls on 8 of 28 detector exposures"


def test_positions_in_pixels(tmp_path):
    path = catalog(tmp_path, [100.0, 1000.0, 5000.0], [50.0, 1000.0, 0.0], comments=["position_pixels"])
    (count,) = opened(path).catalog_report.counts
    assert (count.on_detectors, count.with_sources, count.nearest) == (2, 28, None)


def regions(count):
    rng = np.random.default_rng(3)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 32 / 3600
    corners = corners + rng.uniform(-0.3, 0.3, (count, 1, 2)) + (0.1, -60.0)
    texts = [f"POLYGON ICRS {' '.join(map(str, c.ravel()))}" for c in corners]
    return corners, pd.DataFrame({"s_region": texts, "nx": 2048, "ny": 2048, "mode": "imaging"})


def test_a_mosaic_across_the_zero_of_right_ascension(tmp_path):
    corners, rows = regions(40)
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(-0.3, 0.5, 2000), rng.uniform(-60.4, -59.6, 2000)
    low, high = corners.min(axis=1), corners.max(axis=1)
    inside = (ra > low[:, :1]) & (ra < high[:, :1]) & (dec > low[:, 1:]) & (dec < high[:, 1:])
    count = count_sources(read_catalog(catalog(tmp_path, ra % 360, dec), "point_source"), rows)
    assert abs(count.on_detectors - inside.any(axis=0).sum()) <= 2
    assert abs(count.with_sources - inside.any(axis=1).sum()) <= 1


def test_a_large_mosaic_takes_seconds(tmp_path):
    _, rows = regions(12160)
    rng = np.random.default_rng(4)
    for name, width in (("field.cat", 0.3), ("cluster.cat", 0.01)):
        ra, dec = 0.1 + rng.uniform(-width, width, 20_000), -60.0 + rng.uniform(-width, width, 20_000)
        found = read_catalog(catalog(tmp_path, ra % 360, dec, name), "point_source")
        start = time.process_time()
        assert count_sources(found, rows).on_detectors > 10_000
        assert time.process_time() - start < 10.0


def test_commands_say_it(tmp_path, capsys, monkeypatch, cache_directory):
    catalog(tmp_path, [10.015], [2.3])
    settings = tmp_path / "settings.yaml"
    settings.write_text("catalogs: {point_source: stars.cat}\n")
    assert main(["settings", "check", str(EXAMPLE), str(settings)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "none of 1 star falls on any of 28 detector exposures" in said
    settings = EXAMPLE.parent / "settings.yaml"
    assert main(["settings", "check", str(EXAMPLE), str(settings)]) == 0
    assert "stars.cat: 338 of 400 stars fall on 28 of 28 detector exposures" in " ".join(
        capsys.readouterr().err.split()
    )


def test_plans_and_runs_say_it(tmp_path, caplog, monkeypatch, cache_directory):
    proposal = opened(catalog(tmp_path, [10.015], [2.3]))
    summary = proposal.plan(measure=False)
    assert summary.catalogs == proposal.catalog_report.lines
    assert "none of 1 star falls on any of 28 detector exposures" in repr(summary)
    monkeypatch.setattr("mirage_dask.run.execute.run_plan", lambda *_args, **_options: None)
    proposal.simulate(tmp_path / "a.zarr")
    assert [record.getMessage() for record in caplog.records] == list(proposal.catalog_report.empty)


def test_the_target_of_soss_lies_beside_its_array(tmp_path):
    """It counts where its traces fall on the array; a star two strips away in the same direction does not."""
    path = example_proposal("time_series")
    settings = path.with_name("settings.yaml")
    assert open_proposal(path, settings=settings).notes == ()
    row = open_proposal(path, settings=settings).table.query("mode == 'soss'").iloc[0]
    offsets = np.array([0.0, 3.0, 30.0]) / 3600  # arcsec across the traces: 96 rows are 6.3
    away = np.radians(row.roll_ref)
    stars = catalog(tmp_path, row.ra_ref + offsets * np.sin(away), row.dec_ref + offsets * np.cos(away))
    proposal = open_proposal(path, catalogs={"DEMO-FIELD": {"point_source": stars}, "DEMO-STARS": {}})
    assert proposal.catalog_report.lines == ("stars.cat: 2 of 3 stars fall on 1 of 1 detector exposure",)
