"""Dark exposures: rows without filter or position, ramps without light, headers without a place on the sky."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from support.darks import NAMES, dark_proposal

import mirage_dask as md
from mirage_dask.apt import exposure_table, read_proposal
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window
from mirage_dask.variables import VARIABLES

RAYS = {"library": "SUNMAX", "scale": 300.0}
"""Some hits in each small array."""


@pytest.fixture(scope="module")
def proposal(tmp_path_factory) -> md.Proposal:
    return dark_proposal(tmp_path_factory.mktemp("darks"), cosmic_rays=RAYS)


@pytest.fixture(scope="module")
def plan(proposal):
    return proposal.prepare(list(NAMES))


def test_rows_are_ready_without_filter_or_position(proposal):
    table = proposal.table
    assert list(table["exp_type"]) == ["NRC_DARK", "NRC_DARK", "NIS_DARK", "FGS_DARK"]
    assert set(table["status"]) == {"ready"}
    assert set(table["filter"]) == set(table["pupil"]) == set(table["background"]) == {""}
    assert table[["ra_ref", "dec_ref", "ra_pointing"]].isna().all(axis=None)
    assert proposal.notes == ()


def test_the_darks_of_a_real_program_are_ready(shared):
    table = exposure_table(read_proposal(shared / "apt" / "1409_ice" / "pid1409.xml"))
    darks = table[table["template"] == "NircamDark"]
    assert len(darks) == 10
    assert set(darks["status"]) == {"ready"}
    assert set(darks["exp_type"]) == {"NRC_DARK"}


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_light_and_everything_else(plan, name):
    """The slope is the dark current that the references say; cosmic rays hit; a window has the bits of the whole."""
    spec = plan.spec(plan.row(name))
    references = open_references(spec, plan.url)
    assert spec.layers == ()
    assert not spec.has_pointing
    whole = simulate_window(spec, references, Window.whole(spec), want=VARIABLES)
    assert not whole["seed"].any()
    assert not whole["transients"].any()
    assert whole["cosmic_rays"].any()
    change = whole["linear"][:, -1] - whole["linear"][:, 0]
    assert (
        abs(np.median(change)) < 5.0
    )  # DN, of which the background of an image would give more in 1,000 pixels
    window = Window((1, 2), (1, 3), (5, 40), (11, 60))
    part = simulate_window(spec, references, window, want=VARIABLES)
    for variable, values in part.items():
        box = VARIABLES[variable].select(tuple(slice(*span) for span in window.spans))
        assert np.array_equal(values, whole[variable][box]), variable


def test_what_the_settings_say_of_the_scene_changes_no_dark(tmp_path, plan):
    """Catalogs, sky and ghosts are those of images: not a digest differs."""
    stars = tmp_path / "stars.cat"
    stars.write_text("# abmag\nindex x_or_RA y_or_Dec nircam_f200w_magnitude\n1 10.0 20.0 18\n")
    bright = {"background": 5.0, "catalogs": {"point_source": stars}, "use_dateobs_for_background": True}
    other = dark_proposal(tmp_path, cosmic_rays=RAYS, **bright).prepare(list(NAMES))
    assert [other.spec(other.row(n)).digest for n in NAMES] == [plan.spec(plan.row(n)).digest for n in NAMES]


def test_headers_name_no_place_on_the_sky(proposal, tmp_path):
    proposal.simulate(
        tmp_path / "darks.zarr", select=f"name == '{NAMES[2]}'", progress=False, on_error="raise"
    )
    simulation = md.open_simulation(tmp_path / "darks.zarr")
    (path,) = [p for p in simulation.export(tmp_path) if p.name.endswith("_uncal.fits")]
    with fits.open(path) as file:
        primary, science = file[0].header, file["SCI"].header
        assert (primary["EXP_TYPE"], primary["VISITYPE"]) == ("NIS_DARK", "PRIME_UNTARGETED")
        assert (primary["APERNAME"], primary["SUBARRAY"], primary["READPATT"]) == (
            "NIS_SUB64",
            "SUB64",
            "NISRAPID",
        )
        assert not {"FILTER", "PUPIL", "TARG_RA", "RA_V1"} & set(primary)
        assert not {"RA_REF", "CRVAL1", "S_REGION"} & set(science)
        assert science["V2_REF"] == pytest.approx(-355.24, abs=0.1)
        assert np.isnan(file["INT_TIMES"].data["int_mid_BJD_TDB"]).all()
    dataset = simulation.exposure(NAMES[2])
    assert "sky_projection" not in dataset.coords
    dataset.close()
