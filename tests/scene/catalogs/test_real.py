"""Every catalog that comes with Mirage: read as what it is, or named with the reason why it is not read."""

from __future__ import annotations

import pytest

from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog

READ = {
    "examples/imaging_example_data/ptsrc_catalog.cat": ("point_source", 2002),
    "examples/imaging_example_data/seed_im_from_catalog_test_galaxies_catalog.list": ("galaxy", 134),
    "examples/imaging_example_data/seed_im_from_catalog_test_galaxies_catalog_filter2.list": ("galaxy", 134),
    "examples/imaging_example_data/seed_im_from_catalog_test_ptsrc_catalog.list": ("point_source", 2002),
    "examples/imaging_example_data/seed_im_from_catalog_test_ptsrc_catalog_filter2.list": ("point_source", 2002),
    "examples/movingtarget_example_data/moving_point_sources_seedtest.list": ("moving_pointsource", 1),
    "examples/movingtarget_example_data/moving_sersic.list": ("moving_sersic", 4),
    "examples/movingtarget_example_data/moving_target_to_track.cat": ("moving_target_to_track", 1),
    "examples/movingtarget_example_data/sidereal_point_sources.cat": ("point_source", 20),
    "examples/niriss_ami_example/stars_field19_20_combined_allfilters.list": ("point_source", 1595),
    "examples/wfss_example_data/point_sources.cat": ("point_source", 2),
    "tests/test_data/FGS/fgs_point_sources.list": ("point_source", 1),
    "tests/test_data/FGS/seed_im_from_catalog_test_galaxies_catalog.list": ("galaxy", 134),
    "tests/test_data/NIRCam/seed_im_from_catalog_test_galaxies_catalog.list": ("galaxy", 134),
    "tests/test_data/NIRCam/seed_im_from_catalog_test_ptsrc_catalog.list": ("point_source", 2002),
    "tests/test_data/NIRISS/niriss_point_sources.list": ("point_source", 1),
    "tests/test_data/NIRISS/niriss_point_sources_mod.list": ("point_source", 21),
    "tests/test_data/catalog_generation/TwoMass_test.cat": ("point_source", 94),
    "tests/test_data/catalog_generation/extended_test.cat": ("extended", 10),
    "tests/test_data/catalog_generation/get_all_catalogs.cat": ("point_source", 499),
    "tests/test_data/catalog_generation/get_all_catalogs_truth.cat": ("point_source", 470),
    "tests/test_data/catalog_generation/moving_point_source_test.cat": ("moving_pointsource", 10),
    "tests/test_data/catalog_generation/moving_sersic_source_test.cat": ("moving_sersic", 10),
    "tests/test_data/catalog_generation/nonsidereal_source_test.cat": ("moving_target_to_track", 1),
    "tests/test_data/catalog_generation/ptsrc_1.cat": ("point_source", 8),
    "tests/test_data/catalog_generation/ptsrc_2.cat": ("point_source", 13),
    "tests/test_data/catalog_generation/ptsrc_3.cat": ("point_source", 10),
    "tests/test_data/hdf5_catalogs/galaxies.cat": ("galaxy", 1),
    "tests/test_data/hdf5_catalogs/point_sources.cat": ("point_source", 2),
    "tests/test_data/hdf5_catalogs/point_sources_one_filter.cat": ("point_source", 2),
}  # fmt: skip
SHAPES = "'ellipticity' in line 8 (-0.06365943715075553)"
REFUSED = {
    "tests/test_data/catalog_generation/galaxy_1.cat": SHAPES,  # random shapes: also Sersic indices up to 30
    "tests/test_data/catalog_generation/galaxy_2.cat": SHAPES,
    "tests/test_data/catalog_generation/galaxy_3.cat": SHAPES,
}
"""Catalogs of galaxies that cannot exist: what is wrong."""
MOVING_IMAGES = {
    "examples/movingtarget_example_data/moving_target_extended.list",
    "tests/test_data/catalog_generation/moving_extended_source_test.cat",
}
"""Moving sources of the type moving_extended."""
NO_CATALOG = (".hdf5", ".npy", ".xml", "ephemeris.txt", "horizons_results.txt", "horizons_results_jupiter.txt",
              "spectrum.txt", "besancon_query_result.cat", "besancon_example.cat", "_wfss.txt", "_parallel.txt")  # fmt: skip
"""Ends of the names of spectra, proposals, ephemerides, results of the Besançon model, and tables of exposures."""


@pytest.mark.parametrize("name", READ)
def test_read(shared, name):
    kind, count = READ[name]
    assert len(read_catalog(shared / "data/catalogs" / name, kind)) == count


@pytest.mark.parametrize("name", REFUSED)
def test_refused(shared, name):
    with pytest.raises(InputError) as caught:
        read_catalog(shared / "data/catalogs" / name, "galaxy")
    assert REFUSED[name] in caught.value.problems[0]


def test_none_is_forgotten(shared):
    root = shared / "data/catalogs"
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    rest = files - READ.keys() - REFUSED.keys() - MOVING_IMAGES
    assert {name for name in rest if not name.endswith(NO_CATALOG)} == set()
    for name in sorted(rest):  # none is taken for a catalog
        with pytest.raises(InputError):
            read_catalog(root / name, "point_source")
