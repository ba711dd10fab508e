"""The cache of a machine: what it holds is counted once, what was not used for longest goes first, what is in use stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mirage_dask import cache, cli
from mirage_dask.errors import InputError
from mirage_dask.fits.header_templates import writers
from mirage_dask.io.atomic import partial_name
from mirage_dask.io.caches.sources import KERNELS, source_digest
from mirage_dask.io.caches.use import mark_used
from mirage_dask.pointing import aperture, siaf_table
from mirage_dask.reference.builtin.locations import builtin_directory

MB = 1_000_000
PLAN, STALE = "a" * 16, "0" * 16
OLD = time.time() - 100_000


def write(path: Path, size: int, used: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


def pack(home: Path, name: str, planes: dict[str, int], used: float) -> Path:
    for plane, size in planes.items():
        write(home / "planes" / plane, size)
    manifest = {"planes": {plane.split(".")[0]: {"file": plane} for plane in planes}}
    path = home / "packs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    (home / "packs" / "inputs").mkdir(exist_ok=True)
    (home / "packs" / "inputs" / f"in{name}.json").write_text(json.dumps({"pack": name}))
    os.utime(path, (used, used))
    return path


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Packs a, b, c, of which a and b share a plane; a plan that links b; stale and present kernels and built-in files."""
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path))
    write(tmp_path / "kernels" / source_digest(*KERNELS) / "k.nbi", MB, OLD + 40)
    write(tmp_path / "kernels" / STALE / "k.nbi", 2 * MB)
    write(builtin_directory() / "crds" / "gain.fits", 3 * MB)
    write(tmp_path / "builtin-1-old" / "crds" / "gain.fits", 4 * MB)
    pack(tmp_path / "packs", "a", {"shared.npy": 5 * MB, "a.npy": MB}, OLD)
    pack(tmp_path / "packs", "b", {"shared.npy": 5 * MB, "b.npy": 2 * MB}, OLD + 10)
    pack(tmp_path / "packs", "c", {"c.npy": 8 * MB}, OLD + 20)
    write(tmp_path / "plans" / PLAN / "plan.json", 100, OLD + 30)
    for name in ("shared.npy", "b.npy"):
        (tmp_path / "plans" / PLAN / "planes").mkdir(exist_ok=True)
        os.link(tmp_path / "packs" / "planes" / name, tmp_path / "plans" / PLAN / "planes" / name)
    (tmp_path / "plans" / PLAN / "packs").mkdir()
    os.link(tmp_path / "packs" / "packs" / "b.json", tmp_path / "plans" / PLAN / "packs" / "b.json")
    for path in (*tmp_path.glob("kernels/*"), *tmp_path.glob("builtin*"), tmp_path / "plans" / PLAN):
        os.utime(path, (OLD + 40, OLD + 40))
    return tmp_path


def names(found: cache.Contents) -> set[str]:
    return {entry.path.stem for entry in found.entries}


def test_headers_of_other_versions_go_first(home):
    """The templates of the FITS headers of a kind of file: of the packages that are installed, and of others."""
    ours = write(home / "headers" / f"{writers()}-{PLAN}.json", 1000)
    others = write(home / "headers" / f"{STALE}-{PLAN}.json", 1000)
    foreign = write(home / "headers" / "notes.json", 1000)
    found = {entry.path: entry.current for entry in cache.contents().entries if entry.kind == "headers"}
    assert found == {ours: True, others: False}
    cache.remove_unused()
    assert (ours.exists(), others.exists()) == (True, False)
    cache.clear()
    assert (ours.exists(), foreign.exists()) == (False, True)


def test_contents(home):
    found = cache.contents()
    assert found.directory == home
    assert {kind: count for kind, (count, _) in found.kinds.items()} == {
        "kernels": 2, "builtin": 2, "packs": 3, "plans": 1, "darks": 0, "headers": 0, "siaf": 0,
        "queries": 0,
    }  # fmt: skip
    assert found.kinds["packs"][1] == pytest.approx(16 * MB, abs=2000)
    assert found.kinds["plans"][1] < 200  # its planes are those of the packs
    assert found.bytes == pytest.approx(26 * MB, abs=3000)
    assert "packs" not in repr(found).splitlines()[0]
    assert "built-in reference files: 2, 0.01 GB" in repr(found)


