"""Damaged planes, manifests and records of a cache: never read, made again without a word, and never shared for writing."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support.reference_set import builtin

from mirage_dask.errors import ReferenceFileError, StoreError
from mirage_dask.io.caches import process_caches
from mirage_dask.io.tables import load_table, save_table
from mirage_dask.reference.packs import pack as packs
from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack
from mirage_dask.reference.packs.pack import ReferencePack, copy_pack, damaged_files, remove_damaged
from mirage_dask.reference.packs.plane_store import BLOCK, PlaneStore

WHOLE = slice(0, 2048), slice(0, 2048)


@pytest.fixture(scope="module")
def files() -> ReferenceFiles:
    return ReferenceFiles(paths={"gain": builtin()[1]["gain"]}, filter="F150W", pupil="CLEAR")


@pytest.fixture(scope="module")
def made(files, tmp_path_factory) -> tuple[Path, str]:
    """A cache with one pack, which tests copy."""
    home = tmp_path_factory.mktemp("home")
    return home, build_pack(files, "NRCB1", str(home))


@pytest.fixture
def home(made, tmp_path) -> Path:
    copied = tmp_path / "home"
    for path in made[0].rglob("*"):
        if path.is_file():
            target = copied / path.relative_to(made[0])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            target.chmod(0o444)
    forget()
    return copied


def forget() -> None:
    packs._open.cache_clear()
    process_caches.clear_caches()


def flip(path: Path, place: int) -> None:
    """Change one byte of a file where it is, as an editor or a bad disk does: all links to it change."""
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x40]))
    forget()


def planes_of(url: Path, key: str) -> dict[str, np.ndarray]:
    pack = ReferencePack.open(str(url), key)
    return {name: pack.plane(name, *WHOLE) for name in pack.names}


def test_linked_files_cannot_be_written(made, tmp_path):
    home, key = made
    copy_pack(str(home), key, str(tmp_path))
    found = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(found) > 2
    for path in found:
        assert path.stat().st_nlink > 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
    save_table(tmp_path / "sources", {"x": np.ones(3)}, kind="t")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "sources").iterdir()} == {0o444}


@pytest.mark.parametrize("block", [0, 1, 57, 127])
def test_a_flipped_byte_is_never_a_value(made, home, block):
    """Windows that touch its block are refused, others are read."""
    _, key = made
    entry = packs.read_manifest(PlaneStore(str(home)), key)["planes"]["inverse_gain"]
    flip(home / "planes" / entry["file"], entry["offset"] + block * BLOCK + 5)
    pack = ReferencePack.open(str(home), key)
    row = block * 16
    for rows in (
        slice(row, row + 1),
        slice(row + 15, row + 16),
        slice(max(row - 1, 0), row + 1),
        slice(0, 2048),
    ):
        with pytest.raises(ReferenceFileError, match="is damaged: its values do not have the checksum"):
            pack.plane("inverse_gain", rows, slice(0, 4))
    other = (row + 16) % 2048
    assert pack.plane("inverse_gain", slice(other, other + 16), slice(0, 4)).shape == (16, 4)
    assert damaged_files(str(home), key) == damaged_files(str(home), key, by_name=True)
    assert len(damaged_files(str(home), key)) == 1


def test_one_store_does_not_change_the_next(made, home, files, tmp_path):
    """What happens to the planes of one store reaches neither the cache nor later stores."""
    clean, key = made
    first, second = tmp_path / "first", tmp_path / "second"
    copy_pack(str(home), key, str(first))
    victim = next((first / "planes").iterdir())
    assert os.path.samefile(victim, home / "planes" / victim.name)
    flip(victim, 5000)
    assert build_pack(files, "NRCB1", str(home)) == key
    copy_pack(str(home), key, str(second))
    wanted = planes_of(clean, key)
    for url in (home, second):
        found = planes_of(url, key)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert remove_damaged(str(first)) == [f"planes/{victim.name}", f"packs/{key}.json"]
    copy_pack(str(home), key, str(first))
    assert all(np.array_equal(planes_of(first, key)[name], wanted[name]) for name in wanted)
    assert remove_damaged(str(first)) == []


def test_any_flip_in_a_cache_is_mended(made, home, files):
    """Every file of it, at random places; the records of which pack is which included."""
    clean, key = made
    wanted = planes_of(clean, key)
    rng = np.random.default_rng(7)
    for path in sorted(p for p in home.rglob("*") if p.is_file()):
        for place in rng.integers(0, path.stat().st_size, 3).tolist():
            flip(path, place)
            assert build_pack(files, "NRCB1", str(home)) == key, (path, place)
            found = planes_of(home, key)
            assert all(np.array_equal(found[name], wanted[name]) for name in wanted), (path, place)


def test_tables(tmp_path):
    arrays = {"x": np.arange(50.0), "y": np.arange(3)}
    key = save_table(tmp_path, arrays, kind="t")
    path = tmp_path / f"{key}.npz"
    clean = path.read_bytes()
    for place in range(0, len(clean), 7):
        path.chmod(0o644)
        path.write_bytes(clean[:place] + bytes([clean[place] ^ 1]) + clean[place + 1 :])
        with suppress(StoreError):
            found = load_table(tmp_path, key, kind="t")
            assert all(np.array_equal(found[name], arrays[name]) for name in arrays), place
        assert save_table(tmp_path, arrays, kind="t") == key
        assert np.array_equal(load_table(tmp_path, key, kind="t")["x"], arrays["x"]), place
    path.chmod(0o644)
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)
    assert path.exists()
    with pytest.raises(StoreError, match="it is compressed"):
        load_table(tmp_path, key, kind="t")
