"""Units in comments: phrases set them, and a comment that only seems to is an error, never read over."""

import pytest

from mirage_dask.errors import InputError
from mirage_dask.scene import read_catalog

STARS = "x_or_RA y_or_Dec magnitude\n1 2 20\n"
GALAXIES = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n1 2 1 0.1 10 1 20\n"


def read(folder, *comments, below=(), kind="point_source"):
    table = STARS if kind == "point_source" else GALAXIES
    names, row = table.splitlines()
    lines = [*(f"# {c}" for c in comments), names, *(f"# {c}" for c in below), row]
    path = folder / "sources.cat"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_catalog(path, kind)


def refusal(folder, *comments, **options):
    with pytest.raises(InputError) as caught:
        read(folder, *comments, **options)
    (problem,) = caught.value.problems
    assert problem.startswith(str(folder / "sources.cat"))
    return problem


@pytest.mark.parametrize(
    ("comment", "wanted"),
    [
        ("vegamag (2MASS)", "# vegamag"),
        ("Vega", "# vegamag"),
        ("magnitude system: vegamag", "# vegamag"),
        ("magsys=vegamag", "# vegamag"),
        ("vegamag, position_RA_Dec", "# vegamag"),
        ("made from Vega-calibrated 2MASS", "# vegamag"),
        ("magnitude system: ST", "# stmag"),
        ("ST mag", "# stmag"),
        ("fluxes in nJy", "not AB magnitudes"),
        ("position_pixel", "# position_pixels"),
        ("pixels", "# position_pixels"),
        ("positions are in pixels", "# position_pixels"),
        ("RA in hours", "degrees (ICRS) or hh:mm:ss"),
        ("galactic coordinates", "degrees (ICRS)"),
        ("offsets in arcmin", "degrees (ICRS)"),
        ("vegmag", "# vegamag"),
    ],
)
def test_a_comment_that_seems_to_set_units_is_an_error(tmp_path, comment, wanted):
    problem = refusal(tmp_path, "a list of stars", comment)
    assert "line 2: the comment" in problem
    assert wanted in problem


@pytest.mark.parametrize(
    ("comment", "wanted"),
    [
        ("radius_pixel", "# radius_pixels"),
        ("radius in pixels", "# radius_pixels"),
        ("sizes in arcmin", "not arcsec"),
        ("half-light radius in kpc", "not arcsec"),
    ],
)
def test_the_same_for_radii(tmp_path, comment, wanted):
    assert wanted in refusal(tmp_path, comment, kind="galaxy")


@pytest.mark.parametrize(
    "comment",
    [
        "stars of the example proposal; radius in arcsec",
        "AB magnitudes",
        "magnitude system: AB",
        "extragalactic sources, by Ann",
        "Magnitudes are converted from input flux densities. See",
        "x and y in degrees",
        "ABmag",
    ],
)
def test_ordinary_remarks_are_free(tmp_path, comment):
    found = read(tmp_path, comment)
    assert (found.system, found.pixels) == ("abmag", False)


def test_a_phrase_frees_the_other_remarks_on_its_quantity(tmp_path):
    found = read(
        tmp_path, "abmag", "converted from Vega by adding 1.2", "position_RA_Dec", "measured in pixels"
    )
    assert (found.system, found.pixels) == ("abmag", False)
    assert "contradicts '# abmag'" in refusal(tmp_path, "abmag", "vegamag (2MASS)")
    assert "position_RA_Dec and position_pixels; keep one" in refusal(
        tmp_path, "position_pixels", "position_RA_Dec"
    )


def test_phrases_below_the_names(tmp_path):
    assert read(tmp_path, below=["vegamag"]).system == "vegamag"
    path = tmp_path / "late.cat"
    path.write_text(STARS + "# vegamag\n3 4 20\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: the comment 'vegamag' stands below the first source"):
        read_catalog(path, "point_source")
    path.write_text("# vegamag\n" + STARS + "# vegamag\n# 12 pixels off\n3 4 20\n", encoding="utf-8")
    assert read_catalog(path, "point_source").system == "vegamag"


def test_several_such_comments_are_one_problem(tmp_path):
    problem = refusal(tmp_path, "pixels", "pixels, I said", "in pixels")
    assert "line 1" in problem
    assert "2 more comments do the same" in problem


def test_phrases_that_change_nothing_are_kept_for_a_note(tmp_path):
    found = read(tmp_path, "radius_pixels", "velocity_RA_Dec")
    assert found.unused_phrases == ("line 1: '# radius_pixels'", "line 2: '# velocity_RA_Dec'")
