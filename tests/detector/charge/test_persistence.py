"""Persistence: how traps fill and empty against equations and figures of others, and its electrons in an exposure."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_LW, exposure

from mirage_dask.detector.charge.elementary import exponential, logarithm, power
from mirage_dask.detector.charge.persistence import TABLE, released
from mirage_dask.detector.charge.trapping import MODELS, SHARES, TAU, Fill, release, stimulus
from mirage_dask.detector.effects import default_effects, effect_parameters, parameter_value, switched_effects
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window


def values(**changed):
    """Return the values of the parameters, some of them changed."""
    return partial(
        parameter_value, "persistence", changed=tuple(("persistence", *entry) for entry in changed.items())
    )


def fill(rate: float, seconds: float = 1000.0, since: float = 60.0, integrations: int = 1, pixel: int = 0):
    return Fill(np.array([pixel]), np.array([rate]), np.array([1e5]), seconds, 10.0, integrations, since)


def emitted(fills, start: float, stop: float, **changed) -> float:
    """Return the electrons that one pixel releases between two times of the later exposure."""
    found = release(fills, values(**changed))
    return float(
        found.amplitude @ released(found.exponent, found.scale, np.array([start, stop]))[found.component, 0]
    )


@given(st.floats(-600, 600))
def test_the_exponential(x):
    assert exponential(x) == pytest.approx(np.exp(x), rel=1e-13)


@given(st.floats(1e-12, 1e12), st.floats(-3, 3))
def test_the_logarithm_and_powers(x, exponent):
    assert logarithm(x) == pytest.approx(np.log(x), rel=1e-13, abs=1e-15)
    assert power(x, exponent) == pytest.approx(x**exponent, rel=1e-12)


def test_the_power_law_is_that_of_romanisim():
    """Figures of romanisim 0.15.0 for 100,000 e-, with its amplitude: 0.40 e-/s after 30 s, 0.012 after 1,000 s."""
    bright = [fill(100.0, since=1e-9)]
    for when, rate in ((30.0, 0.40), (1000.0, 0.012)):
        found = emitted(bright, when * 0.999, when * 1.001, amplitude=0.017) / (0.002 * when)
        assert found == pytest.approx(rate, rel=0.02)
    assert emitted(bright, 11, 1000, amplitude=0.017) == pytest.approx(54, rel=0.02)
    assert stimulus(np.array([25_000.0])) == pytest.approx(stimulus(np.array([50_000.0])) / 2)


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.7])
def test_the_integral_of_a_power_is_exact(exponent):
    edges = np.array([0.0, 10.0, 400.0])
    found = released(np.array([exponent]), np.array([30.0]), edges)[0]
    for low, high, value in zip(edges, edges[1:], found, strict=False):
        t = np.linspace(low, high, 20_001)
        expected = np.trapezoid(((t + 30) / 1000) ** -exponent, t)
        assert value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_a_normal_pixel_releases_less_than_a_ten_thousandth_in_an_equal_exposure(model):
    """JDox, NIRCam Detector Performance: persistence below 0.01 %."""
    found = emitted([fill(100.0)], 0, 1000, model=model)
    assert 1 < found < 10


@pytest.mark.parametrize(("rate", "integrations"), [(40.0, 1), (900.0, 1), (300.0, 3)])
def test_five_exponentials_solve_their_equation(rate, integrations):
    first, second = fill(rate, 200.0, 420.0, integrations), fill(50.0, 100.0, 25.0)
    found = release([first, second], values(model="exponentials", density=1e-3))
    step, gap = 0.02, 420.0 - 25.0 - 100.0
    charge = []
    for earlier, idle in ((first, gap), (second, 25.0)):
        ramp = np.minimum(earlier.rate[0] * np.arange(0.5 * step, earlier.seconds, step), 1e5)
        for n in range(earlier.integrations):
            charge.append(ramp)
            charge.append(np.zeros(round((10.0 if n + 1 < earlier.integrations else idle) / step)))
    trapped = np.zeros(5)
    decay, share = np.exp(-step / np.array(TAU)), np.array(SHARES) * 1e-3
    for q in np.concatenate(charge):
        trapped = trapped * decay + share * q * (1 - decay)
    np.testing.assert_allclose(found.amplitude, trapped, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("rate", [30.0, 400.0])
def test_traps_fill_as_in_the_former_step_of_the_pipeline(rate):
    """Traps at a depth that the charge has reached at the time u fill for u: 2 D s^2 u (c0 (1 - exp(-u / tau)) + c2)."""
    changed = {
        "capture0_1": 0.5,
        "capture1_1": -0.02,
        "capture2_1": 0.1,
        "decay_1": -0.004,
        "trap_density": 30,
    }
    off = {f"decay_{k}": 0.0 for k in (2, 3)}
    found = release([fill(rate, 500.0, 1e-9)], values(model="traps", **changed, **off))
    slope, seconds = rate / 1e5, 510.0
    full = min(seconds, 1 / slope)
    u = np.linspace(0, full, 100_001)
    ramp = 2 * 30 * slope**2 * np.trapezoid(u * (0.5 * (1 - np.exp(-0.02 * u)) + 0.1), u)
    expected = ramp + (30 * 0.5 - (ramp - 30 * 0.1)) * (1 - np.exp(-0.02 * (seconds - full)))
    assert found.amplitude == pytest.approx([expected], rel=1e-6)
    assert found.scale == pytest.approx([250.0])


@pytest.mark.parametrize("model", MODELS[1:])
@settings(max_examples=20, deadline=None)
@given(st.floats(1, 3000), st.integers(1, 4))
def test_integrations_are_exposures_that_follow_one_another(model, rate, count):
    together = release([fill(rate, 90.0, 40.0, count)], values(model=model))
    gap = 10.0 if model == "exponentials" else 0.0
    single = [fill(rate, 90.0, 40.0 + (count - 1 - n) * 100.0 + gap - 10.0, 1) for n in range(count)]
    if model == "exponentials":
        apart = release(single, values(model=model))
        np.testing.assert_allclose(together.amplitude, apart.amplitude, rtol=1e-9)
    longer = release([fill(rate, 90.0, 40.0, count + 1)], values(model=model))
    assert (longer.amplitude >= together.amplitude).all()


def test_families_and_densities_of_files_stand_for_those_of_parameters():
    """Two families instead of three; a density for each pixel, which the fill is proportional to."""
    coefficients = [(0.4, -0.01, 0.1, -0.01), (0.3, 0.003, 0.0, 0.0), (0.3, 0.001, 0.2, 0.001)]
    one = release([fill(900.0, 90.0, 40.0, 2)], values(model="traps", trap_density=20.0), coefficients)
    assert one.scale.tolist() == [100.0, 1000.0]  # the second one releases nothing
    dense = replace(fill(900.0, 90.0, 40.0, 2), density=np.array([60.0]))
    three = release([dense], values(model="traps"), coefficients)
    np.testing.assert_allclose(three.amplitude, 3 * one.amplitude, rtol=1e-12)
    usual = release([fill(900.0, 90.0, 40.0, 2)], values(model="traps"))
    assert usual.scale.size == 3


PLACES = [(30, 40), (31, 40), (63, 100), (64, 101), (90, 17)]


def persistent(model: str = "power_law", **changed):
    """Return an exposure behind one that filled some pixels, and its references."""
    spec, opened = exposure(SUBARRAY_LW)
    array = opened.pack.array
    rows, columns = array.detector_box((spec.y0, spec.y0 + spec.ny), (spec.x0, spec.x0 + spec.nx))
    pixel = np.sort([((rows[0] + r) << 16) + columns[0] + c for r, c in PLACES])
    n = len(PLACES)
    bright = Fill(pixel, np.full(n, 3e3), np.full(n, 8e4), 40.0, 5.0, 2, 30.0)
    faint = Fill(pixel[:2], np.full(2, 1e3), np.full(2, 8e4), 40.0, 5.0, 2, 400.0)
    table = release([faint, bright], values(model=model, **changed)).table()
    spec = replace(
        spec,
        switched=switched_effects(default_effects() | {"persistence"}),
        inputs=(("persistence", "0" * 32),),
    )
    return spec, References(opened.pack, opened.light, {"persistence": table}), table


@pytest.mark.parametrize("model", MODELS)
def test_a_window_has_the_bits_of_the_whole(model):
    spec, opened, table = persistent(model, amplitude=3.0, density=0.1, trap_density=2e4)
    assert {name: column.dtype.str[1:] for name, column in table.items()} == TABLE
    names = ("raw", "transients")
    whole = simulate_window(spec, opened, Window.whole(spec), want=names)
    assert (whole["transients"][:, -1] > 0).sum() >= 4
    for window in (
        Window((0, 1), (0, 3), (20, 110), (0, 120)),
        Window((1, 2), (2, spec.ngroups), (0, 400), (30, 90)),
        Window((0, 2), (spec.ngroups - 1, spec.ngroups), (300, 380), (290, 399)),
    ):
        box = tuple(slice(*span) for span in window.spans)
        part = simulate_window(spec, opened, window, want=names)
        for name in names:
            assert np.array_equal(part[name], whole[name][box]), name


def test_electrons_of_each_read_are_those_of_the_model_and_have_shot_noise():
    spec, opened, table = persistent(amplitude=300.0)
    window = Window.whole(spec)
    found = simulate_window(spec, opened, window, want=("transients",))["transients"]
    quiet = replace(spec, switched=switched_effects((default_effects() | {"persistence"}) - {"poisson"}))
    mean = simulate_window(quiet, opened, window, want=("transients",))["transients"]
    y, x = np.nonzero(mean[0, -1])
    assert y.size == len(PLACES)
    a = [opened.inputs["persistence"]["amplitude"][table["component"] == k] for k in (0, 1)]
    start, ends = spec.integration_start(1), np.array(spec.group_end_times)
    law = 1000 * np.log((start + ends + 30.0) / (start + 30.0))  # of the second integration
    one = np.sort(mean[1, :, y, x], axis=0)[0]
    np.testing.assert_allclose(one, a[1][0] * law, rtol=1e-4)
    np.testing.assert_allclose(
        np.sort(mean[1, :, y, x], axis=0)[-1],
        a[1][0] * law + a[0][0] * 1000 * np.log((start + ends + 400.0) / (start + 400.0)),
        rtol=1e-4,
    )
    # Increments are independent Poisson deviates: chi-squared of 2 x 8 x 5 of them, fixed seed.
    steps, expected = (np.diff(v, axis=1, prepend=0)[:, :, y, x] for v in (found, mean))
    assert (steps == np.round(steps)).all()
    chi = ((steps - expected) ** 2 / expected).sum()
    assert abs(chi - steps.size) < 4 * np.sqrt(2 * steps.size)


def test_switching_persistence_on_changes_no_other_effect():
    spec, opened, _ = persistent(amplitude=3.0)
    off = replace(spec, switched=())
    names = ("dark", "cosmic_rays", "seed", "transients", "raw")
    window = Window((0, 1), (0, spec.ngroups), (0, 120), (0, 400))
    on, without = (simulate_window(s, opened, window, want=names) for s in (spec, off))
    for name in ("dark", "cosmic_rays", "seed"):
        assert np.array_equal(on[name], without[name])
    changed = on["raw"] != without["raw"]
    lit = (on["transients"] != without["transients"]).any(axis=(0, 1))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(lit, 1), (3, 3)).any(axis=(2, 3))
    assert not changed[:, :, ~near].any()


def test_parameters_are_declared():
    assert {"model", "look_back", "fluence", "amplitude"} <= set(effect_parameters("persistence"))
    with pytest.raises(ValueError, match="no model 'none'"):
        release([], lambda name: "none")
