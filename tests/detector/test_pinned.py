"""The values of the kernels, pinned: when this fails on purpose, raise `mirage_dask.spec.VALUES` and pin them again.

A store that was begun with other values is then simulated again instead of being finished with a mixture.
"""

from __future__ import annotations

import hashlib

import numpy as np

from mirage_dask.detector.cosmic_rays import cosmic_ray_groups
from mirage_dask.detector.dark import dark_groups
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.pink import pink_rows
from mirage_dask.detector.ramp import ramp_groups
from mirage_dask.detector.random.keys import exposure_keys

PINNED = {
    "cosmic rays": "eaeb96fec341093b",
    "dark": "893b2d5fbd489513",
    "raw": "ce12df4a7b6af0a3",
}
GROUPS, ROWS, COLUMNS = 3, 12, 300
F4 = np.float32


def simple(low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers that differ from pixel to pixel and are exact on every machine."""
    index = np.arange(int(np.prod(shape))) * 7919 % 1009
    return (low + index * F4((high - low) / 1024)).astype(F4).reshape(shape)


def test_values_are_those_of_this_version():
    keys = exposure_keys(42, 99001, observation=1, visit=2, exposure=3, tile=4, dither=5, detector="NRCB5")
    how, x0, y0 = (2, 1), 700, 900
    stripes = np.zeros((GROUPS, ROWS, 4, 32), F4)
    pink_rows(*map(np.uint32, keys.pink), 1, 0, GROUPS, *how, y0, ROWS, 2048, 0, 4, F4(0.4), F4(0.1), stripes)
    start = np.array([0, 40, 100], np.int32)
    offset = (np.arange(100) % 21 - 10).astype(np.int8)
    cosmic = np.empty((GROUPS, ROWS + 2, COLUMNS + 2), F4)
    cosmic_ray_groups(
        *map(np.uint32, keys.cosmic), 1, x0 - 1, y0 - 1, *how, 2048, 4, F4(2e-4), start, offset[::-1].copy(), offset,
        simple(1, 3000, (100,)), cosmic,
    )  # fmt: skip
    bias, sigma, rate = (
        simple(9e3, 1.1e4, (ROWS, COLUMNS)),
        simple(3, 8, (ROWS, COLUMNS)),
        simple(0, 9, (ROWS, COLUMNS)),
    )
    inverse_gain = simple(0.4, 0.6, (ROWS, COLUMNS))
    (block,) = Outputs(0, 2048, 4).blocks(x0, x0 + COLUMNS)
    dark = np.empty((GROUPS, ROWS, COLUMNS), F4)
    dark_groups(
        *map(np.uint32, keys.pixel), 1, 0, x0, y0, *how, F4(10.7), True, 0, 0, rate, bias, sigma, inverse_gain, F4(37),
        stripes, 1, block.edges, block.nodes, dark,
    )  # fmt: skip
    polynomial = np.stack([simple(c, c * 1.1, (ROWS, COLUMNS)) for c in (0, 1, 1e-7, 1e-12, 1e-17)])
    light = simple(0, 40, (ROWS + 2, COLUMNS + 2))
    light[5, 60:90] = 1e4
    raw, linear = np.empty(dark.shape, np.uint16), np.empty(dark.shape, F4)
    ramp_groups(
        *map(np.uint32, keys.pixel), 1, 0, x0, y0, 1, 1, 1, 1, *how, F4(10.7), True, 0, 0, light, 0, 0, cosmic, dark,
        np.array([0.976, 0.006, 0.005, 0.0005], F4), inverse_gain, bias, polynomial, simple(5e4, 6e4, (ROWS, COLUMNS)),
        linear, raw,
    )  # fmt: skip
    assert cosmic.any()
    assert (raw[-1] > raw[0]).mean() > 0.9
    found = {"cosmic rays": cosmic, "dark": dark, "raw": raw}
    assert {n: hashlib.sha256(a.tobytes()).hexdigest()[:16] for n, a in found.items()} == PINNED
