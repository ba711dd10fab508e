"""The target of a SOSS time series as a layer: windows, reads, light, its table; and what is noted of drawn stars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dispersed import profile

from mirage_dask.errors import StoreError
from mirage_dask.reference.soss.orders import STRIP_ROW, SossOrder
from mirage_dask.scene.layers.soss import SossCurveLayer
from mirage_dask.scene.soss.drawing import Images, segment_of
from mirage_dask.scene.soss.stars import DrawnStar, TraceBox, draw_stars, node_columns
from mirage_dask.scene.soss.tables import HALF_BOX, SossCurves

WAVES = np.array([1.0, 1.05, 1.1])
BOUNDS = (0, STRIP_ROW, 160, STRIP_ROW + 90)
TIMES = np.array([0.0, 100.0, 150.0, 400.0])
COURSES = np.array([[0.0, 1.0, 0.8, 0.0], [0.0, 0.2, -0.3, 1.0]])


def order(number: int, row: float) -> SossOrder:
    """A hundred columns, curved."""
    column = np.linspace(140.3, 39.6, 12)
    lit = np.array([1.0, 1.005, 1.095, 1.1])
    return SossOrder(
        number, column, row + 8.0 * ((column - 90.0) / 50.0) ** 2, np.linspace(1.0, 1.1, 12), lit,
        np.array([0.0, 0.5, 0.5, 0.0]), np.zeros((2, 12)),
    )  # fmt: skip


ORDERS = (order(1, 22.0), order(2, 60.0))
SEGMENTS = tuple(found for one in ORDERS if (found := segment_of(one)) is not None)


@pytest.fixture(scope="module")
def images() -> Images:
    rows, columns = (profile(np.arange(-half, half + 1) / 2, sigma) for half, sigma in ((48, 3.0), (20, 0.9)))
    return Images.of(np.stack([np.outer(rows, columns).astype(np.float32)] * WAVES.size), WAVES, 2)


def light(*amounts: float) -> list[np.ndarray]:
    """Components of each order: straight lines along the nodes."""
    return [np.stack([a * np.linspace(1.0, 2.0, one.count) for a in amounts]) / one.order for one in SEGMENTS]


def star(images: Images, *amounts: float, shift: tuple[float, float] = (0.0, 0.0)) -> DrawnStar:
    return DrawnStar(shift, light(*amounts), images)


def table(images: Images, **given_: object) -> SossCurves:
    columns = draw_stars(ORDERS, SEGMENTS, [star(images, 1.0, -0.1, 0.02)], bounds=BOUNDS, reach=24)
    wave = np.array([1.0, 1.1])
    made = SossCurves(
        x0=BOUNDS[0], y0=BOUNDS[1], index=np.array([7]), position=np.array([[0.0, 0.0]]), flux=np.array([1e4]),
        xy=np.array([[1.0, 2.0]]), shift=np.zeros((1, 2)), **columns, **node_columns(ORDERS, SEGMENTS), times=TIMES,
        courses=COURSES, wavelength=wave, shapes=np.full((2, 2), 0.1), error=1e-7, star_wavelength=wave,
        star_flux=np.ones(2), middles=np.array([120.0]),
    )  # fmt: skip
    return replace(made, **given_) if given_ else made


def drawn(layer, edges, x0=0, y0=0, nx=160, ny=90):
    out = np.zeros((len(edges) - 1, ny, nx), np.float32)
    layer.add(out, x0=x0, y0=STRIP_ROW + y0, edges=np.array(edges))
    return out


def test_any_window_and_read_has_the_bits_of_the_whole(images):
    layer = SossCurveLayer(table(images))
    edges = np.linspace(-10.0, 500.0, 14)
    whole = drawn(layer, edges)
    assert (whole[0] > 0).mean() > 0.2

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def check(data):
        # Neighbours beyond the array see nothing.
        x0, y0 = data.draw(st.integers(-3, 159)), data.draw(st.integers(-3, 89))
        nx, ny = data.draw(st.integers(1, 164 - x0)), data.draw(st.integers(1, 94 - y0))
        first = data.draw(st.integers(0, 12))
        last = data.draw(st.integers(first + 1, 13))
        found = drawn(layer, edges[first : last + 1], x0, y0, nx, ny)
        padded = np.pad(whole, ((0, 0), (3, 4), (3, 4)))
        np.testing.assert_array_equal(found, padded[first:last, y0 + 3 : y0 + 3 + ny, x0 + 3 : x0 + 3 + nx])
        if not layer.touches((x0, x0 + nx), (STRIP_ROW + y0, STRIP_ROW + y0 + ny)):
            assert not found.any()

    check()


def test_the_light_follows_the_courses(images):
    layer = SossCurveLayer(table(images))
    still = drawn(layer, [-20.0, -10.0])[0].sum(dtype=float)
    found = drawn(layer, [0.0, 50.0, 100.0]).sum(axis=(1, 2), dtype=float)
    factors = np.array([[0.25, 0.05], [0.75, 0.15]])
    np.testing.assert_allclose(found, still * (1.0 + factors @ [-0.1, 0.02]), rtol=1e-6)


def test_a_table_that_cannot_be_true_is_refused(images, tmp_path):
    good = table(images)
    assert SossCurves.load(tmp_path, good.save(tmp_path)).planes.shape == good.planes.shape
    good.check()
    for wrong in (
        {"times": TIMES[::-1].copy()},
        {"courses": COURSES[:1]},
        {"courses": np.full_like(COURSES, np.nan)},
        {"shapes": np.zeros((1, 2))},
        {"index": np.array([1, 2])},
        {"light": good.light[:2]},
        {"node_row": good.node_row[:-1]},
        {"planes": good.planes[0]},
    ):
        with pytest.raises(StoreError, match=r"GR700XD|SOSS"):
            replace(good, **wrong).check()


def test_sums_are_those_of_boxes_by_their_definition(images):
    found = draw_stars(ORDERS, SEGMENTS, [star(images, 1.0, -0.1)], bounds=BOUNDS, reach=24)
    alone = [
        draw_stars(ORDERS[k : k + 1], SEGMENTS[k : k + 1], [DrawnStar((0.0, 0.0), light(1.0, -0.1)[k : k + 1], images)],
                   bounds=BOUNDS, reach=24)["planes"].astype(float)
        for k in (0, 1)
    ]  # fmt: skip
    for k, one in enumerate(ORDERS):
        inside = np.zeros((90, 160), bool)
        for column in range(160):
            wave = one.wavelengths(np.array([float(column)]))
            if SEGMENTS[k].low <= wave[0] <= SEGMENTS[k].high:
                middle = int(np.floor(float(one.place(wave)[1][0]) + 0.5))
                inside[max(middle - HALF_BOX, 0) : middle + HALF_BOX + 1, column] = True
        for number, wanted in enumerate((alone[k], alone[k] * inside, (alone[0] + alone[1]) * inside)):
            np.testing.assert_allclose(found["sums"][0, k, :, number], wanted.sum(axis=(1, 2)), rtol=3e-4)
    np.testing.assert_allclose(found["planes"], alone[0] + alone[1], rtol=1e-5, atol=1e-5)


def test_of_several_stars_the_brightest_of_a_pixel_is_known(images):
    both = [star(images, 1.0), star(images, 2.0, shift=(15.3, 12.2))]
    found = draw_stars(ORDERS, SEGMENTS, both, bounds=BOUNDS, reach=24)
    one, other = (
        draw_stars(ORDERS, SEGMENTS, [s], bounds=BOUNDS, reach=24)["planes"][0].clip(0) for s in both
    )
    assert one.sum() > 0
    assert other.sum() > 0
    np.testing.assert_array_equal(found["owner"], (other > one).astype(np.uint8))
    np.testing.assert_array_equal(found["owner_light"], np.maximum(one, other))
    assert found["light"].shape == (2, sum(s.count for s in SEGMENTS))


@given(st.integers(-60, 200), st.integers(-60, 200), st.floats(-60, 200), st.floats(-60, 200))
@settings(max_examples=60, deadline=None)
def test_boxes_are_parts_of_the_array(left, right, first, last):
    box = TraceBox.of(np.array([float(left), float(right)]), np.array([first, last]), (0, 0, 100, 50))
    ones = np.ones((1, 50, 100))
    assert box.sum(ones)[0] == box.mask(50).sum()
    if (limits := box.limits) is not None:
        x = np.flatnonzero(box.mask(50).any(axis=0))
        y = np.flatnonzero(box.mask(50).any(axis=1))
        assert limits == (x[0], x[-1], y[0], y[-1])
    else:
        assert not box.mask(50).any()