def test_the_least_recently_used_goes_first(home):
    freed = cache.prune("19.5MB")
    found = cache.contents()
    assert freed == pytest.approx(
        7 * MB, abs=2000
    )  # 2 + 4 that are stale, 1 of a, whose other plane b has too
    assert {STALE, "builtin-1-old", "a"}.isdisjoint(names(found))
    assert {"b", "c", PLAN} <= names(found)
    assert (home / "packs/planes/shared.npy").exists()
    assert not (home / "packs/planes/a.npy").exists()
    assert not (home / "packs/packs/inputs/ina.json").exists()
    assert found.bytes <= 19.5 * MB


def test_a_use_counts(home):
    mark_used(home / "packs" / "packs" / "a.json")
    assert [e.path.stem for e in cache.contents().entries if e.kind == "packs"] == ["b", "c", "a"]


def test_what_nothing_can_use(home):
    assert cache.remove_unused() == pytest.approx((2 + 4 + 1 + 8) * MB, abs=2000)
    assert names(cache.contents()) >= {"b", PLAN, builtin_directory().name}
    assert {"a", "c"}.isdisjoint(names(cache.contents()))


def test_tables_of_apertures_of_another_pysiaf_are_not_used(home):
    aperture.cache_clear()
    siaf_table._apertures.cache_clear()
    aperture("FGS1_FULL")
    stale = write(home / "siaf" / "FGS-0123456789abcdef.json", MB)
    foreign = write(home / "siaf" / "letters.json", MB)
    (present,) = [e for e in cache.contents().entries if e.kind == "siaf" and e.current]
    assert present.path == siaf_table.table_path("FGS")
    cache.remove_unused()
    assert (present.path.exists(), stale.exists(), foreign.exists()) == (True, False, True)
    os.utime(present.path, (OLD, OLD))
    cache.clear()
    assert not present.path.exists()


def test_clear_and_what_killed_processes_left(home):
    left = write(
        home / "plans" / PLAN / "planes" / partial_name("x.npy").replace(f"-{os.getpid()}-", "-999999999-"),
        MB,
    )
    cache.clear()
    assert cache.contents().bytes == 0
    assert not left.exists()
    assert cache.clear() == 0


def test_what_is_not_of_the_cache_stays(home):
    """A user may name a directory that holds other things."""
    kept = [write(home / kind / "mine" / "x", MB) for kind in ("plans", "darks", "kernels")]
    kept.append(write(home / "letters" / "x", MB))
    cache.clear()
    assert all(path.exists() for path in kept)


USER = """
import sys
from mirage_dask.io.caches.use import mark_used
mark_used(sys.argv[1])
print("used", flush=True)
sys.stdin.read()
"""


def test_what_a_living_process_uses_stays(home):
    used = home / "plans" / PLAN / "plan.json"
    command = [sys.executable, "-c", USER, str(used)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "used\n"
        cache.clear()
        assert names(cache.contents()) == {PLAN}
        assert (home / f"plans/{PLAN}/planes/b.npy").stat().st_size == 2 * MB
        process.communicate("")
    os.utime(used, (OLD, OLD))
    cache.clear()
    assert names(cache.contents()) == set()


def test_command(home, capsys):
    assert cli.main(["cache"]) == 0
    out, _ = capsys.readouterr()
    assert str(home) in out
    assert "references prepared for a detector and filter" in out
    assert cli.main(["cache", "--list"]) == 0
    assert "packs/packs/a.json" in capsys.readouterr().out
    assert cli.main(["cache", "--max", "much"]) == 2
    assert cli.main(["cache", "--clear", "--max", "1GB"]) == 2
    capsys.readouterr()
    assert cli.main(["cache", "--clear", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["bytes"], found["directory"]) == (0, str(home))
    assert found["freed"] > 25 * MB


def test_sizes_that_are_not_valid(home):
    with pytest.raises(InputError, match="must be a size"):
        cache.prune("much")
    assert cache.contents().bytes > 0
