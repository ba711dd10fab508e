"""Charge that moves between pixels, and pixels that are full, in the whole chain."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_LW, exposure

from mirage_dask.detector.effects import default_effects, switched_effects
from mirage_dask.exposure import chain
from mirage_dask.exposure.boxes.charge_motion import MOVING, neighbours
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window

BOX = (20, 84), (30, 110)
NAMES = ("raw", "linear", "dark", "cosmic_rays", "transients")


@cache
def bright() -> np.ndarray:
    """Charge that fills some pixels in the course of the ramp, and one at once."""
    spec, _ = exposure(SUBARRAY_LW)
    charge = np.zeros(spec.shape, np.float32)
    growth = np.linspace(0.1, 1, spec.ngroups, dtype=np.float32)[:, None, None]
    charge[:, :, 40:44, 50:56] = 1.6e5 * growth
    charge[:, :, 60, 70] = 9e5
    charge[:, :, 30:70, 90:92] = 6e4 * growth
    return charge


def simulated(*on: str, window: Window | None = None, off: tuple[str, ...] = (), **parameters: float):
    """Return the variables of the exposure behind `bright` with some effects on or off."""
    spec, opened = exposure(SUBARRAY_LW)
    changed = tuple(("charge_migration", name, value) for name, value in parameters.items())
    spec = replace(
        spec, switched=switched_effects((default_effects() | set(on)) - set(off)), parameters=changed
    )
    window = window or Window((0, spec.nints), (0, spec.ngroups), *BOX)
    return simulate_window(spec, opened, window, want=NAMES, replaced={"cosmic_rays": bright()})


@cache
def usual():
    """Return `simulated` with the default effects."""
    return simulated()


def test_a_box_has_more_neighbours_only_where_charge_moves():
    assert neighbours(default_effects()) == 1
    assert [neighbours([name]) for name in MOVING] == [2, 4]
    assert neighbours(MOVING) == 5


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_window_has_the_bits_of_the_whole(data):
    spec, _ = exposure(SUBARRAY_LW)

    def span(low: int, high: int) -> tuple[int, int]:
        first = data.draw(st.integers(low, high - 1))
        return first, data.draw(st.integers(first + 1, high))

    on = data.draw(st.sets(st.sampled_from(MOVING), min_size=1))
    window = Window((0, 1), span(0, spec.ngroups), span(*BOX[0]), span(*BOX[1]))
    whole, part = simulated(*on), simulated(*on, window=window)
    g, y, x = window.groups, window.rows, window.columns
    for name in NAMES:
        own = whole[name][
            0:1, slice(*g), y[0] - BOX[0][0] : y[1] - BOX[0][0], x[0] - BOX[1][0] : x[1] - BOX[1][0]
        ]
        assert np.array_equal(part[name], own), name


@settings(max_examples=10, deadline=None)
@example({"poisson", "dark_current", "read_noise", "ktc_noise"}, {"charge_migration", "blooming"})
@given(st.sets(st.sampled_from(sorted(default_effects()))), st.sets(st.sampled_from(MOVING), min_size=1))
def test_what_other_effects_add_stays_bit_for_bit(off, on):
    without, found = simulated(off=tuple(off)), simulated(*on, off=tuple(off))
    for name in ("dark", "cosmic_rays", "transients"):
        assert np.array_equal(found[name], without[name]), name
    if on != {"blooming"} or not {"saturation", "nonlinearity"} <= off:
        assert (found["linear"] != without["linear"]).any()
    moved = abs(found["linear"] - without["linear"])[0, -1]
    far = np.ones(moved.shape, bool)  # from the bright pixels: there charge is moved by light and noise alone
    far[4:56, 10:70] = False
    assert moved[far].max() < 30


def test_pixels_below_the_well_do_not_bloom():
    found = simulated("blooming")["linear"]
    changed = (found != usual()["linear"]).any(axis=(0, 1))
    y, x = np.argwhere(changed).T
    near = np.zeros(changed.shape, bool)
    near[20 - 5 : 24 + 5, 20 - 5 : 26 + 5] = near[40 - 5 : 41 + 5, 40 - 5 : 41 + 5] = True
    assert changed.any()
    assert near[y, x].all()


def test_blooming_fills_the_neighbours_of_a_saturated_pixel():
    column = np.s_[0, :, 40, 42]  # two pixels from the one that is full from the start
    assert (simulated("blooming")["linear"][column] > usual()["linear"][column] + 5e3).all()


def test_the_coefficient_is_a_parameter():
    weak, strong = (
        simulated("charge_migration", coefficient=c)["linear"] - usual()["linear"] for c in (0.1, 0.4)
    )
    where = abs(weak) > 20
    assert where.any()
    np.testing.assert_allclose(strong[where] / weak[where], 4, rtol=0.02)
    assert (simulated("charge_migration", coefficient=0.0)["raw"] == usual()["raw"]).all()


@pytest.mark.parametrize("on", [(), MOVING])
def test_a_full_pixel_stays_full(on):
    """With noise so large that a pixel at its full well would often fall below it."""
    spec, opened = exposure(SUBARRAY_LW)
    spec = replace(spec, nints=1, switched=switched_effects(default_effects() ^ {*on, "bias", "flat"}))
    noise = np.random.default_rng(5).normal(0, 2_000, spec.shape).astype(np.float32)
    box = tuple(slice(*span) for span in chain.Frame(spec, opened.pack.array).extent)
    wells = chain.Frame(spec, opened.pack.array).science(
        opened.pack.plane("full_well", *box) / opened.pack.plane("inverse_gain", *box)
    )
    given = {
        "dark": noise,
        "cosmic_rays": np.broadcast_to(wells, spec.shape),
        "seed": np.zeros(spec.shape[2:]),
    }
    window = Window((0, 1), (0, spec.ngroups), *BOX)
    found = simulate_window(spec, opened, window, want=("raw", "linear"), replaced=given)
    level = simulate_window(spec, opened, window, replaced={**given, "dark": noise + 1e5})["raw"]
    full = (found["raw"] == level)[0]
    assert (np.diff(full.astype(int), axis=0) >= 0).all()
    assert full[-1].mean() > 0.9
    assert 0.2 < full[0].mean() < 0.8
    well = np.where(full[0], found["linear"][0, 0], np.inf).min()
    assert (found["linear"][0, 1:][full[1:]] < well).any()  # noise alone would have taken them below
    last = replace(window, groups=(spec.ngroups - 1, spec.ngroups))
    assert np.array_equal(
        simulate_window(spec, opened, last, replaced=given)["raw"][0, 0], found["raw"][0, -1]
    )
