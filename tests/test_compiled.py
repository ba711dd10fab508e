"""The cache of compiled kernels: used again, and never run when it is damaged."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numba.core.errors import NumbaError

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


def add_rows(values, out):
    for r in range(values.shape[0]):
        row = values[r]
        for i in range(row.size):
            out[i] += row[i]


def fresh(values):
    return np.zeros(values.size)


def test_an_inner_kernel_keeps_the_arrays_that_it_is_given(files):
    add = compiled.inner_kernel(add_rows)
    values, out = np.ones((3, 4)), np.zeros(4)
    add(values, out)
    before = sys.getrefcount(values), sys.getrefcount(out)
    for _ in range(100):
        add(values[:, ::-1], out)
    assert (sys.getrefcount(values), sys.getrefcount(out)) == before
    assert (out == 303).all()


def test_an_inner_kernel_allocates_nothing(files):
    with pytest.raises(NumbaError, match="NRT required|Only accept returning of array passed"):
        compiled.inner_kernel(fresh)(np.ones(4))
