"""Outputs that talk to each other: windows have the bits of the whole, and a star shows where it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import FULL_SW, SUBARRAY_SW, exposure

from mirage_dask.detector.effects import switched_effects
from mirage_dask.exposure.frame import Frame
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments.electronics import get_electronics
from mirage_dask.spec import Window

ROWS = 500, 512


def noiseless(*effects: str):
    """Return an exposure of the example with only these effects."""
    spec, references = exposure(FULL_SW)
    return replace(spec, switched=switched_effects(effects)), references


def linear(spec, references, seed, columns=(0, 2048)) -> np.ndarray:
    window = Window((0, 1), (spec.ngroups - 1, spec.ngroups), ROWS, columns)
    return simulate_window(spec, references, window, want=("linear",), replaced={"seed": seed})["linear"][
        0, 0
    ]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2047), st.integers(1, 1100))
def test_windows_have_the_bits_of_the_whole_row(first, width):
    spec, references = exposure(FULL_SW)
    seed = np.random.default_rng(1).uniform(0, 3e3, (2048, 2048)).astype(np.float32)
    columns = first, min(first + width, 2048)
    on, off = spec, replace(spec, switched=("crosstalk",))
    whole = linear(on, references, seed)
    assert np.array_equal(linear(on, references, seed, columns), whole[:, slice(*columns)])
    assert (whole != linear(off, references, seed)).mean() > 0.9


def test_a_star_shows_in_the_other_outputs_at_the_time_it_is_read():
    spec, references = noiseless("crosstalk")
    seed = np.zeros((2048, 2048), np.float32)
    frame = Frame(spec, references.pack.array)
    frame.detector(seed)[frame.box((505, 506), (0, 2048))[0][0], 700] = (
        100.0  # output 2, read at time 1023 - 700
    )
    found = frame.detector(linear(spec, references, seed))
    row = found[np.abs(found).sum(axis=1) > 0]
    assert row.shape[0] == 1
    signal, electronics = row[0, 700], get_electronics(spec.detector)
    for output, at in ((0, 323), (2, 1024 + 323), (3, 2047 - 323)):
        later = at + (1 if output % 2 == 0 else -1)
        np.testing.assert_allclose(row[0, at], electronics.direct[1][output] * signal, rtol=1e-4)
        np.testing.assert_allclose(row[0, later], electronics.late[1][output] * signal, rtol=1e-4)
    assert np.count_nonzero(row) == 7


def test_one_output_has_no_crosstalk():
    spec, references = exposure(SUBARRAY_SW)
    window = Window((0, 1), (0, spec.ngroups), (0, 20), (0, spec.nx))
    with_, without = (
        simulate_window(replace(spec, switched=s), references, window)["raw"] for s in ((), ("crosstalk",))
    )
    assert spec.amplifiers == 1
    assert np.array_equal(with_, without)


def test_post_pixel_coupling_follows_the_direction_of_reading():
    spec, references = noiseless("post_pixel_coupling")
    seed = np.zeros((2048, 2048), np.float32)
    frame = Frame(spec, references.pack.array)
    row = frame.box((505, 506), (0, 2048))[0][0]
    frame.detector(seed)[row, [200, 700]] = 100.0
    found = frame.detector(linear(spec, references, seed))
    found = found[np.abs(found).sum(axis=1) > 0][0]
    part = get_electronics(spec.detector).post_pixel
    np.testing.assert_allclose(found[201] / (found[200] + found[201]), part, rtol=1e-4)
    np.testing.assert_allclose(found[699] / (found[699] + found[700]), part, rtol=1e-4)
    assert np.count_nonzero(found) == 4
