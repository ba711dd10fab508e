"""Planes of a plan in the cache are compared once; one that was written, or found damaged when read, is compared again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from mirage_dask.errors import ReferenceFileError
from mirage_dask.io import files
from mirage_dask.io.caches import process_caches
from mirage_dask.reference.packs import compared
from mirage_dask.reference.packs.pack import remove_damaged, save_pack
from mirage_dask.reference.packs.plane_store import PlaneStore

LONG_AGO = 1_000_000_000 * 10**9
WHOLE = slice(0, 64)


@pytest.fixture
def plan(tmp_path, monkeypatch) -> str:
    """A plan in a cache with one plane, compared and noted."""
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path / "cache"))
    return made(tmp_path / "cache" / "plans" / "0123456789abcdef")


def made(url: Path) -> str:
    store = PlaneStore(str(url))
    entry = store.put(np.arange(64 * 64, dtype=np.float32).reshape(64, 64))
    os.utime(url / "planes" / entry["file"], ns=(LONG_AGO, LONG_AGO))
    save_pack(store, {"gain": entry}, {"parts": {}}, {}, "")
    assert remove_damaged(str(url)) == []
    return str(url)


def plane(url: str) -> Path:
    return next(Path(url, "planes").iterdir())


def entry_of(url: str) -> dict:
    return json.loads(next(Path(url, "packs").iterdir()).read_bytes())["planes"]["gain"]


def flip(path: Path, *, keep_time: bool = False) -> None:
    before = path.stat().st_mtime_ns
    path.chmod(0o644)
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(-9, os.SEEK_END)
        file.write(bytes([content[-9] ^ 16]))
    if keep_time:
        os.utime(path, ns=(before, before))


def test_a_plane_is_read_once(plan, monkeypatch):
    read: list[str] = []
    real = files.read_bytes
    monkeypatch.setattr(files, "read_bytes", lambda url, **more: read.append(url) or real(url, **more))
    assert remove_damaged(plan) == []
    victim = str(plane(plan))
    assert victim not in read
    flip(plane(plan))
    assert f"planes/{os.path.basename(victim)}" in remove_damaged(plan)
    assert victim in read


@pytest.mark.parametrize("elsewhere", [False, True])
def test_damage_that_leaves_no_trace_is_refused_by_the_reader_and_replaced_afterwards(
    plan, tmp_path, elsewhere
):
    """A disk that loses a bit changes no time; the reader, even of another place that links the file, does."""
    victim, entry = plane(plan), entry_of(plan)
    linked = tmp_path / "store" / "planes" / victim.name
    linked.parent.mkdir(parents=True)
    os.link(victim, linked)
    flip(victim, keep_time=True)
    assert remove_damaged(plan) == []
    process_caches.clear_caches()
    with pytest.raises(ReferenceFileError, match="is damaged: its values do not have the checksum"):
        PlaneStore(str(tmp_path / "store") if elsewhere else plan).read_window(entry, WHOLE, WHOLE)
    assert f"planes/{victim.name}" in remove_damaged(plan)
    assert not victim.exists()


def test_what_is_replaced_missing_cut_or_old_is_compared(plan, monkeypatch):
    victim = plane(plan)
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:-1] + b"x")
    assert f"planes/{victim.name}" in remove_damaged(plan)
    made(Path(plan))
    flip(victim, keep_time=True)
    assert remove_damaged(plan) == []
    monkeypatch.setattr(compared, "VALID_SECONDS", 0)
    assert f"planes/{victim.name}" in remove_damaged(plan)
    made(Path(plan))
    victim.unlink()
    assert f"planes/{victim.name}" in remove_damaged(plan)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"since": 1, "planes": 2}', b"\xff"])
def test_a_damaged_note_is_no_note(plan, content):
    Path(plan, compared.FILE).write_bytes(content)
    victim = plane(plan)
    flip(victim, keep_time=True)
    assert f"planes/{victim.name}" in remove_damaged(plan)


def test_a_file_written_just_now_is_not_noted(plan):
    """Within the resolution of a file's time it could be written again unnoticed."""
    os.utime(plane(plan))
    Path(plan, compared.FILE).unlink()
    assert remove_damaged(plan) == []
    assert not Path(plan, compared.FILE).exists()


def test_only_the_cache_is_believed(plan, tmp_path):
    """A note in a store, which anybody may have made, is neither read nor written."""
    store = made(tmp_path / "store" / "plan")
    assert not Path(store, compared.FILE).exists()
    victim = plane(store)
    state = victim.stat()
    noted = {victim.name: [state.st_dev, state.st_ino, state.st_size, LONG_AGO]}
    since = json.loads(Path(plan, compared.FILE).read_bytes())["since"]
    Path(store, compared.FILE).write_text(json.dumps({"since": since, "planes": noted}))
    flip(victim, keep_time=True)
    assert f"planes/{victim.name}" in remove_damaged(store)


def test_a_copy_counts_as_its_plan_where_it_is_the_same_file(plan, tmp_path):
    store = tmp_path / "store" / "plan"
    for path in Path(plan).rglob("*"):
        if path.is_file():
            target = store / path.relative_to(plan)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    victim = plane(str(store))
    flip(victim, keep_time=True)
    assert remove_damaged(str(store), copied_from=plan) == []
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content)  # a file of its own
    os.utime(victim, ns=(LONG_AGO, LONG_AGO))
    assert f"planes/{victim.name}" in remove_damaged(str(store), copied_from=plan)
