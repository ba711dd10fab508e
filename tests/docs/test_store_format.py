"""The reader on the page of the store's format, which knows nothing of this package, reads real stores."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from support.small_plans import SMALL_TILE, contents, expected, make_spec, same, small_plan
from support.snippets import ROOT, snippets

from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.simulation import SimulationStore

PAGE = ROOT / "docs" / "store_format.md"
(READER,) = [s.text for s in snippets(PAGE) if "def read_raw" in s.text]


@pytest.fixture(scope="module")
def read_raw():
    names: dict = {}
    exec(compile(READER, str(PAGE), "exec"), names)
    return names["read_raw"]


def _store(folder: Path, specs=None, **options) -> tuple[str, object]:
    plan = small_plan(folder / "plan", specs)
    url = str(folder / "store.zarr")
    report = run_plan(
        plan, url, resources=Resources(scheduler="serial"), progress=False, truth=False, **options
    )
    assert report.ok
    return url, plan


def test_the_reader_is_short_and_needs_numpy_and_numcodecs_alone():
    code = [line for line in READER.splitlines() if line.strip() and not line.strip().startswith('"""')]
    assert len(code) <= 42
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(READER))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert imported <= {"itertools", "json", "pathlib", "numpy", "numcodecs"}


@pytest.mark.parametrize(
    "specs",
    [
        None,
        [make_spec(1, "NRCB1", nints=5, ngroups=1)],  # one group: no differences
        [make_spec(1, "NRCB1", nints=1, ngroups=7, nx=64, ny=43)],  # tiles that are cut
        [
            make_spec(1, "NIS", nx=43, ny=64, fast_axis=2, slow_axis=-1, filter="CLEAR", pupil="F200W")
        ],  # columns
    ],
    ids=["two shapes", "one group", "cut", "columns"],
)
def test_pixels_are_those_of_the_store(read_raw, tmp_path, fake, specs):
    url, plan = _store(tmp_path, specs, tile_bytes=SMALL_TILE)
    found = {name: read_raw(url, name) for name in plan.names}
    assert all(done.all() for _, done in found.values())
    assert max(done.size for _, done in found.values()) > 1
    assert same({name: raw for name, (raw, _) in found.items()}, expected(plan))
    assert same(contents(url), expected(plan))


def test_tiles_that_are_missing_are_told(read_raw, tmp_path, fake):
    url, plan = _store(tmp_path, tile_bytes=SMALL_TILE)
    name = plan.names[0]
    Path(url, name, "commit", "c.1.0").unlink()
    raw, done = read_raw(url, name)
    assert list(done) == [True, False] + [True] * (done.size - 2)
    whole = SimulationStore.open(url).raw(name)[...]
    assert 0 < np.count_nonzero(raw != whole) < raw.size
