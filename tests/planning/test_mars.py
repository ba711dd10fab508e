"""A real moving target: Mars by rows of Horizons, rounded to 0.15 arcsec, in a proposal that Mirage was tried on.

The place of the target on the sky is known to the rounding only: the fitted track is compared with another fit, of
coordinates instead of unit vectors, and then taken as it is. Where stars are seen is computed from it by pysiaf alone.
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
from mirage_dask.pointing import fit_ephemeris, read_ephemeris
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.spec import Window

START = "2020-09-25T06:00:00"
PIXEL = np.radians(0.031 / 3600)
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
    row = next(row for _, row in table[table.detector != "NRCB5"].iterrows() if _holds_the_target(row))
    rows = read_ephemeris(ephemeris)
    offsets = [(-0.0041, 0.0032), (0.0038, -0.0047), (0.0011, 0.0024)]
    stars = [(row.ra_ref + dx / np.cos(np.radians(row.dec_ref)), row.dec_ref + dy) for dx, dy in offsets]
    lines = "\n".join(f"{a:.9f} {d:.9f} 17" for a, d in stars)
    (folder / "stars.cat").write_text(f"x_or_RA y_or_Dec magnitude\n{lines}\n", encoding="utf-8")
    plan = proposal(point_source=folder / "stars.cat").prepare([row["name"]])
    spec = plan.spec(0)
    return plan, spec, open_references(spec, plan.url), row, rows, stars


def _target(row) -> tuple[float, float]:
    """Pixels of the aperture, 0-based, where the pointing report puts the target."""
    x, y = pysiaf.Siaf("NIRCam")[row.aperture].tel_to_sci(float(row.v2), float(row.v3))
    return float(x) - 1, float(y) - 1


def _holds_the_target(row) -> bool:
    return all(40 < v < 2008 for v in _target(row))


def curve(rows, when: list[datetime]) -> SkyCoord:
    """Where the target is: a polynomial of the degree at which rows are missed by their rounding."""
    seconds = np.array([(t - rows.times[0]).total_seconds() for t in rows.times])
    at = [(t - rows.times[0]).total_seconds() for t in when]
    fits = [np.polynomial.Chebyshev.fit(seconds, v, 8)(at) for v in (rows.ra, rows.dec)]
    return SkyCoord(*fits, unit="deg")


def in_target_frame(track, row, stars, when: list[datetime]) -> np.ndarray:
    """(stars, T, 2) V2, V3 arcsec of stars: the target is at the pointing's V2, V3, PA_V3 there is constant."""
    targets, found = [track.position(t) for t in when], []
    for ra, dec in stars:
        places = []
        for target_ra, target_dec in targets:
            attitude = pysiaf.utils.rotations.attitude(row.v2, row.v3, target_ra, target_dec, row.pa_v3)
            places.append(pysiaf.utils.rotations.getv2v3(attitude, ra, dec))
        found.append(places)
    return np.array(found)


def _centroid(image: np.ndarray, x: float, y: float, half: int = 14) -> tuple[float, float]:
    left, low = round(x) - half, round(y) - half
    part = image[low : low + 2 * half + 1, left : left + 2 * half + 1]
    part = np.where(part > 0.02 * part.max(), part, 0)
    j, i = np.indices(part.shape)
    return left + float((i * part).sum() / part.sum()), low + float((j * part).sum() / part.sum())


def test_the_fit_is_the_curve_through_the_rows(mars):
    """Two fits: paths during the exposure agree within 0.1 pixel, places within the 0.15 arcsec of the rounding."""
    plan, spec, _, row, rows, _ = mars
    motion = PointingTrack.load(f"{plan.url}/sources", spec.track)
    reset = resets_before("NIRCAM", spec.nx, spec.ny) * spec.tframe
    when = [
        datetime.fromisoformat(row.start_time) + timedelta(seconds=reset + float(t)) for t in motion.times
    ]
    expected = curve(rows, when).cartesian.xyz.value.T
    away = (motion.track - motion.track[0]) - (expected - expected[0])
    assert np.abs(away).max() < 0.1 * PIXEL
    assert np.abs(motion.track - expected).max() < 0.15 / 0.031 * PIXEL
    rests = np.abs(np.diff(motion.track, axis=0)).max()
    assert rests > PIXEL  # while the target itself moves


def test_the_target_rests(mars):
    """Where the report puts it, and measured in the ramp at one place in all groups, within 0.05 pixel."""
    _, spec, opened, row, _, _ = mars
    assert [layer.kind for layer in opened.light.static] == ["tracked_point"]
    at = _target(row)
    layer = opened.light.static[0].stars
    np.testing.assert_allclose((layer.x[0] - spec.x0, layer.y[0] - spec.y0), at, atol=0.05)
    x, y = (round(v) for v in at)
    window = Window((0, spec.nints), (0, spec.ngroups), (y - 30, y + 30), (x - 30, x + 30))
    linear = simulate_window(spec, opened, window, want=("linear",))["linear"].astype(float)
    steps = np.diff(linear, axis=1).reshape(-1, 60, 60)
    places = np.array([_centroid(step, 30 + at[0] - x, 30 + at[1] - y, half=6) for step in steps])
    assert np.ptp(places, axis=0).max() < 0.05


def test_stars_trail_by_the_ephemeris(mars):
    """In every group, centroids within 0.1 pixel of the mean of places that pysiaf and the rows give."""
    _, spec, opened, row, rows, stars = mars
    window = Window((0, 1), (0, spec.ngroups), (0, spec.ny), (0, spec.nx))
    seen = simulate_window(spec, opened, window, want=("transients",))["transients"][0].astype(float)
    steps = np.diff(seen, axis=0, prepend=0)
    edges = [0.0, *spec.group_end_times]
    reset = resets_before("NIRCAM", spec.nx, spec.ny) * spec.tframe
    began = datetime.fromisoformat(row.observation_start)
    track = fit_ephemeris(rows, began, began + timedelta(days=1))
    aperture = pysiaf.Siaf("NIRCam")[row.aperture]
    moved = []
    for group in (0, spec.ngroups // 2, spec.ngroups - 1):
        times = edges[group] + (edges[group + 1] - edges[group]) * (np.arange(8) + 0.5) / 8
        when = [datetime.fromisoformat(row.start_time) + timedelta(seconds=reset + float(t)) for t in times]
        places = in_target_frame(track, row, stars, when)
        x, y = aperture.tel_to_sci(places[..., 0], places[..., 1])
        expected = np.stack([x.mean(axis=1) - 1, y.mean(axis=1) - 1], axis=1)
        found = np.array([_centroid(steps[group], *place) for place in expected])
        moved.append(found)
        np.testing.assert_allclose(found, expected, atol=0.1)
    assert np.hypot(*(moved[-1] - moved[0]).T).min() > 10
