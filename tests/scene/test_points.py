"""Stars: against the plain evaluation, against photutils, flux, reach, and the bits of windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_psf import core_samples, star_light

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.stars import LEAST_ENERGY, THRESHOLD, add_points, star_half_width


def draw(psf, x, y, flux, half, *, box=(0, 2048, 0, 2048)):
    out = np.zeros((box[3] - box[2], box[1] - box[0]), np.float32)
    x, y, flux, half = np.broadcast_arrays(*np.atleast_1d(x, y, flux, half))
    add_points(
        out, psf, x=x.astype(float), y=y.astype(float), flux=flux.astype(np.float32),
        half_width=half.astype(np.int32), x0=box[0], y0=box[2],
    )  # fmt: skip
    return out


@pytest.mark.parametrize(
    ("x0", "y0"),
    [
        (1000.0, 1000.0),
        (1003.37, 977.81),
        (-20.25, 30.5),
        (60.0001, 40.9999),
        (2047.3, 2046.9),
        (1450.0, 550.5),
    ],
)
def test_agrees_with_the_plain_evaluation(psf, x0, y0):
    cx, cy = int(x0), int(y0)
    box = (cx - 60, cx + 60, cy - 60, cy + 60)
    yy, xx = np.mgrid[box[2] : box[3], box[0] : box[1]]
    expected = psf.evaluate(xx, yy, x0, y0)
    np.testing.assert_allclose(
        draw(psf, x0, y0, 1.0, psf.wings_half_width, box=box), expected, atol=3e-7 * expected.max()
    )


@pytest.mark.parametrize("oversampling", [1, 2, 3, 5])
def test_any_oversampling(oversampling):
    n = 21 * oversampling
    offsets = (np.arange(n) - (n - 1) / 2) / oversampling
    dx, dy = np.meshgrid(offsets, offsets)
    psf = PsfLibrary.from_samples(
        CoreFile(star_light(dx, dy, 0, 0)[None], oversampling, (1023.5,), (1023.5,))
    )
    box = (80, 120, 80, 120)
    yy, xx = np.mgrid[80:120, 80:120]
    expected = psf.evaluate(xx, yy, 100.3, 99.6)
    np.testing.assert_allclose(draw(psf, 100.3, 99.6, 1.0, 10, box=box), expected, atol=3e-7 * expected.max())


def test_agrees_with_photutils(psf):
    photutils = pytest.importorskip("photutils.psf")
    from astropy.nddata import NDData

    grid = [(x, y) for y in psf.grid_y for x in psf.grid_x]
    model = photutils.GriddedPSFModel(
        NDData(core_samples(), meta={"grid_xypos": grid, "oversampling": psf.oversampling})
    )
    inside = int(psf.wings_inner) - 1
    for x0, y0 in [(1000.0, 1000.0), (350.37, 977.81), (1777.7, 1555.5), (20.2, 1999.9)]:
        cx, cy = round(x0), round(y0)
        box = (cx - inside, cx + inside + 1, cy - inside, cy + inside + 1)
        yy, xx = np.mgrid[box[2] : box[3], box[0] : box[1]]
        theirs = model.evaluate(xx.astype(float), yy.astype(float), 1.0, x0, y0)
        ours = draw(psf, x0, y0, 1.0, psf.wings_half_width, box=box)
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * theirs.max())
        assert ours.sum(dtype=float) == pytest.approx(theirs.sum(), rel=1e-3)


def test_flux_is_conserved_at_any_subpixel_place(psf):
    rng = np.random.default_rng(5)
    for x0, y0 in rng.uniform(1000, 1001, (8, 2)):
        image = draw(psf, x0, y0, 1e5, psf.wings_half_width, box=(900, 1100, 900, 1100))
        assert image.sum(dtype=float) / 1e5 == pytest.approx(psf.total_energy, rel=1e-3)


def test_centroid_follows_the_position(psf):
    yy, xx = np.mgrid[900:1100, 900:1100]

    def centroid(x0, y0):
        image = draw(psf, x0, y0, 1.0, 20, box=(900, 1100, 900, 1100)).astype(float)
        image[(abs(xx - round(x0)) > 12) | (abs(yy - round(y0)) > 12)] = 0
        return np.array([(image * xx).sum(), (image * yy).sum()]) / image.sum()

    moved = centroid(1000.25, 999.8) - centroid(1000.0, 1000.0)
    np.testing.assert_allclose(moved, [0.25, -0.2], atol=0.01)


def test_reach(psf):
    flux = np.array([0.0, 1e-4, 0.05, 1.0, 100.0, 1e6])
    half = star_half_width(flux, psf)
    assert half[:2].tolist() == [0, 0]
    assert half[-1] == psf.wings_half_width
    assert (np.diff(half) >= 0).all()
    for f, h in zip(flux[2:], half[2:], strict=True):
        whole = draw(psf, 1000.4, 1000.3, f, psf.wings_half_width, box=(900, 1100, 900, 1100))
        cut = draw(psf, 1000.4, 1000.3, f, h, box=(900, 1100, 900, 1100))
        assert (whole - cut).max() <= 1.01 * THRESHOLD
        assert cut.sum(dtype=float) >= (LEAST_ENERGY - 2e-3) * whole.sum(dtype=float)


FIELD = (-30, 90, -20, 80)


def crowded(seed=0, count=60):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-60, 120, count), rng.uniform(-60, 120, count)
    x[:4] = np.round(x[:4])  # some exactly on a pixel
    y[2:6] = np.round(y[2:6]) + 0.5
    return x, y, 10 ** rng.uniform(-1, 5, count), rng.integers(0, 51, count)


@settings(max_examples=60)
@given(st.integers(-30, 89), st.integers(-20, 79), st.integers(1, 64), st.integers(1, 64))
def test_a_window_has_the_bits_of_the_whole(psf, x, y, width, height):
    stars = crowded()
    whole = draw(psf, *stars, box=FIELD)
    box = (x, min(x + width, FIELD[1]), y, min(y + height, FIELD[3]))
    cut = whole[box[2] - FIELD[2] : box[3] - FIELD[2], box[0] - FIELD[0] : box[1] - FIELD[0]]
    assert draw(psf, *stars, box=box).tobytes() == cut.tobytes()


def test_stars_are_added_in_catalog_order(psf):
    stars = crowded()
    one_by_one = np.zeros((100, 120), np.float32)
    for x, y, flux, half in zip(*stars, strict=True):
        add_points(
            one_by_one, psf, x=np.array([x]), y=np.array([y]), flux=np.array([flux], np.float32),
            half_width=np.array([half], np.int32), x0=FIELD[0], y0=FIELD[2],
        )  # fmt: skip
    assert draw(psf, *stars, box=FIELD).tobytes() == one_by_one.tobytes()
    backwards = draw(psf, *(v[::-1] for v in stars), box=FIELD)
    assert backwards.tobytes() != one_by_one.tobytes()
    np.testing.assert_allclose(backwards, one_by_one, rtol=1e-5, atol=1e-3)


def test_not_a_position(psf):
    assert not draw(psf, [np.nan, 50.0], [50.0, np.nan], 1e6, 50, box=(0, 100, 0, 100)).any()
