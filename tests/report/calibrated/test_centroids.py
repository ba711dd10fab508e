"""The bias of a centroid is that of the PSF: none if that is symmetric, and its shift if it is shifted."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.report.calibrated.centroids import centroid_bias


class Gaussian:
    """A PSF whose core lies beside its origin, with light on one side that a fit to the core does not follow."""

    def __init__(self, dx: float, dy: float, tail: float = 0.0):
        self.dx, self.dy, self.tail = dx, dy, tail

    def evaluate(self, x, y, x0, y0):
        """Fraction of the light in pixels."""
        u, v = x - x0, y - y0
        core = np.exp(-((u - self.dx) ** 2 + (v - self.dy) ** 2) / 2.0)
        return core + self.tail * np.exp(-((u - 6.0) ** 2 + v**2) / 2.0)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.03, -0.05)])
def test_the_bias_is_the_shift(shift):
    assert centroid_bias(Gaussian(*shift), 2048, 2048) == pytest.approx(shift, abs=2e-3)


def test_light_beyond_the_box_does_not_count():
    assert centroid_bias(Gaussian(0.02, 0.0, tail=0.1), 400, 800) == pytest.approx((0.02, 0.0), abs=5e-3)
