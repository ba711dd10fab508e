"""What falls on an array, without drawing it, against the sum of what is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.galaxies import draw, make

from mirage_dask.scene.stars import add_points, star_half_width
from mirage_dask.scene.trails.deposit import add_star_trails
from mirage_dask.scene.truth.energy import star_fractions, trail_fractions
from mirage_dask.scene.truth.galaxies import galaxy_fractions

BOUNDS = (900, 1020, 1000, 1090)


def drawn(psf, x, y, half):
    out = np.zeros((BOUNDS[3] - BOUNDS[2], BOUNDS[1] - BOUNDS[0]), np.float32)
    add_points(
        out, psf, x=np.array([x]), y=np.array([y]), flux=np.ones(1, np.float32), half_width=half,
        x0=BOUNDS[0], y0=BOUNDS[2],
    )  # fmt: skip
    return out.sum(dtype=float)


@settings(max_examples=60)
@given(x=st.floats(840, 1080), y=st.floats(940, 1150), flux=st.floats(0.01, 1e6))
def test_the_fraction_of_a_star_is_the_sum_of_its_pixels(psf, x, y, flux):
    half = star_half_width(np.array([flux]), psf)
    found = star_fractions(psf, np.array([x]), np.array([y]), half, BOUNDS)[0]
    assert found == pytest.approx(drawn(psf, x, y, half), abs=2e-6)


def test_stars_far_away_leave_nothing(psf):
    x, y = np.array([500.0, 960.0, np.nan]), np.array([1040.0, 5000.0, 1040.0])
    assert (star_fractions(psf, x, y, np.full(3, 50, np.int32), BOUNDS) == 0).all()


@pytest.mark.parametrize("place", ["edge", "corner", "inside and outside"])
def test_the_fraction_of_a_galaxy_is_the_sum_of_its_pixels(psf, place):
    """Within 1e-3 of the galaxy's light, where edges cut it, at any size, shape and angle."""
    rng = np.random.default_rng(len(place))
    low, high = {
        "edge": ((885, 1030), (915, 1060)),
        "corner": ((880, 980), (920, 1020)),
        "inside and outside": ((850, 950), (1070, 1140)),
    }[place]
    n = 25
    x, y = rng.uniform(low[0], high[0], n), rng.uniform(low[1], high[1], n)
    galaxies = make(
        x, y, 1000.0, 10 ** rng.uniform(-1.5, 1.4, n), rng.uniform(0.1, 1, n), rng.uniform(0, 180, n),
        rng.uniform(0.5, 4.5, n),
    )  # fmt: skip
    box = (BOUNDS[0], BOUNDS[1], BOUNDS[2], BOUNDS[3])
    sums = [draw(galaxies.take(np.array([i])), psf, box).sum(dtype=float) / 1000.0 for i in range(n)]
    assert galaxy_fractions(galaxies, psf, BOUNDS) == pytest.approx(np.array(sums), abs=1.2e-3)


def test_a_galaxy_inside_has_all_light_of_the_psf(psf):
    galaxy = make(960.0, 1045.0, 1.0, 0.5, 0.7, 20.0, 1.0)
    wide = (0, 2048, 0, 2048)
    half = np.full(1, psf.wings_half_width, np.int32)
    whole = star_fractions(psf, galaxy.x, galaxy.y, half, wide)
    assert galaxy_fractions(galaxy, psf, wide) == pytest.approx(whole, abs=1e-6)
    assert galaxy_fractions(replace(galaxy, x=galaxy.x - 5000.0), psf, wide) == pytest.approx(0.0, abs=1e-9)


def test_the_fraction_of_a_trail_is_that_of_its_pixels(psf):
    """A star that enters over an edge, and one that leaves at a corner."""
    tracks = np.array(
        [[[870.0, 1040.0], [905.0, 1050.0], [940.0, 1060.0]], [[1000, 1075], [1015, 1090], [1030, 1105.0]]]
    )
    half = np.full(2, 30, np.int32)
    found = trail_fractions(psf, tracks, half.astype(float), BOUNDS)
    for i in range(2):
        out = np.zeros((1, BOUNDS[3] - BOUNDS[2], BOUNDS[1] - BOUNDS[0]), np.float32)
        add_star_trails(
            out, psf, edges=np.array([0.0, 2.0]), times=np.arange(3.0), tracks=tracks[i : i + 1],
            flux=np.ones(1, np.float32), half_width=half[:1], x0=BOUNDS[0], y0=BOUNDS[2],
        )  # fmt: skip
        assert found[i] == pytest.approx(out.sum(dtype=float), abs=2e-3)
