"""Crowded stars: wings by convolution against stars drawn one by one, and the bits of windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.scene import star_wings
from mirage_dask.scene.placement import PlacedStars
from mirage_dask.scene.star_wings import SIDE, add_stars
from mirage_dask.scene.stars import add_points


def stars(psf, count, *, box=(-40.0, 1100.0), flux=(1.0, 1e3), seed=4):
    """Stars that all reach to the end of the file."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(*box, (2, count))
    return PlacedStars(
        x=x, y=y, flux=rng.uniform(*flux, count).astype(np.float32),
        half_width=np.full(count, psf.wings_half_width, np.int32), index=np.arange(count),
    )  # fmt: skip


def drawn(placed, psf, box, *, one_by_one=False):
    x0, x1, y0, y1 = box
    out = np.zeros((y1 - y0, x1 - x0), np.float32)
    if one_by_one:
        add_points(
            out, psf, x=placed.x, y=placed.y, flux=placed.flux, half_width=placed.half_width, x0=x0, y0=y0
        )
    else:
        add_stars(out, placed, psf, x0=x0, y0=y0)
    return out


@pytest.fixture
def crowded(monkeypatch):
    """Every square is convolved in which any star is."""
    monkeypatch.setattr(star_wings, "CROWD", 1)


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("brightest", [1e3, 1e6])
def test_one_star_is_what_it_is_alone(psf, brightest):
    for place in [(600.0, 600.0), (611.37, 498.81), (20.5, 1023.5)]:
        one = PlacedStars(
            *(np.array([v]) for v in place), np.array([brightest], np.float32),
            np.array([psf.wings_half_width], np.int32), np.array([1]),
        )  # fmt: skip
        box = (0, 1024, 0, 1024)
        found, expected = drawn(one, psf, box), drawn(one, psf, box, one_by_one=True)
        yy, xx = np.mgrid[:1024, :1024]
        away = np.maximum(abs(xx - place[0]), abs(yy - place[1]))
        edge = (away > psf.wings_half_width - 2) & (away < psf.wings_half_width + 3)
        assert abs(found - expected)[~edge].max() < 1e-6 * brightest
        assert found.sum(dtype=float) == pytest.approx(expected.sum(dtype=float), rel=1e-3)


def test_many_stars(psf):
    many = stars(psf, 4 * star_wings.CROWD)
    found, expected = drawn(many, psf, (0, 512, 0, 512)), drawn(many, psf, (0, 512, 0, 512), one_by_one=True)
    assert found.sum(dtype=float) == pytest.approx(expected.sum(dtype=float), rel=1e-4)
    assert not np.array_equal(found, expected)  # it was a convolution
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-5 * expected.max())


def test_few_stars_are_drawn_one_by_one(psf):
    few = stars(psf, star_wings.CROWD // 2)
    box = (100, 700, 300, 600)
    assert np.array_equal(drawn(few, psf, box), drawn(few, psf, box, one_by_one=True))


@settings(max_examples=40)
@given(
    x0=st.integers(0, 1000),
    y0=st.integers(0, 1000),
    width=st.integers(1, 600),
    height=st.integers(1, 200),
)
def test_any_window_has_the_bits_of_the_whole(psf, x0, y0, width, height):
    # The lower left square is crowded, the others are not.
    dense, rest = stars(psf, star_wings.CROWD, box=(200, 300)), stars(psf, 200, seed=5)
    both = PlacedStars(
        *(np.concatenate([getattr(dense, name), getattr(rest, name)]) for name in PlacedStars.__annotations__)
    )
    whole = _whole(both, psf)
    x1, y1 = min(x0 + width, 2 * SIDE), min(y0 + height, 2 * SIDE)
    assert np.array_equal(drawn(both, psf, (x0, x1, y0, y1)), whole[y0:y1, x0:x1])


_kept: dict[int, np.ndarray] = {}


def _whole(placed, psf):
    if id(psf) not in _kept:
        _kept[id(psf)] = drawn(placed, psf, (0, 2 * SIDE, 0, 2 * SIDE))
        runs = star_wings._runs(_kept[id(psf)], placed, psf, 0, 0)
        assert {crowded for *_, crowded in runs} == {True, False}
    return _kept[id(psf)]
