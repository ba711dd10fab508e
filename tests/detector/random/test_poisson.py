"""Poisson deviates: the distribution for means from 1e-3 to 1e5, and rows that equal single draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.words import random_words

from mirage_dask.detector.random.poisson import (
    FEW,
    RARE,
    draw,
    draw_row,
    draw_sparse,
    draw_sparse_row,
    prepare_row,
    prepare_sparse_row,
    sparse_row,
)

DRAWS = 2_000_000
MEANS = (1e-3, 0.01, 0.1, 0.24, 0.3, 0.7, 1.0, 3.3, 10.2, 16.1, 33.0, 63.9, 64.0, 80.0, 150.0, 1e3, 1e4, 1e5)


@pytest.fixture(scope="module")
def words():
    return random_words(DRAWS, key=11)


def chi_squared(mean: float, counts: np.ndarray) -> float:
    """Return the p-value of counts against the Poisson distribution, in at most 400 bins of 25 expected or more."""
    mean = float(np.float32(mean))
    low, high = int(stats.poisson.ppf(1e-9, mean)), int(stats.poisson.isf(1e-9, mean)) + 1
    edges = np.unique(np.linspace(low, high, 400).astype(int))
    expected = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]])) * counts.size
    observed = np.bincount(np.searchsorted(edges, counts), minlength=edges.size + 1)
    group = np.minimum(np.cumsum(expected) // 25, expected.sum() // 25 - 1).astype(int)
    groups = np.unique(group, return_inverse=True)[1]
    if groups.max() == 0:
        return 1.0
    e, o = np.bincount(groups, expected), np.bincount(groups, observed)
    return float(stats.chi2.sf(((o - e) ** 2 / e).sum(), e.size - 1))


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("sampler", ["two words", "one word"])
def test_chi_squared(mean, sampler, words):
    out = np.empty(DRAWS, np.float32)
    means = np.full(DRAWS, mean, np.float32)
    if sampler == "two words":
        draw(means, words[0], words[1], out)
    else:
        draw_sparse(means, words[2], out)
    # 36 tests of a fixed seed: a true sampler stays above 1e-4.
    assert chi_squared(mean, out.astype(np.int64)) > 1e-4
    assert abs(out.mean(dtype=float) / mean - 1) < 4.5 / np.sqrt(mean * DRAWS)
    # Var of the sample variance is (mu4 - mu2^2)/n with mu4 = m + 3 m^2.
    spread = np.sqrt((mean + 2 * mean**2) / DRAWS)
    assert abs(out.var(dtype=float) - mean) < 4.5 * spread


@pytest.mark.parametrize("mean", [0.3, 16.1, 1e3])
def test_p_values_of_200_seeds_are_uniform(mean):
    """A sampler that is nearly right shows in many tests of 20,000 draws, where one alone passes."""
    p_values = []
    means, out = np.full(20_000, mean, np.float32), np.empty(20_000, np.float32)
    for seed in range(200):
        a, b = random_words(20_000, key=1000 + seed)[:2]
        draw(means, a, b, out)
        p_values.append(chi_squared(mean, out.astype(np.int64)))
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def drawn_row(means, a, b):
    n = means.size
    first, thresholds = np.empty(n, np.int32), np.empty((FEW, n), np.int32)
    bright = np.empty(n + 1, np.int32)
    n_bright = prepare_row(means, n, first, thresholds, bright)
    out, work, tails = np.zeros(n, np.float32), np.empty(n, np.float32), np.empty(n + 1, np.int32)
    draw_row(means, first, thresholds, a, b, n, bright, n_bright, work, tails, out)
    return out


@pytest.mark.parametrize("bright", [0.0, 0.01, 0.5, 1.0])
def test_rows_equal_single_draws(bright, words):
    n = 5000
    rng = np.random.default_rng(5)
    means = np.where(rng.random(n) < bright, rng.uniform(64, 3000, n), rng.uniform(0, 64, n)).astype(
        np.float32
    )
    means[:5] = 0, 64, np.nextafter(np.float32(64), np.float32(0)), 63.995, 63.75
    a, b = words[0, :n], words[1, :n]
    single = np.empty(n, np.float32)
    draw(means, a, b, single)
    assert np.array_equal(drawn_row(means, a, b), single)


@pytest.mark.parametrize("above", [1.0, 0.02])
def test_sparse_rows_equal_single_draws(above, words):
    """Where most means are above `RARE`, and where few are: a row is drawn in two ways."""
    n = 5000
    rng = np.random.default_rng(6)
    high = rng.random(n) < above
    means = np.where(high, 10 ** rng.uniform(-4, 3, n), rng.uniform(0, RARE, n)).astype(np.float32)
    means[:5] = 0, 1, np.nextafter(np.float32(1), np.float32(2)), 64, RARE
    row = sparse_row(n)
    row.mean[:] = means
    prepare_sparse_row(row, n)
    out, single = np.zeros(n, np.float32), np.empty(n, np.float32)
    draw_sparse_row(row, words[2, :n], n, out)
    draw_sparse(means, words[2, :n], single)
    assert np.array_equal(out, single)


def test_no_light_gives_nothing(words):
    out = np.empty(3, np.float32)
    draw(np.array([0, -1, np.nan], np.float32), words[0, :3], words[1, :3], out)
    assert out.tolist() == [0, 0, 0]
    draw_sparse(np.array([0, -1, np.nan], np.float32), words[2, :3], out)
    assert out.tolist() == [0, 0, 0]
