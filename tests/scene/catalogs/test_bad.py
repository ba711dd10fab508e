"""Forty kinds of bad catalogs: one sentence each, with the file, the line (or row), the column, and what to do."""

from __future__ import annotations

import io
import shutil

import astropy.units as u
import pytest
from astropy.table import Table

from mirage_dask import cli, example_proposal
from mirage_dask.errors import InputError
from mirage_dask.scene.catalogs import read_catalog

OPTICS = [("NIRCAM", "F200W", "CLEAR")]
STARS = "x_or_RA y_or_Dec magnitude\n"
GALAXIES = "x_or_RA y_or_Dec radius ellipticity pos_angle sersic_index magnitude\n"
MOVING = "x_or_RA y_or_Dec x_or_RA_velocity y_or_Dec_velocity magnitude\n"
IMAGES = "x_or_RA y_or_Dec filename pos_angle magnitude\n"


def table_file(name, **columns):
    """Return the bytes of a table of two rows in a format of astropy."""
    given = {"x_or_RA": [10.0, 11.0], "y_or_Dec": [2.0, 3.0], "magnitude": [20.0, 21.0]} | columns
    text = name.startswith("ascii")
    stream = io.StringIO() if text else io.BytesIO()
    Table(given).write(stream, format=name)
    return stream.getvalue().encode() if text else stream.getvalue()


POINTS = [
    ("empty file", b"", "empty; the first line that is not a comment must name the columns"),
    ("comments only", "# abmag\n#\n", "empty; the first line that is not a comment must name the columns"),
    ("names only", STARS, "no sources; remove the catalog if there are none"),
    ("no names", "53.1 -27.8 20\n53.2 -27.8 21\n", "contains numbers; put a line with the column names"),
    ("semicolons", "x_or_RA;y_or_Dec;magnitude\n1;2;3\n", "separated by semicolons; separate them by blanks, tabs"),
    ("name twice", "x_or_RA X_or_RA y_or_Dec magnitude\n1 2 3 4\n", "column 'x_or_ra' is repeated; rename one"),
    ("no positions", "ra y_or_Dec magnitude\n1 2 3\n", "column 'x_or_RA' is missing"),
    ("misspelt position", "x_or_RA y_or_Decl magnitude\n1 2 3\n", "'y_or_Dec' is missing; did you mean 'y_or_Decl'"),
    ("no magnitudes", "x_or_RA y_or_Dec\n1 2\n", "no magnitude column; add one, such as 'nircam_f200w_magnitude'"),
    ("filter misspelt", "x_or_RA y_or_Dec nircam_f200_magnitude\n1 2 3\n", "did you mean 'nircam_f200_magnitude'"),
    ("filter lacking", "x_or_RA y_or_Dec nircam_f090w_magnitude\n1 2 3\n", "add a column 'nircam_f200w_clear_magnitude'"),
    ("cell missing", STARS + "1 2 18\n1 2\n", "differs in line 3 (2); give every source one value per column"),
    ("cell too many", STARS + "1 2 18\n1 2 18 4\n", "differs in line 3 (4); give every source one value per column"),
    ("empty cell", "x_or_RA,y_or_Dec,magnitude\n1,2,18\n1,,18\n", "line 3: column 'y_or_Dec' is empty"),
    ("word for a position", STARS + "north 2 18\n", "'x_or_RA' in line 2 (north): must be decimal degrees, hh:mm:ss"),
    ("decimal comma", STARS + "1 2,5 18\n", "'y_or_Dec' in line 2 (2,5): must be decimal degrees, dd:mm:ss"),
    ("61 minutes", STARS + "12:61:00 2 18\n", "'x_or_RA' in line 2 (12:61:00): must be decimal degrees"),
    ("pixels for degrees", STARS + "1500.0 2 18\n", "(1500.0): right ascension must be in 0 to 360 degrees; if these are"),
    ("beyond the pole", STARS + "1 2 18\n1 -90.10 18\n", "'y_or_Dec' in line 3 (-90.10): declination must be in -90"),
    ("far pixels", "# position_pixels\n" + STARS + "2e5 2 18\n", "(2e5): must be within 100000 pixels of the aperture"),
    ("infinite position", "# position_pixels\n" + STARS + "inf 2 18\n", "'x_or_RA' in line 3 (inf): must be a finite"),
    ("magnitude nan", STARS + "1 2 18\n1 2 nan\n", "'magnitude' is not finite in line 3; write 99 for a source"),
    ("mark for unknown", STARS + "1 2 -99\n", "'magnitude' is brighter than -30 in line 2 (-99.0); write 99"),
    ("index twice", "index " + STARS + "7 1 2 18\n7 1 2 18\n", "'index' in line 3 (7): was used before; number the"),
    ("index with decimals", "index " + STARS + "1.5 1 2 18\n", "'index' in line 2 (1.5): must be an integer"),
    ("Vega in a remark", "# Vega magnitudes\n" + STARS + "1 2 18\n", "line 1: the comment 'Vega magnitudes' speaks of"),
    ("phrase misspelt", "# position_pixel\n" + STARS + "1 2 18\n", "line 1: the comment 'position_pixel' is not a known"),
    ("phrases disagree", "# abmag\n# stmag\n" + STARS + "1 2 18\n", "the comments name abmag and stmag; keep one"),
    ("phrase too late", STARS + "1 2 18\n# vegamag\n", "line 3: the comment 'vegamag' stands below the first source"),
    ("binary", bytes(range(256)), "not a text file, and not a table that is known"),
    ("compressed", b"\x1f\x8b\x08 ...", "a gzip file; unpack it"),
    ("web page", "<html><body>404</body></html>", "HTML, XML or JSON is not a format of catalogs"),
    ("FITS cut off", table_file("fits")[:3000], "a FITS file with 0 tables; a catalog is a FITS file"),
    ("ECSV damaged", table_file("ascii.ecsv").replace(b"datatype", b"data"), "not a valid ECSV file"),
    ("flux for magnitude", table_file("ascii.ecsv", magnitude=[1, 2] * u.Jy), "column 'magnitude' is in Jy"),
    ("row of a FITS table", table_file("fits", y_or_Dec=[2.0, 95.0]), "'y_or_Dec' in row 2 (95.0): declination must"),
]  # fmt: skip
OTHERS = [
    ("galaxy", "no shapes", STARS + "1 2 18\n", "column 'radius' is missing"),
    ("galaxy", "no size", GALAXIES + "1 2 0.0 0.2 10 1 20\n", "'radius' in line 2 (0.0): must be above 0"),
    ("galaxy", "axis ratio", GALAXIES + "1 2 1 1.25 10 1 20\n", "'ellipticity' in line 2 (1.25): must be in 0 to 1"),
    ("galaxy", "steep", GALAXIES + "1 2 1 0.2 10 12 20\n", "'sersic_index' in line 2 (12): must be above 0 and at most"),
    ("galaxy", "radii in words", "# radii in arcmin\n" + GALAXIES + "1 2 1 0.2 1 1 2\n", "speaks of the units of radii"),
    ("moving_pointsource", "no velocity", STARS + "1 2 18\n", "column 'x_or_RA_velocity' is missing"),
    ("moving_pointsource", "fast", MOVING + "1 2 40000 1 20\n", "in line 2 (40000): must be between -36000 and 36000"),
    ("moving_pointsource", "lost", "ephemeris_file magnitude\nno.txt 20\n", "line 2 (no.txt): there is no such file"),
    ("moving_target_to_track", "two targets", MOVING + "1 2 1 1 20\n1 2 1 1 2\n", "2 sources; the telescope tracks one"),
    ("extended", "no image", IMAGES + "1 2 None 0 20\n", "'filename' in line 2 (None): name the FITS file"),
]  # fmt: skip
CASES = [("point_source", *case) for case in POINTS] + OTHERS


