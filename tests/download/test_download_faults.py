"""All that goes wrong on the way: the file is there, byte for byte, or an error says why and it is not."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from support.download_site import DARK, SOON, Site, dark_archive, noise, packed, serving
from support.one_dark import GZIPPED, HALF, check_absent, check_whole, cut, dark, get, stored

from mirage_dask.download import http
from mirage_dask.download.mirage_data import DownloadError, download_reffiles


@pytest.fixture
def site():
    with serving(Site({DARK: GZIPPED})) as found:
        yield found


def reset(size):
    def fault(handler):
        handler.answer(cut=size)
        handler.reset()

    return fault


def status(code, **headers):
    return lambda handler: handler.plain(code, **headers)


def change(site, content):
    """From this request on the remote file is another one."""

    def fault(handler):
        site.files[DARK] = content
        return True

    return fault


def body(content, *, length=None, code=200, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    stated = {None: len(content), "none": None}.get(length, length)
    return lambda handler: handler.send(code, content, stated, headers)


def without_length(handler):
    handler.send(200, GZIPPED, None, {})


def broken_chunks(handler):
    handler.send(200, b"", None, {"Transfer-Encoding": "chunked"})
    handler.wfile.write(b"1000\r\n" + GZIPPED[:0x1000] + b"\r\n1000\r\n" + GZIPPED[:50])


def good_chunks(handler):
    handler.send(200, b"", None, {"Transfer-Encoding": "chunked"})
    for i in range(0, len(GZIPPED), 65536):
        piece = GZIPPED[i : i + 65536]
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


def marked(handler):
    """A server that marks compressed files as encoded: the bytes must stay as they are."""
    handler.send(200, GZIPPED, len(GZIPPED), {"Content-Encoding": "gzip"})


def redirect(handler):
    handler.plain(302, Location=handler.path)


def wrong_range(stated):
    def fault(handler):
        if not handler.headers.get("Range"):
            return True
        handler.send(
            206, GZIPPED[HALF:], len(GZIPPED) - HALF, {"Content-Range": stated, "ETag": handler.etag()}
        )
        return None

    return fault


MENDED = {
    "dropped in the middle": [cut(HALF)],
    "dropped at byte 0": [cut(0)],
    "dropped at byte 1": [cut(1)],
    "dropped before the last byte": [cut(len(GZIPPED) - 1)],
    "reset in the middle": [reset(HALF)],
    "dropped four times with progress": [cut(HALF // 4)] * 4,
    "503 then fine": [status(503)],
    "503 that names a time": [status(503, **{"Retry-After": "0"})],
    "429 then 500 then fine": [status(429), status(500)],
    "dropped, then 502, then fine": [cut(HALF), status(502)],
    "no length": [without_length],
    "no length and dropped": [body(GZIPPED[:HALF], length="none")],
    "chunked": [good_chunks],
    "chunks that break": [broken_chunks],
    "marked as encoded": [marked],
    "Content-Range from elsewhere": [cut(HALF), wrong_range("bytes 0-99/300")],
    "Content-Range beyond the end": [cut(HALF), wrong_range("bytes 150-99999999/300")],
    "Content-Range of garbage": [cut(HALF), wrong_range("pages 1-2")],
    "no Content-Range": [cut(HALF), body(GZIPPED[HALF:], code=206)],
    "length too large once": [lambda h: h.answer(stated=len(GZIPPED) + 10)],
    "part of another file": [cut(HALF), body(noise(9), code=206, ETag='"x"', Content_Range="bytes 9-17/18")],
    "416 in between": [cut(HALF), status(416)],
}


@pytest.mark.parametrize("faults", MENDED.values(), ids=MENDED)
def test_mended(site, tmp_path, faults):
    site.faults = list(faults)
    report = get(site, tmp_path)
    assert [f.status for f in report.files] == ["fetched"]
    check_whole(tmp_path)
    assert not site.faults


FATAL = {
    "404": (status(404), "404"),
    "403": (status(403), "403"),
    "always 500": (status(500), "attempts without progress: 3"),
    "redirect loop": (redirect, "Exceeded 10 redirects"),
    "redirect to nowhere": (lambda h: h.plain(302, Location="ftp://x/y"), "No connection adapters"),
    "web page instead of the file": (body(b"<!DOCTYPE html><html>please log in</html>"), "a web page"),
    "garbage instead of gzip": (body(noise(1000)), "not a valid gzip file"),
    "truncated gzip, right length": (body(GZIPPED[:HALF]), "truncated"),
    "gzip with a wrong byte": (
        body(GZIPPED[:HALF] + b"\0\0\0\0" + GZIPPED[HALF + 4 :]),
        "not a valid gzip file",
    ),
    "garbage after gzip": (body(GZIPPED + b"garbage"), "not a valid gzip file"),
    "nothing at all": (body(b""), "is empty"),
    "length too small": (lambda h: h.answer(stated=HALF), "truncated"),
    "length too large": (lambda h: h.send(200, GZIPPED, 2 * len(GZIPPED), {}), "the connection ended after"),
    "zip bomb": (body(packed(bytes(30_000_000))), "unpacks to more than"),
    "no progress for ever": (cut(10), "attempts without progress: 3"),
    "hangs": (lambda h: time.sleep(0.6), "attempts without progress: 3"),
    "status 204": (status(204), "204"),
}


@pytest.mark.parametrize(("fault", "reason"), FATAL.values(), ids=FATAL)
def test_fatal(site, tmp_path, fault, reason):
    site.always = fault
    site.ranges = reason != "attempts without progress: 3"
    # Only what hangs is not waited for: a busy machine may be slow to answer, too.
    policy = replace(SOON, timeout=0.3) if fault is FATAL["hangs"][0] else SOON
    with pytest.raises(DownloadError) as caught:
        get(site, tmp_path, policy=policy)
    (problem,) = caught.value.problems
    assert reason in problem
    assert "dark_a1.fits.gz" in problem
    assert site.url in problem
    assert problem.endswith(".")
    check_absent(tmp_path)
    site.always, site.ranges = None, True  # the fault is gone: the next run is not spoilt by what is left
    get(site, tmp_path)
    check_whole(tmp_path)


def test_what_is_missing_is_asked_for(site, tmp_path):
    site.faults = [cut(HALF)]
    get(site, tmp_path)
    first, second = site.gets()
    assert first is None
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    assert HALF - http.CHUNK <= start <= HALF
    assert start > 0


def test_the_date_serves_where_there_is_no_etag(site, tmp_path):
    site.etag, site.headers = None, {"Last-Modified": "Wed, 02 Oct 2024 12:00:00 GMT"}
    site.faults = [cut(HALF)]
    get(site, tmp_path)
    check_whole(tmp_path)
    assert [r is not None for r in site.gets()] == [False, True]


@pytest.mark.parametrize("etag", ['W/"weak"', None])
def test_what_cannot_be_told_apart_is_not_put_together(site, tmp_path, etag):
    site.etag, site.faults = etag, [cut(HALF)]
    get(site, tmp_path)
    check_whole(tmp_path)
    assert site.gets() == [None, None]


def test_server_without_ranges(site, tmp_path):
    site.ranges, site.faults = False, [cut(HALF)]
    get(site, tmp_path)
    check_whole(tmp_path)


def test_remote_file_changes_between_attempts(site, tmp_path):
    site.files[DARK] = stored(dark(2))
    site.faults = [cut(HALF), change(site, GZIPPED)]
    get(site, tmp_path)
    check_whole(tmp_path)


@pytest.mark.parametrize("etag", ['W/"weak"', None])
def test_changes_that_the_server_does_not_tell(site, tmp_path, etag):
    """Parts of two files are found out when they are unpacked, and the file is fetched once more, in one piece."""
    site.etag = etag
    other = stored(dark(2))
    assert len(other) == len(GZIPPED)
    site.files[DARK] = other
    site.faults = [cut(HALF), change(site, GZIPPED)]
    get(site, tmp_path)
    check_whole(tmp_path)
    assert site.gets()[-1] is None


def test_changed_between_runs(site, tmp_path):
    site.files[DARK] = stored(dark(2))
    site.always = cut(HALF)
    site.ranges = False
    with pytest.raises(DownloadError):
        get(site, tmp_path)
    assert (tmp_path / "mirage_downloads/dark_a1.fits.gz.part").stat().st_size > 0
    site.always, site.ranges = None, True
    site.files[DARK] = GZIPPED
    get(site, tmp_path)
    check_whole(tmp_path)


def test_checksum_of_the_table(site, tmp_path):
    with pytest.raises(DownloadError, match=r"its sha256 is .* instead of 00"):
        get(site, tmp_path, dark_archive(checksum="sha256:00"))
    check_absent(tmp_path)
    get(site, tmp_path, dark_archive(checksum="sha256:" + hashlib.sha256(GZIPPED).hexdigest().upper()))
    check_whole(tmp_path)


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "step", ["http.write_beside", "unpacking._write", "installer.install", "installer.write_beside"]
)
def test_disk_full(site, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch:
        patch.setattr(f"mirage_dask.download.{step}", full)
        with pytest.raises(DownloadError) as caught:
            get(site, tmp_path)
    (problem,) = caught.value.problems
    assert "is full" in problem
    assert "free some space" in problem
    assert str(tmp_path) in problem
    if step != "installer.write_beside":  # the record of files that are in place by then
        check_absent(tmp_path)
    get(site, tmp_path)
    check_whole(tmp_path)


def test_disk_too_small_is_said_before(site, tmp_path, monkeypatch):
    monkeypatch.setattr("mirage_dask.io.copying.free_bytes", lambda url: 1000)
    with pytest.raises(
        DownloadError, match=r"0\.0 GB free, and to fetch 1 file takes about 0\.0 GB; free some space"
    ):
        get(site, tmp_path / "new")
    assert site.gets() == []
    assert not (tmp_path / "new").exists()
    get(site, tmp_path / "new", check_space=False)
    check_whole(tmp_path / "new")


@pytest.mark.parametrize("name", ["mirage_data", "mirage_downloads"])
def test_a_file_where_a_folder_belongs(site, tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(DownloadError, match="could not be installed") as caught:
        get(site, tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    (tmp_path / name).unlink()
    get(site, tmp_path)
    check_whole(tmp_path)


def test_no_server(tmp_path):
    with pytest.raises(DownloadError) as caught:
        get(Site(url="http://127.0.0.1:9/"), tmp_path)
    (problem,) = caught.value.problems
    assert "cannot be reached" in problem
    assert "MIRAGE_DASK_DOWNLOAD_URL" in problem


def test_server_that_cannot_be_reached_is_not_tried_for_every_file(tmp_path):
    archives = [dark_archive(path=f"nircam/darks/linearized/A1/{i}.fits.gz") for i in range(20)]
    with pytest.raises(DownloadError) as caught:
        download_reffiles(
            tmp_path, catalogue=archives, base_url="http://127.0.0.1:9/", policy=SOON, parallel=2
        )
    problems = caught.value.problems
    assert len(problems) <= 3  # those that were under way at once
    assert f"Not finished for this reason: {20 - len(problems) + 1} other files, " in problems[-1]


def test_passwords_stay_secret(site, tmp_path):
    base = site.url.replace("http://", "http://user:secret@")
    site.always = status(404)
    with pytest.raises(DownloadError) as caught:
        get(site, tmp_path, base_url=base)
    assert "secret" not in str(caught.value)
    site.always = None
    report = get(site, tmp_path, base_url=base, keep_archives=True)
    assert "secret" not in str(report.files)
    assert not any(b"secret" in p.read_bytes() for p in tmp_path.rglob("*.json"))


@pytest.mark.parametrize("seed", range(12))
def test_faults_in_any_order(site, tmp_path, seed):
    """Whatever comes after whatever: whole, or an error and nothing; and the run after that one heals it."""
    random = np.random.default_rng(seed)
    pool = [fault for faults in MENDED.values() for fault in faults]
    pool += [fault for reason, (fault, _) in FATAL.items() if reason not in ("hangs", "zip bomb")]
    site.etag = ["", "", None, 'W/"weak"'][random.integers(4)]
    site.ranges = bool(random.random() < 0.8)
    site.faults = [pool[i] for i in random.integers(len(pool), size=random.integers(1, 6))]
    site.faults.insert(0, cut(int(random.integers(len(GZIPPED)))))
    for _ in range(10):
        try:
            get(site, tmp_path)
        except DownloadError:
            check_absent(tmp_path)
        else:
            break
    check_whole(tmp_path)
