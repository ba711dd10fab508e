"""The values of the kernels, pinned: when this fails on purpose, raise `mirage_dask.spec.VALUES` and pin them again.

A store that was begun with other values is then simulated again instead of being finished with a mixture.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mirage_dask.detector.context import Box, Inside, Place, Readout
from mirage_dask.detector.coupling.pixels import Coupling, Reading, couple
from mirage_dask.detector.dark import DarkPlanes, PixelPink, dark_groups
from mirage_dask.detector.light import collect_light, move_charge
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.particles.cosmic_rays import Collecting, Stamps, cosmic_ray_groups
from mirage_dask.detector.pink import pink_rows
from mirage_dask.detector.random.keys import exposure_keys
from mirage_dask.detector.read_out import ReadOutPlanes, read_out

PINNED = {
    (2, 1): {
        "cosmic rays": "eaeb96fec341093b",
        "dark": "bfbf4406159fee8b",
        "raw": "585ee37b93b738fa",
    },
    (8, 12): {"cosmic rays": "61ab889c6dc8d03b", "dark": "224b4e75be349162", "raw": "afa3618003059a79"},
}
"""By the frames of a group, and those dropped after it."""
GROUPS, ROWS, COLUMNS = 3, 12, 300
F4 = np.float32


def simple(low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers that differ from pixel to pixel and are exact on every machine."""
    index = np.arange(int(np.prod(shape))) * 7919 % 1009
    return (low + index * F4((high - low) / 1024)).astype(F4).reshape(shape)


@pytest.mark.parametrize(("nframes", "groupgap"), PINNED)
def test_values_are_those_of_this_version(nframes, groupgap):
    keys = exposure_keys(42, 99001, observation=1, visit=2, exposure=3, tile=4, dither=5, detector="NRCB5")
    readout, x0, y0 = Readout(nframes, groupgap, F4(10.7)), 700, 900
    inside, around = Box(1, y0, x0), Box(1, y0 - 1, x0 - 1)
    bands = np.zeros((1, GROUPS, 4, ROWS, 32), F4)
    pink_rows(keys.stream("pink"), readout, 1, 0, y0, 2048, 0, F4(0.4), F4(0.1), bands)
    stripes = bands.swapaxes(2, 3).reshape(1, GROUPS, ROWS, 128)
    start = np.array([0, 40, 100], np.int32)
    offset = (np.arange(100) % 21 - 10).astype(np.int8)
    cosmic = np.zeros((1, GROUPS, ROWS + 2, COLUMNS + 2), F4)
    cosmic_ray_groups(
        keys.stream("cosmic"), readout, around, Collecting(2048, 2048, 4, 2044, 4, 2044), F4(2e-4),
        Stamps(start, offset[::-1].copy(), offset, simple(1, 3000, (100,))), cosmic,
    )  # fmt: skip
    bias, sigma, rate = (
        simple(9e3, 1.1e4, (ROWS, COLUMNS)),
        simple(3, 8, (ROWS, COLUMNS)),
        simple(0, 9, (ROWS, COLUMNS)),
    )
    inverse_gain = simple(0.4, 0.6, (ROWS, COLUMNS))
    (block,) = Outputs(0, 2048, 4).blocks(x0, x0 + COLUMNS)
    dark = np.empty((1, GROUPS, ROWS, COLUMNS), F4)
    dark_groups(
        keys.stream("pixel"), readout, inside, 0, DarkPlanes(rate, bias, sigma, inverse_gain), Place(0, 0), F4(37),
        PixelPink(keys.stream("pixel_pink"), F4(1.9)), stripes, block.edges, block.nodes, dark,
    )  # fmt: skip
    polynomial = np.stack([simple(c, c * 1.1, (ROWS, COLUMNS)) for c in (0, 1, 1e-7, 1e-12, 1e-17)])
    light = simple(0, 40, (ROWS + 2, COLUMNS + 2))
    light[5, 60:90] = 1e4
    charge = np.empty_like(cosmic)
    collect_light(
        keys.stream("pixel"),
        readout,
        around,
        True,
        light,
        Place(0, 0),
        Inside(0, ROWS + 2, 0, COLUMNS + 2),
        charge,
    )
    move_charge(charge, cosmic.copy())
    raw, linear = np.empty(dark.shape, np.uint16), np.empty(dark.shape, F4)
    none = np.zeros((0, 0, 0), F4)
    coupling = Coupling(np.array([0.976, 0.006, 0.005, 0.0005], F4), none, F4(0))
    signal = np.empty(dark.shape, F4)
    couple(0, inverse_gain, Place(0, 0), coupling, Reading(-1, -1), charge, signal)
    planes = ReadOutPlanes(bias, polynomial, simple(5e4, 6e4, (ROWS, COLUMNS)))
    read_out(0, planes, Place(0, 0), signal, 0, dark, linear, raw)
    assert cosmic.any()
    assert (raw[0, -1] > raw[0, 0]).mean() > 0.9
    found = {"cosmic rays": cosmic, "dark": dark, "raw": raw}
    assert {n: hashlib.sha256(a.tobytes()).hexdigest()[:16] for n, a in found.items()} == PINNED[
        nframes, groupgap
    ]
