"""Packs: what workers read equals the planes, by windows, from any file system, within bounds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference_set import EXPOSURE, builtin

from mirage_dask.errors import ReferenceFileError, StoreError
from mirage_dask.instruments import get_detector
from mirage_dask.io import files
from mirage_dask.io.caches.byte_cache import ByteCache
from mirage_dask.pointing import Distortion, aperture
from mirage_dask.reference.crds.lookup import SIMULATION_TYPES
from mirage_dask.reference.packs import plane_store
from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack
from mirage_dask.reference.packs.pack import ReferencePack, copy_pack
from mirage_dask.reference.packs.plane_store import PlaneStore
from mirage_dask.reference.packs.planes import OPTIONAL_PLANES, PLANE_INPUTS, PlaneMaker, to_detector

NRCB1 = get_detector("NRCB1")


def reference_files(**changes) -> ReferenceFiles:
    _, files = builtin(**changes)
    return ReferenceFiles(
        paths={kind: files[kind] for kind in SIMULATION_TYPES},
        filter="F150W",
        pupil="CLEAR",
        subarray=(EXPOSURE | changes)["subarray"],
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def memo() -> dict:
    return {}


@pytest.fixture(scope="module")
def pack(place, memo) -> ReferencePack:
    return ReferencePack.open(place, build_pack(reference_files(), "NRCB1", place, memo=memo))


@pytest.fixture(scope="module")
def maker() -> PlaneMaker:
    return PlaneMaker(NRCB1, builtin()[1])


ALWAYS = sorted(set(PLANE_INPUTS) - set(OPTIONAL_PLANES))


@pytest.fixture(scope="module")
def planes(maker) -> dict[str, np.ndarray]:
    made = {name: getattr(maker, name)() for name in ALWAYS}
    return {name: values[0] if isinstance(values, tuple) else values for name, values in made.items()}


def detector_slices(rows, columns, *, x0=0, y0=0, array=NRCB1.array):
    """Rows and columns of the detector of a window of science pixels of an array that begins at x0, y0."""
    box = array.detector_box((y0 + rows.start, y0 + rows.stop), (x0 + columns.start, x0 + columns.stop))
    return slice(*box[0]), slice(*box[1])


bounds = st.tuples(st.integers(0, 2047), st.integers(1, 40)).map(
    lambda t: slice(t[0], min(t[0] + t[1], 2048))
)


@given(name=st.sampled_from(ALWAYS), rows=bounds, columns=bounds)
def test_windows_are_the_planes_flipped(pack, planes, name, rows, columns):
    """Any science window, turned to the detector and read, is the reference file's window turned over."""
    own, turned = detector_slices(rows, columns)
    found = pack.plane(name, own, turned)
    assert np.array_equal(to_detector(found, NRCB1), planes[name][..., rows, columns])
    assert found.dtype == (np.uint32 if name == "mask" else np.float32)
    assert found.flags.c_contiguous
    assert not found.flags.writeable


@given(
    x0=st.integers(0, 1000), y0=st.integers(0, 1000), rows=bounds, columns=bounds,
    axes=st.sampled_from([(f, s) for f in (-1, 1, -2, 2) for s in (-1, 1, -2, 2) if abs(f) != abs(s)]),
)  # fmt: skip
def test_detector_slices(x0, y0, rows, columns, axes):
    """Against the plain formula: x_det = 2047 - x_sci where the axis is negative."""
    fast, slow = axes
    array = replace(NRCB1.array, fast_axis=fast, slow_axis=slow)
    found = detector_slices(rows, columns, x0=x0, y0=y0, array=array)
    along = {1: (columns, x0), 2: (rows, y0)}
    for axis, got in ((slow, found[0]), (fast, found[1])):
        own, start = along[abs(axis)]
        pixels = np.arange(own.start, own.stop) + start
        expected = sorted(2047 - pixels) if axis < 0 else pixels
        assert list(range(got.start, got.stop)) == list(expected)


def test_meta(pack, maker):
    meta = pack.meta
    assert meta["detector"] == "NRCB1"
    assert meta["mean_gain"] == maker.mean_gain
    assert np.allclose(meta["ipc"], to_detector(maker.ipc(), NRCB1))
    facts = aperture("NRCB1_FULL")
    assert meta["pixar_a2"] == pytest.approx(facts.x_scale * facts.y_scale)
    assert meta["photmjsr"] > 0
    assert (meta["ktc_noise"], meta["pink_noise"]) == (NRCB1.ktc_noise, NRCB1.pink_noise)
    assert pack.array == NRCB1.array
    assert (pack.array.fast_axis, pack.array.slow_axis, pack.array.outputs) == (1, -2, 4)
    assert json.loads(json.dumps(meta)) == meta
    assert set(pack.files) == set(SIMULATION_TYPES)
    assert all(len(f["sha256"]) == 64 for f in pack.files.values())


