"""Exposures of imaging time series: from the proposal and a catalog of light curves to the electrons of each group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.time_series import PLACE, SHORT, time_series, variable_star

import mirage_dask as md
from mirage_dask.compat.catalog_generator import ImagingTSOCatalog, cat_from_file
from mirage_dask.errors import InputError
from mirage_dask.exposure.references import References, open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.mirage_yaml.writer import write_yaml
from mirage_dask.planning.catalogs import check_catalogs
from mirage_dask.planning.keys import row_keys
from mirage_dask.planning.making import make_plan
from mirage_dask.pointing import aperture
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.layers import Light
from mirage_dask.spec import Window

QUIET = {"cosmic_rays": False, "background": 0}


def opened(folder, times=(0.0, 2.0), factor=(1.0, 1.0), **settings):
    catalog = variable_star(folder, times, factor)
    given = {"tso_imaging_catalog": str(catalog)} | settings.pop("catalogs", {})
    return md.open_proposal(time_series(folder), catalogs=given, **QUIET, **settings)


def test_each_group_collects_the_mean_of_the_light_curve(tmp_path):
    """Without noise: electrons per second of each read over those of a constant star are the mean over the read."""
    times, factor = np.array([0.0, 0.4, 0.55, 0.9, 1.6]), np.array([1.0, 1.0, 0.6, 0.7, 1.2])
    proposal = opened(tmp_path, times, factor, effects={"poisson": False})
    assert list(proposal.table["status"]) == ["ready"] * 2
    assert proposal.notes == ()
    plan = make_plan(proposal.table, proposal.settings, names=[SHORT])
    spec = plan.spec(0)
    assert [kind for kind, _ in spec.layers] == ["light_curve"]
    references = open_references(spec, plan.url)
    (layer,) = references.light.varying
    # Where APT puts the target: at the reference point of the aperture.
    place = aperture("NRCB1_SUB64P")
    assert layer.stars.x[0] - spec.x0 == pytest.approx(place.x_sci_ref - 1.0, abs=0.05)
    assert layer.stars.y[0] - spec.y0 == pytest.approx(place.y_sci_ref - 1.0, abs=0.05)
    found = simulate_window(spec, references, Window.whole(spec), want=("transients",))["transients"]
    steady = replace(layer, factor=np.ones((1, times.size)), stars=replace(layer.stars))
    lit = References(references.pack, Light(varying=(steady,)))
    constant = simulate_window(spec, lit, Window.whole(spec), want=("transients",))["transients"]
    step = [np.diff(each, axis=1, prepend=0).sum(axis=(2, 3), dtype=float) for each in (found, constant)]
    fine = np.linspace(0.0, 3.0, 300_001)
    curve = np.interp(fine, times, factor)
    for n in range(spec.nints):
        begin = spec.integration_start(n)
        for g in range(spec.ngroups):
            edges = begin + np.array([g, g + 1]) * spec.tgroup
            inside = (fine >= edges[0]) & (fine <= edges[1])
            # The layer holds the flux at its brightest, 1.2 times the catalog's.
            expected = curve[inside].mean() / factor.max()
            assert step[0][n, g] / step[1][n, g] == pytest.approx(expected, rel=3e-5)


def test_files_that_change_are_planned_again(tmp_path):
    proposal = opened(tmp_path)
    before = row_keys(proposal.table)
    assert row_keys(opened(tmp_path).table) == before
    assert row_keys(opened(tmp_path, factor=(1.0, 0.5)).table) != before


def test_what_goes_on_beyond_the_light_curve_is_told(tmp_path):
    (note,) = opened(tmp_path, (0.1, 1.0)).notes
    assert note == (
        "variable.cat: the light curve goes from 0.1 s to 1 s after the start of an exposure, and exposures last up to "
        "1.5048 s: before and after, the flux stays what it is at that end."
    )


def test_a_star_in_two_catalogs_is_refused(tmp_path):
    stars = tmp_path / "stars.cat"
    stars.write_text(f"index x_or_RA y_or_Dec magnitude\n4 150.3 2.3 20\n9 {PLACE[0]} {PLACE[1] + 1e-5} 14\n")
    proposal = opened(tmp_path, catalogs={"point_source": str(stars)})
    expected = (
        r"variable.cat: the source 1 \(line 3\) is in .*stars.cat too \(line 3, 0.036 arcsec away\), so that it would shine "
        "twice; remove it from one of them"
    )
    with pytest.raises(InputError, match=expected):
        make_plan(proposal.table, proposal.settings, names=[SHORT])
    with pytest.raises(InputError, match=expected):
        check_catalogs(proposal.table)


BAD = {
    "no column": ("x_or_RA y_or_Dec magnitude\n150.2 2.3 14\n", "column 'lightcurve_file' is missing"),
    "no name": (
        "x_or_RA y_or_Dec magnitude lightcurve_file\n150.2 2.3 14 None\n",
        "column 'lightcurve_file' in line 2 (None): name the file of the source's light curve.",
    ),
    "no file": (
        "x_or_RA y_or_Dec magnitude lightcurve_file\n150.2 2.3 14 lost.hdf5\n",
        "column 'lightcurve_file' in line 2 (lost.hdf5): there is no such file; check the path",
    ),
    "no dataset": (
        "index x_or_RA y_or_Dec magnitude lightcurve_file\n5 150.2 2.3 14 two.hdf5\n",
        "two.hdf5: no light curve of the source 5; the file has 2, 3. Name the dataset by the index of the source.",
    ),
    "no magnitude": (
        "x_or_RA y_or_Dec nircam_f444w_magnitude lightcurve_file\n150.2 2.3 14 curve.hdf5\n",
        "no magnitude for NIRCAM F150W/CLEAR",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_catalogs(tmp_path, what):
    text, expected = BAD[what]
    proposal = opened(tmp_path)
    md.catalogs.write_light_curves(tmp_path / "two.hdf5", {n: ([0, 1], [1, 1]) for n in (2, 3)})
    (tmp_path / "variable.cat").write_text(text)
    with pytest.raises(InputError) as caught:
        make_plan(proposal.table, proposal.settings, names=[SHORT])
    assert expected in str(caught.value)


def test_the_catalog_comes_back_from_yaml(tmp_path):
    """Mirage's key simSignals: tso_imaging_catalog, both ways."""
    table = opened(tmp_path).table
    (tmp_path / "yaml").mkdir()
    write_yaml(table, tmp_path / "yaml")
    text = (tmp_path / "yaml" / f"{SHORT}.yaml").read_text()
    assert f"tso_imaging_catalog: {tmp_path / 'variable.cat'}" in text
    found = md.open_yaml(tmp_path / "yaml").table
    assert list(found["status"]) == ["ready"] * 2
    assert found["tso_imaging_catalog"].equals(table["tso_imaging_catalog"])
    assert found["mode"].equals(table["mode"])


def test_mirages_class_makes_the_catalog(tmp_path):
    opened(tmp_path)  # for the file of its light curve
    catalog = ImagingTSOCatalog(
        ra=[PLACE[0]], dec=[PLACE[1]], lightcurve_file=["curve.hdf5"], starting_index=1
    )
    catalog.add_magnitude_column([14.0], instrument="nircam", filter_name="f150w")
    catalog.save(str(tmp_path / "mirage.cat"))
    found = read_catalog(tmp_path / "mirage.cat", "tso_imaging_catalog", optics=[("NRCB1", "F150W", "CLEAR")])
    assert found.light_curves == (str(tmp_path / "curve.hdf5"),)
    again = cat_from_file(tmp_path / "mirage.cat", "tso_imaging_catalog")
    assert list(again.table["lightcurve_file"]) == list(found.light_curves)
    with pytest.raises(InputError, match="lightcurve_file: 2 values for 1 source; give one for each"):
        ImagingTSOCatalog(ra=[1.0], dec=[2.0], lightcurve_file=["a", "b"])
