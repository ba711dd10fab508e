"""Means of light curves over reads, whatever the times of either."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mirage_dask.scene.layers import LightCurveLayer

times_and_factors = st.lists(
    st.tuples(st.floats(0.05, 3.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0)), min_size=1, max_size=8
)


def curves(times, factor) -> LightCurveLayer:
    return LightCurveLayer(None, None, np.array(times), np.array(factor), np.arange(len(factor)))


@settings(max_examples=60, deadline=None)
@given(times_and_factors, st.floats(-3.0, 12.0), st.floats(0.01, 6.0))
def test_a_mean_is_that_of_the_straight_lines(points, start, length):
    steps, *factors = np.array(points).T
    times = np.cumsum(steps) - 1.0
    layer = curves(times, factors)
    (found,) = layer.mean_factors(np.array([start, start + length]), np.array([1])).T
    knots = [t for t in times if start < t < start + length]
    whole = quad(
        lambda t: np.interp(t, times, factors[1]), start, start + length, points=knots or None, limit=200
    )[0]
    assert abs(found[0] - whole / length) < 1e-7


@settings(max_examples=30, deadline=None)
@given(times_and_factors, st.integers(1, 30))
def test_the_mean_of_a_read_depends_on_no_other(points, reads):
    """Any reads of any integrations together, or one by one: the same bits."""
    steps, *factors = np.array(points).T
    layer = curves(np.cumsum(steps), factors)
    edges = np.linspace(-1.0, 9.0, reads + 1)
    together = layer.mean_factors(edges)
    one_by_one = [layer.mean_factor(a, b) for a, b in pairwise(edges)]
    assert np.array_equal(together, np.stack(one_by_one, axis=1))


def test_thousands_of_integrations_keep_their_precision():
    """After 30,000 s a read of 0.3 s has its mean to 1e-9, which float32 could not tell from exact."""
    times = np.linspace(0.0, 30_000.0, 20_001)
    layer = curves(times, [1.0 - 0.01 * np.sin(times / 3000.0)])
    edges = 29_000.0 + 0.3 * np.arange(100)
    exact = np.interp(0.5 * (edges[1:] + edges[:-1]), times, layer.factor[0])
    np.testing.assert_allclose(layer.mean_factors(edges)[0], exact, rtol=2e-9)
