"""What holds for every effect that adds to the dark: windows, groups, reads, switches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dark_effects import added, dark_exposure
from support.small_plans import make_spec
from support.table_packs import TablePack

from mirage_dask.detector.context import Box
from mirage_dask.detector.effects import EFFECTS
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.reference.files.quality import FLAGS
from mirage_dask.scene.layers import Light, UniformBackground
from mirage_dask.spec import Window

OFTEN = {
    "column_jumps": {"rate": 2e-3},
    "telegraph_noise": {"fraction": 0.02, "period": 30.0},
    "rc_pixels": {"fraction": 0.02},
}
"""Parameters with which few pixels show what the effect does."""
NAMES = [effect.name for effect in EFFECTS if effect.stage == "dark" and effect.add]
ROWS, COLUMNS, GROUPS = 24, 40, 6


def an_exposure(name: str, **how):
    return dark_exposure(name, **{**OFTEN.get(name, {}), **how})


def in_box(
    name: str, row: int, column: int, shape: tuple[int, int, int, int], *, integration: int = 0, **how
):
    return added(name, an_exposure(name, **how), Box(integration, row, column), shape)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_window_has_the_bits_of_the_whole(name, data):
    """From the corner with reference pixels, over the border of two outputs."""
    how = {"nframes": data.draw(st.sampled_from([1, 3])), "groupgap": data.draw(st.sampled_from([0, 2]))}
    corner = data.draw(st.sampled_from([(0, 0), (1000, 500)]))
    everything = in_box(name, *corner, (3, GROUPS, ROWS, COLUMNS), **how)
    low = [data.draw(st.integers(0, n - 1)) for n in (3, ROWS, COLUMNS)]
    high = [data.draw(st.integers(a + 1, n)) for a, n in zip(low, (3, ROWS, COLUMNS), strict=True)]
    groups = data.draw(st.integers(1, GROUPS))
    (t, r, c), shape = low, (high[0] - low[0], groups, high[1] - low[1], high[2] - low[2])
    part = in_box(name, corner[0] + r, corner[1] + c, shape, integration=t, **how)
    assert np.array_equal(part, everything[t : high[0], :groups, r : high[1], c : high[2]])


@pytest.mark.parametrize("name", NAMES)
def test_a_group_has_the_mean_over_its_frames(name):
    """Reads 0 1 2 | 5 6 7 of a ramp that is read frame by frame, with every change within a group weighted exactly."""
    frames = in_box(name, 0, 480, (2, 8, ROWS, 64))
    groups = in_box(name, 0, 480, (2, 2, ROWS, 64), nframes=3, groupgap=2)
    assert groups.any()
    mean = np.stack([frames[:, 0:3].mean(axis=1), frames[:, 5:8].mean(axis=1)], axis=1)
    np.testing.assert_allclose(groups, mean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_added_where_the_amplitude_is_zero(name):
    assert not in_box(name, 0, 0, (1, 3, 8, 600), amplitude=0.0).any()


@pytest.mark.parametrize("name", NAMES)
def test_another_exposure_has_other_noise(name):
    first, other = (in_box(name, 0, 480, (1, 5, ROWS, 64), seed=seed) for seed in (1, 2))
    assert np.array_equal(first, other) == (
        name == "rc_pixels"
    )  # which are pixels of the detector, without noise


@pytest.mark.parametrize("name", ["telegraph_noise", "rc_pixels"])
def test_rare_pixels_belong_to_the_detector(name):
    """Others on another detector, none among the reference pixels; as many as were asked for, within 3 sigma."""
    found = [
        (in_box(name, 0, 0, (1, 2, 256, 2048), detector=d) != 0).any(axis=(0, 1)) for d in ("NRCA1", "NRCA2")
    ]
    assert (found[0] != found[1]).any()
    again = (in_box(name, 0, 0, (1, 2, 256, 2048), seed=77) != 0).any(axis=(0, 1))
    assert np.array_equal(found[0], again)
    assert not found[0][:4].any()
    assert not found[0][:, :4].any()
    pixels = found[0][4:, 4:-4].size
    assert abs(found[0].sum() - 0.02 * pixels) < 3 * np.sqrt(0.02 * pixels)


@pytest.mark.parametrize(("name", "flag"), [("telegraph_noise", "TELEGRAPH"), ("rc_pixels", "RC")])
def test_rare_pixels_are_flagged_where_the_effect_is_on(name, flag):
    """In `pixeldq`, by the names of the standard bits: those whose dark it changes; not with a dark of the user's."""
    spec = make_spec(
        x0=100, y0=0, nx=120, ny=60, nints=1, ngroups=4, layers=(), cosmic_ray_library="", amplifiers=1
    )
    on = replace(spec, switched=(name,), parameters=((name, "fraction", 0.02),))
    references: Any = References(TablePack(spec.detector), Light())
    window = Window.whole(spec)
    before = simulate_window(spec, references, window, want=("pixeldq",))["pixeldq"]
    found = simulate_window(on, references, window, want=("pixeldq", name))
    changed = (found[name] != 0).any(axis=(0, 1))
    assert 50 < changed.sum() < 250
    assert np.array_equal(found["pixeldq"], before | np.where(changed, FLAGS[flag], 0))
    own = {"dark": np.zeros(spec.shape, np.float32)}
    assert np.array_equal(
        simulate_window(on, references, window, want=("pixeldq",), replaced=own)["pixeldq"], before
    )
    silent = replace(on, parameters=((name, "amplitude", 0.0),))
    assert np.array_equal(simulate_window(silent, references, window, want=("pixeldq",))["pixeldq"], before)


@pytest.mark.parametrize("name", NAMES)
def test_a_switch_changes_no_other_effect(name):
    """In the chain: what the switch adds to the dark does not depend on the other effects, and nothing else changes."""
    spec = make_spec(
        layers=(),
        cosmic_ray_library="",
        amplifiers=1,
        x0=512,
        y0=512,
        nx=80,
        ny=60,
        nints=1,
        ngroups=3,
        tframe=10.0,
    )
    references: Any = References(TablePack(spec.detector), Light((UniformBackground(2.0),)))
    window = Window.whole(spec)
    switched = lambda *names: tuple(sorted(set(spec.switched) ^ set(names)))  # noqa: E731
    parameters = tuple((name, key, value) for key, value in sorted(OFTEN.get(name, {}).items()))
    want = ("dark", "transients", "seed")

    def run(*names):
        changed = replace(spec, switched=switched(*names), parameters=parameters)
        return simulate_window(changed, references, window, want=want)

    here, there = run(), run(name)
    for other in ("transients", "seed"):
        assert np.array_equal(here[other], there[other])
    if name == "reference_drift":  # none of its pixels is a reference pixel
        assert np.array_equal(here["dark"], there["dark"])
        return
    alone = (
        run("read_noise", "dark_current", "pink_noise"),
        run("read_noise", "dark_current", "pink_noise", name),
    )
    assert (here["dark"] != there["dark"]).any()
    difference = [(b["dark"] - a["dark"]).astype(float) for a, b in ((here, there), alone)]
    np.testing.assert_allclose(*difference, atol=0.01)
