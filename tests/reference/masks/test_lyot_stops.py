"""The Lyot stops: where they are open, and that the tables know how much light that is."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import LYOT_STOPS, transmission
from mirage_dask.reference.builtin import psf_optics
from mirage_dask.reference.masks.lyot_stops import ACROSS_MARGIN, ALONG_MARGIN, ROUND_MARGIN, lyot_stop

METRES = psf_optics.coordinates() * (psf_optics.PUPIL_SIZE / 2)


@pytest.mark.parametrize("stop", LYOT_STOPS)
def test_the_tables_have_the_open_area(stop):
    area = (psf_optics.stopped_pupil(stop=stop) ** 2).sum() / (psf_optics.pupil() ** 2).sum()
    assert transmission("NRCA5", stop) == transmission("NRCA2", stop) == pytest.approx(area, abs=1e-3)


def test_the_round_stop_keeps_its_distance_from_the_outline_and_the_strut():
    open_ = psf_optics.stopped_pupil(stop="MASKRND") > 0
    y, x = np.nonzero(open_)
    radius = np.hypot(METRES[x], METRES[y])
    # The corners of the outer segments are at 3.3 m, those of the missing one at 0.65 m.
    assert radius.max() < 3.32 - ROUND_MARGIN
    assert radius.min() > 0.65 + ROUND_MARGIN - 0.1
    above = METRES[y] > 1.0
    assert np.abs(METRES[x][above]).min() > ROUND_MARGIN


def test_the_stop_of_the_bars_keeps_its_distance_across_them():
    """A point is open if all of a box around it is clear."""
    pupil = np.zeros((200, 200))
    pupil[20:180, 30:170] = 1.0
    open_ = lyot_stop("MASKBAR", pupil, 0.05)
    up, aside = round(ACROSS_MARGIN / 0.05), round(ALONG_MARGIN / 0.05)
    expected = np.zeros_like(pupil)
    expected[20 + up : 180 - up, 30 + aside : 170 - aside] = 1.0
    np.testing.assert_array_equal(open_, expected)
