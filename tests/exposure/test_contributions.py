"""Truth on request: contributions of effects are differences that add up, flags and errors know what was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, exposure
from support.small_plans import make_spec
from support.table_packs import table_references

from mirage_dask.detector.effects import EFFECTS, default_effects, effects_on, switched_effects
from mirage_dask.errors import InputError
from mirage_dask.exposure.contributions.quality import ramp_error
from mirage_dask.exposure.contributions.variables import check_truth, truth_variables
from mirage_dask.exposure.frame import Frame
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES

SATURATED, JUMP_DET = 2, 4
BOX = ((0, 40), (0, 64))


def averaged(name: str = SUBARRAY_SW, **changes):
    """An exposure of the example in groups of two frames, with many cosmic rays, and a window of it."""
    spec, references = exposure(name)
    spec = replace(spec, nints=2, ngroups=4, nframes=2, groupgap=1, cosmic_ray_rate=5e-4, **changes)
    return spec, references, Window((0, 2), (0, 4), *BOX)


def compute(spec, references, window, *names, **given):
    return simulate_window(spec, references, window, want=names, replaced=given)


def test_there_is_one_for_every_declared_effect():
    known = VARIABLES.keys() | truth_variables()
    assert {effect.name for effect in EFFECTS} <= known
    assert not VARIABLES.keys() & truth_variables()
    assert {"photons", "groupdq", "pixeldq"} <= known
    for name, variable in truth_variables().items():
        assert variable.name == name
        assert variable.long_name
        assert not variable.replaceable
    assert check_truth("read_noise") == ("read_noise",)
    assert check_truth(["ipc", "dark", "ipc"]) == ("ipc", "dark")
    with pytest.raises(InputError, match=r"'read_nois'.*read_noise") as error:
        check_truth(["read_nois", "raw", "snow"])
    assert len(error.value.problems) == 2


@pytest.mark.parametrize("name", [SUBARRAY_SW, SUBARRAY_LW])
def test_contributions_add_up(name):
    """Dark: bias and all noises. Linear: photons and particles through coupling and gain, and the dark."""
    spec, references, window = averaged(name)
    dark_effects = [e.name for e in EFFECTS if e.stage == "dark"]
    found = compute(spec, references, window, "dark", "linear", "photons", "cosmic_rays", *dark_effects)
    total = sum(found[e].astype(float) for e in dark_effects if e != "reference_pixels")
    assert total == pytest.approx(found["dark"], abs=5e-3)
    for effect in ("dark_current", "ktc_noise", "read_noise", "pink_noise", "pixel_pink_noise"):
        assert found[effect].std() > 0.05, effect
    assert np.ptp(found["ktc_noise"], axis=1).max() < 1e-3  # the same in all groups
    assert (np.diff(found["dark_current"], axis=1) > -1e-3).all()
    # Without coupling, every pixel's electrons are its own.
    still = replace(
        spec,
        switched=switched_effects(
            default_effects() - {"ipc", "post_pixel_coupling", "crosstalk", "gain_map"}
        ),
    )
    found = compute(
        still, references, window, "dark", "bias", "linear", "photons", "cosmic_rays", "transients"
    )
    charge = found["photons"] + found["cosmic_rays"] + found["transients"]
    expected = charge / references.pack.meta["mean_gain"] + found["dark"] - found["bias"]
    assert found["linear"] == pytest.approx(expected, rel=1e-6, abs=1e-2)


def test_read_noise_is_white_and_of_the_size_of_its_plane():
    spec = make_spec(cosmic_ray_library="", layers=())
    references = table_references("NRCB1")
    window = Window.whole(spec)
    noise = compute(spec, references, window, "read_noise")["read_noise"]
    sigma = references.pack.plane("read_noise", slice(0, 10), slice(0, 10)).mean() / np.sqrt(spec.nframes)
    assert noise.std() == pytest.approx(sigma, rel=0.02)  # 18,432 values: 0.5 %
    assert abs(np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1]) < 0.04


def test_each_effect_of_light_and_read_out_is_a_difference():
    spec, references, window = averaged()
    on = effects_on(spec.switched)
    found = compute(spec, references, window, "poisson", "flat", "ipc", "nonlinearity", "photons", "raw")
    quiet = replace(spec, switched=switched_effects(on - {"poisson"}))
    expected = compute(quiet, references, window, "photons", "seed")
    assert np.array_equal(found["poisson"], found["photons"] - expected["photons"])
    sigma = np.sqrt(expected["photons"].mean())
    assert abs(found["poisson"].mean()) < 5 * sigma / np.sqrt(found["poisson"][:, 0].size)
    assert found["poisson"].std() == pytest.approx(sigma, rel=0.5)
    times = [(g * 3 + 1.5) * spec.tframe for g in range(4)]  # middles of two frames, one dropped
    bare = replace(spec, switched=switched_effects(on - {"poisson", "flat"}))
    even = compute(bare, references, window, "photons")["photons"]
    assert even[1, 2] == pytest.approx(times[2] * expected["seed"], rel=1e-5)
    flat = replace(spec, switched=switched_effects(on - {"flat"}))
    without = compute(flat, references, window, "photons")["photons"]
    assert np.array_equal(found["flat"], found["photons"] - without)
    for effect in ("ipc", "nonlinearity"):
        without = replace(spec, switched=switched_effects(on - {effect}))
        raw = compute(without, references, window, "raw")["raw"]
        assert np.array_equal(found[effect], found["raw"].astype(np.float32) - raw)
        assert found[effect].any()


def test_what_is_off_or_given_contributes_nothing():
    spec, references, window = averaged()
    off = replace(spec, switched=switched_effects(default_effects() - {"read_noise", "ipc", "poisson"}))
    for name, values in compute(off, references, window, "read_noise", "ipc", "poisson").items():
        assert not values.any(), name
    dark = np.zeros(spec.shape, np.float32)
    given = compute(spec, references, window, "pink_noise", "bias", "groupdq", dark=dark)
    assert not given["pink_noise"].any()
    assert not given["bias"].any()
    rays = np.zeros(spec.shape, np.float32)
    rays[1, 2:, 20, 30] = 5000.0
    flags = compute(spec, references, window, "groupdq", cosmic_rays=rays)["groupdq"]
    hit = np.argwhere(flags & JUMP_DET)
    assert [1, 2, 20, 30] in hit.tolist()
    assert (np.abs(hit - [1, 2, 20, 30]).max(axis=0) <= [0, 0, 1, 1]).all()  # and what it couples to


@settings(max_examples=8, deadline=None)
@hypothesis_given(
    y=st.tuples(st.integers(0, 30), st.integers(1, 9)),
    x=st.tuples(st.integers(0, 50), st.integers(1, 13)),
    groups=st.sampled_from([(0, 4), (1, 4), (2, 3), (0, 1)]),
    integrations=st.sampled_from([(0, 2), (1, 2)]),
)
def test_any_window_has_the_bits_of_the_whole(y, x, groups, integrations):
    spec, references, _ = averaged(SUBARRAY_LW)
    names = ("photons", "groupdq", "pixeldq", "poisson", "ktc_noise", "read_noise", "nonlinearity")
    whole = _whole(names)
    part = Window(integrations, groups, (y[0], sum(y)), (x[0], sum(x)))
    found = compute(spec, references, part, *names)
    for name, variable in truth_variables().items():
        if name in names:
            box = tuple(slice(*span) for span in variable.select(part.spans))
            assert np.array_equal(found[name], whole[name][box]), name
            assert found[name].dtype == variable.dtype


_KEPT: dict = {}


def _whole(names):
    if not _KEPT:
        _KEPT.update(compute(*averaged(SUBARRAY_LW), *names))
    return _KEPT


def test_flags_of_groups_are_those_of_what_was_put_in():
    spec, references, window = averaged()
    found = compute(spec, references, window, "groupdq", "cosmic_rays", "linear")
    assert not (found["groupdq"][:, 0] & JUMP_DET).any()
    # Far above the noise all steps are flagged, and all flags are within a pixel of some charge.
    gain = references.pack.meta["mean_gain"]
    steps = np.diff(found["cosmic_rays"], axis=1) / gain
    flagged = found["groupdq"][:, 1:] & JUMP_DET > 0
    assert (steps > 100).sum() > 50
    assert flagged[steps > 100].all()
    near = np.zeros_like(flagged)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= np.roll(steps, (dy, dx), (2, 3)) > 0
    assert near[flagged].all()
    # A bright star: saturated from some group on, and to the end.
    seed = np.full((spec.ny, spec.nx), 20.0, np.float32)
    seed[10:13, 20:23] = 1e5
    flags = compute(spec, references, window, "groupdq", seed=seed)["groupdq"] & SATURATED
    assert (flags[:, -1, 11, 21] == SATURATED).all()
    assert (np.diff(flags.astype(int), axis=1) >= 0).all()
    assert not flags[:, :, 20:].any()


def test_pixel_flags_are_those_of_the_mask():
    spec, references, window = averaged()
    flags = compute(spec, references, window, "pixeldq")["pixeldq"]
    assert flags.dtype == np.uint32
    assert flags.shape == (40, 64)


def test_the_error_is_the_scatter_of_ramps():
    """Of 60 realisations without 1/f, reset and flat noise; chi-square of 100,000 values has a scatter of 0.5 %."""
    references = table_references("NRCB1")
    on = {"poisson", "read_noise"}
    spec = make_spec(nints=60, ngroups=2, cosmic_ray_library="", layers=(), switched=switched_effects(on))
    seed = np.full((spec.ny, spec.nx), 100.0, np.float32)
    window = Window.whole(spec)
    linear = compute(spec, references, window, "linear", seed=seed)["linear"]
    expected = ramp_error(spec, references, window, linear)
    # Frames are averaged: the shot noise of a mean of frames is a little below that of its signal.
    for group in range(2):
        scatter = linear[:, group].std(axis=0, ddof=1)
        ratio = np.sqrt((scatter**2).mean()) / np.sqrt((expected[:, group] ** 2).mean())
        assert 0.85 < ratio < 1.01
    quiet = replace(spec, switched=())
    dark = ramp_error(replace(quiet, switched=switched_effects({"read_noise"})), references, window, linear)
    rows, columns = Frame(spec, references.pack.array).extent
    sigma = references.pack.plane("read_noise", slice(*rows), slice(*columns)).mean()
    assert dark.mean() == pytest.approx(sigma / np.sqrt(spec.nframes), rel=1e-5)
