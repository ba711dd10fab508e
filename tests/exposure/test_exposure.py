"""Every pixel is a pure function: of windows, of chunks, of processors, and of the pieces it is made from."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from support.simulated import FULL_SW, SUBARRAY_LW, SUBARRAY_SW, checksum, exposure, whole

from mirage_dask.detector.effects import switched_effects
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES, replaceable

NAMES = (SUBARRAY_SW, SUBARRAY_LW)


@st.composite
def spans(draw, size: int) -> tuple[int, int]:
    low = draw(st.integers(0, size - 1))
    return low, draw(st.integers(low + 1, min(size, low + 90)))


@st.composite
def windows(draw, shape: tuple[int, int, int, int]) -> Window:
    return Window(*(draw(spans(size)) for size in shape))


def cut(array: np.ndarray, window: Window) -> np.ndarray:
    rows, columns = slice(*window.rows), slice(*window.columns)
    if array.ndim == 2:
        return array[rows, columns]
    return array[slice(*window.integrations), slice(*window.groups), rows, columns]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_any_window_has_the_bits_of_the_whole(name, data):
    spec, references = exposure(name)
    window = data.draw(windows(spec.shape))
    want = data.draw(st.lists(st.sampled_from(list(VARIABLES)), min_size=1, unique=True))
    found = simulate_window(spec, references, window, want=want)
    assert list(found) == want
    for variable, values in found.items():
        assert np.array_equal(values, cut(whole(name)[variable], window)), variable


@settings(max_examples=8)
@given(data=st.data())
def test_windows_of_a_full_frame_across_outputs_and_edges(data):
    spec, references = exposure(FULL_SW)
    rows, columns = (
        data.draw(spans(64)),
        data.draw(st.sampled_from([(0, 700), (509, 515), (1020, 2048), (4, 5)])),
    )
    corner = Window((0, 1), (0, spec.ngroups), (0, 64), (0, 2048))
    part = Window((0, 1), (1, 3), rows, columns)
    strip = simulate_window(spec, references, corner)["raw"]
    found = simulate_window(spec, references, part)["raw"]
    assert np.array_equal(found, strip[:, 1:3, slice(*rows), slice(*columns)])


@pytest.mark.parametrize("piece", replaceable())
@pytest.mark.parametrize("name", NAMES)
def test_a_piece_replaced_by_its_own_values_changes_nothing(name, piece):
    spec, references = exposure(name)
    window = Window((0, 2), (2, spec.ngroups), (31, 150), (0, 400))
    found = simulate_window(
        spec, references, window, want=("linear", "raw"), replaced={piece: whole(name)[piece]}
    )
    for variable, values in found.items():
        assert np.array_equal(values, cut(whole(name)[variable], window))


@pytest.mark.parametrize("name", NAMES)
def test_without_cosmic_rays_untouched_pixels_are_the_same(name):
    spec, references = exposure(name)
    quiet = replace(spec, switched=("cosmic_rays",))
    without = simulate_window(quiet, references, Window.whole(spec))["raw"]
    # Inter-pixel capacitance carries a hit one pixel further.
    hit = ndimage.maximum_filter(whole(name)["cosmic_rays"] > 0, size=(1, 1, 3, 3))
    assert 0 < hit.mean() < 0.2
    assert np.array_equal(without[~hit], whole(name)["raw"][~hit])
    assert (without[hit] != whole(name)["raw"][hit]).any()


@pytest.mark.parametrize(
    "effect",
    ["poisson", "read_noise", "pink_noise", "pixel_pink_noise", "ktc_noise", "dark_current", "ipc", "flat"],
)
def test_an_effect_that_is_off_leaves_the_others_alone(effect):
    """What an effect adds is the same whether or not another effect is on."""
    spec, references = exposure(SUBARRAY_SW)
    window = Window((0, 1), (0, 4), (100, 140), (60, 130))

    def linear(off: set[str]) -> np.ndarray:
        chosen = replace(spec, switched=tuple(sorted(off)))
        return simulate_window(chosen, references, window, want=("linear",))["linear"].astype(float)

    other = "pink_noise" if effect != "pink_noise" else "read_noise"
    difference = (linear(set()) - linear({other})) - (linear({effect}) - linear({effect, other}))
    assert np.abs(difference).max() < 5e-3  # float32 sums of 1e4 DN


def test_the_expected_ramp_in_plain_numpy():
    """Without noise, every step of the chain can be written down in a few lines of float64."""
    spec, references = exposure(SUBARRAY_LW)
    effects = ("bias", "flat", "gain_map", "ipc", "nonlinearity", "saturation")
    window = Window((0, 1), (0, spec.ngroups), (40, 90), (30, 110))
    found = simulate_window(
        replace(spec, switched=switched_effects(effects)), references, window, want=("linear", "raw", "seed")
    )
    seed = simulate_window(spec, references, Window((0, 1), (0, 1), (39, 91), (29, 111)), want=("seed",))[
        "seed"
    ]

    def plane(name: str, grow: int = 0) -> np.ndarray:
        y, x = spec.y0 + 40 - grow, spec.x0 + 30 - grow
        ny, nx = 50 + 2 * grow, 80 + 2 * grow
        if spec.slow_axis < 0:
            y = 2048 - y - ny
        if spec.fast_axis < 0:
            x = 2048 - x - nx
        values = references.pack.plane(name, slice(y, y + ny), slice(x, x + nx)).astype(float)
        return values[..., :: -1 if spec.slow_axis < 0 else 1, :: -1 if spec.fast_axis < 0 else 1]

    seconds = (np.arange(spec.ngroups) + 1)[:, None, None] * spec.tframe
    charge = seed.astype(float) * plane("response", grow=1) * seconds
    kernel = np.asarray(references.pack.meta["ipc"])
    coupled = np.stack([ndimage.convolve(c, kernel)[1:-1, 1:-1] for c in charge])
    linear = coupled * plane("inverse_gain")
    np.testing.assert_allclose(found["linear"][0], linear, rtol=2e-6, atol=2e-3)

    raw, coefficients = found["raw"][0].astype(float), plane("linearity")
    measured = raw - plane("superbias")
    back = np.polynomial.polynomial.polyval(measured, coefficients[:, None], tensor=False)
    inside = (linear < plane("full_well")) & (raw < 65535)
    assert np.abs(back - linear)[inside].max() < 0.6  # rounding to whole DN, stretched by the correction


CHECK = """
from support.simulated import SUBARRAY_LW, SUBARRAY_SW, checksum, exposure
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES
for name in (SUBARRAY_SW, SUBARRAY_LW):
    spec, references = exposure(name)
    for window in (Window((0, 2), (0, 8), (0, 131), (0, 400)), Window((1, 2), (3, 6), (77, 198), (201, 333))):
        print(checksum(*simulate_window(spec, references, window, want=VARIABLES).values()))
