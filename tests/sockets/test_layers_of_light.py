"""Layers of light: an image as background, a moving point, a light curve; static and varying light add up exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import SUBARRAY_SW, example_plan, exposure

import mirage_dask as md
from mirage_dask.detector.effects import switched_effects
from mirage_dask.errors import InputError, StoreError
from mirage_dask.exposure.references import References, open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.planning.making import make_plan
from mirage_dask.pointing import SkyProjection
from mirage_dask.scene.layers import (
    BackgroundImage,
    Light,
    LightCurveLayer,
    LightCurves,
    MovingLayer,
    MovingPoints,
    StarLayer,
    View,
    open_layers,
)
from mirage_dask.scene.sources import PointSources
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.variables import VARIABLES

QUIET = ("poisson", "gain_map")


def bare(**changes: object) -> tuple[ExposureSpec, References]:
    """The subarray of the example without sky, dark and noise but that of photons."""
    spec, opened = exposure(SUBARRAY_SW)
    return replace(
        spec, layers=(), cosmic_ray_library="", switched=switched_effects(QUIET), **changes
    ), opened  # type: ignore[arg-type]


def view(spec: ExposureSpec, opened: References, tables: str = "") -> View:
    projection = SkyProjection.of(spec.attitude, opened.pack.distortion)
    return View(tables, projection, (spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny), opened.pack.psf)


def moving(spec: ExposureSpec) -> MovingPoints:
    """A star that crosses 60 pixels during the exposure."""
    seconds = spec.integration_start(spec.nints)
    track = np.array([[[150.3, 120.7], [210.3, 140.2]]])
    return MovingPoints(np.array([1]), track, np.array([0.0, seconds]), np.array([3000.0]))


def curves(spec: ExposureSpec, *factors: float) -> LightCurves:
    """A star of 2,000 e-/s whose brightness goes through the factors at even times."""
    times = np.linspace(0.0, spec.integration_start(spec.nints), len(factors))
    return LightCurves(
        np.array([5]), np.array([[250.5, 199.75]]), np.array([2000.0]), times, np.array([factors])
    )


def test_an_image_is_a_background(tmp_path):
    """From the table beside a plan to the pixels: brightness by pixel area, and the window of the whole."""
    spec, opened = exposure(SUBARRAY_SW)
    image = np.random.default_rng(3).uniform(0.1, 5.0, (spec.ny, spec.nx)).astype(np.float32)
    key = BackgroundImage(image, spec.x0, spec.y0).save(tmp_path)
    light = open_layers([("background_image", key)], view(spec, opened, str(tmp_path)))
    own = replace(spec, layers=(("background_image", key),))
    seed = simulate_window(own, References(opened.pack, light), Window.whole(spec), want=("seed",))["seed"]
    even = replace(spec, layers=(("background", "1.0"),))
    area = simulate_window(
        even,
        References(opened.pack, open_layers(even.layers, view(spec, opened))),
        Window.whole(spec),
        want=("seed",),
    )["seed"]
    np.testing.assert_allclose(seed, image * area, rtol=1e-6)
    part = Window((0, 1), (0, 1), (31, 57), (100, 333))
    found = simulate_window(own, References(opened.pack, light), part, want=("seed",))["seed"]
    assert np.array_equal(found, seed[31:57, 100:333])


def test_a_moving_point_leaves_a_trail_of_all_its_light():
    spec, opened = bare()
    layer = MovingLayer.of(moving(spec), view(spec, opened))
    lit = References(opened.pack, Light(varying=(layer,)))
    found = simulate_window(spec, lit, Window.whole(spec), want=("transients",))["transients"]
    # The light of an integration is that of a star at rest: the same wings are lost.
    star = PointSources(np.array([1]), np.array([[180.3, 130.5]]), np.array([3000.0]))
    at_rest = References(opened.pack, Light(static=(StarLayer.of(star, view(spec, opened)),)))
    seed = simulate_window(spec, at_rest, Window.whole(spec), want=("seed",))["seed"]
    expected = seed.sum(dtype=float) * spec.tframe * spec.frames_per_integration
    assert abs(found[0, -1].sum(dtype=float) / expected - 1) < 4 / np.sqrt(expected) + 0.003
    steps = np.diff(found[0], axis=0, prepend=0)
    centres = []
    for step in steps:
        y, x = np.indices(step.shape)
        near = np.hypot(x - x.ravel()[step.argmax()], y - y.ravel()[step.argmax()]) < 12
        centres.append(((x * step)[near].sum() / step[near].sum(), (y * step)[near].sum() / step[near].sum()))
    path = np.diff(centres, axis=0)
    assert (path[:, 0] > 0).all()
    speed = 60.0 / spec.integration_start(spec.nints) * spec.tgroup
    assert abs(path[:, 0].mean() / speed - 1) < 0.05


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 350), st.integers(0, 350), st.integers(1, 90), st.integers(1, 90), st.integers(0, 1))
def test_any_window_has_the_bits_of_the_whole(y, x, height, width, integration):
    spec, lit, whole = everything()
    window = Window((integration, 2), (1, 4), (y, min(y + height, spec.ny)), (x, min(x + width, spec.nx)))
    for name, values in simulate_window(spec, lit, window, want=VARIABLES).items():
        box = VARIABLES[name].select(tuple(slice(*span) for span in window.spans))
        assert np.array_equal(values, whole[name][box]), name


_EVERYTHING: list = []


def everything() -> tuple[ExposureSpec, References, dict[str, np.ndarray]]:
    """An exposure of the example with a moving point and a light curve, all effects on, computed once."""
    if not _EVERYTHING:
        spec, opened = exposure(SUBARRAY_SW)
        seen = view(spec, opened)
        varying = (LightCurveLayer.of(curves(spec, 0.3, 1.0, 0.2), seen), MovingLayer.of(moving(spec), seen))
        lit = References(opened.pack, Light(opened.light.static, varying))
        _EVERYTHING.append((spec, lit, simulate_window(spec, lit, Window.whole(spec), want=VARIABLES)))
    return _EVERYTHING[0]


def test_transients_replaced_by_their_own_values_change_nothing():
    spec, lit, whole = everything()
    window = Window((0, 2), (2, spec.ngroups), (90, 260), (120, 330))
    dark = References(lit.pack, Light(lit.light.static))
    found = simulate_window(
        spec, dark, window, want=("linear", "raw"), replaced={"transients": whole["transients"]}
    )
    for name, values in found.items():
        assert np.array_equal(values, whole[name][:, 2:, 90:260, 120:330])


def test_a_light_curve_is_what_its_mean_says():
    """A star with a constant light curve is a static star: the same expected light, and photon noise of that size."""
    spec, opened = bare(nints=40)
    star = LightCurveLayer.of(curves(spec, 1.0), view(spec, opened))
    box = Window((0, 40), (0, spec.ngroups), (190, 210), (240, 262))
    found = simulate_window(spec, References(opened.pack, Light(varying=(star,))), box, want=("transients",))
    last = found["transients"][:, -1].astype(float)
    mean, variance = last.mean(axis=0), last.var(axis=0, ddof=1)
    bright = mean > 100
    assert bright.sum() > 20
    if spec.nframes == 1:
        ratio = variance[bright] / mean[bright]
        # The variance of 40 draws scatters by sqrt(2 / 39) = 0.23 in each of the pixels.
        assert abs(ratio.mean() - 1) < 4 * 0.23 / np.sqrt(bright.sum())


def test_a_light_curve_is_averaged_over_each_read():
    spec, opened = bare()
    rising = LightCurveLayer.of(curves(spec, 0.0, 1.0), view(spec, opened))
    end = spec.integration_start(spec.nints)
    assert rising.mean_factor(0.0, end) == pytest.approx(0.5)
    assert rising.mean_factor(0.25 * end, 0.75 * end) == pytest.approx(0.5)
    peak = LightCurveLayer.of(curves(spec, 0.0, 1.0, 0.0), view(spec, opened))
    assert peak.mean_factor(0.0, end) == pytest.approx(0.5)
    assert peak.mean_factor(end, 2 * end) == pytest.approx(0.0)


def test_light_of_an_unknown_kind_is_refused():
    spec, opened = bare()
    with pytest.raises(StoreError, match="light of the kind 'rainbow', which this version does not know"):
        open_layers([("rainbow", "0")], view(spec, opened))
    unknown = replace(spec, layers=(("rainbow", "0"),))
    with pytest.raises(StoreError, match="rainbow"):
        open_references(unknown, example_plan().url)


def test_a_setting_names_an_image_as_background(tmp_path):
    """From the settings file to the seed, for the exposures of one observation."""
    proposal = md.open_proposal(md.example_proposal())
    table = proposal.table.set_index("name").loc[SUBARRAY_SW]
    image = np.zeros((2048, 2048), np.float32)
    image[int(table["y0"]) + 10, int(table["x0"]) + 20] = 2.5
    fits.writeto(tmp_path / "sky.fits", image)
    settings_file = tmp_path / "settings.yaml"
    settings_file.write_text("background: {1: low, 2: sky.fits}\ncosmic_rays: none\n")
    opened = md.open_proposal(md.example_proposal(), settings=settings_file)
    plan = make_plan(opened.table[opened.table["name"] == SUBARRAY_SW], opened.settings)
    spec = plan.spec(0)
    assert [kind for kind, _ in spec.layers] == ["background_image"]
    references = open_references(spec, plan.url)
    seed = simulate_window(spec, references, Window.whole(spec), want=("seed",))["seed"]
    assert np.argwhere(seed).tolist() == [[10, 20]]
    assert seed[10, 20] == pytest.approx(2.5 * references.pack.meta["mean_gain"], rel=0.05)
    fits.writeto(tmp_path / "sky.fits", image[:100], overwrite=True)
    with pytest.raises(InputError, match=r"sky.fits: no image of 400 x 400 pixels .* or 2048 x 2048"):
        make_plan(opened.table[opened.table["name"] == SUBARRAY_SW], opened.settings)
    with pytest.raises(InputError, match=r"background: there is no file .*nowhere.fits"):
        md.open_proposal(md.example_proposal(), background=str(tmp_path / "nowhere.fits"))
