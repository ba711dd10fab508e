"""Mirage's catalogs: what is read, and that one error names every problem with its line and remedy."""

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.scene import magnitude_columns, magnitude_owner, read_catalog

STARS = """\
# position_RA_Dec
# vegamag
#
#
index x_or_RA y_or_Dec nircam_f200w_magnitude nircam_f444w_clear_magnitude magnitude
3 53.1 -27.8 20.0 21.0 22.0
7 03:32:24.0 -27:48:00 20.5 99.0 22.0

# a remark between sources
9 03h32m24s -27d48m00s 21.25 10000 22.0
"""
GALAXY_COLUMNS = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude"


def write(folder, text, name="sources.cat"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder, text, kind="point_source", **options):
    with pytest.raises(InputError) as caught:
        read_catalog(write(folder, text), kind, **options)
    return caught.value.problems


def test_reads_the_format(tmp_path):
    c = read_catalog(write(tmp_path, STARS), "point_source")
    assert len(c) == 3
    assert (c.system, c.pixels, c.radius_pixels) == ("vegamag", False, False)
    assert c.index.tolist() == [3, 7, 9]
    assert c.lines.tolist() == [6, 7, 10]
    np.testing.assert_allclose(c.x, 53.1, atol=1e-12)
    np.testing.assert_allclose(c.y, -27.8, atol=1e-12)
    assert c.magnitude("NRCB1", "F200W", "CLEAR").tolist() == [20.0, 20.5, 21.25]
    assert c.magnitude("NIRCAM", "F444W").tolist() == [21.0, 99.0, 10000.0]
    assert c.magnitude("NIRCAM", "F115W").tolist() == [22.0] * 3


def test_numbers_are_read_to_the_last_bit(tmp_path):
    text = "x_or_RA y_or_Dec magnitude\n53.088639500000003 -27.839995199999997 20.116487342354695\n"
    c = read_catalog(write(tmp_path, text), "point_source")
    assert (c.x[0], c.y[0]) == (53.088639500000003, -27.839995199999997)
    assert c.magnitude("NIRCAM", "F200W")[0] == 20.116487342354695
    assert c.index.tolist() == [1]


def test_pixels_and_declination_signs(tmp_path):
    text = "# position_pixels\n# radius_pixels\n" + GALAXY_COLUMNS + "\n-3.5 2050 4 0.2 370 0.01 20\n"
    c = read_catalog(write(tmp_path, text), "galaxy")
    assert c.pixels
    assert c.radius_pixels
    assert (c.x[0], c.y[0]) == (-3.5, 2050.0)
    c = read_catalog(write(tmp_path, "x_or_RA y_or_Dec magnitude\n-10 -00:30:00 20\n"), "point_source")
    assert (c.x[0], c.y[0]) == (350.0, -0.5)


def test_guiders_have_magnitudes_of_their_own(tmp_path):
    assert [magnitude_owner(d) for d in ("NRCB5", "NIS", "GUIDER1", "G2")] == [
        "NIRCAM", "NIRISS", "GUIDER1", "GUIDER2",
    ]  # fmt: skip
    text = "x_or_RA y_or_Dec fgs1_magnitude fgs_guider2_magnitude\n10 20 15 16\n"
    c = read_catalog(write(tmp_path, text), "point_source")
    assert [c.magnitude(d, "", "")[0] for d in ("GUIDER1", "GUIDER2")] == [15.0, 16.0]
    c = read_catalog(write(tmp_path, "x_or_RA y_or_Dec fgs1_magnitude\n10 20 15\n"), "point_source")
    with pytest.raises(InputError, match="no magnitude for GUIDER2; add a column 'fgs2_magnitude' or"):
        c.magnitude("GUIDER2", "", "")


@pytest.mark.parametrize(
    ("wanted", "columns"),
    [
        (("NIRCAM", "F200W", "CLEAR"), ("nircam_f200w_clear_magnitude", "nircam_f200w_magnitude")),
        (("NRCA5", "F444W", "F405N"), ("nircam_f444w_f405n_magnitude", "nircam_f405n_magnitude")),
        (("NRCB1", "F150W", "WLP8"), ("nircam_f150w_wlp8_magnitude",)),
        (("NRCB5", "F444W", "GRISMR"), ("nircam_f444w_clear_magnitude", "nircam_f444w_magnitude")),
        (("NIS", "CLEAR", "F150W"), ("niriss_f150w_magnitude",)),
        (("GUIDER2", "NA", "NA"), ("fgs2_magnitude", "fgs_guider2_magnitude")),
    ],
)
def test_magnitude_columns(wanted, columns):
    assert magnitude_columns(*wanted) == (*columns, "magnitude")


def test_every_problem_at_once(tmp_path):
    text = (
        "# abmag\n# stmag\nindex x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index nircam_f200w_magnitude\n"
        "1 53.1 -27.8 0.3 0.2 10 1 20\n"
        "1 53.1 -95 0.3 1.0 10 1 nan\n"
        "2.5 north -27.8 0 -0.1 inf 12 -99\n"
        "4 53.1 -27.8 0.3 0.2 10 1\n"
    )
    found = "\n".join(
        problems_of(
            tmp_path, text, "galaxy", optics=[("NRCB1", "F200W", "CLEAR"), ("NRCB5", "F356W", "CLEAR")]
        )
    )
    path = str(tmp_path / "sources.cat")
    assert all(line.startswith(path) for line in found.splitlines())
    for words in (
        "abmag and stmag; keep one",
        "line 7 (7); give every source one value per column",
        "'index' in line 5 (1): was used before",
        "'index' in line 6 (2.5): must be an integer",
        "'x_or_RA' in line 6 (north): must be decimal degrees, hh:mm:ss",
        "'y_or_Dec' in line 5 (-95): declination must be in -90 to 90 degrees; if these are pixels",
        "'radius' in line 6 (0): must be above 0",
        "'ellipticity' in line 5 (1.0), line 6 (-0.1): must be in 0 to 1",
        "'pos_angle' in line 6 (inf): must be a finite number",
        "'sersic_index' in line 6 (12): must be above 0 and at most 10",
        "is not finite in line 5; write 99",
        "is brighter than -30 in line 6 (-99.0)",
        "no magnitude for NRCB5 F356W/CLEAR; add a column 'nircam_f356w_clear_magnitude'",
        "did you mean 'nircam_f200w_magnitude'",
    ):
        assert words in found, words


def test_long_lists_are_cut(tmp_path):
    rows = "\n".join(f"{i} 1 -2 19" for i in range(1, 41))
    (problem,) = problems_of(tmp_path, "index x_or_RA y_or_Dec magnitude\n" + rows.replace("-2", "-92"))
    assert "line 2 (-92)" in problem
    assert problem.count("(-92)") == 5
    assert "and 35 more" in problem


def test_missing_and_binary_files(tmp_path):
    write(tmp_path, STARS, "stars.cat")
    with pytest.raises(InputError, match=r"star\.cat: the catalog does not exist; did you mean 'stars\.cat'"):
        read_catalog(tmp_path / "star.cat", "point_source")
    (tmp_path / "image.fits").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not a text file"):
        read_catalog(tmp_path / "image.fits", "point_source")
    with pytest.raises(InputError, match="cannot be read"):
        read_catalog(tmp_path, "point_source")
    with pytest.raises(InputError, match="'star' is not a valid catalog kind"):
        read_catalog(tmp_path / "stars.cat", "star")
