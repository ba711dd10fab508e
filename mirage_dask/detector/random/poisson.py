r"""Poisson deviates by inversion, from fixed words of the counter-based generator.

Every sampler is a pure function of (mean, words): no rejection, no state, so that a pixel's draw depends on nothing but
its own counter. Three regimes, chosen by the mean alone:

mean < 64, two words
    :math:`\lambda = q/4 + d` with integer q and :math:`0 \le d < 1/4`; a Poisson deviate of mean q/4 from an alias table
    (Walker 1977; 128 entries, 25-bit probabilities) plus one of mean d, counted on the ladder of survival probabilities
    :math:`P(N \ge n)`. Sums of independent Poisson deviates are Poisson: exact up to the words' resolution, 2^-31.
mean >= 64, one word
    Asymptotic inverse (Giles 2016, ACM TOMS 42, "Approximation of the inverse Poisson cumulative distribution
    function"), with w the normal deviate of the word:

    .. math:: \Big\lfloor \lambda + \sqrt\lambda w + \tfrac13 + \tfrac{w^2}6 - \frac{1}{\sqrt\lambda}
              \Big(\frac{w}{36} + \frac{w^3}{72}\Big) + \frac1\lambda \Big(-\frac{8}{405} + \frac{7 w^2}{810}
              + \frac{w^4}{270}\Big) \Big\rfloor

    Its error is below the resolution of 1e8 draws from a mean of 64 on (chi-squared, `tests/detector/test_poisson.py`).
one word, any mean (`sparse`)
    For means that are nearly always below 1 (dark current): survival ladder up to a mean of 1, sequential inversion to
    64, then as above.

A pixel's mean is the same in most frames, and the costly part of a draw depends on the mean only. Rows are therefore
prepared once (`prepare_row`, `prepare_sparse_row`: table rows and integer thresholds) and drawn many times (`draw_row`,
`draw_sparse_row`: one table look-up and a few integer comparisons). `poisson` and `poisson_sparse` are the same samplers
for single values.

Not modelled: means above 1.6e7 per draw, where a float32 no longer holds every integer; such a pixel is saturated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32 as f4
from numba import int32, uint32
from numpy.typing import NDArray

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.random.normal import normal, normal_row

SPLIT = 64.0
"""Mean from which the asymptotic inverse is used, electrons."""

_BELOW_SPLIT = 63.99999618530273  # the float32 before SPLIT

FEW = 6
"""Thresholds of the residual ladder."""
SPARSE = 9
"""Thresholds of the sparse ladder."""
RARE = 0.03
"""Mean up to which the thresholds of five and more are zero: P(N >= 5) is below their resolution, 2^-31, up to 0.035."""

_MOST = 200
"""Largest deviate of a mean below `SPLIT`: no word reaches it."""
_RECIPROCAL = np.array([0.0, *(1.0 / n for n in range(1, _MOST + 1))])

_ENTRIES = 128
_STEPS_PER_UNIT = 4


def _exponential(x: float) -> float:
    """Return exp(x) for x <= 0 from + * / alone: a library's last bit would depend on the processor."""
    if x < -1.0:
        half = _exponential(x / 2)
        return half * half
    term = total = 1.0
    for k in range(1, 25):
        term = term * x / k
        total += term
    return total


def _alias_table() -> np.ndarray:
    """Build the alias tables of the means 0, 1/4, … 63 3/4, packed as probability (25 bits) and alias (7 bits).

    Returns
    -------
    ndarray of uint32, shape (256 * 128,)
    """
    n_means = int(SPLIT) * _STEPS_PER_UNIT
    table = np.zeros((n_means, _ENTRIES), np.uint32)
    for q in range(n_means):
        mean = q / _STEPS_PER_UNIT
        weight = [_exponential(-mean)]
        for k in range(1, _ENTRIES):
            weight.append(weight[-1] * mean / k)
        total = math.fsum(weight)
        weight = [w * _ENTRIES / total for w in weight]
        probability = np.ones(_ENTRIES)
        alias = np.arange(_ENTRIES)
        small = [i for i in range(_ENTRIES) if weight[i] < 1]
        large = [i for i in range(_ENTRIES) if weight[i] >= 1]
        while small and large:
            i, j = small.pop(), large.pop()
            probability[i], alias[i] = weight[i], j
            weight[j] -= 1 - weight[i]
            (small if weight[j] < 1 else large).append(j)
        # A probability of exactly 1 aliases to itself, so that 25 bits suffice for it too.
        scaled = np.minimum(np.rint(probability * 2.0**25), 2.0**25 - 1).astype(np.uint32)
        table[q] = scaled << np.uint32(7) | alias.astype(np.uint32)
    return table.ravel()


