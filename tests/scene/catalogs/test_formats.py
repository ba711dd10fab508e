"""Tables of astropy and pandas in their formats: units, coordinates and comments are honoured or refused."""

import io

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import Galactic, SkyCoord
from astropy.table import Column, MaskedColumn, QTable, Table

from mirage_dask.errors import InputError
from mirage_dask.scene import read_catalog

FORMATS = {
    "ecsv": "ascii.ecsv",
    "fits": "fits",
    "vot": "votable",
    "parquet": "parquet",
    "tbl": "ascii.ipac",
    "csv": "ascii.csv",
    "txt": "ascii.commented_header",
    "cat": "ascii.basic",
    "fw": "ascii.fixed_width",
    "fw2": "ascii.fixed_width_two_line",
}
WITH_UNITS = ("ecsv", "fits", "vot", "parquet")
BINARY = {"fits", "vot", "parquet"}


def stars(**columns):
    usual = {
        "index": np.array([4611686018427387905, 7]),
        "x_or_RA": [150.125, 150.126],
        "y_or_Dec": [2.2, 2.201],
        "nircam_f150w_magnitude": [20.0, 22.0],
        "nircam_f444w_magnitude": [21.0, 23.0],
    }
    return Table({**usual, **columns})


def write(folder, table, ending):
    path = folder / f"stars.{ending}"
    table.write(path, format=FORMATS[ending], overwrite=True)
    return path


def read(folder, table, ending="ecsv", kind="point_source", **options):
    return read_catalog(write(folder, table, ending), kind, **options)


def refusal(folder, table, ending="ecsv", kind="point_source", **options):
    with pytest.raises(InputError) as caught:
        read(folder, table, ending, kind, **options)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_same_catalog(tmp_path, ending):
    found = read(tmp_path, stars(), ending, optics=[("NIRCAM", "F150W", "CLEAR")])
    assert found.index.tolist() == [4611686018427387905, 7]
    assert found.x.tolist() == [150.125, 150.126]
    assert found.y.tolist() == [2.2, 2.201]
    assert found.magnitude("NIRCAM", "F444W").tolist() == [21.0, 23.0]


@pytest.mark.parametrize("ending", ["ecsv", "fits", "cat", "tbl", "fw2"])
def test_comments_of_a_table_are_comment_lines(tmp_path, ending):
    table = stars()
    table.meta["comments"] = ["vegamag", "position_RA_Dec"]
    assert read(tmp_path, table, ending).system == "vegamag"
    table.meta["comments"] = ["Vega, from 2MASS"]
    assert "write '# vegamag'" in refusal(tmp_path, table, ending)


def test_what_else_the_meta_of_a_table_says_of_units(tmp_path):
    table = stars()
    table.meta["magsys"] = "Vega"
    assert "write '# vegamag'" in refusal(tmp_path, table)


@pytest.mark.parametrize("ending", WITH_UNITS)
def test_angles_are_converted(tmp_path, ending):
    table = stars()
    table["x_or_RA"] = Column([10.0, 10.5], unit=u.hourangle if ending == "ecsv" else u.arcmin)
    table["y_or_Dec"] = Column([0.01, 0.02], unit=u.rad)
    found = read(tmp_path, table, ending)
    expected = [150.0, 157.5] if ending == "ecsv" else [10.0 / 60, 10.5 / 60]
    np.testing.assert_allclose(found.x, expected, rtol=1e-14)
    np.testing.assert_allclose(found.y, np.degrees([0.01, 0.02]), rtol=1e-14)


def test_radii_and_position_angles_are_converted(tmp_path):
    shapes = {
        "radius": Column([0.01, 0.02], unit=u.arcmin),
        "ellipticity": [0.1, 0.2],
        "pos_angle": Column([1.0, 2.0], unit=u.rad),
        "sersic_index": [1.0, 4.0],
    }
    found = read(tmp_path, stars(**shapes), kind="galaxy")
    np.testing.assert_allclose(found.shapes["radius"], [0.6, 1.2])
    np.testing.assert_allclose(found.shapes["pos_angle"], np.degrees([1.0, 2.0]))
    shapes["radius"] = Column([3.0, 4.0], unit=u.pix)
    assert read(tmp_path, stars(**shapes), kind="galaxy").radius_pixels
    shapes["radius"] = Column([3.0, 4.0], unit=u.kpc)
    assert "column 'radius' is in kpc; an angle is needed" in refusal(
        tmp_path, stars(**shapes), kind="galaxy"
    )


def test_pixels_are_a_unit_of_positions(tmp_path):
    table = stars(x_or_RA=Column([10.0, 20.0], unit=u.pix), y_or_Dec=Column([1.0, 2.0], unit=u.pix))
    assert read(tmp_path, table).pixels
    table = stars(x_or_RA=Column([10.0, 20.0], unit=u.pix), y_or_Dec=Column([1.0, 2.0], unit=u.deg))
    assert "positions are said to be pixels and angles" in refusal(tmp_path, table)
    table = stars(x_or_RA=Column([10.0, 20.0], unit=u.deg))
    table.meta["comments"] = ["position_pixels"]
    assert "positions are said to be pixels and angles" in refusal(tmp_path, table)


def magnitudes(unit):
    names = ("nircam_f150w_magnitude", "nircam_f444w_magnitude")
    return stars(**{name: Column([20.0, 21.0], unit=unit) for name in names})


