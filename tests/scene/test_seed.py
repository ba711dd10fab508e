"""The seed: its terms, and the same bits in any window, any order of windows, and on another processor."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.io.caches.process_caches import clear_caches
from mirage_dask.pointing import (
    SkyProjection,
    aperture,
    attitude_matrix,
    distortion_from_siaf,
    north_and_east,
)
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.galaxies import sersic
from mirage_dask.scene.layers import GalaxyLayer, StarLayer, UniformBackground, View
from mirage_dask.scene.seed import seed_window
from mirage_dask.scene.sources import Galaxies, PointSources

BOUNDS = (700, 900, 300, 480)
SKY = UniformBackground(0.7)


@pytest.fixture(scope="module")
def projection():
    a = aperture("NRCB5_FULL")
    return SkyProjection.of(
        attitude_matrix(53.12, -27.81, a.v2_ref, a.v3_ref, 30.0), distortion_from_siaf("NRCB5_FULL")
    )


@pytest.fixture(scope="module")
def tables(projection):
    rng = np.random.default_rng(21)

    def places(count):
        return projection.units(rng.uniform((640, 240), (960, 540), (count, 2)))

    stars = PointSources(np.arange(1, 41), places(40), 10 ** rng.uniform(-1, 5, 40))
    count = 12
    position = places(count)
    ra, dec = np.degrees(np.arctan2(position[:, 1], position[:, 0])), np.degrees(np.arcsin(position[:, 2]))
    north, east = north_and_east(ra, dec)
    angle = rng.uniform(0, np.pi, (count, 1))
    n, variances, weights = sersic.constants(rng.uniform(0.4, 5, count))
    galaxies = Galaxies(
        index=np.arange(101, 101 + count),
        position=position,
        flux=10 ** rng.uniform(0, 5, count),
        radius=10 ** rng.uniform(-1.5, 0.5, count) * np.pi / 180 / 3600,
        radius_pixels=False,
        ellipticity=rng.uniform(0, 0.95, count),
        sersic_index=n,
        tangent=np.cos(angle) * north + np.sin(angle) * east,
        normal=-np.sin(angle) * north + np.cos(angle) * east,
        variances=variances,
        weights=weights,
    )
    return stars, galaxies


@pytest.fixture(scope="module")
def scene(tables, projection, psf):
    view = View("", projection, BOUNDS, lambda name: psf)
    return [SKY, StarLayer.of(tables[0], view), GalaxyLayer.of(tables[1], view)]


@pytest.fixture(scope="module")
def area():
    y, x = np.mgrid[0:180, 0:200]
    return (1 + 1e-4 * (x - 0.5 * y)).astype(np.float32)


@pytest.fixture(scope="module")
def whole(scene, area):
    return seed_window(scene, x=slice(700, 900), y=slice(300, 480), area=area)


def test_surface_brightness_goes_by_area_and_sources_do_not(scene, area, whole):
    sources = seed_window(scene[1:], x=slice(700, 900), y=slice(300, 480))
    np.testing.assert_allclose(whole, sources + 0.7 * area, rtol=1e-5, atol=1e-5)
    flat = seed_window([SKY], x=slice(700, 900), y=slice(300, 480))
    assert (flat == np.float32(0.7)).all()
    assert whole.dtype == np.float32
    assert whole.min() >= 0


@settings(max_examples=30)
@given(st.integers(700, 899), st.integers(300, 479), st.integers(1, 90), st.integers(1, 90))
def test_a_window_has_the_bits_of_the_whole(scene, area, whole, x, y, width, height):
    columns, rows = slice(x, min(x + width, 900)), slice(y, min(y + height, 480))
    cut = np.s_[rows.start - 300 : rows.stop - 300, columns.start - 700 : columns.stop - 700]
    if (x + y) % 3 == 0:
        clear_caches()
    part = seed_window(scene, x=columns, y=rows, area=area[cut])
    assert part.tobytes() == whole[cut].tobytes()


def test_windows_that_cannot_be(scene):
    assert seed_window(scene, x=slice(700, 700), y=slice(300, 310)).shape == (10, 0)
    with pytest.raises(ValueError, match="start and stop"):
        seed_window(scene, x=slice(None, 10), y=slice(0, 10))
    with pytest.raises(ValueError, match="step 1"):
        seed_window(scene, x=slice(0, 10, 2), y=slice(0, 10))
    with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
        seed_window(scene, x=slice(0, 10), y=slice(0, 10), area=np.ones((3, 3), np.float32))


CHILD = """
import hashlib, pickle, sys
from mirage_dask.pointing import SkyProjection
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.layers import UniformBackground, View
from mirage_dask.scene.seed import seed_window
from mirage_dask.scene.layers import GalaxyLayer, StarLayer
with open(sys.argv[1], "rb") as stream:
    projection, arrays, meta, tables, bounds = pickle.load(stream)
psf = PsfLibrary.from_arrays(arrays, meta)
view = View("", SkyProjection.from_dict(projection), bounds, lambda name: psf)
scene = [UniformBackground(0.7), StarLayer.of(tables[0], view), GalaxyLayer.of(tables[1], view)]
x0, x1, y0, y1 = bounds
print(hashlib.sha256(seed_window(scene, x=slice(x0, x1), y=slice(y0, y1))).hexdigest())
"""


def plain_processor():
    """Environment of a processor without vector extensions: for Numba, for numpy and for the C library."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    extensions = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    return {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": " ".join(extensions),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL",
    }


@pytest.mark.slow
def test_the_same_bits_on_another_processor(scene, psf, tables, projection, tmp_path):
    """A mixed cluster: everything a worker computes, from the projection on."""
    arrays, meta = psf.to_arrays()
    file = tmp_path / "scene.pickle"
    file.write_bytes(pickle.dumps((projection.to_dict(), arrays, meta, tables, BOUNDS)))
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, str(file)],
        env=plain_processor(),
        capture_output=True,
        text=True,
        check=True,
    )
    psf_again = PsfLibrary.from_arrays(arrays, meta)
    view = View("", projection, BOUNDS, lambda name: psf_again)
    layers = [SKY, StarLayer.of(tables[0], view), GalaxyLayer.of(tables[1], view)]
    here = seed_window(layers, x=slice(700, 900), y=slice(300, 480))
    assert answer.stdout.split() == [hashlib.sha256(here.tobytes()).hexdigest()]
