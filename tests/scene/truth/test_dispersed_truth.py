"""Orders behind a grism: traces against published ones, light against the plane, contamination against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.dispersed_layers import FLAT, FULL, drawn, galaxies, layer_of, stars
from support.grisms import write_configuration

from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.scene.dispersed.spectra import Spectrum
from mirage_dask.scene.truth.dispersed import light_of, orders_seen
from mirage_dask.scene.truth.saturation import Wells
from mirage_dask.scene.truth.trace_boxes import HALF_BOX


def wells(bounds=FULL, limit=np.inf, seen=1.0) -> Wells:
    x0, x1, y0, y1 = bounds
    shape = y1 - y0, x1 - x0
    limits = np.full(shape, limit, np.float32)
    return Wells(np.full(shape, seen, np.float32), limits, x0, y0, (1.0, 0.0, 0.0), (0.0,), 100.0)


@pytest.fixture(scope="module")
def nircam(tmp_path_factory):
    """F444W with a second order that falls on the first one, three rows above."""
    grism = read_configuration(write_configuration(tmp_path_factory.mktemp("nircam")), gain=1.82)
    first = grism.order(1)
    shift = np.zeros_like(first.dispy)
    shift[0, 0] = 3.0
    second = replace(first, order=2, response=0.1 * first.response, dispy=first.dispy + shift)
    return replace(grism, orders=(first, second))


@pytest.fixture(scope="module")
def niriss(tmp_path_factory):
    path = write_configuration(tmp_path_factory.mktemp("niriss"), "NIRISS_F150W_GR150R")
    return read_configuration(path, gain=1.61)


def mask_of(order, x, y, shape):
    """The box of an order by its definition: of each column between both ends the 11 pixels around the trace."""
    wave = np.linspace(*order.segments[0], 20_001)
    _, px, py = order.trace(x, y, order.parameter(x, y, wave))
    along_y = abs(py[-1] - py[0]) > abs(px[-1] - px[0])
    u, v = (py, px) if along_y else (px, py)
    u, v = (u[::-1], v[::-1]) if u[-1] < u[0] else (u, v)
    found = np.zeros(shape[::-1] if along_y else shape, bool)
    for p in range(max(int(np.ceil(u[0])), 0), min(int(np.floor(u[-1])), found.shape[1] - 1) + 1):
        middle = int(np.floor(np.interp(p, u, v) + 0.5))
        found[max(middle - HALF_BOX, 0) : max(middle + HALF_BOX + 1, 0), p] = True
    return found.T if along_y else found


@pytest.mark.parametrize("name", ["NIRCAM_F444W_modA_R", "NIRCAM_F322W2_modB_C", "NIRISS_F150W_GR150R"])
def test_traces_are_the_published_ones(name, shared, psf, tmp_path):
    """Both ends and the middle of each order whose range is one piece, 1e-3 pixel: published wavelengths are rounded."""
    (path,) = (shared / "data/grism").glob(f"*/{name}.conf")
    grism = read_configuration(path, gain=1.0)
    rows = pd.read_parquet(shared / "golden/dispersion/traces/traces.parquet")
    rows = rows[rows["config"] == name]
    places = rows.drop_duplicates("position").set_index("position")[["x0", "y0"]]
    layer = layer_of(tmp_path, grism, stars(places.to_numpy(), first=0), psf)
    (found,) = orders_seen([layer], wells())
    compared = 0
    for n, number in zip(found.source, found.order, strict=True):
        if len(grism.order(number).segments) == 1:
            position = int(layer.found.index[n])
            of = rows[(rows["position"] == position) & (rows["order"] == number)].sort_values("wavelength_um")
            k = np.flatnonzero(found.order == number)[
                np.flatnonzero(found.source[found.order == number] == n)[0]
            ]
            np.testing.assert_allclose(found.wavelength[k], of["wavelength_um"].iloc[[0, 4, 8]], rtol=1e-6)
            np.testing.assert_allclose(found.trace[k], of[["x", "y"]].iloc[[0, 4, 8]], rtol=0, atol=1e-3)
            compared += 1
    assert compared > 25


@pytest.mark.parametrize("glass", [False, True])
def test_the_light_of_all_orders_is_that_of_the_plane(glass, nircam, psf, tmp_path):
    rng = np.random.default_rng(3)
    xy = np.stack([rng.uniform(-120, 2100, 20), rng.uniform(-150, 2600, 20)], axis=1)
    layers = [
        layer_of(tmp_path, nircam, make(part), psf) for make, part in ((stars, xy[:12]), (galaxies, xy[12:]))
    ]
    plane = sum(drawn(layer).astype(float) for layer in layers)
    through = rng.uniform(0.5, 1.0, plane.shape).astype(np.float32) if glass else None
    found = orders_seen(layers, wells(), through)
    assert sum(o.on_array.sum() for o in found) == pytest.approx(plane.sum(), rel=1e-6)
    assert sum(o.measured.sum() for o in found) == pytest.approx(
        (plane * (through if glass else 1)).sum(), rel=1e-6
    )
    assert all((o.on_array <= o.rate * (1 + 1e-6)).all() for o in found)
    # An order that falls on the array as a whole has all of its light there but for what the PSF and images leave out.
    inside = (found[0].seen == found[0].wavelength[:, [0, 2]]).all(axis=1)
    assert inside.any()
    assert (found[0].on_array / found[0].rate)[inside].min() > 0.9


@pytest.mark.parametrize("grism", ["nircam", "niriss"])
def test_contamination_of_overlapping_sources(grism, request, psf, tmp_path):
    """Against planes of each source alone and boxes by their definition; other orders of the source itself do not count."""
    configuration = request.getfixturevalue(grism)
    line = FLAT.scaled(3.0).with_lines([(4.3 if grism == "nircam" else 1.5, 1e-16, 0.0)])
    xy = [(700.3, 1012.6), (708.9, 1019.1)] if grism == "nircam" else [(700.3, 1012.6), (707.4, 1040.9)]
    one = layer_of(tmp_path, configuration, stars(xy[:1]), psf)
    other = layer_of(tmp_path, configuration, galaxies(xy[1:]), psf, spectra=(line,))
    planes = [drawn(one).astype(float), drawn(other).astype(float)]
    found = orders_seen([one, other], wells())
    for mine, theirs, (x, y), seen in zip(planes, planes[::-1], xy, found, strict=True):
        assert seen.order.tolist() == [o.order for o in configuration.orders]
        for k, order in enumerate(configuration.orders):
            mask = mask_of(order, x, y, mine.shape)
            own = light_of((one, other)[mine is planes[1]], 0, order.order, FULL)
            alone = np.zeros_like(mine)
            ny, nx = own.light.shape
            alone[own.y0 : own.y0 + ny, own.x0 : own.x0 + nx] = own.light
            assert seen.box_rate[k] == pytest.approx(alone[mask].sum(), rel=1e-5)
            assert seen.others[k] == pytest.approx(theirs[mask].sum(), rel=1e-4)
            assert 1e-3 < seen.others[k] / (seen.others[k] + seen.box_rate[k]) < 0.99
            rows, columns = np.nonzero(mask)
            assert seen.box[k].tolist() == [columns.min(), columns.max(), rows.min(), rows.max()]


def test_a_source_alone_is_not_contaminated(nircam, psf, tmp_path):
    (found,) = orders_seen([layer_of(tmp_path, nircam, stars([(700.3, 1012.6)]), psf)], wells())
    assert (found.others < 1e-5 * found.box_rate.max()).all()


def test_a_subarray_has_its_part(nircam, psf, tmp_path):
    """Traces are the same, light and wavelengths are those on the array."""
    bounds = (900, 1300, 950, 1020)
    whole = layer_of(tmp_path, nircam, stars([(700.3, 1012.6)]), psf)
    part = layer_of(tmp_path, nircam, stars([(700.3 - 900, 1012.6 - 950)]), psf, bounds=bounds)
    (all_of_it,), (found,) = orders_seen([whole], wells()), orders_seen([part], wells(bounds))
    np.testing.assert_allclose(found.trace, all_of_it.trace, atol=1e-9)
    np.testing.assert_array_equal(found.rate, all_of_it.rate)
    plane = drawn(whole)[950:1020, 900:1300].astype(float)
    assert found.on_array.sum() == pytest.approx(plane.sum(), rel=1e-6)
    assert found.box[0, :2].tolist() == [900, 1299]
    order = nircam.order(1)
    _, px, _ = order.trace(700.3, 1012.6, order.parameter(700.3, 1012.6, found.seen[0]))
    np.testing.assert_allclose(px, [899.5, 1299.5], atol=0.01)


def test_saturated_pixels(nircam, psf, tmp_path):
    """Of each order those of its own light whose charge reaches the limit."""
    layer = layer_of(tmp_path, nircam, stars([(700.3, 1012.6)]), psf)
    first = light_of(layer, 0, 1, FULL).light
    limit = 0.4 * float(first.max())
    (found,) = orders_seen([layer], wells(limit=limit, seen=0.5))
    assert found.saturated.tolist() == [int((0.5 * first >= limit).sum()), 0]
    assert found.saturated[0] > 5


def test_nothing_and_no_light(nircam, psf, tmp_path):
    empty = layer_of(tmp_path, nircam, stars(np.zeros((0, 2))), psf)
    dark = Spectrum.of([1.0, 2.0, 3.9, 3.91], [1.0, 0.0, 0.0, 1e-30])
    faint = layer_of(tmp_path, nircam, galaxies([(700.0, 900.0)]), psf, spectra=(dark,))
    found = orders_seen([empty, faint], wells())
    assert [o.order.size for o in found] == [0, 0]
    assert orders_seen([], wells()) == []
