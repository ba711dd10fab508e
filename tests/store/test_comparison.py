"""A store and a plan that differs from it: what is made again is said before, and nothing else is touched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.small_plans import SMALL_TILE, contents, expected, make_spec, same, sky, small_plan, small_specs

from mirage_dask.errors import StoreError
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.comparison import compare
from mirage_dask.store.root import StoreRoot


def modified(url):
    """Shards and records, with the time at which they were written."""
    found = [p for array in ("raw", "commit") for p in Path(url).glob(f"jw*/{array}/c.*")]
    return {p.relative_to(url).as_posix(): p.stat().st_mtime_ns for p in found}


def test_another_rate_for_one_observation_rewrites_only_its_shards(fake, tmp_path):
    """It is said before it is done, refused unless asked for, and leaves every other file as it was."""
    specs = [make_spec(n, observation=n) for n in range(1, 11)]
    plan = small_plan(tmp_path / "plan", specs).with_tile_bytes(SMALL_TILE)
    url = str(tmp_path / "s.zarr")
    tiles_each = plan.grid(0).count
    run_plan(plan, url, resources=Resources(scheduler="threads"))
    before = modified(url)
    assert len(before) == 2 * 10 * tiles_each
    changed = [dataclasses.replace(s, cosmic_ray_rate=5e-5) if s.observation == 3 else s for s in specs]
    changed_plan = small_plan(tmp_path / "other", changed)
    other = changed_plan.with_tile_bytes(SMALL_TILE)

    comparison, _ = compare(other, StoreRoot.read(url))
    assert comparison.exposures == {"done": 9, "partial": 0, "changed": 1, "new": 0}
    assert (comparison.tiles_done, comparison.tiles_left) == (9 * tiles_each, tiles_each)
    again = f"observation 3: 1 exposure ({tiles_each} tiles) again: cosmic rays changed"
    assert again in str(comparison)
    with pytest.raises(StoreError, match="another plan") as refused:
        run_plan(other, url, resources=Resources(scheduler="threads"))
    assert again in str(refused.value)
    assert modified(url) == before

    events = []
    report = run_plan(
        other, url, resources=Resources(scheduler="threads"), update=True, progress=events.append
    )
    assert str(events[0].comparison) == str(comparison)
    assert report.tiles == tiles_each
    after = modified(url)
    assert after.keys() == before.keys()
    assert {name.split("/")[0] for name in after if after[name] != before[name]} == {specs[2].name}
    assert sum(after[name] != before[name] for name in after) == 2 * tiles_each  # shards and their records
    assert same(contents(url), expected(changed_plan))


def test_what_changed_is_said_in_words(fake, plan, tmp_path):
    url = tmp_path / "s.zarr"
    run_plan(plan, url, resources=Resources(scheduler="serial"))
    assert compare(plan, StoreRoot.read(tmp_path / "nowhere.zarr"))[0].lines == []
    assert compare(plan, StoreRoot.read(url))[0].lines == ["in the store: 5 of 5 tiles; 5 exposures done"]
    first, second, *rest = small_specs()
    specs = [
        dataclasses.replace(first, pack="another", layers=sky(2.0)),
        dataclasses.replace(second, ngroups=7),
        make_spec(9, "NRCB1"),
        *rest[1:],
    ]
    comparison, _ = compare(small_plan(tmp_path / "other", specs), StoreRoot.read(url))
    assert (
        comparison.lines[0] == "in the store: 2 of 5 tiles and 2 of another plan; "
        "2 exposures done, 2 exposures changed, 1 exposure new"
    )
    assert any("background, reference data changed" in line for line in comparison.lines)
    assert any("groups changed" in line for line in comparison.lines)
    assert "1 exposure of the store are not in this plan" in comparison.lines[-1]
