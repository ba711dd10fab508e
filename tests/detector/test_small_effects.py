"""Non-linearity and the order of outputs, against their definitions in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.detector.nonlinearity import COEFFICIENTS, START, measured_row, prepare_row
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.pink import NODE


def realistic(n: int, strength: float) -> np.ndarray:
    """Coefficients c_0 … c_6 whose correction reaches `strength` of the signal at 60,000 DN."""
    spread = np.random.default_rng(2).uniform(0.8, 1.2, n)
    c = np.zeros((COEFFICIENTS, n))
    c[0], c[1] = 0.3, 0.998
    for k, part in ((2, 0.55), (3, -0.25), (4, 0.6), (5, 0.1)):
        c[k] = part * strength * spread / 60000.0 ** (k - 1)
    return c


@pytest.mark.parametrize(("strength", "tolerance"), [(0.05, 0.05), (0.1, 0.3)])
def test_the_correction_undoes_the_inverse(strength, tolerance):
    n = 400
    c = realistic(n, strength)
    start = np.empty((START, n), np.float32)
    full_well, measured, steps = np.full(n, 6e4, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    coefficients = c.astype(np.float32)
    prepare_row(coefficients, n, start)
    for level in (-20.0, 0.0, 5.0, 700.0, 2e4, 5e4, 6.5e4):
        linear = np.full(n, min(level, 6e4), np.float32)
        measured_row(linear, coefficients, start, full_well, n, measured, steps)
        back = np.polynomial.polynomial.polyval(measured.astype(float), c, tensor=False)
        # Above the full well the signal stops there.
        np.testing.assert_allclose(back, min(level, 6e4), atol=tolerance)


def test_outputs_alternate_and_blocks_cover_the_columns():
    blocks = list(Outputs(0, 2048, 4).blocks(100, 1600))
    assert [(b.start, b.stop) for b in blocks] == [(100, 512), (512, 1024), (1024, 1536), (1536, 1600)]
    for output, block in enumerate(blocks):
        place = np.arange(block.start, block.stop) - 512 * output
        if output % 2:
            place = 511 - place
        node = np.repeat(block.nodes, np.diff(block.edges))
        assert np.array_equal(node, 32 * output + place // NODE)


def test_columns_are_read_with_others():
    outputs = Outputs(0, 2048, 4)
    assert outputs.read_with(0, 2048) == [(0, 512), (512, 1024), (1024, 1536), (1536, 2048)]
    # Columns 100 to 109 are read at the times 100 to 109; output 1 reads downwards from 1023.
    assert outputs.read_with(100, 110) == [(99, 110), (914, 925), (1123, 1134), (1938, 1949)]
    assert outputs.read_with(914, 924) == [(99, 110), (914, 925), (1123, 1134), (1938, 1949)]
    assert outputs.read_with(500, 514)[0] == (499, 512)  # the last of output 0 and the last of output 1
    assert outputs.read_with(510, 1030) == [(0, 512), (512, 1024), (1024, 1536), (1536, 2048)]


def test_the_order_of_columns():
    outputs = Outputs(0, 2048, 4)
    assert outputs.order(0, 512) == (-1, 0)
    assert outputs.order(5, 512) == (-1, -1)
    assert outputs.order(512, 1024) == (1, 511)
    assert outputs.order(512, 1023) == (1, -1)
    assert Outputs(300, 1200, 1).order(812, 1324) == (-1, -1)


def test_one_output_is_cut_into_blocks_that_do_not_depend_on_the_window():
    wide = {b.start: b for b in Outputs(300, 1200, 1).blocks(300, 1500)}
    assert list(wide) == [300, 812, 1324]
    (part,) = Outputs(300, 1200, 1).blocks(900, 1000)
    whole = wide[812]
    node = np.repeat(whole.nodes, np.diff(whole.edges))[900 - 812 : 1000 - 812]
    assert np.array_equal(np.repeat(part.nodes, np.diff(part.edges)), node)
