"""Images that move, that are tracked, and that trail, from catalogs to pixels."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from support.moving import NAME, QUIET, moving_proposal, write_catalog
from support.simulated import SUBARRAY_SW
from support.sky_pictures import gaussian, wcs, write_fits

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.pointing import SkyProjection, unit_to_radec
from mirage_dask.spec import Window
from mirage_dask.store.integrity import content_problems

MOVES = "index x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity"
IMAGE = "filename pos_angle"


@pytest.fixture
def comet(tmp_path):
    """An image that is even about its middle."""
    write_fits(
        tmp_path / "comet.fits", gaussian((61, 61), 30, 30, 3.0), wcs(10.0, 10.0, scale=0.02, crpix=(1, 1))
    )
    return "comet.fits"


def prepared(proposal, name):
    plan = proposal.prepare([name])
    spec = plan.spec(0)
    return plan, spec, open_references(spec, plan.url)


def steps(spec, opened, window=None) -> np.ndarray:
    window = window or Window((0, 1), (0, spec.ngroups), (0, spec.ny), (0, spec.nx))
    found = simulate_window(spec, opened, window, want=("transients",))["transients"][0]
    return np.diff(found.astype(float), axis=0, prepend=0)


def centre(image: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(image.shape)
    return float((x * image).sum() / image.sum()), float((y * image).sum() / image.sum())


def pixel(spec, opened, x, y) -> tuple[float, float]:
    projection = SkyProjection.of(spec.attitude, opened.pack.distortion)
    ra, dec = unit_to_radec(projection.units([[x + spec.x0, y + spec.y0]]))
    return float(ra[0]), float(dec[0])


def test_an_image_moves_as_a_point_does(tmp_path, comet):
    """Its centre is that of a moving point in every group within 0.05 pixel, its light the same within 1 %."""
    plain = md.open_proposal(md.example_proposal(), **QUIET)
    _, spec, opened = prepared(plain, SUBARRAY_SW)
    ra, dec = pixel(spec, opened, 180.0, 200.0)
    started = plain.table.set_index("name").loc[SUBARRAY_SW]
    hours = (
        datetime.fromisoformat(started.start_time) - datetime.fromisoformat(started.observation_start)
    ) / timedelta(hours=1)
    ra -= 200 / 3600 * hours / np.cos(np.radians(dec))
    row = f"1 {ra:.9f} {dec + 120 / 3600 * hours:.9f} 200 -120"
    comments = ("velocity_on_sky",)
    catalogs = {
        "moving_extended": write_catalog(
            tmp_path / "comets.cat", f"{MOVES} {IMAGE}", f"{row} {comet} 20", comments=comments
        ),
        "moving_pointsource": write_catalog(tmp_path / "points.cat", MOVES, row, comments=comments),
    }
    found = {}
    for kind, path in catalogs.items():
        proposal = md.open_proposal(md.example_proposal(), catalogs={kind: path}, **QUIET)
        assert (proposal.table.status == "ready").all()
        plan, spec, opened = prepared(proposal, SUBARRAY_SW)
        assert content_problems(plan.url, [spec]) == []
        found[kind] = steps(spec, opened)
        assert proposal.catalog_report.lines[0].startswith(path.name)
        if kind == "moving_extended":
            part = steps(spec, opened, Window((0, 1), (0, spec.ngroups), (150, 260), (140, 290)))
            assert np.array_equal(part, found[kind][:, 150:260, 140:290])
    for image, point in zip(found["moving_extended"], found["moving_pointsource"], strict=True):
        np.testing.assert_allclose(centre(image), centre(point), atol=0.05)
        assert image.sum() == pytest.approx(point.sum(), rel=0.01)
    first, last = (centre(found["moving_extended"][k]) for k in (0, -1))
    assert np.hypot(last[0] - first[0], last[1] - first[1]) > 1


def test_a_tracked_image_rests_and_images_trail(tmp_path, comet):
    """The target is where a tracked point is; images of the field follow the path of a star at their place."""
    names, tracked = f"object {MOVES}", ("velocity_on_sky",)
    as_point = write_catalog(
        tmp_path / "point.cat", names, "pointSource 1 150.225 2.3 600 400", comments=tracked
    )
    as_image = write_catalog(
        tmp_path / "image.cat",
        f"{names} {IMAGE}",
        f"extended 1 150.225 2.3 600 400 {comet} 0",
        comments=tracked,
    )
    _, spec, opened = prepared(moving_proposal(tmp_path, {"moving_target_to_track": as_point}), NAME)
    ra, dec = pixel(spec, opened, 180.0, 200.0)
    star = write_catalog(tmp_path / "stars.cat", "index x_or_RA y_or_Dec", f"1 {ra:.9f} {dec:.9f}")
    image = write_catalog(
        tmp_path / "images.cat", f"index x_or_RA y_or_Dec {IMAGE}", f"1 {ra:.9f} {dec:.9f} {comet} None"
    )
    in_pixels = write_catalog(
        tmp_path / "pixels.cat",
        f"index x_or_RA y_or_Dec {IMAGE}",
        f"1 180 200 {comet} 40",
        comments=("position_pixels",),
    )
    rests, trails = [], []
    for target, kind, field in (
        (as_point, "point_source", star),
        (as_image, "extended", image),
        (as_image, "extended", in_pixels),
    ):
        proposal = moving_proposal(tmp_path, {"moving_target_to_track": target, kind: field})
        plan, spec, opened = prepared(proposal, NAME)
        assert content_problems(plan.url, [spec]) == []
        rests.append(simulate_window(spec, opened, Window.whole(spec), want=("seed",))["seed"].astype(float))
        trails.append(steps(spec, opened))
    for other in (1, 2):
        np.testing.assert_allclose(centre(rests[other]), centre(rests[0]), atol=0.05)
        assert rests[other].sum() == pytest.approx(rests[0].sum(), rel=0.01)
        for found, expected in zip(trails[other], trails[0], strict=True):
            np.testing.assert_allclose(centre(found), centre(expected), atol=0.1)
            assert found.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_an_image_of_the_scene_does_not_trail_yet(tmp_path):
    target = write_catalog(tmp_path / "target.cat", f"object {MOVES}", "pointSource 1 150.225 2.3 300 200")
    write_fits(tmp_path / "sky.fits", np.ones((20, 20)), wcs(150.2, 2.3, scale=1.0, crpix=(10, 10)))
    table = moving_proposal(
        tmp_path,
        {"moving_target_to_track": target},
        scene_image={"path": tmp_path / "sky.fits", "units": "MJy/sr", "psf": "none"},
    ).table
    own = table[table.observation == 2]
    assert set(own.reason) == {
        "its target moves, behind which an image of the scene (scene_image) does not trail yet"
    }