_ALIAS = _alias_table()


@inline
def _threshold(probability):
    """Probability as a 31-bit integer: a word w has w >> 1 below it with that probability."""
    return int32(probability * f4(2147483648.0))


@inline
def _survival_few(d):
    """P(N >= 1) … P(N >= 6) for a mean d in [0, 1/4), as thresholds.

    Products are grouped so that few of them wait for another: a chain of operations costs more than their number.
    """
    d2 = d * d
    d3 = d2 * d
    d4 = d2 * d2
    p1 = d * ((f4(1) - d * f4(1 / 2)) + d2 * (f4(1 / 6) - d * f4(1 / 24)) + d4 * f4(1 / 120))
    p2 = d2 * ((f4(1 / 2) - d * f4(1 / 3)) + d2 * (f4(1 / 8) - d * f4(1 / 30)))
    p3 = d3 * (f4(1 / 6) - d * (f4(1 / 8) - d * f4(1 / 20)))
    p4 = d4 * (f4(1 / 24) - d * f4(1 / 30))
    p5 = (d4 * d) * (f4(1 / 120) - d * f4(1 / 144))
    p6 = (d4 * d2) * (f4(1 / 720) - d * f4(1 / 840))
    return _threshold(p1), _threshold(p2), _threshold(p3), _threshold(p4), _threshold(p5), _threshold(p6)


@inline
def _survival_sparse(m):
    """P(N >= 1) … P(N >= 9) for a mean m in [0, 1], as thresholds."""
    m2 = m * m
    m4 = m2 * m2
    m8 = m4 * m4
    # (1 - exp(-m)) / m by its Taylor series, which reaches 1e-7 on [0, 1].
    series = (
        ((f4(1) - m * f4(1 / 2)) + m2 * (f4(1 / 6) - m * f4(1 / 24)))
        + m4 * ((f4(1 / 120) - m * f4(1 / 720)) + m2 * (f4(1 / 5040) - m * f4(1 / 40320)))
        + m8 * f4(1 / 362880)
    )
    s1 = m * series
    p0 = f4(1) - s1
    # Summed from the tail: no cancellation, so that rare counts keep their odds.
    t9 = m8 * (m * f4(1 / 362880))
    t8 = t9 + m8 * f4(1 / 40320)
    t7 = t8 + (m4 * m2) * (m * f4(1 / 5040))
    t6 = t7 + (m4 * m2) * f4(1 / 720)
    t5 = t6 + m4 * (m * f4(1 / 120))
    t4 = t5 + m4 * f4(1 / 24)
    t3 = t4 + m2 * (m * f4(1 / 6))
    t2 = t3 + m2 * f4(1 / 2)
    return (
        _threshold(s1),
        _threshold(p0 * t2),
        _threshold(p0 * t3),
        _threshold(p0 * t4),
        _threshold(p0 * t5),
        _threshold(p0 * t6),
        _threshold(p0 * t7),
        _threshold(p0 * t8),
        _threshold(p0 * t9),
    )


@inline
def _from_table(first_entry, word):
    """Deviate (int32) of the alias table that starts at `first_entry`."""
    low = int32(word & uint32(_ENTRIES - 1))
    entry = _ALIAS[uint32(first_entry + low)]  # unsigned, as in `normal`
    return low if (word >> uint32(7)) < (entry >> uint32(7)) else int32(entry & uint32(_ENTRIES - 1))


@inline
def _asymptotic(mean, w):
    """Poisson deviate (whole float32) of a mean of 64 or more, from a normal deviate."""
    s = np.sqrt(mean)
    w2 = w * w
    x = s * w + (f4(1 / 3) + w2 * f4(1 / 6))
    x = x - w * (f4(1 / 36) + w2 * f4(1 / 72)) / s
    x = x + (f4(-8 / 405) + w2 * (f4(7 / 810) + w2 * f4(1 / 270))) / mean
    return np.floor(mean + x)


@inline
def _chance_of_none(mean):
    """Return P(N = 0) of a mean in (1, 64) in double precision."""
    # exp(-m) = exp(-m/1024)^1024, the inner one by its series: a library's exp would differ between processors.
    h = np.float64(mean) / 1024.0
    e = 1.0 / 5040
    for k in (720, 120, 24, 6, 2, 1, 1):
        e = 1.0 / k - h * e
    for _ in range(10):
        e = e * e
    return e


