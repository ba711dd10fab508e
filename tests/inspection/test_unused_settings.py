"""Settings that are valid and change nothing are said."""

import pytest

from mirage_dask import example_proposal, open_proposal
from mirage_dask.inspection import unused_settings
from mirage_dask.settings import load_settings


@pytest.fixture(scope="module")
def table():
    return open_proposal(example_proposal()).table


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "stars.cat"
    path.write_text("x_or_RA y_or_Dec magnitude\n150.2 2.3 20\n")
    return str(path)


def notes(**settings):
    proposal = open_proposal(example_proposal(), **settings)
    return unused_settings(proposal.settings, proposal.table)


def test_settings_that_all_hold(stars):
    assert notes() == ()
    assert notes(catalogs={"point_source": stars}, background={"nircam": {"sw": 0.1, "lw": 0.2}}) == ()


def test_types_of_catalogs_that_no_mode_looks_at(stars):
    (note,) = notes(catalogs={"tso_imaging_catalog": stars})
    assert note == (
        "catalogs.tso_imaging_catalog: no exposure uses stars.cat, for no mode of this proposal looks at the type "
        "tso_imaging_catalog."
    )


def test_catalogs_that_others_replace(stars, tmp_path, table):
    other = tmp_path / "other.cat"
    other.write_text("x_or_RA y_or_Dec magnitude\n150.2 2.3 20\n")
    targets = {target: {"point_source": stars} for target in set(table["target"])}
    (note,) = notes(catalogs={"point_source": str(other), **targets})
    assert note == "catalogs.point_source: no exposure uses other.cat."
    (note,) = notes(
        catalogs={next(iter(targets)): {"niriss": {"point_source": str(other)}}, "point_source": stars}
    )
    assert note.endswith(".niriss.point_source: no exposure uses other.cat.")


def test_backgrounds_of_other_instruments():
    assert notes(background={"nircam": "low", "niriss": 0.3, "fgs": 0.2}) == (
        "background.niriss: no exposure uses this value.",
        "background.fgs: no exposure uses this value.",
    )


def test_reference_files_of_other_detectors(tmp_path):
    gain = tmp_path / "gain.fits"
    gain.touch()
    (note,) = notes(reffile_overrides={"nircam": {"gain": {"nrca5": str(gain), "nrcb5": str(gain)}}})
    assert note == "reffile_overrides.nircam.gain.nrca5: no exposure uses gain.fits."


def test_files_of_traps_without_the_model_that_reads_them(tmp_path):
    path = tmp_path / "traps.fits"
    path.touch()
    files = {"nircam": {"trappars": {"nrcb5": str(path)}}}
    unread = "reffile_overrides.nircam.trappars.nrcb5: it changes nothing without `effects: {persistence: {model: traps}}`"
    for effects in ({}, {"persistence": True}):
        (note,) = notes(reffile_overrides=files, effects=effects)
        assert note.startswith(unread)
    assert not notes(reffile_overrides=files, effects={"persistence": {"model": "traps"}})


def test_switches_without_effect(tmp_path):
    assert notes(use_dateobs_for_background=True, background=0.2) == (
        "use_dateobs_for_background: it changes levels only, and the background is given as numbers or images.",
    )
    assert notes(cosmic_rays="SUNMIN", effects=["cosmic_rays"]) == (
        "cosmic_rays: the effect cosmic_rays is off.",
    )


def test_notes_name_the_file(tmp_path, table):
    path = tmp_path / "settings.yaml"
    path.write_text("background: {nircam: low, fgs: low}\n")
    (note,) = unused_settings(load_settings(path), table)
    assert note == f"{path}: background.fgs: no exposure uses this value."


def test_images_that_nothing_uses(tmp_path):
    assert notes(extended={"psf": "jwst"}) == ("extended: no exposure has a catalog of extended sources.",)
    path = tmp_path / "mosaic.fits"
    path.touch()
    found = notes(scene_image={"path": {"F150W": str(path), "F090W": str(tmp_path / "mosaic.fits")}})
    assert len(found) == 1
    assert found[0].startswith("scene_image: there is no image for F444W/CLEAR; exposures with it have none.")
    other = tmp_path / "other.fits"
    other.touch()
    found = notes(scene_image={"path": {"F150W": str(path), "F444W": str(path), "F090W": str(other)}})
    assert found == ("scene_image.path.F090W: no exposure uses other.fits.",)


def test_spectra_without_grisms():
    """Of a proposal without grisms, and words that need another one."""
    given = {
        "continuum": "flat",
        "extrapolation": "zero",
        "frame": "rest",
        "normalise": "niriss_f200w_magnitude",
    }
    assert notes(spectra=given) == (
        "spectra: no exposure is behind a grism.",
        "spectra.extrapolation: it changes nothing without continuum: magnitudes.",
        "spectra.frame: it changes nothing without file.",
        "spectra.normalise: it changes nothing without file.",
    )
    assert (
        notes(spectra={"lines_frame": "rest"})[1] == "spectra.lines_frame: it changes nothing without lines."
    )
