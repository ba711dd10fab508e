"""Archives of strangers: nothing leaves the folder, nothing half done stays, and honest archives come out as they are."""

from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest
from support.download_site import (
    LIBRARY,
    SOON,
    Site,
    library_archive,
    member,
    noise,
    packed,
    serving,
    tar_of,
)

from mirage_dask.download import unpacking
from mirage_dask.download.mirage_data import DownloadError, download_reffiles
from mirage_dask.download.unpacking import DamagedArchiveError, install, unpack

FOLDER = "mirage_data/nircam/cosmic_ray_library"
GOOD = {f"{FOLDER}/a.fits": noise(5000), f"{FOLDER}/deep/b.fits": noise(3000, 2), f"{FOLDER}/empty": b""}


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def unpacked(tmp_path, content, **given):
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(content)
    return unpack(archive, tmp_path / "staging", **({"target": None, "limit": 10**6} | given))


def tree(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_honest_archive(tmp_path):
    sizes = unpacked(tmp_path, packed(tar_of(GOOD)))
    assert sizes == {name: len(content) for name, content in GOOD.items()}
    assert tree(tmp_path / "staging") == GOOD


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_and_long_names(tmp_path, form):
    name = f"{FOLDER}/{'long' * 20}/{'er' * 30}.fits"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=form) as tar:
        tar.addfile(member("mirage_data", tarfile.DIRTYPE))
        info = tarfile.TarInfo(name)
        info.size = 5000
        info.mode = 0o4777
        tar.addfile(info, io.BytesIO(GOOD[f"{FOLDER}/a.fits"]))
    assert unpacked(tmp_path, stream.getvalue()) == {name: 5000}
    assert (tmp_path / "staging" / name).stat().st_mode & 0o7111 == 0


def test_places_of_members(tmp_path):
    names = [
        "./mirage_data/nircam/a",
        "nircam/b",
        "mirage_data//fgs/./c",
        "README",
        "mirage_data/nircam/._a",
        "._x",
    ]
    sizes = unpacked(tmp_path, packed(tar_of(dict.fromkeys(names, b"x"))))
    assert set(sizes) == {"mirage_data/nircam/a", "mirage_data/nircam/b", "mirage_data/fgs/c"}
    assert set(tree(tmp_path / "staging")) == set(sizes)


def test_links_within_become_copies(tmp_path):
    content = tar_of(
        GOOD,
        member(f"{FOLDER}/soft", tarfile.SYMTYPE, "deep/../a.fits"),
        member(f"{FOLDER}/deep/soft", tarfile.SYMTYPE, "../a.fits"),
        member(f"{FOLDER}/hard", tarfile.LNKTYPE, f"{FOLDER}/a.fits"),
    )
    sizes = unpacked(tmp_path, packed(content))
    for name in ("soft", "deep/soft", "hard"):
        path = tmp_path / "staging" / FOLDER / name
        assert not path.is_symlink()
        assert path.read_bytes() == GOOD[f"{FOLDER}/a.fits"]
        assert sizes[f"{FOLDER}/{name}"] == 5000