"""


def test_another_processors_instructions_give_the_same_bits():
    def run(**environment: str) -> list[str]:
        answer = subprocess.run(
            [sys.executable, "-c", CHECK],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.split()

    own, generic = run(), run(NUMBA_CPU_NAME="generic")
    assert len(own) == 4
    assert own == generic


def test_kernels_compile_where_nothing_can_be_written(tmp_path):
    script = (
        "import numpy as np\n"
        "from mirage_dask.detector.random.philox import philox_row\n"
        "words = np.empty((4, 8), np.uint32)\n"
        "philox_row(np.uint32(1), np.uint32(2), 0, 0, 0, 0, 0, 8, *words)\n"
        "print(words[0, 0])"
    )
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    answers = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "MIRAGE_DASK_CACHE": str(place)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for place in (blocked, tmp_path / "new")
    ]
    assert answers[0] == answers[1]


def test_a_window_outside_and_unknown_names_are_refused():
    spec, references = exposure(SUBARRAY_SW)
    with pytest.raises(ValueError, match="leaves the exposure"):
        simulate_window(spec, references, Window((0, 1), (0, 1), (0, 401), (0, 10)))
    with pytest.raises(ValueError, match="unknown variables"):
        simulate_window(spec, references, Window.whole(spec), want=("row",))


def test_seeds_give_independent_noise():
    spec, references = exposure(SUBARRAY_SW)
    window = Window((0, 1), (0, 2), (0, 100), (0, 100))
    one, two = (
        simulate_window(replace(spec, random_seed=seed), references, window, want=("dark",))["dark"][
            0, 1
        ].astype(float)
        for seed in (1, 2)
    )
    bias = simulate_window(
        replace(spec, switched=switched_effects(("bias",))), references, window, want=("dark",)
    )["dark"][0, 1]
    correlation = np.corrcoef((one - bias).ravel(), (two - bias).ravel())[0, 1]
    assert abs(correlation) < 4 / 100
    assert checksum(one) != checksum(two)
