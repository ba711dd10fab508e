"""A detector that is not square, with reference columns only and interleaved outputs, as those of MIRI: the whole chain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.detector.context import Box, Readout
from mirage_dask.detector.effects import switched_effects
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.particles.cosmic_rays import Collecting, Stamps, cosmic_ray_groups
from mirage_dask.detector.pink import NODE
from mirage_dask.detector.random.keys import exposure_keys
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import Detector, DetectorArray, get_detector
from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import Light, UniformBackground
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.variables import VARIABLES

ARRAY = DetectorArray((1024, 1032), (0, 0, 4, 4), fast_axis=1, slow_axis=2, outputs=4, interleaved=True)


def detector() -> Detector:
    """A known detector, its place in the focal plane and its noise, with that array."""
    return replace(get_detector("NRCB5"), array=ARRAY)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A spec of the full frame and a real pack, made of no files: every plane has its neutral value."""
    place = str(tmp_path_factory.mktemp("packs"))
    key = build_pack(ReferenceFiles({}, filter="F444W", pupil="CLEAR"), detector(), place)
    pack = ReferencePack.open(place, key)
    spec = ExposureSpec(
        name="jw99001001001_02101_00001_nrcb5", program=99001, observation=1, visit=1, exposure=1, tile=1, dither=1,
        detector="NRCB5", filter="F444W", pupil="CLEAR", nints=2, ngroups=4, nframes=1, groupgap=0, tframe=2.775,
        x0=0, y0=0, nx=1032, ny=1024, fast_axis=1, slow_axis=2, amplifiers=4,
        attitude=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), random_seed=42, pack=key,
    )  # fmt: skip
    return spec, References(pack, Light(static=(UniformBackground(50.0),)))


@pytest.fixture(scope="module")
def whole(opened):
    return simulate_window(*opened, Window.whole(opened[0]), want=VARIABLES)


def test_the_array_is_in_the_pack(opened):
    assert opened[1].pack.array == ARRAY
    assert opened[1].pack.shape("superbias") == (1024, 1032)
    assert ARRAY.science_shape == (1024, 1032)
    assert DetectorArray.from_dict(ARRAY.to_dict()) == ARRAY


def test_reference_columns_collect_no_light_and_all_rows_do(opened, whole):
    spec, references = opened
    noiseless = replace(spec, switched=switched_effects(()))
    linear = simulate_window(noiseless, references, Window.whole(spec), want=("linear",))["linear"][0, -1]
    expected = 50.0 * spec.tframe * spec.ngroups / references.pack.meta["mean_gain"]
    np.testing.assert_allclose(linear[:, 4:-4], expected, rtol=1e-5)
    assert (linear[:, :4] == 0).all()
    assert (linear[:, -4:] == 0).all()
    assert whole["raw"].shape == (2, 4, 1024, 1032)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 24), st.integers(1, 32))
def test_any_window_has_the_bits_of_the_whole(opened, whole, y, x, height, width):
    window = Window((1, 2), (1, 4), (y, min(y + height, 1024)), (x, min(x + width, 1032)))
    for name, values in simulate_window(*opened, window, want=VARIABLES).items():
        box = VARIABLES[name].select(tuple(slice(*span) for span in window.spans))
        assert np.array_equal(values, whole[name][box]), name


def test_interleaved_outputs_share_their_noise_with_every_fourth_column(opened):
    spec, references = opened
    quiet = replace(spec, switched=switched_effects(("pink_noise",)))
    dark = simulate_window(quiet, references, Window((0, 1), (0, 1), (0, 64), (0, 1032)), want=("dark",))
    rows = dark["dark"][0, 0].astype(float)
    own = rows - rows.mean(axis=0)
    same = np.corrcoef(own[:, 512], own[:, 516])[0, 1]
    other = np.corrcoef(own[:, 512], own[:, 513])[0, 1]
    assert same > 0.99 > other
    outputs = Outputs(0, 1032, 4, interleaved=True)
    columns = np.arange(1032)
    assert np.array_equal(outputs.nodes_of(columns), columns % 4 * outputs.nodes + columns // 4 // NODE)


def test_cosmic_rays_reach_the_edge_rows_and_not_the_reference_columns():
    keys = exposure_keys(1, 2, observation=1, visit=1, exposure=1, tile=1, dither=1, detector="MIRIM")
    charge = np.zeros((1, 1, 1024, 1032), np.float32)
    one = Stamps(
        np.array([0, 1], np.int32), np.zeros(1, np.int8), np.zeros(1, np.int8), np.full(1, 100, np.float32)
    )
    readout = Readout(1, 0, np.float32(1))
    cosmic_ray_groups(
        keys.stream("cosmic"), readout, Box(0, 0, 0), Collecting.of(ARRAY), np.float32(0.05), one, charge
    )
    hits = charge[0, 0] > 0
    assert not hits[:, :4].any()
    assert not hits[:, -4:].any()
    for edge in (hits[0], hits[-1], hits[:, 4], hits[:, -5]):
        assert abs(edge[4:-4].mean() - 0.0488) < 5 * np.sqrt(0.05 / 1016)  # 1 - exp(-0.05)
