"""1/f noise: its spectrum, its size, and rows that can be computed alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mirage_dask.detector.context import Readout
from mirage_dask.detector.pink import nodes_per_row, octave_sigma, pink_rows
from mirage_dask.detector.random.keys import Key

KEY = (np.uint32(1), np.uint32(2))


def stripes(
    *,
    rows=2048,
    row0=0,
    groups=1,
    first=0,
    nframes=1,
    groupgap=0,
    common=1.0,
    own=0.0,
    key=KEY,
    integration=0,
):
    out = np.zeros((1, groups, 4, rows, nodes_per_row(512)), np.float32)
    size = {"columns": 512, "rows": 2048}
    common, own = (np.float32(octave_sigma(v, **size)) for v in (common, own))
    readout = Readout(nframes, groupgap, np.float32(10.7))
    pink_rows(Key(*key), readout, integration, first, row0, 2048, 0, common, own, out)
    return out[0].swapaxes(1, 2)


@pytest.mark.parametrize(("columns", "nodes"), [(512, 32), (160, 16), (64, 4), (8, 1), (2048, 128)])
def test_nodes_cover_a_row(columns, nodes):
    assert nodes_per_row(columns) == nodes


def test_power_falls_as_one_over_frequency():
    power = 0.0
    for seed in range(40):
        sequence = stripes(key=(np.uint32(seed), np.uint32(9)))[0, :, 0].ravel().astype(float)
        power = power + np.abs(np.fft.rfft(sequence * np.hanning(sequence.size))) ** 2
    frequency = np.arange(power.size)
    # Octave means from 16 periods a frame up to a third of the sampling rate: the steps' own spectrum bends the end.
    edges = 2 ** np.arange(4, 15)
    mean = [power[a:b].mean() for a, b in pairwise(edges)]
    centre = [frequency[a:b].mean() for a, b in pairwise(edges)]
    slope = np.polyfit(np.log(centre), np.log(mean), 1)[0]
    assert abs(slope + 1) < 0.1


def _power_of_steps(frequency, length):
    """Spectrum of independent numbers of unit variance that each stay for some samples; cycles per sample."""
    return np.sin(np.pi * frequency * length) ** 2 / (length * np.sin(np.pi * frequency) ** 2)


def _power_of_lines(frequency, length):
    """Spectrum of straight lines between independent numbers of variance 3/2, `length` rows apart; cycles per row."""
    size = np.sin(np.pi * frequency * length) ** 2 / (length * np.sin(np.pi * frequency) ** 2)
    return 1.5 / length * size**2


def test_power_is_that_of_the_octaves_from_a_row_to_the_shortest_step():
    """Within 5 % of the sum over octaves, and within 1 dB (26 %) of 1/f, in each octave from one row to two steps."""
    power, frames, nodes = 0.0, 12, 32
    for seed in range(frames):
        sequence = stripes(key=(np.uint32(seed), np.uint32(21)))[0, :, 0].ravel().astype(float)
        power = power + np.abs(np.fft.rfft(sequence * np.hanning(sequence.size))) ** 2
    n = sequence.size
    power = power / frames / (np.hanning(n) ** 2).sum()
    f = np.arange(1, n // 2) / n + 1e-9  # not on the zeros of both sines
    variance = octave_sigma(1.0, columns=512, rows=2048) ** 2
    expected = sum(_power_of_steps(f, 1 << k) for k in range(6))
    expected = expected + sum(_power_of_lines(f * nodes, 1 << k) for k in range(1, 14)) * _power_of_steps(
        f, nodes
    )
    edges = n // nodes * 2 ** np.arange(5)  # 1 to 16 periods a row: up to the Nyquist frequency of the steps
    found, theory, ideal = (
        np.array([v[a:b].mean() for a, b in pairwise(edges)]) for v in (power[1:], variance * expected, 1 / f)
    )
    np.testing.assert_allclose(found, theory, rtol=0.05)
    shape = found / ideal / np.exp(np.log(found / ideal).mean())
    assert np.abs(10 * np.log10(shape)).max() < 1.0


def test_size_within_a_frame():
    rms = [
        np.sqrt(((s := stripes(key=(np.uint32(k), np.uint32(3)))[0, :, 0].astype(float)) - s.mean()).var())
        for k in range(30)
    ]
    # 30 frames, each dominated by few slow octaves: about 4 % of scatter in the mean of the squares.
    assert abs(np.sqrt(np.mean(np.square(rms))) - 1) < 0.12


def test_common_and_own_noise():
    common = stripes(rows=64)
    assert all(np.array_equal(common[:, :, 0], common[:, :, s]) for s in range(1, 4))
    own = stripes(rows=512, common=0.0, own=1.0)[0].astype(float)
    fast = own - own.mean(axis=2, keepdims=True)
    correlation = np.corrcoef(fast.transpose(1, 0, 2).reshape(4, -1))
    assert np.abs(correlation - np.eye(4)).max() < 0.05


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (2, 3)])
def test_any_rows_and_groups_alone(nframes, groupgap):
    how = {"nframes": nframes, "groupgap": groupgap, "own": 0.4}
    whole = stripes(rows=300, groups=5, **how)
    part = stripes(rows=37, row0=101, groups=4, first=2, **how)
    assert np.array_equal(whole[2:4, 101:138], part[2:4])


def test_frames_are_averaged():
    pairs = stripes(rows=20, groups=3, nframes=2, groupgap=1)
    single = stripes(rows=20, groups=9)
    for g in range(3):
        np.testing.assert_allclose(pairs[g], (single[3 * g] + single[3 * g + 1]) / 2, atol=1e-6)
