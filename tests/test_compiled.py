"""The cache of compiled kernels: used again, and never run when it is damaged."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask import compiled


def doubled(values):
    total = 0.0
    for k in range(values.size):
        total += 2.0 * values[k]
    return total


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files of the kernel `doubled` in a cache of its own."""
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))
    compiled._cache_directory.cache_clear()
    yield lambda: sorted(p for p in tmp_path.rglob("*") if p.suffix in (".nbi", ".nbc"))
    compiled._cache_directory.cache_clear()


def run() -> int:
    """Load or compile the kernel, check its result; return how often it was found in the cache."""
    kernel = compiled.kernel(doubled)
    assert kernel(np.arange(4.0)) == 12.0
    return sum(kernel.stats.cache_hits.values())


def test_a_kernel_is_compiled_once(files):
    assert run() == 0
    index, data = sorted(files(), key=lambda path: path.suffix, reverse=True)
    assert (index.suffix, data.suffix) == (".nbi", ".nbc")
    assert run() == 1


@pytest.mark.parametrize("part", range(2))
def test_damaged_files_are_compiled_again(files, part):
    run()
    path = files()[part]
    clean = path.read_bytes()
    places = np.random.default_rng(part).integers(0, len(clean), 12).tolist()
    for place in places:
        path.write_bytes(clean[:place] + bytes([clean[place] ^ 4]) + clean[place + 1 :])
        run()
        assert run() == 1, place
    path.write_bytes(clean[: len(clean) // 2])
    assert run() == 0
