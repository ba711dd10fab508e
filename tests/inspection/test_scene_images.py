"""Images of another field are told before anything runs."""

from __future__ import annotations

import numpy as np
import pytest
from support.sky_pictures import wcs, write_fits

import mirage_dask as md


@pytest.mark.parametrize("away", [0.0, 0.5])
def test_how_many_exposures_an_image_falls_on(tmp_path, away):
    table = md.open_proposal(md.example_proposal()).table
    ra, dec = float(table["ra_ref"].mean()), float(table["dec_ref"].mean())
    header = wcs(ra, dec + away, scale=1.0, crpix=(300, 300))
    path = write_fits(tmp_path / "mosaic.fits", np.ones((600, 600), np.float32), header, BUNIT="nJy")
    proposal = md.open_proposal(md.example_proposal(), scene_image=path)
    [line] = proposal.catalog_report.lines
    count = len(table)
    if away:
        assert line.startswith(f"mosaic.fits: the image falls on none of {count} detector exposures; it is 2")
        assert line.endswith(" arcmin away")
        assert any(line in note for note in proposal.notes)
    else:
        assert line == f"mosaic.fits: the image falls on {count} of {count} detector exposures"
        assert not any("mosaic.fits" in note for note in proposal.notes)


def test_notes_on_images_of_sources(tmp_path):
    data = np.ones((5, 5), np.float32)
    data[0, 0], data[1, 1] = np.nan, -1.0
    write_fits(tmp_path / "a.fits", data)
    (tmp_path / "ext.cat").write_text(
        "x_or_RA y_or_Dec filename pos_angle magnitude extra\n150.1 2.3 a.fits None 20 1\n"
    )
    proposal = md.open_proposal(md.example_proposal(), catalogs={"extended": tmp_path / "ext.cat"})
    notes = [note for note in proposal.notes if note.startswith("ext.cat: ")]
    for words in (
        "without a pixel scale",
        "not finite, which count as 0",
        "negative pixels, which are kept",
        "uses extra",
    ):
        assert any(words in note for note in notes), words
    [line] = proposal.catalog_report.lines
    assert "1 image" in line
