"""All that goes wrong on the way: the file is there, byte for byte, or an error says why and it is not."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from download_site import DARK, SOON, Site, dark_archive, fits_file, noise, packed, serving

from mirage_dask.download import http
from mirage_dask.download.mirage_data import DownloadError, download_reffiles


def dark(seed):
    """A FITS file that does not compress."""
    return fits_file(np.frombuffer(noise(300_000, seed), dtype=np.uint8).reshape(-1, 100))


def stored(content):
    """As long as any other content of this length."""
    return gzip.compress(content, compresslevel=0, mtime=0)


CONTENT = dark(1)
GZIPPED = stored(CONTENT)
HALF = len(GZIPPED) // 2


@pytest.fixture
def site():
    with serving(Site({DARK: GZIPPED})) as found:
        yield found


def get(site, path, archive=None, **given):
    given = {"policy": SOON, "base_url": site.url} | given
    return download_reffiles(path, catalogue=[archive or dark_archive()], **given)


def final(path):
    return path / "mirage_data" / DARK.removesuffix(".gz")


def check_whole(path):
    assert final(path).read_bytes() == CONTENT
    left = sorted(p.name for p in (path / "mirage_downloads").iterdir())
    assert left == ["dark_a1.fits.gz.json", "dark_a1.fits.gz.lock"]


def check_absent(path):
    assert not final(path).exists()
    files = [p.name for p in path.rglob("*") if p.is_file()]
    assert not [name for name in files if not name.startswith("dark_a1.fits.gz")]


def cut(size):
    """The connection closes after so many bytes of the body."""
    return lambda handler: handler.answer(cut=size)


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
    policy = http.RetryPolicy(attempts=3, backoff=0.01, timeout=0.3)
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
    monkeypatch.setattr("mirage_dask.io.files.free_bytes", lambda url: 1000)
    with pytest.raises(
        DownloadError, match=r"0.0 GB free, and these 1 files need about 0.0 GB; free some space"
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
    start = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        download_reffiles(
            tmp_path, catalogue=archives, base_url="http://127.0.0.1:9/", policy=SOON, parallel=2
        )
    assert time.monotonic() - start < 2
    problems = caught.value.problems
    assert len(problems) <= 3
    assert "other files were not finished for this reason: " in problems[-1]


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


STEPS = """
import os, pathlib, shutil, sys
sys.path.insert(0, {tests!r})
from download_site import SOON, dark_archive
from mirage_dask.download import unpacking
from mirage_dask.download import http
from mirage_dask.download.mirage_data import download_reffiles
import requests, astropy.io.fits

def get(path, base):
    download_reffiles(path, catalogue=[dark_archive()], base_url=base, policy=SOON, check_space=False)

def dying(function):
    def call(*args, **given):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return function(*args, **given)
    return call

def forked(run, *args):
    child = os.fork()
    if child == 0:
        run(*args)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def killed(path, base):
    for owner, name in [(os, "replace"), (os, "mkdir"), (os, "unlink"), (os, "rmdir"), (os, "open")]:
        setattr(owner, name, dying(getattr(owner, name)))
    get(path, base)

for step in range(1, 200):
    left, path = step, pathlib.Path({path!r}, str(step))
    code = forked(killed, path, {url!r})
    final = path / "mirage_data" / {target!r}
    if final.exists():
        print(step, code, final.stat().st_size, flush=True)
    else:
        print(step, code, -1, flush=True)
    assert forked(get, path, {url!r}) == 0
    print(step, "then", final.stat().st_size, *sorted(p.name for p in (path / "mirage_downloads").iterdir()), flush=True)
    if code == 0:
        break
"""


def test_killed_at_every_step(site, tmp_path):
    """The process ends without a word before its n-th change of the disk, for every n; then the same again."""
    code = STEPS.format(
        tests=os.path.dirname(__file__), path=str(tmp_path), url=site.url, target=DARK.removesuffix(".gz")
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    killed, healed = lines[::2], lines[1::2]
    assert len(killed) > 8
    assert [code for _, code, _ in killed] == ["9"] * (len(killed) - 1) + ["0"]
    assert {size for _, _, size in killed} == {"-1", str(len(CONTENT))}
    assert {size for _, _, size, *_ in healed} == {str(len(CONTENT))}
    tidy = ["dark_a1.fits.gz.json", "dark_a1.fits.gz.lock"]
    assert [(n, left) for n, _, _, *left in healed if left != tidy] == []


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from download_site import SOON, dark_archive
from mirage_dask.download.mirage_data import download_reffiles
download_reffiles({path!r}, catalogue=[dark_archive()], base_url={url!r}, policy=SOON)
"""


def run(site, path):
    code = SCRIPT.format(tests=os.path.dirname(__file__), path=str(path), url=site.url)
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_killed_in_the_middle_then_resumed(site, tmp_path):
    released = threading.Event()

    def stall(handler):
        handler.answer(cut=HALF)
        released.wait(20)

    site.always = stall
    process = run(site, tmp_path)
    part = tmp_path / "mirage_downloads/dark_a1.fits.gz.part"
    wait_for(lambda: part.exists() and part.stat().st_size >= HALF - http.CHUNK)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    released.set()
    check_absent(tmp_path)
    site.always = None
    site.asked.clear()
    get(site, tmp_path)
    check_whole(tmp_path)
    assert [r is not None and r != "bytes=0-" for r in site.gets()] == [True]


def test_two_processes_at_once(site, tmp_path):
    site.always = lambda handler: time.sleep(0.3) or True
    processes = [run(site, tmp_path) for _ in range(2)]
    for process in processes:
        _, told = process.communicate(timeout=20)
        assert process.returncode == 0, told
    check_whole(tmp_path)
    assert site.gets() == [None]


def test_two_threads_at_once(site, tmp_path):
    threads = [threading.Thread(target=get, args=(site, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_whole(tmp_path)
    assert site.gets() == [None]


def test_interrupted_by_the_keyboard(site, tmp_path):
    site.always = lambda handler: time.sleep(0.2) or handler.answer(cut=HALF)
    site.ranges = False

    def interrupt(what, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(site, tmp_path, progress=interrupt)
    check_absent(tmp_path)
