"""Truth of the target of a grism time series: its orders, who contaminates it, segmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.dispersed_curves import BOUNDS, INDEX, PLACE, table
from support.dispersed_layers import FLAT, stars
from support.dispersed_layers import save as save_stars
from support.grisms import write_configuration

from mirage_dask.pointing import SkyProjection, attitude_matrix, distortion_from_siaf, full_frame
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.layers import DispersedCurveLayer, DispersedStarLayer, View
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.scene.truth.orders import dispersed_orders
from mirage_dask.scene.truth.saturation import Wells
from mirage_dask.scene.truth.segmentation import find_brightest, indices_of

EDGES = np.array([0.0, 90.0, 100.0, 190.0, 200.0, 290.0])
SHAPE = (BOUNDS[3] - BOUNDS[2], BOUNDS[1] - BOUNDS[0])


@pytest.fixture(scope="module")
def grism(tmp_path_factory):
    return read_configuration(write_configuration(tmp_path_factory.mktemp("nircam")), gain=1.82)


@pytest.fixture
def view(psf, tmp_path):
    distortion = distortion_from_siaf(full_frame("NRCA5").name, own_inverse=False)
    attitude = attitude_matrix(53.16, -27.8, 90.0, -490.0, 0.0)
    projection = SkyProjection.of(tuple(attitude.ravel()), distortion)
    return View(str(tmp_path), projection, BOUNDS, lambda name: psf)


@pytest.fixture
def layer(grism, view, tmp_path):
    return DispersedCurveLayer.open(table(tmp_path, grism, middles=(20.0, 160.0)).save(tmp_path), view)


def wells(limit: float = np.inf) -> Wells:
    return Wells(
        seen=np.ones(SHAPE, np.float32), limit=np.full(SHAPE, limit, np.float32), x0=0, y0=0, coupling=(1.0, 0.0, 0.0),
        starts=(0.0, 100.0, 200.0), seconds=90.0,
    )  # fmt: skip


def orders(layers, view, limit=np.inf):
    return list(dispersed_orders(layers, view, lambda: wells(limit), lambda: None, EDGES))


def mean_light(layer) -> np.ndarray:
    out = np.zeros((EDGES.size - 1, *SHAPE), np.float32)
    layer.add(out, x0=0, y0=0, edges=EDGES)
    return out[::2].mean(axis=0, dtype=float)


def test_its_light_is_the_mean_over_the_exposure(layer, view):
    ((source, found, middle),) = orders([layer], view)
    assert source.kind == DispersedCurves.kind
    assert source.index.tolist() == [INDEX]
    np.testing.assert_allclose(source.xy[0, 1], PLACE)
    assert middle == 160.0  # the one that is nearest to the middle
    light = mean_light(layer)
    assert found.on_array.sum() == pytest.approx(light.sum(), rel=1e-5)
    assert found.others.max() == pytest.approx(0.0, abs=1e-4 * light.sum())
    assert (found.on_array <= found.rate * (1 + 1e-6)).all()
    first = int(np.flatnonzero(found.order == 1)[0])
    assert found.box_rate[first] > 0.8 * found.on_array[first]


def test_it_saturates_where_it_is_brightest(layer, view):
    """In the integration with most light, not in the mean."""
    out = np.zeros((EDGES.size - 1, *SHAPE), np.float32)
    layer.add(out, x0=0, y0=0, edges=EDGES)
    integrations = out[::2]
    brightest = integrations[np.argmax(integrations.sum(axis=(1, 2)))]
    limit = 0.97 * float(brightest.max())
    wanted = int((brightest >= limit).sum())
    ((_, found, _),) = orders([layer], view, limit)
    assert abs(int(found.saturated.sum()) - wanted) <= max(2, 0.02 * wanted)
    assert wanted > int((mean_light(layer) >= limit).sum())


def test_a_neighbour_contaminates_it_and_it_the_neighbour(layer, view, grism, tmp_path):
    near = save_stars(tmp_path, grism, stars([(PLACE[0] + 40.0, PLACE[1] + 2.0)], flux=3e3), [FLAT])
    star = DispersedStarLayer.open(near.save(tmp_path), view)
    found = {source.kind: one for source, one, _ in orders([star, layer], view)}
    target, other = found[DispersedCurves.kind], found[star.kind]
    light = np.zeros(SHAPE, np.float32)
    star.add(light, x0=0, y0=0, area=None)
    assert target.others[0] == pytest.approx(other.box_rate[0], rel=0.1)
    assert 0 < target.others[0] <= light.sum(dtype=float)
    assert other.others[0] == pytest.approx(target.box_rate[0], rel=0.1)


def test_the_map_says_where_it_is_brightest(layer, view):
    found = find_brightest([layer], x=slice(100, 1900), y=slice(0, 256), level=1e-3, seconds=290.0)
    out = np.zeros((1, *SHAPE), np.float32)
    layer.add(out, x0=0, y0=0, edges=np.array([0.0, 290.0]))
    part = out[0, :, 100:1900]
    bright = part > 1e-2 * part.max()
    assert bright.any()
    assert (found.index[bright] == INDEX).all()
    np.testing.assert_allclose(found.light[bright], part[bright], rtol=1e-5)
    assert indices_of([layer])[layer.kind].tolist() == [INDEX]


def test_a_target_beyond_the_sky_has_no_row(layer, view):
    lost = replace(layer, x=np.full(1, np.nan), y=np.full(1, np.nan), boxes=np.full_like(layer.boxes, np.nan))
    assert orders([lost], view) == []