@inline
def _search(mean, none, word):
    """Poisson deviate (whole float32) of a mean in (1, 64), from P(N = 0) and one word, term by term in double precision."""
    u = (np.float64(word) + 0.5) * 2.0**-32
    m = np.float64(mean)
    term = none
    total = none
    n = 0
    while u >= total and n < _MOST:
        n += 1
        term = term * (m * _RECIPROCAL[n])
        total += term
    return f4(n)


@inline
def poisson(mean, a, b):
    """Poisson deviate (a whole float32) of any mean, from two words; zero for a mean that is negative or not a number."""
    if mean >= f4(SPLIT):
        return _asymptotic(mean, normal(a))
    if not mean > f4(0):
        return f4(0)
    q = int32(mean * f4(_STEPS_PER_UNIT))
    t1, t2, t3, t4, t5, t6 = _survival_few(mean - f4(q) * f4(1 / _STEPS_PER_UNIT))
    v = int32(b >> uint32(1))
    few = int32(v < t1) + int32(v < t2) + int32(v < t3) + int32(v < t4) + int32(v < t5) + int32(v < t6)
    return f4(_from_table(q * _ENTRIES, a) + few)


@inline
def poisson_sparse(mean, word):
    """Poisson deviate (whole float32) of any mean, from one word; fast where the mean is at most 1."""
    if not mean > f4(0):
        return f4(0)
    if mean >= f4(SPLIT):
        return _asymptotic(mean, normal(word))
    if mean > f4(1):
        return _search(mean, _chance_of_none(mean), word)
    t1, t2, t3, t4, t5, t6, t7, t8, t9 = _survival_sparse(mean)
    v = int32(word >> uint32(1))
    n = int32(v < t1) + int32(v < t2) + int32(v < t3) + int32(v < t4) + int32(v < t5) + int32(v < t6)
    return f4(n + int32(v < t7) + int32(v < t8) + int32(v < t9))


@inline
def _list_above(values, n, limit, out):
    """Write the positions of `values[:n] > limit` to `out` and return how many there are."""
    count = 0
    for i in range(n):
        out[count] = i
        count += int32(values[i] > limit)
    return count


@kernel(allocates=False)
def prepare_row(mean, n, first_entry, thresholds, bright):
    """Prepare a row of means for `draw_row` and return the number of bright pixels.

    Parameters
    ----------
    mean : float32 row
        Means, electrons; negative or undefined ones must have been set to zero.
    n : int
        Pixels of the row.
    first_entry : int32 row, out
        Where each pixel's alias table starts.
    thresholds : int32, (FEW, n), out
        Its residual ladder.
    bright : int32 row of n + 1, out
        Positions whose mean is at least `SPLIT`.
    """
    t1 = thresholds[0]
    t2 = thresholds[1]
    t3 = thresholds[2]
    t4 = thresholds[3]
    t5 = thresholds[4]
    t6 = thresholds[5]
    for i in range(n):
        m = min(mean[i], f4(_BELOW_SPLIT))
        q = int32(m * f4(_STEPS_PER_UNIT))
        first_entry[i] = q * int32(_ENTRIES)
        t1[i], t2[i], t3[i], t4[i], t5[i], t6[i] = _survival_few(m - f4(q) * f4(1 / _STEPS_PER_UNIT))
    return _list_above(mean, n, f4(_BELOW_SPLIT), bright)


@kernel(allocates=False)
def draw_row(mean, first_entry, thresholds, a, b, n, bright, n_bright, work, tails, out):
    """Add Poisson deviates of a prepared row to `out[:n]`, with words `a` and `b` of each pixel.

    Bright pixels are drawn one by one where they are few, and by a pass over the whole row where they are many.
    """
    t1 = thresholds[0]
    t2 = thresholds[1]
    t3 = thresholds[2]
    t4 = thresholds[3]
    t5 = thresholds[4]
    t6 = thresholds[5]
    if n_bright < n:
        for i in range(n):
            v = int32(b[i] >> uint32(1))
            few = int32(int32(v < t1[i]) + int32(v < t2[i]) + int32(v < t3[i]))
            few = int32(few + int32(v < t4[i]) + int32(v < t5[i]) + int32(v < t6[i]))
            low = f4(int32(_from_table(first_entry[i], a[i]) + few))
            out[i] += low if mean[i] < f4(SPLIT) else f4(0)
    if n_bright * 8 > n:
        normal_row(a, n, work, tails)
        for i in range(n):
            m = mean[i]
            high = _asymptotic(max(m, f4(SPLIT)), work[i])
            out[i] += high if m >= f4(SPLIT) else f4(0)
    else:
        for j in range(n_bright):
            i = bright[j]
            out[i] += _asymptotic(mean[i], normal(a[i]))