EVIL = {
    "parent": tar_of(GOOD | {"../evil": b"x"}),
    "parent in the middle": tar_of(GOOD | {"mirage_data/../../evil": b"x"}),
    "symlink out": tar_of(GOOD, member("mirage_data/evil", tarfile.SYMTYPE, "../../evil")),
    "symlink absolute": tar_of(GOOD, member("mirage_data/evil", tarfile.SYMTYPE, "/etc/passwd")),
    "symlink at the top": tar_of(GOOD, member("mirage_data", tarfile.SYMTYPE, "..")),
    "hard link out": tar_of(GOOD, member("mirage_data/evil", tarfile.LNKTYPE, "../evil")),
    "hard link absolute": tar_of(GOOD, member("mirage_data/evil", tarfile.LNKTYPE, "/etc/passwd")),
    "link to nothing": tar_of(GOOD, member("mirage_data/evil", tarfile.SYMTYPE, "nothing")),
    "link to a folder": tar_of(GOOD, member("mirage_data/evil", tarfile.SYMTYPE, "nircam")),
    "character device": tar_of(GOOD, member("mirage_data/evil", tarfile.CHRTYPE)),
    "block device": tar_of(GOOD, member("mirage_data/evil", tarfile.BLKTYPE)),
    "pipe": tar_of(GOOD, member("mirage_data/evil", tarfile.FIFOTYPE)),
    "file in place of a folder": tar_of(GOOD | {"mirage_data/nircam": b"x"}),
    "folder in place of a file": tar_of({"mirage_data/a": b"x", "mirage_data/a/b": b"x"}),
    "nothing for us": tar_of({"README": b"x"}),
    "no members": tar_of({}),
    "not a tar": noise(20_000),
    "empty": b"",
    "cut at a member": tar_of(GOOD, end=False),
    "cut within a member": tar_of(GOOD)[:3000],
    "cut within a header": tar_of(GOOD)[:700],
    "too large": tar_of(GOOD | {"mirage_data/zeros": bytes(2 * 10**6)}),
    "too large beside": tar_of(GOOD | {"zeros": bytes(2 * 10**6)}),
    "large after the end": tar_of(GOOD) + bytes(2 * 10**6),
}


@pytest.mark.parametrize("content", EVIL.values(), ids=EVIL)
def test_refused(tmp_path, content):
    before = tmp_path / "box"
    before.mkdir()
    with pytest.raises(DamagedArchiveError):
        unpacked(before, packed(content))
    assert os.listdir(before) == ["x.tar.gz"]
    assert os.listdir(tmp_path) == ["box"]


@pytest.mark.parametrize("name", ["/tmp/evil", "//tmp/evil", "..\\evil", "C:evil", "mirage_data/../evil"])
def test_names_that_stay_within_are_harmless(tmp_path, name):
    """They are not part of MIRAGE_DATA: left out, wherever they point to."""
    box = tmp_path / "box"
    box.mkdir()
    assert set(unpacked(box, packed(tar_of(GOOD | {name: b"x"})))) == set(GOOD)
    assert tree(box / "staging") == GOOD
    assert os.listdir(tmp_path) == ["box"]


def test_absolute_names_are_below_the_folder(tmp_path):
    name = f"{FOLDER}/a.fits"
    assert unpacked(tmp_path, packed(tar_of({f"/{name}": b"x"}))) == {name: 1}
    assert tree(tmp_path / "staging") == {name: b"x"}


def test_header_that_states_more_than_there_is(tmp_path):
    info = tarfile.TarInfo("mirage_data/huge")
    info.size = 10**15
    with pytest.raises(DamagedArchiveError, match="unpacks to more than"):
        unpacked(tmp_path, packed(info.tobuf()))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_headers_do_not_fill_the_memory(tmp_path, kind):
    info = tarfile.TarInfo("mirage_data/x")
    info.type, info.size = kind, 10**9
    with pytest.raises(DamagedArchiveError, match="too long"):
        unpacked(tmp_path, packed(info.tobuf() + bytes(10**6)), limit=10**12)


def test_headers_without_end(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    with pytest.raises(DamagedArchiveError):
        unpacked(tmp_path, packed((info.tobuf() + bytes(512)) * 5000), limit=10**9)


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MEMBERS", 2)
    with pytest.raises(DamagedArchiveError, match="more than 2 members"):
        unpacked(tmp_path, packed(tar_of(GOOD)))


def test_sparse_file_that_claims_petabytes(tmp_path):
    # a PAX sparse member: 512 bytes in the archive, 10**15 on the disk
    info = tarfile.TarInfo("mirage_data/sparse")
    info.size = 512
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(10**15),
        "GNU.sparse.name": "mirage_data/sparse",
    }
    content = info.tobuf(tarfile.PAX_FORMAT) + b"1\n0\n0\n".ljust(512, b"\0") + bytes(1024)
    with pytest.raises(DamagedArchiveError):
        unpacked(tmp_path, packed(content))


def test_truncations_are_noticed(tmp_path):
    content = packed(tar_of({f"{FOLDER}/a": noise(300)}))
    for size in [*range(0, len(content), 9), *range(len(content) - 9, len(content))]:
        with pytest.raises(DamagedArchiveError):
            unpacked(tmp_path, content[:size])
        assert not (tmp_path / "staging").exists()


