"""The frames of events that are drawn together: the sum over events against what single frames give."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from mirage_dask.detector.averaging import FEW_EVENTS, TOGETHER, drawn_together, sum_of_few, sum_of_many

DRAWS = 200_000


@njit
def few(events, words, nframes, out):
    for i in range(out.size):
        out[i] = sum_of_few(np.int32(events), words[i], nframes)


@njit
def many(events, normals, nframes, out):
    for i in range(out.size):
        out[i] = sum_of_many(np.float32(events), normals[i], nframes)


def exact(events: int, nframes: int) -> np.ndarray:
    """Return the odds of each sum of `events` numbers, each uniform over 0 … nframes - 1."""
    odds = np.ones(1)
    for _ in range(events):
        odds = np.convolve(odds, np.full(nframes, 1 / nframes))
    return odds


@pytest.mark.parametrize("nframes", TOGETHER)
@pytest.mark.parametrize("events", range(FEW_EVENTS + 1))
def test_few_events_have_the_odds_of_single_frames(nframes, events):
    """Each count of the sums within five sigma: at most 64 of them in each of 20 cases."""
    words = np.random.default_rng(events).integers(0, 2**32, DRAWS, dtype=np.uint32)
    found = np.empty(DRAWS, np.int64)
    few(events, words, nframes, found)
    odds = exact(events, nframes)
    counts = np.bincount(found, minlength=odds.size)
    assert counts.size == odds.size
    assert (np.abs(counts - DRAWS * odds) <= 5 * np.sqrt(DRAWS * odds * (1 - odds)) + 1).all()


@pytest.mark.parametrize("nframes", TOGETHER)
@pytest.mark.parametrize("events", [10, 1000])
def test_many_events_have_mean_and_variance_of_single_frames(nframes, events):
    normals = np.random.default_rng(7).standard_normal(DRAWS).astype(np.float32)
    found = np.empty(DRAWS, np.float64)
    many(events, normals, nframes, found)
    odds = exact(events, nframes)
    values = np.arange(odds.size)
    mean = (odds * values).sum()
    variance = (odds * (values - mean) ** 2).sum()
    assert found.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / DRAWS))
    assert found.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / DRAWS))
    assert found.min() >= 0
    assert found.max() <= events * (nframes - 1)


def test_other_numbers_of_frames_are_drawn_one_by_one():
    assert [n for n in range(1, 20) if drawn_together.py_func(n)] == list(TOGETHER)