def test_distortion_closes_with_the_file(pack, maker):
    from mirage_dask.reference.files.reading import read_distortion

    assert isinstance(pack.distortion, Distortion)
    x, y = np.array([0.0, 1023.5, 2047.0, 40.0]), np.array([0.0, 800.0, 2047.0, 1900.0])
    v2, v3 = read_distortion(maker.files["distortion"])(x, y)
    back = pack.distortion.to_pixels(v2, v3)
    assert np.abs(np.array(back) - [x, y]).max() < 2e-4


def test_subarray_has_its_own_dark(place, memo, pack):
    key = build_pack(reference_files(subarray="SUB160", readpatt="RAPID", namp=1), "NRCB1", place, memo=memo)
    small = ReferencePack.open(place, key)
    where = aperture("NRCB1_SUB160")
    rows, columns = detector_slices(slice(0, 160), slice(0, 160), x0=where.x0, y0=where.y0)
    assert small.origin("dark_rate") == (rows.start, columns.start)
    assert small.shape("dark_rate") == (160, 160)
    assert small.plane("dark_rate", rows, columns).shape == (160, 160)
    # Full-frame planes are the same files.
    assert np.array_equal(small.plane("response", rows, columns), pack.plane("response", rows, columns))
    with pytest.raises(ReferenceFileError, match="leave the plane 'dark_rate', which covers rows"):
        small.plane("dark_rate", slice(rows.start - 1, rows.stop), columns)


def test_same_numbers_same_key(place, memo, pack, tmp_path):
    """Another readout pattern has another dark file with the same meaning; another directory changes nothing."""
    assert build_pack(reference_files(readpatt="RAPID"), "NRCB1", place, memo=memo) == pack.key
    before = sorted(p.name for p in Path(place, "planes").iterdir())
    assert (
        build_pack(reference_files(), "NRCB1", place) == pack.key
    )  # found by its inputs, nothing is computed
    assert sorted(p.name for p in Path(place, "planes").iterdir()) == before


def test_a_lost_plane_is_made_again(tmp_path):
    files = ReferenceFiles(paths={"gain": builtin()[1]["gain"]}, filter="F150W", pupil="CLEAR")
    key = build_pack(files, "NRCB1", str(tmp_path))
    victim = next(Path(tmp_path, "planes").iterdir())
    content = victim.read_bytes()
    victim.unlink()
    assert build_pack(files, "NRCB1", str(tmp_path)) == key
    assert victim.read_bytes() == content


def test_two_processes(tmp_path):
    gain = str(builtin()[1]["gain"])
    code = (
        "from pathlib import Path\n"
        "from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack\n"
        f"files = ReferenceFiles(paths={{'gain': Path({gain!r})}}, filter='F150W', pupil='CLEAR')\n"
        f"print(build_pack(files, 'NRCB1', {str(tmp_path)!r}))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    keys = {process.communicate(timeout=180)[0].strip() for process in running}
    assert len(keys) == 1
    found = ReferencePack.open(str(tmp_path), keys.pop())
    for name in found.names:
        assert found.plane(name, slice(0, 8), slice(0, 8)).shape[-2:] == (8, 8)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name.startswith(".")]
    assert not list(tmp_path.rglob("*.partial"))


def test_any_file_system(pack):
    """A store in memory (as an object store): planes are read by ranges, windows equal those of the disk."""
    url = f"memory://{uuid4().hex}"
    store = PlaneStore(url)
    values = np.arange(3 * 512 * 70, dtype=np.float32).reshape(3, 512, 70)
    entry = store.put(values, origin=(5, 6))
    assert np.array_equal(store.read(entry), values)
    assert np.array_equal(store.read_window(entry, slice(10, 20), slice(3, 9)), values[:, 10:20, 3:9])
    with fsspec.open(f"{url}/planes/{entry['file']}", "rb") as stream:
        assert np.array_equal(np.load(stream), values)
    asked = []
    memory = files.filesystem(url)[0]
    original = memory.cat_file
    memory.cat_file = lambda path, start=None, end=None, **k: (
        asked.append(end - start),
        original(path, start, end, **k),
    )[1]
    try:
        store.read_window(entry, slice(0, 2), slice(0, 70))
    finally:
        del memory.cat_file
    assert asked == [plane_store.BLOCK] * 3  # whole blocks, which are compared with their checksums


