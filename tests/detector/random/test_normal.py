"""Normal deviates are the inverse of the normal distribution, in rows and one by one."""

from __future__ import annotations

import numpy as np
from scipy import stats
from support.words import random_words

from mirage_dask.compiled import kernel
from mirage_dask.detector.random.normal import normal, normal_row


@kernel
def one_by_one(words, out):
    for i in range(words.size):
        out[i] = normal(words[i])


def deviates(words):
    out = np.empty(words.size, np.float32)
    normal_row(words, words.size, out, np.empty(words.size + 1, np.int32))
    return out


def test_agrees_with_the_inverse_distribution():
    words = random_words(500_000)[0]
    words[:8] = 0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 100, 979348, 979349
    half = ((words & 0x7FFFFFFF).astype(float) + 0.5) / 2**32
    exact = stats.norm.isf(half) * np.where(words >> 31, -1, 1)
    assert np.abs(deviates(words) - exact).max() < 1.5e-5


def test_rows_equal_single_draws():
    words = random_words(100_000)[1]
    single = np.empty(words.size, np.float32)
    one_by_one(words, single)
    assert np.array_equal(single, deviates(words))


def test_distribution_of_four_million():
    z = deviates(random_words(4_000_000)[2])
    # p-value of a true sample is uniform; 1e-4 fails one seed in 10,000.
    assert stats.kstest(z, "norm").pvalue > 1e-4
    assert abs(z.mean(dtype=float)) < 4 / 2000
    assert abs(z.var(dtype=float) - 1) < 4 * np.sqrt(2) / 2000
    assert abs((z.astype(float) ** 4).mean() - 3) < 4 * np.sqrt(96) / 2000
