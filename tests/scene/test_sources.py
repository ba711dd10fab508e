"""Source tables: electrons from magnitudes, tangents from position angles, saving by content."""

import numpy as np
import pytest

from mirage_dask.errors import InputError, StoreError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.scene.catalogs import CATALOG_KINDS, SERIES_KINDS, TRACKED, VARIABLE, read_catalog
from mirage_dask.scene.catalogs.reading import EXTENDED
from mirage_dask.scene.image_tables import MovingExtended
from mirage_dask.scene.moving_sources import MOVING_TABLES
from mirage_dask.scene.photometry import count_rate
from mirage_dask.scene.sources import SOURCE_TABLES, Galaxies, PointSources, galaxy_table, point_source_table

OPTICS = ("NRCB1", "F200W", "CLEAR")


@pytest.fixture
def catalog(tmp_path):
    def make(text, kind):
        path = tmp_path / "sources.cat"
        path.write_text(text)
        return read_catalog(path, kind)

    return make


def test_every_kind_of_catalog_has_its_table():
    assert {
        *SOURCE_TABLES,
        *MOVING_TABLES,
        EXTENDED,
        MovingExtended.kind,
        TRACKED,
        VARIABLE,
        *SERIES_KINDS,
    } == set(CATALOG_KINDS)


def test_magnitude_systems_follow_the_zero_point():
    zp = get_zeropoint(*OPTICS)
    one = np.array([1.0])
    # The magnitude of 1 e-/s in each system gives 1 e-/s, and 5 magnitudes are a factor of 100.
    ab = -2.5 * np.log10(zp.photfnu_e) - 48.599934378
    st = -2.5 * np.log10(zp.photflam_e) - 21.099934378
    for system, zero in (("abmag", ab), ("stmag", st), ("vegamag", zp.vegamag_e)):
        np.testing.assert_allclose(count_rate(zero * one, system, zp), 1.0, rtol=1e-12)
        np.testing.assert_allclose(count_rate((zero - 5) * one, system, zp), 100.0, rtol=1e-12)
    # F_lambda = F_nu c / lambda^2 ties ST to AB at the pivot wavelength, to the digits of the table.
    c = 2.99792458e18 / (zp.pivot * 1e4) ** 2
    assert zp.photflam_e == pytest.approx(zp.photfnu_e * c, rel=1e-3)
    # Of 3631 Jy.
    np.testing.assert_allclose(count_rate(0 * one, "abmag", zp) * zp.photfnu_e, 3631e-23, rtol=2e-4)
    with pytest.raises(InputError, match="did you mean 'abmag'"):
        count_rate(one, "ab_mag", zp)


def test_unseen_sources_have_no_flux():
    rates = count_rate(np.array([99.0, 10000.0]), "abmag", get_zeropoint(*OPTICS))
    assert 0 < rates[0] < 1e-25
    assert rates[1] == 0


def test_point_sources(catalog):
    c = catalog("# vegamag\nx_or_RA y_or_Dec magnitude\n90 0 20\n0 90 22.5\n", "point_source")
    table = point_source_table(c, *OPTICS)
    np.testing.assert_allclose(table.position, [[0, 1, 0], [0, 0, 1]], atol=1e-15)
    np.testing.assert_allclose(table.flux[0] / table.flux[1], 10.0)
    assert not table.pixels


def test_tangents_point_along_the_position_angle(catalog):
    names = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    table = galaxy_table(
        catalog(names + "0 0 1 0.5 0 1 20\n0 0 1 0.5 90 4 20\n0 0 1 0.5 30 4 20\n", "galaxy"), *OPTICS
    )
    np.testing.assert_allclose(table.tangent[:2], [[0, 0, 1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(table.tangent[2], [0, 0.5, np.sqrt(0.75)], atol=1e-15)
    np.testing.assert_allclose((table.tangent * table.normal).sum(axis=1), 0, atol=1e-15)
    assert table.radius[0] == pytest.approx(np.radians(1 / 3600))


def test_saved_by_content(catalog, tmp_path):
    names = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
    table = galaxy_table(catalog("# radius_pixels\n" + names + "10 20 3 0.5 40 1 20\n", "galaxy"), *OPTICS)
    folder = tmp_path / "new" / "sources"
    key = table.save(folder)
    before = (folder / f"{key}.npz").stat()
    assert table.save(str(folder)) == key
    assert (folder / f"{key}.npz").stat().st_mtime_ns == before.st_mtime_ns
    assert [p.name for p in folder.iterdir()] == [f"{key}.npz"]
    again = Galaxies.load(folder, key)
    assert again.key == key
    assert again.radius_pixels is True
    assert again.position.tobytes() == table.position.tobytes()
    memory = f"memory://sources-{key}"
    assert table.save(memory) == key
    assert Galaxies.load(memory, key).key == key


def test_damaged_tables(tmp_path):
    table = PointSources(np.arange(1, 3), np.eye(3)[:2], np.array([1.0, 2.0]))
    key = table.save(tmp_path)
    with pytest.raises(StoreError, match="There is no table"):
        PointSources.load(tmp_path, "0" * 32)
    other = PointSources(np.arange(1, 3), np.eye(3)[:2], np.array([1.0, 2.5])).save(tmp_path)
    (tmp_path / f"{other}.npz").replace(tmp_path / f"{key}.npz")
    with pytest.raises(StoreError, match="do not match its name"):
        PointSources.load(tmp_path, key)
    (tmp_path / f"{key}.npz").write_bytes(b"PK nonsense")
    with pytest.raises(StoreError, match="damaged"):
        PointSources.load(tmp_path, key)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="Cannot write"):
        table.save(blocked)
