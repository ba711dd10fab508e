"""Files of traps: what they say, and the one sentence about those that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from mirage_dask.errors import ReferenceFileError
from mirage_dask.reference.files.quality import flag
from mirage_dask.reference.files.traps import (
    COLUMNS,
    NEVER_FULL,
    Family,
    read_persistence_level,
    read_trap_density,
    read_trap_families,
)

ROWS = np.array([[180.0, -0.0004, 290.0, -0.01], [270.0, -0.004, 140.0, -0.001]])


def table(path, rows=ROWS, names=COLUMNS):
    columns = [fits.Column(name, "D", array=rows[:, k]) for k, name in enumerate(names)]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def test_families_are_the_rows_of_the_table(tmp_path):
    upper = table(tmp_path / "upper.fits", names=[name.upper() for name in COLUMNS])
    assert read_trap_families(upper) == tuple(Family(*row) for row in ROWS)


@pytest.mark.parametrize(("rows", "names", "message"), [
    (ROWS, ("a", *COLUMNS[1:]), "it has no table with the columns capture0"),
    (np.full((1, 4), np.nan), COLUMNS, "rows of finite numbers"),
    (np.ones((20, 4)), COLUMNS, "needs 1 to 16 rows of finite numbers, and has 20"),
])  # fmt: skip
def test_tables_that_cannot_be_used(tmp_path, rows, names, message):
    with pytest.raises(ReferenceFileError, match=message):
        read_trap_families(table(tmp_path / "bad.fits", rows, names))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "text.fits").write_text("no FITS")
    with pytest.raises(ReferenceFileError, match=r"text.fits: it cannot be read .*give a file TRAPPARS"):
        read_trap_families(tmp_path / "text.fits")
    with pytest.raises(ReferenceFileError, match="the file does not exist"):
        read_trap_families(tmp_path / "none.fits")


def test_images_are_as_the_pipeline_took_them(tmp_path):
    values = np.array([[5.0, np.nan, 7.0], [-1.0, 0.0, 9.0]], np.float32)
    quality = np.zeros(values.shape, np.uint32)
    quality[1, 2] = flag("DO_NOT_USE")
    path = tmp_path / "image.fits"
    fits.HDUList([
        fits.PrimaryHDU(), fits.ImageHDU(values, name="SCI"), fits.ImageHDU(quality, name="DQ"),
    ]).writeto(path)  # fmt: skip
    assert read_trap_density(path, (2, 3)).tolist() == [[5, 0, 7], [0, 0, 0]]
    never = NEVER_FULL
    assert read_persistence_level(path, (2, 3)).tolist() == [[5, never, 7], [never, never, 9]]
    with pytest.raises(ReferenceFileError, match="3 x 2 pixels is not the 2048 x 2048 of the full frame"):
        read_trap_density(path, (2048, 2048))
