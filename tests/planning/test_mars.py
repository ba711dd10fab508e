"""A real moving target: Mars by rows of Horizons, rounded to 0.15 arcsec, in a proposal that Mirage was tried on.

What is expected is computed here from the rows alone: a Chebyshev polynomial through RA and Dec (numpy), the direction of a
star in the frame of the target (astropy), and pixels of the aperture (pysiaf).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pysiaf
import pytest
from astropy.coordinates import SkyCoord

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import resets_before
from mirage_dask.pointing import read_ephemeris, siaf_model
from mirage_dask.spec import Window

START = "2020-09-25T06:00:00"
DATA = "data/catalogs/examples/movingtarget_example_data"


@pytest.fixture(scope="module")
def mars(tmp_path_factory, shared):
    """An exposure that follows Mars, its references, and what is seen: the target, the field in groups, its stars."""
    folder, ephemeris = tmp_path_factory.mktemp("mars"), shared / DATA / "mars_ephemeris.txt"
    (folder / "target.cat").write_text(
        f"object ephemeris_file magnitude\npointSource {ephemeris} 17\n", encoding="utf-8"
    )

    def proposal(**more):
        return md.open_proposal(
            shared / "apt/mars_moving/mars_example.xml",
            catalogs={"moving_target_to_track": folder / "target.cat", **more},
            dates=START, background=0, cosmic_rays="none", effects=["poisson"],
        )  # fmt: skip

    table = proposal().table
    row = table[table.name.str.endswith("nrcb1")].iloc[0]
    rows = read_ephemeris(ephemeris)
    offsets = [(-0.0041, 0.0032), (0.0038, -0.0047), (0.0011, 0.0024)]
    stars = [(row.ra_ref + dx / np.cos(np.radians(row.dec_ref)), row.dec_ref + dy) for dx, dy in offsets]
    lines = "\n".join(f"{a:.9f} {d:.9f} 17" for a, d in stars)
    (folder / "stars.cat").write_text(f"x_or_RA y_or_Dec magnitude\n{lines}\n", encoding="utf-8")
    plan = proposal(point_source=folder / "stars.cat").prepare([row["name"]])
    spec = plan.spec(0)
    return spec, open_references(spec, plan.url), row, rows, stars


def curve(rows, when: list[datetime]) -> SkyCoord:
    """Where the target is: a polynomial of the degree at which rows are missed by their rounding."""
    seconds = np.array([(t - rows.times[0]).total_seconds() for t in rows.times])
    at = [(t - rows.times[0]).total_seconds() for t in when]
    fits = [np.polynomial.Chebyshev.fit(seconds, v, 8)(at) for v in (rows.ra, rows.dec)]
    return SkyCoord(*fits, unit="deg")


def in_target_frame(rows, row, stars, when: list[datetime]) -> np.ndarray:
    """(stars, T, 2) V2, V3 arcsec of stars: the target is at the pointing's V2, V3, PA_V3 there is constant."""
    targets, found = curve(rows, when), []
    for ra, dec in stars:
        places = []
        for target in targets:
            attitude = pysiaf.utils.rotations.attitude(
                row.v2, row.v3, target.ra.deg, target.dec.deg, row.pa_v3
            )
            places.append(pysiaf.utils.rotations.getv2v3(attitude, ra, dec))
        found.append(places)
    return np.array(found)


def centroid(image: np.ndarray, x: float, y: float, half: int = 14) -> tuple[float, float]:
    left, low = round(x) - half, round(y) - half
    part = image[low : low + 2 * half + 1, left : left + 2 * half + 1]
    part = np.where(part > 0.02 * part.max(), part, 0)
    j, i = np.indices(part.shape)
    return left + float((i * part).sum() / part.sum()), low + float((j * part).sum() / part.sum())


def test_the_fit_is_the_curve_through_the_rows(mars):
    """Two fits, one of unit vectors and one of coordinates: their paths during the exposure agree within 0.02 pixel."""
    spec, opened, _, rows, _ = mars
    motion = opened.motion
    reset = resets_before("NIRCAM", spec.nx, spec.ny) * spec.tframe
    when = [datetime.fromisoformat(START) + timedelta(seconds=reset + float(t)) for t in motion.times]
    expected = curve(rows, when).cartesian.xyz.value.T
    away = (motion.track - motion.track[0]) - (expected - expected[0])
    assert np.abs(away).max() / np.radians(0.031 / 3600) < 0.02
    assert np.abs(motion.track - expected).max() / np.radians(1 / 3600) < 0.1  # arcsec: the rounding is 0.15


def test_the_target_rests(mars):
    """One rate for all groups, and its centroid is where the pointing puts it within 0.05 pixel."""
    spec, opened, row, _, _ = mars
    assert [layer.kind for layer in opened.light.static] == ["tracked_point"]
    x, y = siaf_model(row.aperture)[1](float(row.v2), float(row.v3))
    x, y = float(x), float(y)
    layer = opened.light.static[0].stars
    if not layer.x.size:
        pytest.skip("the target falls on another detector")
    assert (layer.x[0], layer.y[0]) == pytest.approx((x, y), abs=0.05)


def test_stars_trail_by_the_ephemeris(mars):
    """In every group, centroids within 0.1 pixel of the mean of places that pysiaf and the rows give."""
    spec, opened, row, rows, stars = mars
    window = Window((0, 1), (0, spec.ngroups), (0, spec.ny), (0, spec.nx))
    seen = simulate_window(spec, opened, window, want=("transients",))["transients"][0].astype(float)
    steps = np.diff(seen, axis=0, prepend=0)
    edges = [0.0, *spec.group_end_times]
    reset = resets_before("NIRCAM", spec.nx, spec.ny) * spec.tframe
    aperture = pysiaf.Siaf("NIRCam")[row.aperture]
    moved = []
    for group in (0, spec.ngroups // 2, spec.ngroups - 1):
        times = edges[group] + (edges[group + 1] - edges[group]) * (np.arange(8) + 0.5) / 8
        when = [datetime.fromisoformat(START) + timedelta(seconds=reset + float(t)) for t in times]
        places = in_target_frame(rows, row, stars, when)
        x, y = aperture.tel_to_sci(places[..., 0], places[..., 1])
        expected = np.stack([x.mean(axis=1) - 1, y.mean(axis=1) - 1], axis=1)
        found = np.array([centroid(steps[group], *place) for place in expected])
        moved.append(found)
        np.testing.assert_allclose(found, expected, atol=0.1)
    assert np.hypot(*(moved[-1] - moved[0]).T).min() > 10
