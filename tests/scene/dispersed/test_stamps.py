"""Images of stars and galaxies as splines: against the PSF library, and images without a grism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.psf.library import PsfLibrary, _spline
from mirage_dask.scene.dispersed.stamps import (
    Stamp,
    galaxy_stamps,
    image_nodes,
    star_stamps,
    stretch_at,
    stretched,
)
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
from mirage_dask.scene.galaxies.planes import image_of
from mirage_dask.scene.galaxies.sersic import constants


def values(stamps, dx, dy, image=0):
    """The image at offsets from the source, pixels."""
    return sum(
        _spline(s.coefficients[image], s.scale * dx / s.coarse + s.column, s.scale * dy + s.row)
        for s in stamps
    )


def offsets(half, x=0.0, y=0.0):
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    return dx - x, dy - y


def galaxy(radius, index, q=0.5, flux=1.0):
    _, variances, weights = constants(np.array([index]))
    c, s = np.cos(0.5), np.sin(0.5)
    turn = np.array([[c, -s], [s, c]])
    form = turn @ np.diag([radius**2, (q * radius) ** 2]) @ turn.T
    return PlacedGalaxies(
        x=np.array([700.0]), y=np.array([400.0]), flux=np.array([flux]),
        form=np.array([[form[0, 0], form[0, 1], form[1, 1]]]), variances=variances, weights=weights,
    )  # fmt: skip


@pytest.mark.parametrize("half", [10, 40])
@pytest.mark.parametrize("sharp", [False, True])
def test_star_is_the_library_s(psf: PsfLibrary, half, sharp):
    """At any place within a pixel: 2.5e-3 of the peak with two samples per pixel, 6e-4 with three."""
    psf = replace(psf, profile=np.float32([0.18 if sharp else 0.16]))
    stamps = star_stamps(psf, x=640.0, y=1500.0, half=half)
    assert [(s.scale, s.coarse) for s in stamps] == [(3 if sharp else 2, 1), (1, 1)] + [(1, 4)] * (half > 12)
    for x, y in ((0.0, 0.0), (0.5, 0.25), (0.3, -0.4)):
        dx, dy = offsets(half - 1, x, y)
        wanted = psf.evaluate(dx + 640.0, dy + 1500.0, 640.0, 1500.0)
        difference = np.abs(values(stamps, dx, dy) - wanted)
        assert difference.max() < (6e-4 if sharp else 2.5e-3) * wanted.max()


def test_star_grows_with_wavelength(psf):
    """Twice the wavelength: twice the size, the same light."""
    stamps = star_stamps(psf, x=640.0, y=1500.0, half=30, ratios=(1.0, 0.5))
    dx, dy = offsets(29)

    def one(x, y):
        return values(stamps, x, y)

    found = values(stamps, dx, dy, 1)
    np.testing.assert_allclose(found, one(dx / 2, dy / 2) / 4, atol=3e-4 * one(0.0, 0.0))
    assert found.sum() == pytest.approx(
        psf.evaluate(dx / 2 + 640, dy / 2 + 1500, 640.0, 1500.0).sum() / 4, rel=1e-4
    )


@pytest.mark.parametrize(
    ("radius", "index", "half"),
    [(0.05, 1.0, 14), (3.0, 1.5, 14), (5.0, 4.0, 40), (0.8, 0.6, 25), (25.0, 1.0, 90)],
)
def test_galaxy_is_that_of_images(psf, radius, index, half):
    """Against the image without a grism: 1e-3 of the peak."""
    one = galaxy(radius, index)
    stamps = galaxy_stamps(one, 0, psf, half=half)
    wanted = image_of(one, psf, x0=700 - half, y0=400 - half, points=2 * half + 1)
    found = values(stamps, *offsets(half))
    inner = slice(3, -3)
    assert np.abs(found - wanted)[inner, inner].max() < 1e-3 * wanted.max()
    assert found.sum() == pytest.approx(wanted.sum(), rel=2e-3)


def test_galaxies_at_two_wavelengths_have_their_psf(psf):
    """A point-like galaxy is a star at every wavelength."""
    ratios = (1.2, 0.8)
    galaxies = galaxy_stamps(galaxy(0.001, 1.0), 0, psf, half=14, ratios=ratios)
    stars = star_stamps(psf, x=700.0, y=400.0, half=14, ratios=ratios)
    dx, dy = offsets(11, 0.2, 0.3)
    for image in (0, 1):
        wanted = values(stars, dx, dy, image)
        assert np.abs(values(galaxies, dx, dy, image) - wanted).max() < 4e-3 * wanted.max()


def test_stretch_is_the_local_field_of_the_grism(along_x, psf):
    stretch = stretch_at(along_x, 700.0, 400.0, 4.4)
    trace = along_x.trace
    places = [trace.trace(x, y, trace.parameter(x, y, 4.4)) for x, y in ((700, 400), (710, 400), (700, 410))]
    for axis in (1, 2):
        moved = [places[k][axis] - places[0][axis] for k in (1, 2)]
        np.testing.assert_allclose(moved, 10 * stretch[axis - 1], atol=2e-3)
    form = np.array([4.0, 1.0, 3.0])
    matrix = stretch @ np.array([[4.0, 1.0], [1.0, 3.0]]) @ stretch.T
    np.testing.assert_allclose(stretched(form, stretch), [matrix[0, 0], matrix[0, 1], matrix[1, 1]])
    exaggerated = np.array([[1.3, 0.2], [0.0, 0.9]])
    stamps = galaxy_stamps(galaxy(3.0, 1.0), 0, psf, half=14, stretch=exaggerated)
    other = replace(galaxy(3.0, 1.0), form=stretched(galaxy(3.0, 1.0).form[0], exaggerated)[None])
    wanted = galaxy_stamps(other, 0, psf, half=14)
    assert stamps[0].coefficients.tobytes() == wanted[0].coefficients.tobytes()


def test_stamps_are_exact_at_their_samples():
    rng = np.random.default_rng(4)
    samples = rng.uniform(0, 1, (21, 21)).astype(np.float32)
    stamp = Stamp.of(samples, 2)
    dx, dy = np.meshgrid(np.arange(-9, 10) / 2, np.arange(-9, 10) / 2)
    np.testing.assert_allclose(values([stamp], dx, dy), samples[1:-1, 1:-1], atol=2e-6)
    assert stamp.reach == 6


def test_images_are_drawn_where_light_is():
    assert image_nodes(3.0, 3.1).tolist() == [3.05]
    assert image_nodes(2.0, 4.0).tolist() == [2.0, 3.0, 4.0]


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5), half=st.sampled_from([12, 40]))
def test_no_place_in_a_pixel_has_more_light(psf, x, y, half):
    """A PSF that is drawn much sharper than in its own pixels; it would have 9 % more at some places."""
    stamps = star_stamps(psf, x=640.0, y=1500.0, half=half, ratios=(2.0,))
    totals = [values(stamps, *offsets(half + 1, *place)).sum() for place in ((0.0, 0.0), (x, y))]
    # What is cut off at the edges of the image differs by its phase.
    assert totals[1] == pytest.approx(totals[0], rel=1e-3)
