"""Crosstalk against its definition in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.detector.context import Place
from mirage_dask.detector.coupling.crosstalk import Crosstalk, add_crosstalk
from mirage_dask.instruments import detectors_of
from mirage_dask.instruments.electronics import get_electronics

WIDTH, ROWS = 40, 3


def coefficients(detector: str) -> Crosstalk:
    found = get_electronics(detector)
    return Crosstalk(np.array(found.direct, np.float32), np.array(found.late, np.float32))


def expected(frame: np.ndarray, crosstalk: Crosstalk, well: float) -> np.ndarray:
    """Return a frame (rows, 4 x WIDTH) with crosstalk."""
    seen = np.minimum(frame, well).astype(float).reshape(ROWS, 4, WIDTH)
    in_time = np.stack([seen[:, a, :: -1 if a % 2 else 1] for a in range(4)], axis=1)
    before = np.pad(in_time, ((0, 0), (0, 0), (1, 0)))[..., :-1]
    added = np.einsum("ab,rat->rbt", crosstalk.direct, in_time)
    added += np.einsum("ab,rat->rbt", crosstalk.late, before)
    out = np.stack([added[:, b, :: -1 if b % 2 else 1] for b in range(4)], axis=1)
    return frame + out.reshape(ROWS, 4 * WIDTH)


def by_kernel(frame: np.ndarray, crosstalk: Crosstalk, well: float) -> np.ndarray:
    signal = np.ascontiguousarray(frame.reshape(ROWS, 4, WIDTH).swapaxes(0, 1)[:, None, None])
    wells = np.full((4, ROWS + 2, WIDTH), well, np.float32)
    add_crosstalk(0, crosstalk, wells, Place(1, 0), signal)
    return signal[:, 0, 0].swapaxes(0, 1).reshape(ROWS, 4 * WIDTH)


@pytest.mark.parametrize("detector", ["NRCB1", "NRCA5"])
def test_kernel_is_the_definition(detector):
    frame = np.random.default_rng(1).uniform(0, 6e4, (ROWS, 4 * WIDTH)).astype(np.float32)
    found = by_kernel(frame, coefficients(detector), 5e4)
    np.testing.assert_allclose(found, expected(frame, coefficients(detector), 5e4), rtol=1e-6)


def test_a_star_in_one_output_shows_in_the_others():
    frame = np.zeros((ROWS, 4 * WIDTH), np.float32)
    frame[1, 10] = 1e4  # output 1 at time 10
    found = by_kernel(frame, coefficients("NRCB1"), 5e4) - frame
    rows, columns = np.nonzero(found)
    assert (rows == 1).all()
    # Output 2 reads downwards from column 79, output 3 upwards from 80, output 4 downwards from 159.
    assert sorted(columns) == [68, 69, 90, 91, 148, 149]
    np.testing.assert_allclose(found[1, [69, 90, 149]], [-7.12, -8.68, -8.70], rtol=1e-5)
    np.testing.assert_allclose(found[1, [68, 91, 148]], [6.11, 7.72, 7.70], rtol=1e-5)


def test_saturated_pixels_end_at_their_full_well():
    frame = np.zeros((ROWS, 4 * WIDTH), np.float32)
    frame[1, 10] = 1e7
    found = by_kernel(frame, coefficients("NRCB1"), 5e4)
    frame[1, 10] = 5e4
    assert np.array_equal(found[1, WIDTH:], by_kernel(frame, coefficients("NRCB1"), 5e4)[1, WIDTH:])


def test_groups_before_the_first_wanted_are_left():
    signal = np.full((4, 1, 3, 2, WIDTH), 1e4, np.float32)
    add_crosstalk(2, coefficients("NRCB1"), np.full((4, 2, WIDTH), 5e4, np.float32), Place(0, 0), signal)
    assert (signal[:, :, :2] == 1e4).all()
    assert (signal[:, :, 2] != 1e4).all()


def test_every_nircam_detector_has_coefficients_and_no_other():
    for detector in detectors_of("NIRCAM"):
        found = coefficients(detector.name)
        assert (np.diag(found.direct) == 0).all()
        assert (np.abs(found.direct) < 1e-3).all()
        # What comes one pixel later nearly undoes the rest.
        assert np.corrcoef(found.direct.ravel(), found.late.ravel())[0, 1] < -0.9
    for instrument in ("NIRISS", "FGS"):
        for detector in detectors_of(instrument):
            assert not coefficients(detector.name).direct.any()
