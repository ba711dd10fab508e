"""Truth of what moves: places at start, middle and end, and the light on the array, against what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from support.moving import NAME, QUIET, attitude_of, moving_proposal, write_catalog
from support.simulated import SUBARRAY_SW
from support.sky_pictures import gaussian, wcs, write_fits

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.pointing import SkyProjection, radec_to_unit, unit_to_radec

COLUMNS = "index x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity"


def mean_light(spec, references, kind):
    """Mean e-/s of a layer over the exposure, (y, x)."""
    layer = next(la for la in references.light.varying if la.kind == kind)
    end = spec.integration_start(spec.nints - 1) + spec.frames_per_integration * spec.tframe
    out = np.zeros((1, spec.ny, spec.nx), np.float32)
    layer.add(out, x0=spec.x0, y0=spec.y0, edges=np.array([0.0, end]))
    return out[0].astype(float)


@pytest.mark.parametrize("start", [(150.0, 200.0), (375.0, 200.0)])
def test_a_moving_star(tmp_path, start):
    """The middle of its path is the centroid of its light, and what leaves the array is not counted."""
    catalog = write_catalog(
        tmp_path / "moving.cat", COLUMNS, f"3 {start[0]} {start[1]} 12000 -3000",
        comments=("position_pixels", "velocity_pixels"),
    )  # fmt: skip
    proposal = md.open_proposal(md.example_proposal(), catalogs={"moving_pointsource": catalog}, **QUIET)
    plan = proposal.prepare(SUBARRAY_SW)
    spec = plan.spec(plan.row(SUBARRAY_SW))
    references = open_references(spec, plan.url)
    (row,) = proposal.truth(SUBARRAY_SW).itertuples()
    light = mean_light(spec, references, "moving_point")
    assert (row.kind, row.id, row.moves, row.catalog) == ("moving_pointsource", 3, True, "moving.cat")
    assert row.magnitude == pytest.approx(17.0)
    assert row.x_end - row.x_start > 20
    assert (row.x, row.y) == pytest.approx(
        ((row.x_start + row.x_end) / 2, (row.y_start + row.y_end) / 2), abs=0.01
    )
    assert row.rate_on_array == pytest.approx(light.sum(), rel=3e-3)
    ra, dec = unit_to_radec(references.view.projection.units([[row.x_full, row.y_full]]))
    assert (row.ra, row.dec) == pytest.approx((ra[0], dec[0]), abs=1e-8)
    if start[0] == 150.0:
        rows, columns = np.indices(light.shape)
        assert (columns * light).sum() / light.sum() == pytest.approx(row.x, abs=0.1)
        assert (rows * light).sum() / light.sum() == pytest.approx(row.y, abs=0.1)
        assert row.fraction > 0.98
    else:
        assert 0.2 < row.fraction < 0.9


def test_behind_a_tracked_target(tmp_path):
    """The target rests, with the position of the middle of the exposure; stars have theirs of the catalog, and trail."""
    target = write_catalog(tmp_path / "target.cat", COLUMNS, "5 150.225 2.3 3000 0")
    stars = write_catalog(tmp_path / "stars.cat", "index x_or_RA y_or_Dec", "8 150.2262 2.3004")
    proposal = moving_proposal(tmp_path, {"moving_target_to_track": target, "point_source": stars})
    truth = proposal.truth(NAME).set_index("id")
    plan = proposal.prepare(NAME)
    spec = plan.spec(plan.row(NAME))
    references = open_references(spec, plan.url)
    tracked, star = truth.loc[5], truth.loc[8]
    assert (tracked["kind"], tracked["moves"]) == ("moving_target_to_track", False)
    assert tracked["x_start"] == tracked["x_end"]
    assert (star["ra"], star["dec"]) == pytest.approx((150.2262, 2.3004), abs=1e-9)
    assert star["moves"]
    # Another way: the attitude whose target is where the table says that it is in the middle.
    table_row = plan.table_row(NAME)
    attitude = attitude_of(table_row, tracked["ra"], tracked["dec"])
    projection = SkyProjection.of(attitude, references.pack.distortion)
    x, y = projection.pixels(radec_to_unit(star["ra"], star["dec"]))[0]
    assert (star["x_full"], star["y_full"]) == pytest.approx((x, y), abs=0.02)
    light = mean_light(spec, references, "point_source")
    assert star["rate_on_array"] == pytest.approx(light.sum(), rel=3e-3)


@pytest.mark.parametrize("start", [(150.0, 200.0), (375.0, 200.0)])
def test_a_moving_image(tmp_path, start):
    """As a star that moves: its light on the array is what is drawn, its segment is where it was."""
    write_fits(
        tmp_path / "a.fits", gaussian((61, 61), 30, 30, 3.0), wcs(10.0, 10.0, scale=0.02, crpix=(1, 1))
    )
    catalog = write_catalog(
        tmp_path / "moving.cat", f"{COLUMNS} filename pos_angle", f"3 {start[0]} {start[1]} 12000 -3000 a.fits 20",
        comments=("position_pixels", "velocity_pixels"),
    )  # fmt: skip
    proposal = md.open_proposal(md.example_proposal(), catalogs={"moving_extended": catalog}, **QUIET)
    plan = proposal.prepare(SUBARRAY_SW)
    spec = plan.spec(plan.row(SUBARRAY_SW))
    references = open_references(spec, plan.url)
    (row,) = proposal.truth(SUBARRAY_SW).itertuples()
    assert (row.kind, row.id, row.moves, row.catalog) == ("moving_extended", 3, True, "moving.cat")
    light = mean_light(spec, references, "moving_extended")
    assert row.rate_on_array == pytest.approx(light.sum(), rel=5e-3)
    assert row.x_end - row.x_start > 20
    segments = proposal.exposure(SUBARRAY_SW).segmentation.values
    assert set(np.unique(segments)) == {0, 3}
    x = np.nonzero(segments)[1]
    if start[0] == 150.0:
        assert row.x_start - 30 < x.min() < row.x_start < row.x_end < x.max() < row.x_end + 30
    else:
        assert 0.2 < row.fraction < 0.9


def test_images_that_are_tracked_and_that_trail(tmp_path):
    write_fits(
        tmp_path / "a.fits", gaussian((61, 61), 30, 30, 3.0), wcs(10.0, 10.0, scale=0.02, crpix=(1, 1))
    )
    target = write_catalog(
        tmp_path / "target.cat",
        f"object {COLUMNS} filename pos_angle",
        "extended 5 150.225 2.3 3000 0 a.fits 0",
    )
    images = write_catalog(
        tmp_path / "images.cat", "index x_or_RA y_or_Dec filename pos_angle", "8 150.2262 2.3004 a.fits 0"
    )
    proposal = moving_proposal(tmp_path, {"moving_target_to_track": target, "extended": images})
    truth = proposal.truth(NAME).set_index("id")
    tracked, trailing = truth.loc[5], truth.loc[8]
    assert (tracked["kind"], tracked["moves"]) == ("moving_target_to_track", False)
    assert (trailing["kind"], trailing["moves"]) == ("extended", True)
    assert (trailing["ra"], trailing["dec"]) == pytest.approx((150.2262, 2.3004), abs=1e-9)
    plan = proposal.prepare(NAME)
    spec = plan.spec(plan.row(NAME))
    light = mean_light(spec, open_references(spec, plan.url), "extended")
    assert trailing["rate_on_array"] == pytest.approx(light.sum(), rel=5e-3)