@pytest.mark.parametrize(("kind", "what", "content", "sentence"), CASES, ids=[case[1] for case in CASES])
def test_the_sentence(tmp_path, kind, what, content, sentence):
    path = tmp_path / f"{what.replace(' ', '_')}.cat"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_catalog(path, kind, optics=OPTICS)
    assert all(problem.startswith(f"{path}: ") and problem[-1] in ".?" for problem in caught.value.problems)
    assert sentence in "\n".join(caught.value.problems)


def test_there_are_many_kinds():
    assert len({case[1] for case in CASES}) == len({case[3] for case in CASES}) + 1  # two ways to be empty
    assert len(CASES) >= 40


@pytest.mark.parametrize("command", ["settings check", "plan"])
@pytest.mark.parametrize("number", [4, 11, 18, 23])
def test_from_the_command_line(tmp_path, capsys, command, number):
    folder = tmp_path / "example"
    shutil.copytree(example_proposal().parent, folder, ignore=shutil.ignore_patterns("*.py", "__*"))
    content, sentence = POINTS[number][1:]
    (folder / "stars.cat").write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = str(folder / "settings.yaml")
    words = [settings] if command == "settings check" else ["--settings", settings]
    assert cli.main([*command.split(), str(folder / "mosaic_2x2.xml"), *words]) == 2
    out, err = capsys.readouterr()
    said = " ".join(err.split())
    assert "Traceback" not in out + err
    assert "stars.cat" in said
    assert sentence.split(";")[0] in said
