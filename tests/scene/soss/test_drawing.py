"""Traces behind GR700XD: against sums of shifted Gaussians, their light, and windows of the planes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dispersed import profile

from mirage_dask.errors import StoreError
from mirage_dask.reference.soss.orders import STRIP_ROW, SossOrder, builtin_orders
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.scene.layers.soss import SossLayer
from mirage_dask.scene.soss.drawing import Images, box_of, draw, reaches, segment_of

WAVES = np.array([1.0, 1.05, 1.1])


def narrow_order() -> SossOrder:
    """A hundred columns, curved."""
    column = np.linspace(40.0, 140.0, 12)
    row = 30.0 + 12.0 * ((column - 90.0) / 50.0) ** 2
    wave = 1.1 - 0.001 * (column - 40.0)
    order = np.argsort(wave)
    lit = np.array([1.0, 1.005, 1.095, 1.1])
    return SossOrder(
        1, column[order], row[order], wave[order], lit, np.array([0.0, 0.5, 0.5, 0.0]), np.zeros((2, 12))
    )


def gaussians(sigmas: tuple[float, float]) -> Images:
    """Images of (rows, columns) sigmas in pixels, the same at all wavelengths."""
    halves = (48, 20)
    rows, columns = (
        profile(np.arange(-half, half + 1) / 2, sigma) for half, sigma in zip(halves, sigmas, strict=True)
    )
    return Images.of(np.stack([np.outer(rows, columns).astype(np.float32)] * WAVES.size), WAVES, 2)


def drawn(images: Images, light, *, shift=(0.0, 0.0), bounds=(0, STRIP_ROW, 200, STRIP_ROW + 80)):
    order = narrow_order()
    segment = segment_of(order)
    out = np.zeros((len(light), bounds[3] - bounds[1], bounds[2] - bounds[0]))
    draw(order, segment, light, images, shift=shift, bounds=bounds, out=out)
    return out, order, segment


def spectrum() -> np.ndarray:
    """A continuum and a line that is narrower than a pixel."""
    lines = [(1.0503, 3e-14, 1e-5)]
    segment = segment_of(narrow_order())
    return node_weights(segment, np.array([0.9, 1.2]), np.array([1e-15, 1e-15]), lines).astype(float)[None]


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.37, -4.81)])
def test_sum_of_images(shift):
    """A spectrum with an unresolved line, anywhere within a pixel: 1e-3 of the peak, light within 1e-4."""
    light, images = spectrum(), gaussians((3.0, 0.9))
    found, order, _ = drawn(images, light, shift=shift)
    fine = np.linspace(order.sample_wavelength[0], order.sample_wavelength[-1], 8001)
    middle = (fine[1:] + fine[:-1]) / 2
    energy = np.interp(middle, order.sample_wavelength, order.response) * 1e-15 * (fine[1] - fine[0]) * 1e4
    wave = np.append(middle, 1.0503)
    energy = np.append(energy, 3e-14 * np.interp(1.0503, order.sample_wavelength, order.response))
    column, row = order.place(wave)
    rows = np.stack([profile(np.arange(80) - v - shift[1], 3.0) for v in row])
    columns = np.stack([profile(np.arange(200) - u - shift[0], 0.9) for u in column])
    wanted = np.einsum("k,kr,kc->rc", energy, rows, columns)
    assert np.abs(found[0] - wanted).max() < 1e-3 * wanted.max()
    assert found[0].sum() == pytest.approx(wanted.sum(), rel=1e-4)


def test_components_are_drawn_apart():
    light = np.concatenate([spectrum(), 0.5 * spectrum()[:, ::-1]])
    images = gaussians((3.0, 1.2))
    both, _, _ = drawn(images, light)
    for number in (0, 1):
        one, _, _ = drawn(images, light[number : number + 1])
        np.testing.assert_array_equal(both[number], one[0])


def test_parts_of_the_plane_are_the_whole_one():
    images, light = gaussians((3.0, 1.2)), spectrum()
    whole, _, _ = drawn(images, light)
    part, _, _ = drawn(images, light, bounds=(60, STRIP_ROW + 20, 130, STRIP_ROW + 55))
    np.testing.assert_allclose(part[0], whole[0][20:55, 60:130], rtol=1e-9, atol=1e-9 * whole.max())


def test_images_change_with_the_wavelength():
    """Halfway between two nodes, the mean of both."""
    half = (48, 20)
    planes = []
    for sigma in (2.0, 2.0, 5.0):
        rows, columns = (
            profile(np.arange(-h, h + 1) / 2, s) for h, s in zip(half, (sigma, 1.0), strict=True)
        )
        planes.append(np.outer(rows, columns))
    images = Images.of(np.stack(planes).astype(np.float32), WAVES, 2)
    order = narrow_order()
    segment = segment_of(order)
    line = node_weights(segment, np.empty(0), np.empty(0), [(1.075, 1e-13, 0.0)]).astype(float)[None]
    found, _, _ = drawn(images, line)
    across = found[0].sum(axis=1)
    y = np.arange(80.0)
    centre = (across * y).sum() / across.sum()
    variance = (across * (y - centre) ** 2).sum() / across.sum()
    assert variance == pytest.approx((2.0**2 + 5.0**2) / 2 + 1 / 12, rel=0.02)


def test_what_reaches_an_array():
    order = builtin_orders()[0]
    strip = (0, 1792, 2048, 2048)
    assert reaches(order, (0.0, 0.0), strip, 256)
    assert not reaches(order, (5000.0, 0.0), strip, 256)
    assert not reaches(order, (0.0, 900.0), strip, 256)
    full = (0, 0, 2048, 2048)
    assert box_of(builtin_orders(), (0.0, 0.0), full, 256)[1] == pytest.approx(1792 + 39 - 256, abs=2)
    assert box_of(builtin_orders(), (0.0, 0.0), strip, 256) == strip


def test_an_order_without_light_has_no_nodes():
    assert segment_of(builtin_orders()[1].through(2.5, 3.0)) is None


def test_nodes_are_a_quarter_of_a_pixel_apart():
    for order in builtin_orders():
        segment = segment_of(order)
        column, row = order.place(segment.wavelength)
        assert np.hypot(np.diff(column), np.diff(row)).max() < 0.26


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_window_has_the_bits_of_the_whole(data):
    random = np.random.default_rng(5)
    layer = SossLayer(random.random((2, 30, 50), np.float32), 10, 1800)
    whole = np.zeros((60, 80), np.float32)
    layer.add(whole, x0=0, y0=1790, area=None)
    x0, y0 = data.draw(st.integers(0, 78)), data.draw(st.integers(0, 58))
    nx, ny = data.draw(st.integers(1, 80 - x0)), data.draw(st.integers(1, 60 - y0))
    part = np.zeros((ny, nx), np.float32)
    layer.add(part, x0=x0, y0=1790 + y0, area=None)
    np.testing.assert_array_equal(part, whole[y0 : y0 + ny, x0 : x0 + nx])
    assert whole.sum() > 0


def test_a_table_that_is_no_light_is_refused(tmp_path):
    key = SossLayer(np.zeros((3, 4), np.float32), 0, 0).save(tmp_path)

    class View:
        tables = str(tmp_path)

    with pytest.raises(StoreError, match="GR700XD"):
        SossLayer.open(key, View())  # type: ignore[arg-type]
