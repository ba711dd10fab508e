"""Streaks: their light in all, their bits in any window; claws and dragon's breath that are made of them."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.scene.layers import Claws, DragonsBreath
from mirage_dask.scene.scattered.claws import SHOWN_BY, claws, share
from mirage_dask.scene.scattered.dragons_breath import DEPTH, DISTANCE, breath, glint, weight
from mirage_dask.scene.scattered.streaks import Streaks, joined

FULL = (2048, 2048)


def drawn(streaks: Streaks, shape=FULL, *, x0=0, y0=0):
    out = np.zeros(shape, np.float32)
    streaks.add(out, x0=x0, y0=y0)
    return out


def streak(*, width=30.0, bend=40.0, angle=0.3, rate=5.0):
    values = 400.3, 500.7, np.cos(angle), np.sin(angle), 120.0, width, bend, rate
    return Streaks(*(np.array([value]) for value in values))


@pytest.mark.parametrize("width", [3.0, 30.0])
def test_the_light_of_a_streak_is_what_it_says(width):
    image = drawn(streak(width=width), (1024, 1024))
    assert image.sum(dtype=float) == pytest.approx(5.0, rel=2e-3)
    assert image.max() == pytest.approx(225 / 256 * 5.0 / (120 * width), rel=0.05)


def test_a_window_has_the_bits_of_the_whole():
    both = joined([streak(), streak(angle=2.1, bend=-70.0)])
    whole = drawn(both, (1024, 1024))
    assert np.array_equal(drawn(both, (70, 90), x0=391, y0=477), whole[477:547, 391:481])
    assert not drawn(both, (50, 50), x0=900, y0=900).any()


def test_claws_cover_a_twentieth_of_a_detector_and_follow_the_star():
    middle = drawn(claws(0.0, 0.0, 7.0, FULL))
    assert middle.sum(dtype=float) == pytest.approx(7.0, rel=1e-3)
    assert 0.03 < (middle > 0).mean() < 0.07
    rows, columns = np.indices(FULL)

    def place(image):
        return float((image * columns).sum() / image.sum()), float((image * rows).sum() / image.sum())

    (x, y), (x1, y1) = place(middle), place(drawn(claws(0.5, -0.5, 7.0, FULL)))
    assert (x, y) == pytest.approx((1023.5, 1023.5), abs=2)
    assert (x1 - x, y1 - y) == pytest.approx((256, -256), abs=2)
    assert {detector: share(detector) for detector in ("NRCA1", "NRCB2", "NRCB3", "NRCA5")} == {
        "NRCA1": 1 / 2, "NRCB2": 1 / 3, "NRCB3": 0.0, "NRCA5": 0.0,
    }  # fmt: skip
    assert sum(len(shown) for shown in SHOWN_BY.values()) == 5


def test_dragons_breath_reaches_into_the_detector():
    image = drawn(breath(-0.5, 900.0, (1.0, 0.0), 2.0))
    assert image.sum(dtype=float) == pytest.approx(2.0, rel=5e-3)
    columns = np.flatnonzero(image.any(axis=0))
    assert 200 < columns.max() < DEPTH
    assert np.unravel_index(image.argmax(), FULL)[1] < 50
    assert weight(DISTANCE, DISTANCE, DISTANCE) == 1.0
    assert weight(0.0, DISTANCE, DISTANCE) == weight(2 * DISTANCE, DISTANCE, DISTANCE) == 0.0
    assert drawn(glint((0, 100), (1400, 180), 190, 3.0)).sum(dtype=float) == pytest.approx(3.0, rel=0.02)


def test_layers_are_saved_and_read(tmp_path):
    for layer in (
        Claws.of(claws(0.1, 0.2, 3.0, FULL)),
        DragonsBreath.of(breath(10.0, -0.5, (0.0, 1.0), 1.0)),
    ):
        found = type(layer).load(str(tmp_path), layer.save(str(tmp_path)))
        assert np.array_equal(drawn(found, (300, 300), x0=800, y0=0), drawn(layer, (300, 300), x0=800, y0=0))
