"""Killed, interrupted, and several at once: what has arrived is kept, and every file is complete in the end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from support.download_site import DARK, Site, serving
from support.one_dark import CONTENT, GZIPPED, HALF, check_absent, check_whole, get

from mirage_dask.download import http


@pytest.fixture
def site():
    with serving(Site({DARK: GZIPPED})) as found:
        yield found


STEPS = """
import os, pathlib, shutil, sys
from support.download_site import SOON, dark_archive
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
    code = STEPS.format(path=str(tmp_path), url=site.url, target=DARK.removesuffix(".gz"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
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
from support.download_site import SOON, dark_archive
from mirage_dask.download.mirage_data import download_reffiles
download_reffiles({path!r}, catalogue=[dark_archive()], base_url={url!r}, policy=SOON)
"""


def run(site, path):
    code = SCRIPT.format(path=str(path), url=site.url)
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_killed_in_the_middle_then_resumed(site, tmp_path):
    released = threading.Event()

    def stall(handler):
        handler.answer(cut=HALF)
        released.wait(60)

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
        _, told = process.communicate(timeout=120)
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
