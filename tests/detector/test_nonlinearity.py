"""The inverse of the linearity correction, for every polynomial that a reference pack may hold."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirage_dask.detector.nonlinearity import COEFFICIENTS, START, measured_row, prepare_row
from mirage_dask.reference.packs.planes import HARD_STOP, _sanitise

LEVELS = np.concatenate([[-60, -5, 0, 3, 40, 500], np.linspace(2e3, 7e4, 60)]).astype(np.float32)


def measured(coefficients: np.ndarray, well: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the measured counts (level, pixel) of polynomials (COEFFICIENTS, pixel) at linear levels."""
    n = coefficients.shape[1]
    start, steps = np.empty((START, n), np.float32), np.empty(n, np.float32)
    prepare_row(coefficients, n, start)
    limited = np.minimum(levels[:, None], well)
    out = np.empty_like(limited)
    for row, found in zip(limited, out, strict=True):
        measured_row(row, coefficients, start, well, n, found, steps)
    return out


# Shares of the signal at saturation that each order adds, of either sign: the corrections of real detectors alternate.
shares = st.lists(st.floats(-0.4, 0.4), min_size=COEFFICIENTS - 2, max_size=COEFFICIENTS - 2)


@settings(max_examples=300, deadline=None)
@example([0.3125, 0.375, 0.0, 0.0, 0.09375], 13.80859375, 0.875, 2e4)
@example([0.3125, 0.375, 0.0, 0.0, 0.09375], 0.0, 0.875, 2e4)
@given(shares, st.floats(-20, 20), st.floats(0.8, 1.2), st.floats(2e4, 65_535))
def test_every_polynomial_of_a_pack_is_inverted_to_a_millionth_of_the_full_well(parts, c0, c1, limit):
    raw = np.array([c0, c1, *(p / limit**k for k, p in enumerate(parts, 1))], np.float32).reshape(-1, 1, 1)
    well = np.empty((1, 1), np.float32)
    _sanitise(raw, np.zeros((1, 1), bool), np.full((1, 1), limit, np.float32), out=well)
    coefficients = raw[:, 0]
    found = measured(coefficients, well[0], LEVELS)[:, 0]
    full = float(well[0, 0])
    back = np.polynomial.polynomial.polyval(found.astype(float), coefficients[:, 0].astype(float))
    np.testing.assert_allclose(back, np.minimum(LEVELS, full), rtol=0, atol=1e-6 * full)
    assert (found <= limit * HARD_STOP * (1 + 1e-6)).all()  # the root below which f only rises
    assert (np.diff(found) >= -1e-6 * limit).all()


def test_a_pixel_has_the_same_bits_whatever_its_neighbours():
    limit, strengths = 6e4, np.linspace(0, 0.4, 24)
    rows = [
        np.array([0, 1, *(s * p / limit**k for k, p in enumerate((0.6, -0.2, 0.5, 0.1, 0), 1))])
        for s in strengths
    ]
    coefficients = np.stack(rows, axis=1).astype(np.float32)
    well = np.full(strengths.size, 6.2e4, np.float32)
    together = measured(coefficients, well, LEVELS)
    for i in range(strengths.size):
        alone = measured(np.ascontiguousarray(coefficients[:, i : i + 1]), well[:1], LEVELS)
        assert np.array_equal(alone[:, 0], together[:, i])
