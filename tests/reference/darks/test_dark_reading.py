"""What is read of a converted dark: no more than is needed, in any portions, and never what another format means."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from support.dark_examples import exposure, write_linearized

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io.caches.process_caches import clear_caches
from mirage_dask.reference.darks import converted, linear
from mirage_dask.reference.darks.converted import convert_dark
from mirage_dask.reference.darks.files import describe_dark
from mirage_dask.reference.darks.linear import read_spans
from mirage_dask.reference.darks.selection import dark_ramp

SIZE = 128, 1100
"""Two rows of blocks, the last ones of which are narrower."""


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    root = tmp_path_factory.mktemp("wide")
    return root, write_linearized(root, frames=60, size=SIZE)


def test_few_frames_are_read_for_few_groups(wide, monkeypatch):
    root, made = wide
    ramp = dark_ramp(exposure(ngroups=6, ny=SIZE[0], nx=SIZE[1]), root)
    read = []
    original = zarr.storage.LocalStore.get

    async def counted(self, key, prototype=None, byte_range=None):
        answer = await original(self, key, prototype, byte_range)
        read.append(0 if answer is None else len(answer))
        return answer

    clear_caches()
    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    np.testing.assert_array_equal(ramp[0], made.total[0, :6].astype(np.float32))
    # Eight of sixty frames, in chunks of four.
    assert 0 < sum(read) < 0.2 * (made.signal.nbytes + made.bias.nbytes)


@pytest.mark.parametrize("detector", ["NRCB5", "NIS"])
@pytest.mark.parametrize("most", [1, 2**40])
def test_values_do_not_depend_on_what_is_read_together(tmp_path, monkeypatch, detector, most):
    made = write_linearized(tmp_path, detector, frames=40, size=(70, 600))
    monkeypatch.setattr(linear, "READ_BYTES", most)
    monkeypatch.setattr("mirage_dask.reference.darks.ramp.READ_BYTES", most)
    axes = {"fast_axis": -2, "slow_axis": -1} if detector == "NIS" else {}
    spec = exposure(detector=detector, ngroups=4, nframes=4, groupgap=6, ny=70, nx=600, **axes)
    starts = 10 * np.arange(4)
    wanted = np.stack([made.total[0, s : s + 4].mean(axis=0) for s in starts]).astype(np.float32)
    ramp = dark_ramp(spec, tmp_path)
    clear_caches()
    np.testing.assert_allclose(ramp[0, :, 3:9, 520:530], wanted[:, 3:9, 520:530], rtol=1e-7)
    # The blocks on both sides of one that is in the cache.
    np.testing.assert_allclose(ramp[0], wanted, rtol=1e-7)


@pytest.mark.parametrize(
    ("wanted", "most", "spans"),
    [
        ([0], 100, [(0, 4)]),
        (range(10), 100, [(0, 10)]),
        (range(10), 8, [(0, 8), (8, 10)]),
        ([0, 1, 9], 100, [(0, 4), (8, 10)]),
    ],
)
def test_spans_of_frames(monkeypatch, wanted, most, spans):
    monkeypatch.setattr(linear, "READ_BYTES", most)
    assert list(read_spans(4, 10, np.array(wanted), 1)) == spans


def test_the_mean_bias_is_stored(wide):
    _, made = wide
    dark = convert_dark(describe_dark(made.path, "NRCB5"))
    window = slice(3, 80), slice(500, 600)
    found = dark.mean_bias(0, *window)
    np.testing.assert_array_equal(found, made.bias[0].astype(np.float64).sum(axis=0)[window] / 60)
    shutil.move(f"{dark.path}/mean", f"{dark.path}/away")  # as in format 1
    try:
        np.testing.assert_array_equal(dark.mean_bias(0, *window), found)
    finally:
        shutil.move(f"{dark.path}/away", f"{dark.path}/mean")


def test_another_format_is_not_taken_for_this_one(tmp_path, monkeypatch):
    made = write_linearized(tmp_path, frames=10)
    spec = exposure(ngroups=7)
    with monkeypatch.context() as patch:
        patch.setattr(converted, "FORMAT", 1)
        patch.setattr(converted, "_CHUNKS", {False: (128, 64, 64), True: (128, 64, 64)})
        old = dark_ramp(spec, tmp_path)
    shutil.rmtree(f"{old.files[0]}/mean")
    new = dark_ramp(spec, tmp_path)
    assert new.files != old.files
    assert new.digest == old.digest
    wanted = made.total[0, :7].astype(np.float32)
    np.testing.assert_array_equal(new[0], wanted)
    clear_caches()
    np.testing.assert_array_equal(old[0], wanted)  # a plan that was made before


def test_one_missing_shard_among_several_is_noticed(tmp_path):
    write_linearized(tmp_path, frames=4, size=SIZE)
    ramp = dark_ramp(exposure(ny=SIZE[0], nx=SIZE[1]), tmp_path)
    dark = ramp.integrations[0].dark
    last = max(p for p in (Path(dark.path) / "SCI" / "c").rglob("*") if p.is_file())
    last.unlink()
    with pytest.raises(ReferenceFileError, match=r"cannot be read .* converted again"):
        dark.read("SCI", 0, slice(0, 4), slice(0, 128), slice(0, SIZE[1]))
