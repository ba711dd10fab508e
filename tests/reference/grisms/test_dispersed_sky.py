"""The dispersed sky is the sum of its parts: windows, and sources on a grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage_dask.errors import StoreError
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.sky import DispersedSky, dispersed_sky

WAVE, FLUX = np.array([0.5, 5.8]), np.array([1e-20, 3e-20])
CASES = [("NRCALONG", "F444W", "GRISMR"), ("NRCBLONG", "F322W2", "GRISMC"), ("NIS", "F150W", "GR150R")]


@pytest.fixture(scope="module")
def sky() -> DispersedSky:
    return dispersed_sky(builtin_configuration("NRCALONG", "F444W", "GRISMR"), WAVE, FLUX)


@pytest.mark.parametrize(("detector", "filter", "grism"), CASES)
def test_it_is_the_sum_of_sources_on_a_grid(detector, filter, grism):
    """A judge by counting: a source of the sky's light every few pixels, each wavelength where its trace puts it."""
    configuration = builtin_configuration(detector, filter, grism)
    sky = dispersed_sky(configuration, WAVE, FLUX)
    plane = sky.window(nx=2048, ny=2048)
    step, block, count = 6.1, 128, 120
    total = np.zeros((2048 // block, 2048 // block))
    for order in configuration.orders:
        places = []
        for low, high in (order.xrange, order.yrange):
            cells = round((2048 + high - low) / step)
            places.append(low + (2048 + high - low) / cells * (np.arange(cells) + 0.5))
        x, y = places
        area = (x[1] - x[0]) * (y[1] - y[0])
        gx, gy = (v.ravel() for v in np.meshgrid(x, y))
        for low, high in order.segments:
            width = (high - low) / count
            for wave in low + width * (np.arange(count) + 0.5):
                light = order.respond(wave) * np.interp(wave, WAVE, FLUX) * width * 1e4 * area
                _, px, py = order.trace(gx, gy, order.parameter(gx, gy, wave))
                edges = np.arange(0, 2049, block) - 0.5
                total += light * np.histogram2d(py, px, bins=(edges, edges))[0]
    blocks = plane.reshape(2048 // block, block, 2048 // block, block).sum(axis=(1, 3), dtype=np.float64)
    assert blocks.max() > 0
    assert np.abs(blocks - total).max() < 0.01 * blocks.max()
    assert blocks.sum() == pytest.approx(total.sum(), rel=1e-3)


def test_the_sky_ends_where_its_field_does():
    """Order +1 of F444W lies 200 pixels left of its source at the short end, 1,200 right at the long one."""
    configuration = builtin_configuration("NRCALONG", "F444W", "GRISMR")
    first = replace(configuration, orders=(configuration.order(1),))
    row = dispersed_sky(first, WAVE, FLUX).window(nx=2048, ny=2048)[1000]
    whole = np.interp(first.orders[0].wavelength, WAVE, FLUX) * first.orders[0].response
    assert row[1500] == pytest.approx(np.trapezoid(whole, first.orders[0].wavelength) * 1e4, rel=0.03)
    assert row[0] < 0.3 * row[1500]


@given(x0=st.integers(0, 2000), y0=st.integers(0, 2000), nx=st.integers(1, 48), ny=st.integers(1, 48))
def test_any_window_has_the_bits_of_the_whole(sky, x0, y0, nx, ny):
    whole = sky.window(nx=2048, ny=2048)
    part = sky.window(x0=x0, y0=y0, nx=nx, ny=ny)
    np.testing.assert_array_equal(part, whole[y0 : y0 + ny, x0 : x0 + nx])


def test_what_a_plan_keeps_is_the_same(sky):
    again = DispersedSky.from_arrays(sky.to_arrays())
    assert again.along_y == sky.along_y
    np.testing.assert_array_equal(again.window(nx=100, ny=90), sky.window(nx=100, ny=90))
    with pytest.raises(StoreError, match="plan the simulation again"):
        DispersedSky.from_arrays({"profiles": np.zeros(3)})