def test_magnitudes_say_their_system(tmp_path):
    assert read(tmp_path, magnitudes(u.STmag)).system == "stmag"
    assert read(tmp_path, magnitudes(u.ABmag)).system == "abmag"
    assert read(tmp_path, magnitudes(u.mag)).system == "abmag"
    table = magnitudes(u.STmag)
    table.meta["comments"] = ["vegamag"]
    assert "keep one magnitude system" in refusal(tmp_path, table)
    table = magnitudes(u.ABmag)
    table["nircam_f444w_magnitude"].unit = u.STmag
    assert "magnitudes of several systems" in refusal(tmp_path, table)


def test_fluxes_are_refused(tmp_path):
    words = refusal(tmp_path, magnitudes(u.nJy))
    assert (
        "column 'nircam_f150w_magnitude' is in nJy; magnitudes are wanted: column.to(astropy.units.ABmag)"
        in words
    )
    assert "is in ct / s; magnitudes are wanted" in refusal(tmp_path, magnitudes(u.ct / u.s))


def test_units_that_make_no_sense_are_refused(tmp_path):
    table = stars(x_or_RA=Column([10.0, 20.0], unit=u.m))
    assert "column 'x_or_RA' is in m; an angle is needed" in refusal(tmp_path, table)


def test_sexagesimal_texts_with_units(tmp_path):
    table = stars(x_or_RA=Column(["03:32:24", "3:32:25"], unit=u.hourangle))
    np.testing.assert_allclose(read(tmp_path, table).x[0], 53.1)
    table = stars(x_or_RA=Column(["03:32:24", "3:32:25"], unit=u.deg))
    assert read(tmp_path, stars(y_or_Dec=Column(["1:30:00", "2:0:0"], unit=u.deg))).y.tolist() == [1.5, 2.0]
    assert "column 'x_or_RA' is in deg" in refusal(tmp_path, table)


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
def test_sky_coordinates_of_any_frame(tmp_path, ending):
    place = SkyCoord([150.125, 150.126] * u.deg, [2.2, 2.201] * u.deg)
    table = QTable(stars(place=place.transform_to(Galactic())))
    table.remove_columns(["x_or_RA", "y_or_Dec"])
    found = read(tmp_path, table, ending)
    np.testing.assert_allclose(found.x, [150.125, 150.126], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.y, [2.2, 2.201], rtol=0, atol=1e-10)
    assert "place, x_or_RA, y_or_Dec all are positions; keep one" in refusal(
        tmp_path, stars(place=place), ending
    )


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet", "vot", "csv"])
def test_masked_cells_are_empty(tmp_path, ending):
    table = stars(nircam_f150w_magnitude=MaskedColumn([20.0, 22.0], mask=[False, True]))
    found = read(tmp_path, table, ending)
    assert found.magnitude("NIRCAM", "F444W").tolist() == [21.0, 23.0]
    words = refusal(tmp_path, table, ending, optics=[("NIRCAM", "F150W", "CLEAR")])
    place = "line 3" if ending == "csv" else "row 2"
    assert f"{place}: column 'nircam_f150w_magnitude' is empty; write 99" in words


def test_tables_of_pandas(tmp_path):
    frame = stars().to_pandas()
    frame.index.name = "index"
    frame = frame.drop(columns="index")
    frame.to_parquet(tmp_path / "stars.parquet")
    found = read_catalog(tmp_path / "stars.parquet", "point_source")
    assert found.index.tolist() == [0, 1]
    frame.to_csv(tmp_path / "stars.csv")
    assert read_catalog(tmp_path / "stars.csv", "point_source").index.tolist() == [0, 1]
    pd.DataFrame({"x_or_RA": [1.0]}).to_parquet(tmp_path / "part.parquet")
    with pytest.raises(InputError, match="'y_or_Dec' is missing"):
        read_catalog(tmp_path / "part.parquet", "point_source")


@pytest.mark.parametrize("ending", sorted(BINARY | {"ecsv"}))
def test_damaged_tables(tmp_path, ending):
    path = write(tmp_path, stars(), ending)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError) as caught:
        read_catalog(path, "point_source")
    assert str(path) in str(caught.value)


def test_tables_without_rows_or_too_many(tmp_path):
    assert "no sources; remove the catalog" in refusal(tmp_path, stars()[:0])
    from astropy.io import fits

    hdus = fits.HDUList([fits.PrimaryHDU(), *(fits.table_to_hdu(stars()) for _ in range(2))])
    hdus.writeto(tmp_path / "two.fits")
    with pytest.raises(InputError, match="a FITS file with 2 tables"):
        read_catalog(tmp_path / "two.fits", "point_source")


def votable(folder, change):
    buffer = io.BytesIO()
    stars().write(buffer, format="votable")
    path = folder / "stars.vot"
    path.write_bytes(change(buffer.getvalue()))
    return path


def test_votables_that_reach_outside_are_refused(tmp_path):
    entity = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    path = votable(tmp_path, lambda data: data.replace(b"<VOTABLE", entity + b"<VOTABLE"))
    with pytest.raises(InputError, match="declares entities"):
        read_catalog(path, "point_source")
    stream = b'<STREAM href="file:///etc/hostname"/>'
    path = votable(tmp_path, lambda data: data.replace(b"<TABLEDATA>", stream + b"<TABLEDATA>"))
    with pytest.raises(InputError, match="keeps its data in another file"):
        read_catalog(path, "point_source")


def test_an_ecsv_that_refers_to_itself_is_refused(tmp_path):
    path = write(tmp_path, stars(), "ecsv")
    aliases = ", ".join(["*a"] * 2000)
    text = path.read_text().replace("# schema:", f"# meta: {{a: &a [1], b: [{aliases}]}}\n# schema:")
    path.write_text(text)
    with pytest.raises(InputError, match="refers to itself"):
        read_catalog(path, "point_source")
