"""Outlines of a proposal: regions that the package `regions` reads, maps that hold what is seen, and the command."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.errors import InputError
from mirage_dask.footprints import corners, footprints_of
from mirage_dask.footprints.ds9 import ds9_regions


@pytest.fixture(scope="module")
def proposal():
    return md.open_proposal(md.example_proposal("three_instruments"))


def test_regions_are_read_by_others(proposal, tmp_path):
    regions = pytest.importorskip("regions")
    path = tmp_path / "all.reg"
    found = proposal.footprints()
    assert found.to_ds9(path) == path.read_text()
    read = regions.Regions.read(str(path), format="ds9")
    table = proposal.table.set_index("name")
    assert len(read) == len(found) == int(table["s_region"].str.startswith("POLYGON").sum())
    sky = corners(table.loc[list(found.names), "s_region"])
    colours = {"NIRCAM": "cyan", "NIRISS": "magenta", "FGS": "yellow"}
    for region, name, expected in zip(read, found.names, sky, strict=True):
        assert region.meta["text"] == name
        assert region.visual["edgecolor"] == colours[table.loc[name, "instrument"]]
        assert region.vertices.frame.name == "icrs"
        np.testing.assert_allclose(region.vertices.ra.deg, expected[:, 0], atol=2e-9, rtol=0)
        np.testing.assert_allclose(region.vertices.dec.deg, expected[:, 1], atol=2e-9, rtol=0)
    assert set(table.loc[list(found.names), "instrument"]) == set(colours)


def test_texts_cannot_end_a_region():
    text = ds9_regions(np.zeros((1, 4, 2)), ["a}\ncircle(1,2,3)"], ["green"])
    assert text.splitlines()[2:] == [
        f"polygon({','.join(['0.000000000'] * 8)}) # color=green text={{acircle(1,2,3)}}"
    ]


def test_a_map_holds_what_is_seen(proposal, tmp_path):
    mocpy = pytest.importorskip("mocpy")
    found = proposal.footprints("instrument == 'NIRISS'")
    assert set(found.instruments) == {"NIRISS"}
    made = found.write_moc(tmp_path / "moc.fits", order=17)
    assert mocpy.MOC.from_fits(str(tmp_path / "moc.fits")) == made
    middle = found.corners.mean(axis=1)
    inside = SkyCoord(*middle.T, unit="deg")
    assert made.contains_skycoords(inside).all()
    assert not made.contains_skycoords(inside.directional_offset_by(0 * units.deg, 0.3 * units.deg)).any()
    # One detector: 2048 pixels of 0.0656 arcsec; cells of 1.6 arcsec add a rim.
    one = footprints_of(proposal.table[proposal.table["name"] == found.names[0]]).moc(17)
    area = one.sky_fraction * 4 * np.pi * (180 / np.pi) ** 2
    assert area == pytest.approx((2048 * 0.0656 / 3600) ** 2, rel=0.05)
    assert area > (2048 * 0.0655 / 3600) ** 2 * 0.99


@pytest.mark.parametrize("order", [-1, 30, 2.5, True, "16"])
def test_orders_that_are_none(proposal, order):
    with pytest.raises(InputError, match="whole number from 0 to 29"):
        proposal.footprints().moc(order)


def test_without_the_package(proposal, monkeypatch):
    usual = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "mocpy":
            raise ImportError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r'pip install "mirage_dask\[sky\]"'):
        proposal.footprints().moc()


def test_nothing_to_see(proposal, tmp_path):
    with pytest.raises(InputError, match="region on the sky"):
        footprints_of(proposal.table.assign(s_region=""))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        proposal.footprints().to_ds9(tmp_path / "file" / "all.reg")


def test_the_command(tmp_path, capsys):
    proposal = str(md.example_proposal("three_instruments"))
    assert main(["footprints", proposal, "--select", "instrument == 'FGS'"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "icrs"
    assert len(lines) > 2
    assert all("color=yellow text={jw" in line for line in lines[2:])
    path = tmp_path / "a.reg"
    assert main(["footprints", proposal, "--ds9", str(path), "--select", "instrument == 'FGS'"]) == 0
    assert path.read_text().splitlines() == lines
    assert main(["footprints", proposal, "--order", "3"]) == 2
    assert "add --moc" in capsys.readouterr().err


def test_the_command_writes_a_map(tmp_path, capsys):
    mocpy = pytest.importorskip("mocpy")
    path = tmp_path / "moc.fits"
    words = ["--moc", str(path), "--order", "14"]
    assert main(["footprints", str(md.example_proposal()), *words]) == 0
    out, err = capsys.readouterr()
    assert not out
    assert "square degrees" in err
    assert mocpy.MOC.from_fits(str(path)).max_order == 14
