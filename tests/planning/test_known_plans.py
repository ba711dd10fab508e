"""A plan that is found in the cache is whole, or made again where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.simulated import SUBARRAY_SW, example_plan

import mirage_dask as md
from mirage_dask.io.atomic import PARTIAL
from mirage_dask.io.locations import cache_directory
from mirage_dask.store import plan as plans


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Prepare an exposure of the example in a cache with plans of its own, as a new process would."""
    example_plan()  # its references are made
    home = cache_directory()
    for path in home.iterdir():
        if path.name != "plans" and not path.name.endswith(PARTIAL):
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))
    source = md.example_proposal()

    def prepared():
        plans._load.cache_clear()
        return md.open_proposal(source, settings=source.with_name("settings.yaml")).prepare(SUBARRAY_SW)

    return prepared


@pytest.mark.parametrize("end", ["plan.json", "specs.parquet", "exposures.parquet", "npz", "npy"])
def test_a_damaged_file_of_a_known_plan_is_made_again(prepare, end):
    clean = prepare()
    wanted, table = clean.digest, clean.table
    path = next(p for p in sorted(Path(clean.url).rglob(f"*{end}")) if p.name.count(".") < 3)
    content = path.read_bytes()
    path.unlink()  # it may be a link to the file of another plan
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 16]) + content[-8:])
    found = prepare()
    assert found.digest == wanted
    assert found.table.equals(table)
    assert path.read_bytes() == content or end == "plan.json"  # it says when it was made
