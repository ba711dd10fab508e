"""An index of exposures that pystac takes as valid items, wherever on the sky they lie."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.footprints.stac import rings_of, stac_items

SQUARE = np.array([[-0.01, -0.01], [0.01, -0.01], [0.01, 0.01], [-0.01, 0.01]])


def area(ring):
    x, y = np.array(ring[:-1]).T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


@given(st.floats(0, 360), st.floats(-80, 80), st.booleans())
def test_outlines_keep_their_area_and_stay_in_the_map(ra, dec, clockwise):
    outline = (SQUARE[::-1] if clockwise else SQUARE) + [ra, dec]
    outline[:, 0] %= 360.0
    rings = rings_of(outline)
    assert sum(map(area, rings)) == pytest.approx(4e-4, abs=1e-8)  # counterclockwise: positive
    for ring in rings:
        points = np.array(ring)
        assert np.array_equal(points[0], points[-1])
        assert np.abs(points[:, 0]).max() <= 180.0
        assert np.abs((points[:, 0] - ra + 180.0) % 360.0 - 180.0).max() < 0.0101


def test_an_outline_across_180_degrees_is_cut():
    assert len(rings_of(SQUARE + np.array([180.0, 0.0]))) == 2
    table = pd.DataFrame({"name": ["a"], "start_time": ["2026-01-02T03:04:05"]})
    (item,) = stac_items(table, (SQUARE + np.array([180.004, 0.0]))[None])["features"]
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"] == pytest.approx([179.994, -0.01, -179.986, 0.01], abs=1e-6)


def test_an_outline_around_a_pole_has_no_geometry():
    around = np.array([[0.0, 89.9], [90.0, 89.9], [180.0, 89.9], [270.0, 89.9]])
    assert rings_of(around) == []
    table = pd.DataFrame({"name": ["a"], "start_time": [""]})
    (item,) = stac_items(table, around[None])["features"]
    assert item["geometry"] is None
    assert "bbox" not in item


def test_items_are_valid_and_tell_what_the_table_has(tmp_path):
    pystac = pytest.importorskip("pystac")
    proposal = md.open_proposal(md.example_proposal("three_instruments"))
    path = tmp_path / "index.json"
    found = proposal.footprints()
    assert found.to_stac(path, store="s3://bucket/my.zarr") == json.loads(path.read_text())
    items = pystac.ItemCollection.from_file(str(path))
    rows = proposal.table.set_index("name")
    assert [item.id for item in items] == list(found.names)
    for item in items:
        item.validate()
        row = rows.loc[item.id]
        assert item.properties.get("filter", "") == row["filter"]
        assert item.properties["ngroup"] == row["ngroup"]
        assert item.datetime.isoformat()[:19] == row["start_time"][:19]
        assert item.assets["raw"].href == f"s3://bucket/my.zarr/{item.id}"


def test_the_command(tmp_path, capsys):
    source = str(md.example_proposal())
    assert (
        main(["footprints", source, "--stac", str(tmp_path / "i.json"), "--stcs", str(tmp_path / "i.stcs")])
        == 0
    )
    said = capsys.readouterr()
    assert said.out == ""
    items = json.loads((tmp_path / "i.json").read_text())["features"]
    table = md.open_proposal(source).table.set_index("name")
    assert all(item["assets"] == {} for item in items)
    lines = (tmp_path / "i.stcs").read_text().splitlines()
    assert len(lines) == len(items)
    for line, item in zip(lines, items, strict=True):
        expected = np.array(table.loc[item["id"], "s_region"].split()[2:], float)
        assert line.startswith("POLYGON ICRS ")
        np.testing.assert_allclose(np.array(line.split()[2:], float), expected, atol=2e-9)