def test_flipped_bytes_do_no_harm(tmp_path):
    """Bytes of the gzip stream are spoilt in turn: an error, or (in its header) the same content."""
    content = packed(tar_of({f"{FOLDER}/a": noise(300)}))
    for place in [*range(12), *range(12, len(content), 9), *range(len(content) - 8, len(content))]:
        spoilt = bytearray(content)
        spoilt[place] ^= 0x5A
        try:
            unpacked(tmp_path, bytes(spoilt))
        except DamagedArchiveError:
            assert not (tmp_path / "staging").exists()
        else:
            assert tree(tmp_path / "staging") == {f"{FOLDER}/a": noise(300)}


def test_flipped_bytes_of_the_tar_do_no_harm(tmp_path):
    """The checksum of gzip is right here: what is inside is spoilt."""
    plain = tar_of({f"{FOLDER}/a": noise(300)})
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in [*range(0, 100, 9), *range(100, 160), *range(160, 512, 9)]:
        spoilt = bytearray(plain)
        spoilt[place] ^= 0x5A
        header = spoilt[:148] + b" " * 8 + spoilt[156:512]
        if not 148 <= place < 156:
            spoilt[148:156] = f"{sum(header):06o}\0 ".encode()
        try:
            unpacked(outside, gzip.compress(bytes(spoilt), compresslevel=1))
        except DamagedArchiveError:
            assert not (outside / "staging").exists()
        assert set(os.listdir(outside)) <= {"x.tar.gz", "staging"}
        assert os.listdir(tmp_path) == ["outside"]


def test_one_compressed_file(tmp_path):
    sizes = unpacked(tmp_path, packed(b"content"), target="mirage_data/x/y.fits")
    assert sizes == {"mirage_data/x/y.fits": 7}
    assert tree(tmp_path / "staging") == {"mirage_data/x/y.fits": b"content"}


def test_install_replaces_what_is_there(tmp_path):
    old = tmp_path / "root/mirage_data/x"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"partial")
    sizes = unpacked(tmp_path, packed(b"whole"), target="mirage_data/x")
    install(tmp_path / "staging", tmp_path / "root", sizes)
    assert old.read_bytes() == b"whole"
    assert not (tmp_path / "staging").exists()


def test_install_across_disks(tmp_path, monkeypatch):
    replace, calls = os.replace, []

    def other_disk(source, place):
        calls.append(source)
        if len(calls) == 1:
            raise OSError(18, "Invalid cross-device link")
        replace(source, place)

    sizes = unpacked(tmp_path, packed(b"whole"), target="mirage_data/x")
    monkeypatch.setattr(os, "replace", other_disk)
    install(tmp_path / "staging", tmp_path / "root", sizes)
    assert tree(tmp_path / "root") == {"mirage_data/x": b"whole"}


@pytest.mark.parametrize(
    "name", ["parent", "symlink out", "hard link out", "pipe", "too large", "cut at a member"]
)
def test_whole_way_of_an_evil_archive(tmp_path, name):
    archive = library_archive(disk=10**5)
    content = packed(EVIL[name])
    with serving(Site({LIBRARY: content})) as site, pytest.raises(DownloadError) as caught:
        download_reffiles(tmp_path / "box", catalogue=[archive], base_url=site.url, policy=SOON)
    (problem,) = caught.value.problems
    assert "library.tar.gz" in problem
    assert site.url in problem
    assert "is damaged" in problem
    assert not (tmp_path / "box/mirage_data").exists()
    assert os.listdir(tmp_path / "box/mirage_downloads") == ["library.tar.gz.lock"]
    assert os.listdir(tmp_path) == ["box"]


def test_whole_way_of_an_honest_archive(tmp_path):
    with serving(Site({LIBRARY: packed(tar_of(GOOD))})) as site:
        report = download_reffiles(tmp_path, catalogue=[library_archive()], base_url=site.url, policy=SOON)
    assert report.directory == tmp_path / "mirage_data"
    assert {f"mirage_data/{n}": c for n, c in tree(tmp_path / "mirage_data").items()} == GOOD