class SparseRow(NamedTuple):
    """A row of means that is drawn many times: n pixels, electrons; made by `sparse_row`, filled by `prepare_sparse_row`."""

    mean: NDArray[np.float32]
    """Means, filled in before the row is prepared."""
    thresholds: NDArray[np.int32]
    """(SPARSE, n), 0 where a mean exceeds 1."""
    frequent: NDArray[np.int32]
    """(n + 1,): first the positions of means above `RARE`."""
    many: NDArray[np.int32]
    """(n + 1,): first the positions of means above 1."""
    none: NDArray[np.float64]
    """P(N = 0) of means from 1 to `SPLIT`."""
    counts: NDArray[np.int64]
    """(2,): how many positions `frequent` and `many` have."""


@kernel
def sparse_row(n):
    """Return the arrays of a row of n means, not yet filled."""
    return SparseRow(
        np.empty(n, np.float32),
        np.empty((SPARSE, n), np.int32),
        np.empty(n + 1, np.int32),
        np.empty(n + 1, np.int32),
        np.empty(n, np.float64),
        np.zeros(2, np.int64),
    )


@kernel(allocates=False)
def prepare_sparse_row(row, n):
    """Prepare a `SparseRow` of n means for `draw_sparse_row`."""
    mean, none = row.mean, row.none
    t1 = row.thresholds[0]
    t2 = row.thresholds[1]
    t3 = row.thresholds[2]
    t4 = row.thresholds[3]
    t5 = row.thresholds[4]
    t6 = row.thresholds[5]
    t7 = row.thresholds[6]
    t8 = row.thresholds[7]
    t9 = row.thresholds[8]
    for i in range(n):
        m = mean[i] if mean[i] <= f4(1) else f4(0)
        t1[i], t2[i], t3[i], t4[i], t5[i], t6[i], t7[i], t8[i], t9[i] = _survival_sparse(m)
    row.counts[0] = _list_above(mean, n, f4(RARE), row.frequent)
    count = 0
    for j in range(row.counts[0]):
        i = row.frequent[j]
        if mean[i] > f4(1):
            row.many[count] = i
            count += 1
            if mean[i] < f4(SPLIT):
                none[i] = _chance_of_none(mean[i])
    row.counts[1] = count


@inline
def _higher(thresholds, i, word):
    """Return how many of the thresholds from the fifth on a word is below."""
    v = int32(word >> uint32(1))
    k = int32(int32(v < thresholds[4, i]) + int32(v < thresholds[5, i]) + int32(v < thresholds[6, i]))
    return int32(k + int32(v < thresholds[7, i]) + int32(v < thresholds[8, i]))


@kernel(allocates=False)
def draw_sparse_row(row, words, n, out):
    """Add one-word Poisson deviates of a prepared `SparseRow` to `out[:n]`.

    What means above `RARE` add is looked up one by one where they are few, and by a pass over the row where they are many.
    """
    mean, thresholds, frequent, many, none, counts = row
    t1 = thresholds[0]
    t2 = thresholds[1]
    t3 = thresholds[2]
    t4 = thresholds[3]
    for i in range(n):
        v = int32(words[i] >> uint32(1))
        k = int32(int32(v < t1[i]) + int32(v < t2[i]) + int32(v < t3[i]))
        out[i] += f4(int32(k + int32(v < t4[i])))
    if counts[0] * 8 > n:
        for i in range(n):
            out[i] += f4(_higher(thresholds, i, words[i]))
    else:
        for j in range(counts[0]):
            i = frequent[j]
            out[i] += f4(_higher(thresholds, i, words[i]))
    for j in range(counts[1]):
        i = many[j]
        if mean[i] < f4(SPLIT):
            out[i] += _search(mean[i], none[i], words[i])
        else:
            out[i] += poisson_sparse(mean[i], words[i])


@kernel
def draw(mean, a, b, out):
    """Fill `out` with Poisson deviates, element by element: the samplers without rows, for tests."""
    for i in range(out.size):
        out[i] = poisson(mean[i], a[i], b[i])


@kernel
def draw_sparse(mean, words, out):
    """Fill `out` with one-word Poisson deviates, element by element."""
    for i in range(out.size):
        out[i] = poisson_sparse(mean[i], words[i])
