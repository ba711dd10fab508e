"""What moves comes back through the stock pipeline: a tracked target at one place, an asteroid on its track, its light."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from support.moving import moving_proposal, write_catalog, write_horizons
from support.moving_closure import NOTHING_ELSE, centroid, export_both, pipeline_sky

import mirage_dask as md
from mirage_dask.instruments import get_zeropoint
from mirage_dask.pointing import fit_ephemeris, read_ephemeris

pytestmark = pytest.mark.closure

NAMES = [f"jw99001002001_01101_0000{dither}_nrcb1" for dither in (1, 2, 4)]
START = datetime(2022, 11, 20, 0, 23, 34, 735000)
"""Of their observation."""
PIXEL = 31.0
"""mas."""
FAST, SLOW = (50.0, 40.0), (3.0, -2.0)
"""arcsec/hour on the sky: 14 and 1 pixels during an exposure."""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Three dithers that follow a target of magnitude 17, which moves by 0.1 arcsec/s."""
    pytest.importorskip("jwst")
    folder = tmp_path_factory.mktemp("tracked")
    names = "object x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity"
    target = write_catalog(
        folder / "target.cat", names, "pointSource 150.225 2.3 300 200", comments=("velocity_on_sky",)
    )
    proposal = moving_proposal(folder, {"moving_target_to_track": target}, **NOTHING_ELSE)
    return folder, export_both(proposal, NAMES, folder)


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """Two dithers on stars that two asteroids cross, one by its velocity, one by an ephemeris."""
    pytest.importorskip("jwst")
    folder = tmp_path_factory.mktemp("crossed")
    ephemeris = write_horizons(folder / "pallas.txt", slow_place)
    rows = (f"150.2244 2.2998 {FAST[0]} {FAST[1]} None", f"None None None None {ephemeris.name}")
    names = "x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity ephemeris_file"
    catalog = write_catalog(folder / "asteroids.cat", names, *rows, comments=("velocity_on_sky",))
    catalogs = {"moving_pointsource": catalog}
    proposal = md.open_proposal(
        md.example_proposal(), catalogs=catalogs, dates="2022-11-20T00:00:00", **NOTHING_ELSE
    )
    return (
        folder,
        export_both(proposal, NAMES[:2], folder),
        fit_ephemeris(read_ephemeris(ephemeris), START, START + timedelta(days=1)),
    )


def slow_place(hours: float) -> tuple[float, float]:
    """Degrees at hours since 2022-11-20."""
    since = hours - (START - datetime(2022, 11, 20)) / timedelta(hours=1)
    return 150.2258 + SLOW[0] * since / 3600 / np.cos(np.radians(2.3)), 2.3008 + SLOW[1] * since / 3600


def fast_place(when: datetime) -> SkyCoord:
    """Along a great circle, from the start of the observation; by astropy."""
    hours = (when - START) / timedelta(hours=1)
    angle = np.arctan2(FAST[0], FAST[1]) * u.rad
    return SkyCoord(150.2244, 2.2998, unit="deg").directional_offset_by(
        angle, np.hypot(*FAST) * hours * u.arcsec
    )


HALVES = (slice(200, 400), slice(0, 200))
"""Columns where the fast and the slow one are."""


def test_a_tracked_target_stands_at_one_place(tracked):
    """The stock steps put it of all dithers where their mean is: its measured centre within 5 mas."""
    folder, exposures = tracked
    pixels = {}
    for each in exposures:
        pixels[each.raw] = [each.target, centroid(each.light.sum(axis=0), each.target, 24)]
    found = pipeline_sky(folder, pixels, moving=True)
    assert {each["status"] for each in found.values()} == {"COMPLETE"}
    mean = SkyCoord(*next(iter(found.values()))["mean"], unit="deg")
    told, measured = (SkyCoord([f["sky"][k] for f in found.values()], unit="deg") for k in (0, 1))
    own = SkyCoord([f["own"] for f in found.values()], unit="deg")
    print("\nmas from the mean:", told.separation(mean).mas, measured.separation(mean).mas)
    assert own[0].separation(own[-1]).arcsec > 30  # while it has moved
    assert told.separation(mean).mas.max() < 0.5
    assert measured.separation(mean).mas.max() < 5
    assert measured[:, None].separation(measured[None]).mas.max() < 5
    # The position in the header is what the pipeline itself makes of the table.
    again = SkyCoord([f["table"] for f in found.values()], unit="deg")
    assert again.separation(own).mas.max() < 0.1


def test_asteroids_are_on_their_tracks(tracked, crossed):
    """The measured centres of their trails, through the WCS of the stock step, within 0.1 pixel of where they are then.

    The PSF is not symmetric: its centre of light is off its place by what the tracked target, at rest, shows.
    """
    folder, exposures, track = crossed
    centres = [np.subtract(centroid(e.light[0], e.target, 24), e.target) for e in tracked[1]]
    own = np.mean(centres, axis=0)
    assert np.hypot(*own) < 0.1
    pixels, expected = {}, {}
    for each in exposures:
        middles = [moment(value) for value in each.times["int_mid_MJD_UTC"]]
        images = [*each.light, each.light.sum(axis=0)]
        pixels[each.raw] = [
            tuple(np.subtract(centroid(image, brightest(image, half), 24), own))
            for half in HALVES
            for image in images
        ]
        # EXPMID counts the reset before the first integration: by then the fast one is 0.3 pixel behind.
        fast = [fast_place(t) for t in (*middles, middles[0] + (middles[1] - middles[0]) / 2)]
        slow = [track.position(t) for t in (*middles, moment(fits.getheader(each.raw)["EXPMID"]))]
        expected[each.raw] = SkyCoord([*fast, *(SkyCoord(*place, unit="deg") for place in slow)])
    found = pipeline_sky(folder, pixels, moving=False)
    off = [SkyCoord(found[path]["sky"], unit="deg").separation(expected[path]).mas / PIXEL for path in pixels]
    print("\npixels off:", np.round(off, 4))
    assert np.max(off) < 0.1
    between = SkyCoord([found[path]["sky"][2] for path in pixels], unit="deg")
    assert between[0].separation(between[1]).mas > 60 * PIXEL


def test_trails_have_the_light_of_stars(tracked, crossed):
    """That of the tracked target, which rests, within 0.2 %; and what AB magnitude 17 is, but for light beyond the array."""
    photons = 3631.0 * 10 ** (-0.4 * 17) / (get_zeropoint("NRCB1", "F150W", "CLEAR").photfnu_e * 1e23)
    rests = np.array([each.light.sum(axis=(1, 2)) for each in tracked[1]])
    trails = np.array([[image[:, half].sum() for image in e.light for half in HALVES] for e in crossed[1]])
    print("\nlight:", (rests / rests.mean()).round(5), (trails / rests.mean()).round(5))
    assert np.abs(trails / rests.mean() - 1).max() < 0.005
    seconds = fits.getheader(tracked[1][0].raw)["EFFINTTM"]
    assert rests.mean() * tracked[1][0].gain / (photons * seconds) == pytest.approx(0.995, abs=0.005)


def moment(mjd: float) -> datetime:
    return Time(mjd, format="mjd").to_datetime()


def brightest(image: np.ndarray, half: slice) -> tuple[float, float]:
    """0-based pixel, x and y, in some columns of an image."""
    y, x = np.unravel_index(np.argmax(image[:, half]), image[:, half].shape)
    return float(x + half.start), float(y)
