"""What Mirage's YAML requests and is not simulated: never ignored, and the dark that it names is used."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.mirage_yaml import read_yaml, write_yaml
from mirage_dask.mirage_yaml.requests import REQUESTS
from mirage_dask.mirage_yaml.writer import OWN_SECTION, exposure_yaml
from mirage_dask.settings import rows_of
from mirage_dask.settings.effects import GhostLight
from mirage_dask.settings.row import read_background, read_ghosts, read_overrides


def one_file(tmp_path: Path, *, proposal: str = "mosaic_2x2", own: bool = False, **changes) -> Path:
    """A YAML file of an example, with {'Section:key': value} changed."""
    table = md.open_proposal(md.example_proposal(proposal)).table
    instrument = "NIRISS" if proposal == "three_instruments" else "NIRCAM"
    row = rows_of(table[(table["instrument"] == instrument) & (table["status"] == "ready")])[-1]
    values = exposure_yaml(row)
    if not own:
        del values[OWN_SECTION]
    for place, value in changes.items():
        section, _, key = place.partition(":")
        values[section][key] = value
    path = tmp_path / f"{row.name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("Readout:resets_bet_ints", 2, "Readout:resets_bet_ints: 2 is not simulated; write 1"),
        (
            "simSignals:psfwfe",
            "requirements",
            "simSignals:psfwfe: requirements is not simulated; write predicted",
        ),
        ("Reffiles:illumflat", "l.fits", "Reffiles:illumflat: l.fits is not simulated; write None"),
        (
            "Reffiles:flux_cal",
            "mine/zp.list",
            "Reffiles:flux_cal: mine/zp.list is not simulated; write config",
        ),
        ("simSignals:add_psf_wings", False, "simSignals:add_psf_wings: False is not simulated; write true"),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_a_request_refuses_its_exposure(tmp_path, key, value, reason, own):
    row = read_yaml(one_file(tmp_path, own=own, **{key: value})).table.iloc[0]
    assert row["status"] == "unsupported"
    assert row["reason"].startswith(reason)


def test_images_of_the_background_are_added_as_they_are(tmp_path):
    """Zodiacal and scattered light of Mirage's YAML come on top of bkgdrate; a factor of them is not simulated."""
    images = [tmp_path / "zodi.fits", tmp_path / "stray.fits"]
    for image in images:
        image.write_bytes(b"")
    keys = {
        f"simSignals:{key}": str(image) for key, image in zip(("zodiacal", "scattered"), images, strict=True)
    }
    row = read_yaml(one_file(tmp_path, **keys, **{"simSignals:bkgdrate": "medium"})).table.iloc[0]
    assert read_background(row["background"]) == ("medium", *map(str, images))
    row = read_yaml(one_file(tmp_path, **keys, **{"simSignals:zodiscale": 2.0})).table.iloc[0]
    said = f"simSignals:zodiacal: {images[0]} is not simulated; multiply the image by zodiscale, and write zodiscale: 1"
    assert row["reason"].startswith(said)


@pytest.mark.parametrize("key", REQUESTS)
def test_what_mirage_writes_requests_nothing(tmp_path, key):
    """None, and a table in Mirage's own folder."""
    change = {key: f"mirage/config/{key[-5:]}.list" if REQUESTS[key].table else None}
    assert read_yaml(one_file(tmp_path, **change)).table["status"].tolist() == ["ready"]


@pytest.mark.parametrize("own", [True, False])
def test_ghosts_are_what_the_keys_of_mirage_say(tmp_path, own):
    """Mirage's default asks for them, not convolved; NIRCam has none whatever is written."""

    def ghosts(proposal="three_instruments", **keys):
        changes = {f"simSignals:{key}": value for key, value in keys.items()}
        return read_ghosts(
            read_yaml(one_file(tmp_path, proposal=proposal, own=own, **changes)).table["ghosts"][0]
        )

    assert ghosts() == ghosts(add_ghosts=True) == GhostLight("", "jwst")
    assert ghosts(add_ghosts=True, PSFConvolveGhosts=True) == GhostLight("", "none")
    assert ghosts(add_ghosts=False) is None
    assert (
        read_yaml(one_file(tmp_path / "..", own=own, **{"simSignals:add_ghosts": True})).table["ghosts"][0]
        == ""
    )


def test_a_stamp_of_ghosts_comes_back(tmp_path):
    stamp = tmp_path / "ghost.fits"
    stamp.write_bytes(b"")
    source = md.example_proposal("three_instruments")
    proposal = md.open_proposal(source, ghosts={"stamp": str(stamp), "psf": "none"})
    write_yaml(proposal.table, tmp_path / "yaml")
    written = read_yaml(tmp_path / "yaml").table
    assert written["ghosts"].tolist() == proposal.table["ghosts"].tolist()
    assert {read_ghosts(text) for text in set(written["ghosts"])} == {None, GhostLight(str(stamp), "none")}


@pytest.mark.parametrize(("key", "kind"), [("linearized_darkfile", "linearized"), ("dark", "raw")])
@pytest.mark.parametrize("own", [True, False])
def test_a_dark_that_is_named_is_used(tmp_path, key, kind, own):
    dark = tmp_path / "dark.fits"
    dark.write_bytes(b"")
    path = one_file(tmp_path, own=own, **{f"Reffiles:{key}": str(dark)})
    table = read_yaml(path).table
    assert table["darks"].tolist() == [kind]
    assert str(dark) in read_overrides(table["overrides"][0]).values()
    again = read_yaml(write_yaml(table, tmp_path / "again")[0]).table
    assert again[["darks", "overrides"]].equals(table[["darks", "overrides"]])


def test_a_dark_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="Reffiles:linearized_darkfile: there is no file"):
        read_yaml(one_file(tmp_path, **{"Reffiles:linearized_darkfile": "none.fits"}))
