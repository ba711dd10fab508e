"""What of a catalog changes nothing, or may be meant otherwise, is said; a filter that takes another's column too."""

import pytest

from mirage_dask import example_proposal, open_proposal
from mirage_dask.errors import InputError
from mirage_dask.inspection.catalogs import catalog_notes
from mirage_dask.scene import read_catalog

SHORT, LONG = ("NRCB1", "F150W", "CLEAR"), ("NRCB5", "F444W", "CLEAR")


def read(folder, text, kind="point_source", **options):
    path = folder / "stars.cat"
    path.write_text(text)
    return read_catalog(path, kind, **options)


def notes(folder, text, uses=(SHORT, LONG), kind="point_source"):
    return list(catalog_notes(read(folder, text, kind), uses))


def test_a_catalog_of_which_everything_is_used(tmp_path):
    names = "index x_or_RA y_or_Dec nircam_f150w_magnitude nircam_f444w_magnitude\n"
    assert notes(tmp_path, names + "1 150 2 20 99\n") == []
    assert notes(tmp_path, "x_or_RA y_or_Dec magnitude\n150 2 20\n", uses=[LONG]) == []


def test_columns_of_a_planet_are_used(tmp_path):
    names = "x_or_RA y_or_Dec Orbital_period Radius_ratio Time_of_inferior_conjunction Spin magnitude\n"
    text = names + "150 2 3.5 0.1 0.0 7 9\n"
    assert notes(tmp_path, text, uses=[LONG], kind="tso_grism_catalog") == ["no exposure uses Spin."]


def test_filters_that_use_the_column_magnitude(tmp_path):
    text = "x_or_RA y_or_Dec magnitude nircam_f150w_magnitude\n150 2 25 18\n"
    assert notes(tmp_path, text) == [
        "F444W uses the column 'magnitude': there is no column of its own, 'nircam_f444w_magnitude'."
    ]
    (note, _) = notes(tmp_path, "x_or_RA y_or_Dec magnitude nircam_f200w_magnitude\n150 2 25 25\n")
    assert note.startswith("F150W, F444W use the column 'magnitude'")
    assert notes(tmp_path, "x_or_RA y_or_Dec magnitude\n150 2 25\n") == []


@pytest.mark.parametrize("name", ["nircam_f444_magnitude", "nircam_f444w_mag", "nircam_f444w"])
def test_a_misspelt_filter_is_an_error_where_magnitude_would_stand_in(tmp_path, name):
    text = f"x_or_RA y_or_Dec magnitude {name}\n150 2 25 18\n"
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, optics=[("NIRCAM", "F444W", "CLEAR")])
    (problem,) = caught.value.problems
    assert (
        f"column {name!r} is not of any filter, and NIRCAM F444W/CLEAR would use the column 'magnitude'"
        in problem
    )
    assert "rename it to 'nircam_f444w_" in problem


def test_other_filters_are_not_misspelt_ones(tmp_path):
    text = "x_or_RA y_or_Dec magnitude nircam_f410m_magnitude besancon_k_magnitude\n150 2 25 18 18\n"
    assert read(tmp_path, text, optics=[("NIRCAM", "F444W", "CLEAR")]).magnitude("NIRCAM", "F444W")[0] == 25.0
    assert (
        notes(tmp_path, text, uses=[LONG])[1]
        == "no exposure uses nircam_f410m_magnitude, besancon_k_magnitude."
    )


def test_motions_and_epochs(tmp_path):
    text = "x_or_RA y_or_Dec magnitude pm_ra pm_dec ref_epoch parallax x_or_RA_velocity name\n150 2 25 1 2 3 4 5 a\n"
    assert notes(tmp_path, text, uses=[LONG]) == [
        "motions and epochs are not simulated: nothing uses pm_ra, pm_dec, ref_epoch, parallax, x_or_RA_velocity; positions "
        "hold for all dates.",
        "no exposure uses name.",
    ]


def test_columns_and_phrases_of_galaxies_among_stars(tmp_path):
    text = "# radius_pixels\nx_or_RA y_or_Dec magnitude radius\n150 2 25 3\n"
    assert notes(tmp_path, text, uses=[LONG]) == [
        "no exposure uses radius.",
        "line 1: '# radius_pixels' changes nothing in a catalog of type point_source.",
    ]


def test_fluxes_in_a_column_of_magnitudes(tmp_path):
    (note,) = notes(tmp_path, "x_or_RA y_or_Dec magnitude\n150 2 2300\n150 2 99\n150 2 21\n", uses=[LONG])
    assert "column 'magnitude' is fainter than magnitude 40 in line 2 (2300.0)" in note
    assert "are these fluxes?" in note
    (note,) = notes(tmp_path, "x_or_RA y_or_Dec magnitude\n150 2 1e-7\n150 2 3e-6\n", uses=[LONG])
    assert "all 2 magnitudes are between -1 and 1; are these fluxes?" in note
    marks = "150 2 99\n150 2 99.99\n150 2 999\n150 2 10000\n150 2 18\n"
    assert notes(tmp_path, "x_or_RA y_or_Dec magnitude\n" + marks, uses=[LONG]) == []


def test_notes_of_a_proposal_name_the_files_once(tmp_path):
    stars, more = (tmp_path / name for name in ("stars.cat", "galaxies.cat"))
    stars.write_text(
        "x_or_RA y_or_Dec nircam_f150w_magnitude nircam_f444w_magnitude name\n150.225 2.3 20 20 a\n"
    )
    more.write_text(
        "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index nircam_f150w_magnitude nircam_f444w_magnitude name\n"
        "150.225 2.3 1 0 0 1 20 20 a\n"
    )
    proposal = open_proposal(
        example_proposal(), catalogs={"point_source": stars, "galaxy": more}, references="builtin"
    )
    assert proposal.notes == ("stars.cat, galaxies.cat: no exposure uses name.",)