def test_packs_are_copied(pack, place, tmp_path):
    """By links on one disk, by content elsewhere; the copy is whole and its own."""
    url = str(tmp_path / "plan")
    copy_pack(place, pack.key, url)
    copy_pack(place, pack.key, url)
    copied = ReferencePack.open(url, pack.key)
    box = slice(100, 110), slice(5, 9)
    for name in pack.names:
        assert np.array_equal(copied.plane(name, *box), pack.plane(name, *box))
    assert all(p.stat().st_nlink > 1 for p in (tmp_path / "plan" / "planes").iterdir())
    gain = ReferenceFiles({"gain": builtin()[1]["gain"]}, "F150W", "CLEAR")
    key = build_pack(gain, "NRCB1", str(tmp_path / "one"))
    remote = f"memory://{uuid4().hex}"
    copy_pack(str(tmp_path / "one"), key, remote)
    assert ReferencePack.open(remote, key).plane("inverse_gain", *box).shape == (10, 4)
    with pytest.raises(ReferenceFileError, match="nothing"):
        copy_pack(place, "nothing", url)


def test_planes_are_named_by_content(tmp_path):
    store = PlaneStore(str(tmp_path))
    one = store.put(np.ones((4, 4), np.float32))
    again = store.put(np.ones((4, 4), np.float32))
    other = store.put(np.zeros((4, 4), np.float32))
    assert one["file"] == again["file"] != other["file"]
    assert np.load(tmp_path / "planes" / one["file"]).tolist() == np.ones((4, 4)).tolist()


def test_damaged_packs_are_named(tmp_path):
    store = PlaneStore(str(tmp_path))
    entry = store.put(np.ones((40, 40), np.float32))
    path = tmp_path / "planes" / entry["file"]
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(ReferenceFileError, match="is cut short"):
        store.read_window(entry, slice(0, 40), slice(0, 40))
    path.unlink()
    with pytest.raises(ReferenceFileError, match=r"cannot be read.*plan the run again"):
        store.read_window(entry, slice(0, 39), slice(0, 40))
    with pytest.raises(ReferenceFileError, match=r"packs/nothing\.json cannot be read"):
        ReferencePack.open(str(tmp_path), "nothing")
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "old.json").write_text('{"format": 0, "planes": {}, "meta": {}}')
    with pytest.raises(ReferenceFileError, match="has format 0"):
        ReferencePack.open(str(tmp_path), "old")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write"):
        PlaneStore(str(tmp_path / "file" / "deeper")).put(np.ones(3))


def test_missing_parts_are_named(pack):
    with pytest.raises(ReferenceFileError, match="has no psf"):
        pack.psf()
    with pytest.raises(ReferenceFileError, match="has no cosmic_rays/SUNMAX"):
        pack.cosmic_rays("sunmax")
    with pytest.raises(ReferenceFileError, match="no plane 'flat' among"):
        pack.plane("flat", slice(0, 1), slice(0, 1))


def test_damaged_reference_is_named_and_leaves_no_pack(tmp_path):
    cut = tmp_path / "cut.fits"
    cut.write_bytes(builtin()[1]["gain"].read_bytes()[:500_000])
    with pytest.raises(ReferenceFileError, match=r"cut\.fits"):
        build_pack(ReferenceFiles({"gain": cut}, "F150W", "CLEAR"), "NRCB1", str(tmp_path / "plan"))
    assert not list((tmp_path / "plan").rglob("*.json"))


def test_cache_is_bounded(tmp_path, monkeypatch):
    cache = ByteCache(1000)
    monkeypatch.setattr(plane_store, "CACHE", cache)
    store = PlaneStore(str(tmp_path))
    entry = store.put(np.arange(10_000, dtype=np.float32).reshape(100, 100))
    first = store.read_window(entry, slice(0, 1), slice(0, 100))
    assert store.read_window(entry, slice(0, 1), slice(0, 100)) is first
    store.read_window(entry, slice(0, 50), slice(0, 100))  # larger than the cache: not kept
    assert cache.used == 400
    for row in range(1, 6):
        store.read_window(entry, slice(row, row + 1), slice(0, 100))
    assert cache.used == 800
    assert store.read_window(entry, slice(0, 1), slice(0, 100)) is not first
    cache.resize(0)
    assert cache.used == 0


def test_cache_from_many_threads():
    cache = ByteCache(50 * 8)
    wrong: list[int] = []

    def work(seed: int) -> None:
        for i in np.random.Generator(np.random.PCG64(seed)).integers(0, 100, 2000):
            if cache.get(int(i), lambda i=int(i): (i * i, 8)) != i * i:
                wrong.append(int(i))

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.used <= cache.limit
    assert cache.used == 8 * len(cache._values)
