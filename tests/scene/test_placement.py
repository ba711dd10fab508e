"""From the sky to pixels: places, shapes along the position angle, pixel catalogs, what is kept."""

import numpy as np
import pytest

from mirage_dask.instruments import get_zeropoint
from mirage_dask.pointing import SkyProjection, aperture, attitude_matrix, distortion_from_siaf, unit_to_radec
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.placement import place_galaxies, place_stars
from mirage_dask.scene.sources import SOURCE_TABLES
from mirage_dask.scene.stars import THRESHOLD

OPTICS = ("NRCB5", "F444W", "CLEAR")
FULL = (0, 2048, 0, 2048)
ARCSEC = np.pi / 180 / 3600


@pytest.fixture(scope="module", params=[(53.12, -27.81, 30.0), (0.001, 0.0, 200.0), (210.0, 88.0, 100.0)])
def projection(request):
    ra, dec, roll = request.param
    a = aperture("NRCB5_FULL")
    return SkyProjection.of(
        attitude_matrix(ra, dec, a.v2_ref, a.v3_ref, roll), distortion_from_siaf("NRCB5_FULL")
    )


@pytest.fixture
def table(tmp_path):
    def make(text, kind):
        (tmp_path / "s.cat").write_text(text)
        catalog = read_catalog(tmp_path / "s.cat", kind)
        return SOURCE_TABLES[kind](catalog, *OPTICS)

    return make


def sky(projection, xy):
    """Lines 'ra dec' of pixels."""
    ra, dec = unit_to_radec(projection.units(np.atleast_2d(xy)))
    return [f"{a!r} {d!r}" for a, d in zip(ra.tolist(), dec.tolist(), strict=True)]


def test_stars_fall_where_they_should(projection, table, psf):
    xy = np.array(
        [[100.25, 1900.5], [-45.0, 700.0], [1024.0, -49.5], [5000.0, 1000.0], [1024.0, 2120.0], [9e4, 9e4]]
    )
    rows = "\n".join(f"{i} {line} 15" for i, line in enumerate(sky(projection, xy), start=11))
    stars = table("index x_or_RA y_or_Dec magnitude\n" + rows, "point_source")
    scene = place_stars(stars, projection, bounds=FULL, psf=psf)
    assert scene.index.tolist() == [11, 12, 13]
    np.testing.assert_allclose(np.stack([scene.x, scene.y], axis=1), xy[:3], atol=2e-3)
    zp = get_zeropoint(*OPTICS)
    np.testing.assert_allclose(scene.flux, 10 ** (-0.4 * (15 + 48.599934378)) / zp.photfnu_e, rtol=1e-6)
    assert (scene.half_width == psf.wings_half_width).all()


def test_faint_sources_are_left_out(projection, table, psf):
    (line,) = sky(projection, [[1000, 1000]])
    stars = table(f"x_or_RA y_or_Dec magnitude\n{line} 99\n{line} 10000\n{line} 25\n", "point_source")
    scene = place_stars(stars, projection, bounds=FULL, psf=psf)
    assert scene.index.tolist() == [3]
    assert 0 < scene.half_width[0] < psf.wings_half_width
    columns = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    table_ = table(columns + f"{line} 1 0 0 1 99\n{line} 1 0 0 1 20\n", "galaxy")
    found, index = place_galaxies(table_, projection, bounds=FULL, psf=psf)
    assert index.tolist() == [2]
    assert found.flux[0] > THRESHOLD


@pytest.mark.parametrize("angle", [0.0, 37.0, 90.0, 215.0])
def test_shape_follows_the_position_angle(projection, table, psf, angle):
    """A point one half-light radius along the position angle lies on the ellipse, one across it on the other axis."""
    radius, ellipticity = 0.8, 0.6
    (line,) = sky(projection, [[400.3, 1500.7]])
    columns = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    one = table(columns + f"{line} {radius} {ellipticity} {angle} 2 20\n", "galaxy")
    g, _ = place_galaxies(one, projection, bounds=FULL, psf=psf)
    ra, dec = np.radians([float(v) for v in line.split()])
    for bearing, length in ((angle, radius), (angle + 90, radius * (1 - ellipticity))):
        # The sphere's own formulas: go `length` from (ra, dec) in the direction of a bearing east of north.
        d, b = length * ARCSEC, np.radians(bearing)
        north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
        east = np.array([-np.sin(ra), np.cos(ra), 0])
        start = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        there = np.cos(d) * start + np.sin(d) * (np.cos(b) * north + np.sin(b) * east)
        dx, dy = projection.pixels(there)[0] - [g.x[0], g.y[0]]
        xx, xy, yy = g.form[0]
        squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
        assert squared == pytest.approx(1, rel=1e-3)


def test_pixel_positions_count_from_the_subarray(projection, table, psf):
    stars = table("# position_pixels\nx_or_RA y_or_Dec magnitude\n10.5 20.25 15\n700 0 15\n", "point_source")
    scene = place_stars(stars, projection, bounds=(1000, 1640, 200, 840), psf=psf)
    assert scene.index.tolist() == [1]
    assert (scene.x[0], scene.y[0]) == (1010.5, 220.25)


def test_pixel_galaxies_have_the_shape_of_sky_galaxies(projection, table, psf):
    columns = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    shape = "0.8 0.6 37 2 20\n"
    (line,) = sky(projection, [[400.3, 1500.7]])
    on_sky, _ = place_galaxies(table(columns + f"{line} {shape}", "galaxy"), projection, bounds=FULL, psf=psf)
    in_pixels, _ = place_galaxies(
        table(f"# position_pixels\n{columns}400.3 1500.7 {shape}", "galaxy"), projection, bounds=FULL, psf=psf
    )
    np.testing.assert_allclose(in_pixels.form, on_sky.form, rtol=1e-5)
    np.testing.assert_allclose(in_pixels.x, on_sky.x, atol=2e-3)


def test_radius_in_pixels(projection, table, psf):
    columns = "# radius_pixels\nx_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    (line,) = sky(projection, [[400.3, 1500.7]])
    g, _ = place_galaxies(
        table(columns + f"{line} 6 0.5 37 2 20\n", "galaxy"), projection, bounds=FULL, psf=psf
    )
    xx, xy, yy = g.form[0]
    np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh([[xx, xy], [xy, yy]])), [3, 6], rtol=1e-9)


def test_extreme_shapes_stay_finite(projection, table, psf):
    columns = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    (line,) = sky(projection, [[400.3, 1500.7]])
    text = columns + f"{line} 1e-12 0.999999 37 10 20\n{line} 3000 0.999999 37 0.001 5\n"
    g, _ = place_galaxies(table(text, "galaxy"), projection, bounds=FULL, psf=psf)
    assert len(g) == 2
    assert np.isfinite(g.form).all()
    assert np.isfinite(g.largest_half(psf)).all()
