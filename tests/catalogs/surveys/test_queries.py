"""Stars of Gaia, 2MASS and AllWISE: answers made by hand with the columns of the services, no network."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

import mirage_dask as md
from mirage_dask import catalogs
from mirage_dask.catalogs.surveys import queries
from mirage_dask.compat import create_catalog
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog

PLACE = SkyCoord(150.2, 2.3, unit="deg")
ASK = {"radius": 2 * u.arcmin, "filters": ["NIRCam F150W", "NIRCam F444W"]}
COLUMN = "nircam_f150w_magnitude"
MOVED = 12.0 * 16.5 / 3600.0
"""Degrees that the second star of Gaia moves north from 1999.5 to 2016."""

GAIA = Table({
    "SOURCE_ID": [10, 11, 12], "ra": [150.2, 150.21, 150.19], "dec": [2.3, 2.31 + MOVED, 2.29],
    "pmra": MaskedColumn([3.5, 0.0, 0.0], mask=[0, 0, 1]), "pmdec": MaskedColumn([-1.0, 12000.0, 0.0], mask=[0, 0, 1]),
    "ref_epoch": [2016.0] * 3, "phot_g_mean_mag": [15.0, 16.0, 20.5],
    "phot_bp_mean_mag": MaskedColumn([15.4, 16.5, 0.0], mask=[0, 0, 1]),
    "phot_rp_mean_mag": MaskedColumn([14.4, 15.3, 0.0], mask=[0, 0, 1]),
})  # fmt: skip
TWO_MASS = Table({
    "ra": [150.2, 150.21, 150.22], "dec": [2.3 + 0.1 / 3600, 2.31, 2.32], "j_m": [13.8, 14.5, 15.0],
    "h_m": [13.4, 14.0, 14.4], "k_m": MaskedColumn([13.3, 13.9, 12.0], mask=[0, 0, 0]), "ph_qual": ["AAA", "AAA", "AAU"],
})  # fmt: skip
WISE = Table({
    "ra": [150.2, 150.23], "dec": [2.3, 2.33], "w1mpro": [13.2, 16.0], "w2mpro": [13.25, 16.5],
    "w1sigmpro": [0.02, 0.05], "w2sigmpro": MaskedColumn([0.02, 0.0], mask=[0, 1]),
})  # fmt: skip


@pytest.fixture
def services(monkeypatch, tmp_path):
    """Stand-ins of astroquery's modules, and the questions that they were asked."""
    asked: list[str] = []

    class GaiaClass:
        def __init__(self, **_):
            pass

        def launch_job_async(self, question):
            asked.append(question)
            return SimpleNamespace(get_results=lambda: GAIA)

    def query_tap(question):
        asked.append(question)
        return SimpleNamespace(to_table=lambda: WISE if "allwise" in question else TWO_MASS)

    for name, held in (
        ("astroquery", {}),
        ("astroquery.gaia", {"GaiaClass": GaiaClass}),
        ("astroquery.ipac", {}),
        ("astroquery.ipac.irsa", {"Irsa": SimpleNamespace(query_tap=query_tap)}),
    ):
        module = ModuleType(name)
        module.__dict__.update(held)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path / "cache"))
    return asked


def test_gaia(services, tmp_path):
    stars = catalogs.gaia(PLACE, **ASK)
    assert len(stars) == 3
    assert stars["pmra"].unit == u.mas / u.yr
    assert stars["pmra"].tolist()[:2] == [3.5, 0.0]
    assert np.isnan(stars["pmra"][2])
    assert stars["ref_epoch"].tolist() == [2016.0] * 3
    assert "CIRCLE('ICRS', 150.200000, 2.300000, 0.033333)" in services[0]
    assert "FROM gaiadr3.gaia_source" in services[0]
    found = read_catalog(
        stars.save(tmp_path / "gaia.cat"), "point_source", optics=[("NIRCAM", "F150W", "CLEAR")]
    )
    np.testing.assert_allclose(found.magnitude("NIRCAM", "F150W"), stars[COLUMN], atol=1e-6)
    assert found.system == "abmag"


def test_a_second_question_needs_no_network(services):
    first = catalogs.gaia(PLACE, **ASK)
    again = catalogs.gaia(PLACE, **ASK)
    assert len(services) == 1
    for name in first.colnames:
        np.testing.assert_array_equal(first[name], again[name])
    catalogs.gaia(PLACE, refresh=True, **ASK)
    catalogs.gaia(PLACE, **(ASK | {"radius": 3 * u.arcmin}))
    assert len(services) == 3
    import mirage_dask.cache as cache

    assert cache.contents().kinds["queries"][0] == 2


