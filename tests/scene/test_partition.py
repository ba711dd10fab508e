"""Large source tables in parts of the sky: nothing is lost, nothing is twice, and a pixel has the bits of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirage_dask.errors import StoreError
from mirage_dask.io.tables import load_table
from mirage_dask.pointing import radec_to_unit
from mirage_dask.scene import partition
from mirage_dask.scene.partition import load_partitioned, part_keys, split
from mirage_dask.scene.sources import PointSources, load_near


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(partition, "ROWS", 50)


def stars(
    count: int, *, ra: float = 150.0, dec: float = 2.0, width: float = 1.0, seed: int = 1
) -> PointSources:
    rng = np.random.default_rng(seed)
    places = rng.uniform(-width / 2, width / 2, (2, count))
    position = radec_to_unit(
        ra + places[0] / max(np.cos(np.radians(dec)), 1e-3), np.clip(dec + places[1], -90, 90)
    )
    return PointSources(rng.permutation(count).astype(np.int64), position, rng.uniform(1, 9, count))


@settings(max_examples=30, deadline=None)
@given(count=st.integers(51, 2000), alike=st.booleans())
def test_parts_hold_each_row_once(count, alike):
    position = np.ones((count, 3)) if alike else stars(count).position
    parts = split(position)
    assert max(part.size for part in parts) <= partition.ROWS
    assert all((np.diff(part) > 0).all() for part in parts)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))


def test_the_whole_table_comes_back_in_catalog_order(tmp_path):
    table = stars(1234)
    key = table.save(tmp_path)
    assert key == table.key
    again = PointSources.load(tmp_path, key)
    for name in ("index", "position", "flux"):
        assert np.array_equal(getattr(again, name), getattr(table, name))
    listed = load_table(tmp_path, key, kind="point_source")
    assert len(list(part_keys(listed))) == len(listed["count"]) >= 1234 / 50
    assert stars(50).key != key
    assert not list(part_keys(load_table(tmp_path, stars(50).save(tmp_path), kind="point_source")))


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 2.0), (0.0, -40.0), (10.0, 89.9), (200.0, -90.0)])
def test_all_sources_of_a_circle_are_read_and_few_others(tmp_path, ra, dec):
    table = stars(3000, ra=ra, dec=dec)
    key = table.save(tmp_path)
    middle, radius = (
        radec_to_unit(np.array([ra]), np.array([dec + (0.1 if dec < 0 else -0.1)]))[0],
        np.radians(0.05),
    )
    near = load_near(PointSources, str(tmp_path), key, (middle, radius))
    inside = np.sqrt(((table.position - middle) ** 2).sum(axis=1)) <= radius
    wanted = table.index[inside]
    assert wanted.size > 0
    assert np.array_equal(near.index[np.isin(near.index, wanted)], wanted)  # the order of the catalog
    assert len(near) < 1000


def test_nothing_is_near(tmp_path):
    key = stars(200).save(tmp_path)
    near = load_near(PointSources, str(tmp_path), key, (np.array([-1.0, 0.0, 0.0]), 0.1))
    assert len(near) == 0
    assert near.position.shape == (0, 3)


def test_sources_in_pixels_stay_together(tmp_path):
    table = PointSources(np.arange(500), np.random.default_rng(1).uniform(0, 2048, (500, 2)), np.ones(500))
    key = table.save(tmp_path)
    assert "part" not in load_partitioned(tmp_path, key, kind="point_source")
    assert [path.name for path in tmp_path.iterdir()] == [f"{key}.npz"]


def test_a_damaged_part_is_told(tmp_path):
    key = stars(200).save(tmp_path)
    part = tmp_path / f"{next(part_keys(load_table(tmp_path, key, kind='point_source')))}.npz"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    with pytest.raises(StoreError, match=part.name):
        PointSources.load(tmp_path, key)
