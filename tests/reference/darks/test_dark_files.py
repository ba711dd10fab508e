"""Darks of MIRAGE_DATA: found, converted without loss, and refused with one sentence if they cannot be used."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from astropy.io import fits
from support.dark_examples import NX, NY, exposure, write_linearized, write_raw

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.reference.darks import converted
from mirage_dask.reference.darks.converted import convert_dark
from mirage_dask.reference.darks.files import dark_files, describe_dark
from mirage_dask.reference.darks.selection import dark_ramp


def convert(path: Path, detector: str = "NRCB5", kind: str = "linearized") -> converted.ConvertedDark:
    return convert_dark(describe_dark(path, detector, kind=kind))


# Finding


@pytest.mark.parametrize(
    ("detector", "kind", "place", "others"),
    [
        (
            "NRCA1",
            "linearized",
            "nircam/darks/linearized/A1/x_uncal.fits",
            ["nircam/darks/linearized/A2/x.fits"],
        ),
        ("NRCBLONG", "raw", "nircam/darks/raw/B5/x_uncal.fits", ["nircam/darks/linearized/B5/x.fits"]),
        ("NIS", "raw", "niriss/darks/raw/jw1_uncal.fits", ["niriss/darks/raw/jw1_rate.fits"]),
        ("NIS", "linearized", "niriss/darks/linearized/a_linear_dark_prep_object.fits", []),
        (
            "GUIDER1",
            "raw",
            "fgs/darks/raw/2_1x88_F_1_497_SE_dms_uncal.fits",
            ["fgs/darks/raw/2_1_498_SE.fits"],
        ),
        (
            "FGS2",
            "linearized",
            "fgs/darks/linearized/2_1_498_SE_l.fits",
            ["fgs/darks/linearized/2_1_497_S.fits"],
        ),
    ],
)
def test_found_by_layout(tmp_path, detector, kind, place, others):
    for name in [place, *others, str(Path(place).parent / ".hidden_uncal.fits")]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    name = detector.replace("FGS2", "GUIDER2")
    assert dark_files(tmp_path, name, kind=kind) == [tmp_path / place]


def test_none_found(tmp_path):
    with pytest.raises(
        ReferenceFileError, match=r"No raw darks of NRCA3 were found: .*nircam.darks.raw.A3 .*MIRAGE_DATA"
    ):
        dark_files(tmp_path, "NRCA3", kind="raw")
    folder = tmp_path / "nircam" / "darks" / "raw" / "A3"
    folder.mkdir(parents=True)
    (folder / "a_uncal.fits.gz").touch()
    with pytest.raises(ReferenceFileError, match=r"unpack a_uncal\.fits\.gz"):
        dark_files(tmp_path, "NRCA3", kind="raw")
    with pytest.raises(InputError, match="linearized or raw"):
        dark_files(tmp_path, "NRCA3", kind="linear")


# Converting


def test_conversion_loses_nothing(tmp_path):
    made = write_linearized(tmp_path, frames=5, integrations=2)
    with fits.open(made.path, mode="update") as hdus:
        hdus["SCI"].data[0, 1, 2, :3] = [np.nan, -0.0, np.inf]
        hdus["SCI"].data[1, :, 64:, 64:] = 0.0
    group = zarr.open_group(convert(made.path).path, mode="r")
    with fits.open(made.path) as hdus:
        for name in ("SCI", "SBANDREFPIX", "ZEROFRAME", "ZEROSBANDREFPIX"):
            wanted = hdus[name].data.astype("<f4")
            assert group[name][...].tobytes() == wanted.tobytes(), name


def test_conversion_of_raw_counts(tmp_path):
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 65_536, (1, 4, 64, 64)).astype(np.uint16)
    dark = convert(write_raw(tmp_path, "NRCB5", counts), kind="raw")
    assert (zarr.open_group(dark.path, mode="r")["SCI"][...] == counts).all()
    # As some files have it: unsigned numbers that were written as signed ones.
    signed = (counts.astype(np.int32) - 32_768).astype(np.int16)
    other = convert(write_raw(tmp_path, "NRCB5", signed, number=2), kind="raw")
    assert other.offset == 32_768
    ramp = dark_ramp(exposure(nx=64, ny=64, ngroups=4), tmp_path, kind="raw")
    np.testing.assert_array_equal(ramp[0], counts[0])


def test_converted_once_beside_the_original(tmp_path):
    made = write_linearized(tmp_path, frames=3)
    first = convert(made.path)
    written = {p: p.stat().st_mtime_ns for p in Path(first.path).rglob("c/*/*")}
    stamp = max(written.values())
    assert Path(first.path).parent.parent == made.path.parent / "converted"
    assert convert(made.path) == first
    assert {p: p.stat().st_mtime_ns for p in written} == written
    assert dark_files(tmp_path, "NRCB5") == [made.path]
    os.utime(made.path, ns=(stamp, stamp + 10**9))
    again = convert(made.path)
    assert again.path != first.path
    assert again.digest == first.digest


def test_converted_in_the_cache_where_the_folder_is_read_only(tmp_path, monkeypatch):
    made = write_linearized(tmp_path, frames=3)
    (made.path.parent / "converted").touch()  # root may write everywhere: a file in the way stops it as well
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(tmp_path / "cache"))
    dark = convert(made.path)
    assert Path(dark.path).is_relative_to(tmp_path / "cache" / "darks")
    monkeypatch.setenv("MIRAGE_DASK_CACHE", str(made.path.parent / "converted"))
    os.utime(made.path, ns=(1, 1))
    with pytest.raises(ReferenceFileError, match=r"cannot be converted: .*MIRAGE_DASK_CACHE"):
        convert(made.path)


def test_full_disk(tmp_path, monkeypatch):
    made = write_linearized(tmp_path, frames=3)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(converted, "_create", full)
        with pytest.raises(ReferenceFileError, match=r"No space left on device.*free some space"):
            convert(made.path)
    assert not [p for p in (made.path.parent / "converted").rglob("*") if p.name == "zarr.json"]
    with monkeypatch.context() as patch:
        usage = converted.shutil.disk_usage(tmp_path)._replace(free=10)
        patch.setattr(converted.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(ReferenceFileError, match=r"has 0\.0 GB free of the .* needed"):
            convert(made.path)
    assert convert(made.path).shape == (1, 3, NY, NX)


CONVERT = """
import sys
from mirage_dask.reference.darks.files import describe_dark
from mirage_dask.reference.darks.converted import convert_dark
sys.stdin.readline()
dark = convert_dark(describe_dark(sys.argv[1], "NRCB5"))
print(dark.path, dark.digest)
"""


def test_two_processes_convert_at_once(tmp_path):
    made = write_linearized(tmp_path, frames=60)
    command = [sys.executable, "-c", CONVERT, str(made.path)]
    both = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    place = Path(answers[0][0].split()[0]).parent
    assert sorted(p.name for p in place.iterdir()) == [".lock", "dark.zarr"]
    np.testing.assert_array_equal(
        dark_ramp(exposure(ngroups=60), tmp_path)[0], made.total[0].astype(np.float32)
    )


def test_window_of_a_full_frame_reads_little(tmp_path, monkeypatch):
    """Frames of a block lie in one chunk, so that the fraction is the same for one and for 108 of them."""
    made = write_linearized(tmp_path, frames=1, size=(2048, 2048))
    spec = exposure(ngroups=1, nx=2048, ny=2048)
    ramp = dark_ramp(spec, tmp_path)
    read = []
    original = zarr.storage.LocalStore.get

    async def counted(self, key, prototype=None, byte_range=None):
        answer = await original(self, key, prototype, byte_range)
        read.append(0 if answer is None else len(answer))
        return answer

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    window = ramp[0, :, 1000:1256, 900:1156]
    assert 0 < sum(read) < 0.05 * made.path.stat().st_size
    np.testing.assert_array_equal(window, made.total[0, :, 1000:1256, 900:1156].astype(np.float32))
    read.clear()
    assert ramp[0, 0, 1100, 1000] == np.float32(made.total[0, 0, 1100, 1000])
    assert sum(read) == 0  # what was read stays for a while
    # A subarray is cut from the same file.
    cut = dark_ramp(replace(spec, x0=1304, y0=700, nx=160, ny=160), tmp_path)
    np.testing.assert_array_equal(cut[0], made.total[0, :, 700:860, 1304:1464].astype(np.float32))
    shutil.rmtree(tmp_path)  # pytest keeps the folders of three sessions


# Files that cannot be used


def break_file(path: Path, how: str) -> None:
    if how == "truncated":
        os.truncate(path, path.stat().st_size * 2 // 3)
    elif how == "garbage":
        path.write_bytes(b"no FITS file" * 1000)
    elif how == "empty":
        path.write_bytes(b"")
    else:
        with fits.open(path) as hdus:
            kept = fits.HDUList([h.copy() for h in hdus])
        if how == "extension":
            del kept["SBANDREFPIX"]
        elif how == "shape":
            kept["SBANDREFPIX"].data = kept["SBANDREFPIX"].data[:, :2]
        elif how == "axes":
            kept["SCI"].data = kept["SCI"].data[0, 0]
        elif how == "detector":
            kept[0].header["DETECTOR"] = "NRCA1"
        elif how == "pattern":
            kept[0].header["READPATT"] = "FAST"
            del kept[0].header["NFRAMES"]
        kept.writeto(path, overwrite=True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("truncated", "cut short|truncated"),
        ("garbage", "cannot be read"),
        ("empty", "cannot be read"),
        ("extension", "extension SBANDREFPIX: the extension is missing among PRIMARY, SCI"),
        ("shape", r"shape \(1, 2, 70, 90\) differs from that of SCI"),
        ("axes", r"shape \(70, 90\), not that of a ramp"),
        ("detector", "a dark of NRCA1, not of NRCBLONG"),
        ("pattern", "pattern 'FAST'"),
    ],
)
def test_one_sentence_for_a_bad_file(tmp_path, how, words):
    made = write_linearized(tmp_path, frames=4)
    break_file(made.path, how)
    with pytest.raises(ReferenceFileError, match=words) as problem:
        dark_ramp(exposure(), tmp_path)
    assert made.path.name in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("how", ["overwritten", "missing", "cut"])
def test_a_damaged_conversion_is_noticed(tmp_path, how):
    made = write_linearized(tmp_path, frames=4)
    ramp = dark_ramp(exposure(), tmp_path)
    shards = [p for p in (Path(ramp.files[0]) / "SCI").rglob("*") if p.is_file() and p.name != "zarr.json"]
    for shard in shards:
        content = bytearray(shard.read_bytes())
        content[100:200] = bytes(100)
        shard.unlink()
        if how != "missing":
            shard.write_bytes(content if how == "overwritten" else content[:500])
    with pytest.raises(ReferenceFileError, match=r"cannot be read .* converted again"):
        ramp[0]
    assert made.path.exists()
