"""What a process keeps between windows: declared in one place, counted by the estimate of a run, emptied together."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.small_plans import make_spec, small_plan

import mirage_dask
from mirage_dask.io.caches.process_caches import CACHES, clear_caches
from mirage_dask.reference.darks import ramp
from mirage_dask.reference.packs import plane_store
from mirage_dask.run.estimate import CACHE_USERS, PROCESS_BYTES, SQUARE_BYTES, estimate_run
from mirage_dask.scene import image_tables, star_wings
from mirage_dask.scene.dispersed import stamps
from mirage_dask.scene.galaxies import convolution, planes
from mirage_dask.scene.images import blocks, blurring
from mirage_dask.scene.layers.dispersed import sources, varying

PACKAGE = Path(mirage_dask.__file__).parent


def test_all_caches_and_their_limits():
    assert {name: cache.limit // 2**20 for name, cache in CACHES.items()} == {
        "reference planes": 64,
        "dark ramps": 128,
        "galaxy squares": 64,
        "star wings": 20,
        "PSF spectra": 32,
        "image parts": 48,
        "image light": 32,
        "image PSFs": 48,
        "grism PSFs": 64,
        "dispersed light": 34,
        "dispersed light curves": 72,
    }
    used = [
        *(plane_store.CACHE, ramp.CACHE, planes.squares, star_wings.images, convolution.spectra),
        *(image_tables.PARTS, blocks.LIGHT, blurring.PSFS, stamps.PSFS, sources.BLOCKS),
        varying.BLOCKS,
    ]
    assert CACHE_USERS.keys() <= CACHES.keys()
    assert all(cache is declared for cache, declared in zip(used, CACHES.values(), strict=True))


def test_no_cache_is_declared_elsewhere():
    made = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ByteCache")
    ]
    assert made == ["io/caches/process_caches.py"] * len(CACHES)


@pytest.mark.parametrize(
    ("changes", "megabytes"),
    [
        ({}, 64),
        ({"layers": (("background", "0.2"), ("galaxy", "a"))}, 64 + 64 + 32),
        ({"layers": (("point_source", "a"),)}, 64 + 20 + 32),
        ({"replaced": (("dark", "b"),)}, 64 + 128),
        ({"layers": (("galaxy", "a"),), "replaced": (("dark", "b"),)}, 288),
    ],
)
def test_the_estimate_counts_those_that_the_exposures_fill(tmp_path, changes, megabytes):
    plan = small_plan(tmp_path / "plan", [make_spec(1), make_spec(2, **changes)])
    found = estimate_run(plan, threads=3)
    assert found.peak_bytes == PROCESS_BYTES + megabytes * 2**20 + 3 * found.thread_bytes
    alone = estimate_run(plan, [0])
    assert alone.peak_bytes == PROCESS_BYTES + 64 * 2**20 + alone.thread_bytes
    squares = bool({"galaxy", "point_source"} & set(dict(changes.get("layers", ()))))
    assert found.thread_bytes == alone.thread_bytes + SQUARE_BYTES * squares


def test_caches_are_emptied_together():
    for cache in CACHES.values():
        cache.get("a test", lambda: ("a value", 1000))
    clear_caches()
    assert [cache.used for cache in CACHES.values()] == [0] * len(CACHES)
