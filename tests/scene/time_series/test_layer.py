"""The target of a grism time series as a layer: windows, integrations, light, its table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dispersed_curves import BOUNDS, COURSES, TIMES, table
from support.grisms import write_configuration

from mirage_dask.errors import StoreError
from mirage_dask.reference.grisms import configuration
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.image_tables import named_tables
from mirage_dask.scene.layers import DispersedCurveLayer, View
from mirage_dask.scene.layers.dispersed.varying import BLOCKS


@pytest.fixture(scope="module")
def grism(tmp_path_factory):
    return read_configuration(write_configuration(tmp_path_factory.mktemp("nircam")), gain=1.82)


@pytest.fixture
def layer(grism, psf, tmp_path) -> DispersedCurveLayer:
    # Its place is given in pixels, which need no projection.
    view = View(str(tmp_path), None, BOUNDS, lambda name: psf)  # type: ignore[arg-type]
    return DispersedCurveLayer.open(table(tmp_path, grism).save(tmp_path), view)


def drawn(layer, edges, x0=0, y0=0, nx=2048, ny=256):
    out = np.zeros((len(edges) - 1, ny, nx), np.float32)
    layer.add(out, x0=x0, y0=y0, edges=np.array(edges))
    return out


def test_any_window_and_read_has_the_bits_of_the_whole(layer):
    edges = np.linspace(-10.0, 500.0, 18)
    whole = drawn(layer, edges)
    assert (whole[0] > 0).mean() > 0.03

    @settings(max_examples=8, deadline=None)
    @given(st.data())
    def check(data):
        x0, y0 = data.draw(st.integers(0, 2047)), data.draw(st.integers(0, 255))
        nx, ny = data.draw(st.integers(1, 2048 - x0)), data.draw(st.integers(1, 256 - y0))
        first = data.draw(st.integers(0, 16))
        last = data.draw(st.integers(first + 1, 17))
        if data.draw(st.booleans()):
            BLOCKS.clear()
        found = drawn(layer, edges[first : last + 1], x0, y0, nx, ny)
        np.testing.assert_array_equal(found, whole[first:last, y0 : y0 + ny, x0 : x0 + nx])
        if not layer.touches((x0, x0 + nx), (y0, y0 + ny)):
            assert not found.any()

    check()


def test_neighbours_beyond_the_array_see_nothing(layer):
    edges = [0.0, 50.0, 100.0]
    whole = drawn(layer, edges)
    found = drawn(layer, edges, -2, -3, 2048 + 4, 256 + 5)
    np.testing.assert_array_equal(found[:, 3:-2, 2:-2], whole)
    found[:, 3:-2, 2:-2] = 0
    assert not found.any()


def test_the_light_follows_the_courses(layer):
    still = drawn(layer, [-20.0, -10.0])[0].sum(dtype=float)
    edges = [0.0, 50.0, 100.0]
    found = drawn(layer, edges).sum(axis=(1, 2), dtype=float)
    images = np.concatenate([layer.images(k) for k in range(4)], axis=1).sum(axis=(1, 2), dtype=float)
    assert images[0] == pytest.approx(still, rel=1e-6)
    assert images[1] == pytest.approx(-0.1 * still, rel=1e-5)
    np.testing.assert_allclose(
        found, still + images[1] * np.array([0.25, 0.75]) + images[2] * np.array([0.05, 0.15]), rtol=1e-6
    )


def test_the_trace_lies_where_the_configuration_puts_it(layer, grism):
    whole = drawn(layer, [-20.0, -10.0])[0]
    order = grism.orders[0]
    x, y = np.array([857.0]), np.array([56.5])
    _, px, py = order.trace(x, y, order.parameter(x, y, np.array([4.4])))
    column = whole[:, round(float(px[0]))]
    assert (column * np.arange(256)).sum() / column.sum() == pytest.approx(float(py[0]), abs=0.3)


def test_its_table_names_the_configuration_and_is_checked(layer, grism, tmp_path):
    good = table(tmp_path, grism)
    assert list(named_tables(good.kind, good._arrays())) == [(configuration.KIND, good.grism)]
    for wrong in (
        {"grism": "../../x"},
        {"times": TIMES[::-1].copy()},
        {"courses": COURSES[:1]},
        {"weights": np.full_like(good.weights, np.nan)},
        {"position": np.zeros((2, 2))},
    ):
        with pytest.raises(StoreError, match="time series"):
            list(replace(good, **wrong).named())