def test_upper_limits_are_left_out(services):
    """The K of a star that 2MASS does not see there, and W2 without an uncertainty, change nothing."""
    changed = queries._stars(queries.TWO_MASS, [(150.2, 2.3, 0.1)], False)
    assert np.isnan(changed.magnitudes["2mass_k"]).tolist() == [False, False, True]
    assert np.isfinite(changed.magnitudes["2mass_j"]).all()
    seen = queries._stars(queries.WISE, [(150.2, 2.3, 0.1)], False)
    assert np.isnan(seen.magnitudes["wise_w2"]).tolist() == [False, True]


def test_surveys_are_matched(services):
    """One star of all three; one that moves 3.3 arcmin in 16.5 years; one of Gaia, 2MASS and WISE alone each."""
    stars = catalogs.all_surveys(PLACE, **ASK)
    assert len(stars) == 5
    np.testing.assert_allclose(stars["x_or_RA"], [150.2, 150.21, 150.19, 150.22, 150.23], atol=1e-9)
    joined = queries._stars(queries.GAIA, [(150.2, 2.3, 0.1)], False)
    two = queries._stars(queries.TWO_MASS, [(150.2, 2.3, 0.1)], False)
    both = queries.join_stars(joined, two, "2mass")
    assert both.magnitudes["2mass_j"].tolist()[:2] == [13.8, 14.5]
    assert np.isnan(both.magnitudes["2mass_j"][2])
    # With J, H and K known, F150W lies between J and H, as AB magnitudes.
    assert 13.8 + 0.894 - 0.1 < stars[COLUMN][0] < 13.4 + 1.374 + 0.1


def test_for_a_proposal(services):
    proposal = md.open_proposal(md.example_proposal())
    stars = catalogs.two_mass(proposal)
    assert len(services) == 1
    needed = set(catalogs.columns_for(proposal))
    assert needed <= set(stars.colnames)
    ra, dec, radius = (float(word) for word in services[0].split("'ICRS', ")[2].split(")")[0].split(", "))
    for region in proposal.table["s_region"]:
        numbers = np.array([float(word) for word in region.split()[2:]]).reshape(-1, 2)
        apart = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(*numbers.T, unit="deg"))
        assert (apart.deg < radius).all()


def test_entry_points_of_mirage(services):
    catalog, names = create_catalog.get_all_catalogs(150.2, 2.3, 100, instrument="NIRCam", filters=["F150W"])
    assert names == [COLUMN]
    assert len(catalog.table) == 2  # of 5: the others lie outside of the box
    table, names = create_catalog.query_2MASS_ptsrc_catalog(150.2, 2.3, 100)
    assert names == ["j_m", "h_m", "k_m"]
    assert len(table) == 2
    table, names = create_catalog.query_WISE_ptsrc_catalog("10:00:48", "2:18:00", 100)
    assert names == ["w1mpro", "w2mpro"]
    assert len(table) == 1


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: catalogs.gaia(PLACE, filters=["NIRCam F150W"]), "give one position and a radius"),
        (
            lambda: catalogs.gaia(PLACE, radius=2 * u.kg, filters=["NIRCam F150W"]),
            "give one position and a radius",
        ),
        (lambda: catalogs.gaia(PLACE, radius=2 * u.deg), "filters: name those whose magnitudes are needed"),
        (lambda: catalogs.gaia(PLACE, radius=2 * u.deg, filters=["NIRCam F999W"]), "is not a valid filter"),
        (lambda: catalogs.gaia("my.aptx"), "is not a proposal"),
        (
            lambda: create_catalog.get_all_catalogs(1, 2, 3, filters=["F150W"], wise_catalog="old"),
            "superseded",
        ),
    ],
)
def test_mistakes(services, ask, words):
    with pytest.raises(InputError, match=words):
        ask()


def test_without_astroquery(monkeypatch, tmp_path):
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "astroquery", None)
    for name in ("astroquery.gaia", "astroquery.ipac", "astroquery.ipac.irsa"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(InputError, match=r"pip install 'mirage_dask\[query\]'"):
        catalogs.gaia(PLACE, **ASK)


def test_a_service_that_does_not_answer(services, monkeypatch):
    def broken(question):
        raise ConnectionError("HTTPSConnectionPool: timed out")

    monkeypatch.setattr(sys.modules["astroquery.ipac.irsa"].Irsa, "query_tap", broken)
    with pytest.raises(
        InputError, match=r"fp_psc: the service cannot be asked: .*timed out; try again later"
    ):
        catalogs.two_mass(PLACE, **ASK)


def test_the_real_astroquery_has_what_is_called():
    gaia = pytest.importorskip("astroquery.gaia")
    irsa = pytest.importorskip("astroquery.ipac.irsa")
    assert callable(gaia.GaiaClass.launch_job_async)
    assert callable(irsa.Irsa.query_tap)
