"""What is downloaded again and what is not, progress, reports, and the command line."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from functools import partial

import numpy as np
import pytest
from support.download_site import (
    DARK,
    LIBRARY,
    SOON,
    Site,
    dark_archive,
    fits_file,
    library_archive,
    noise,
    packed,
    serving,
    tar_of,
)

from mirage_dask import cli
from mirage_dask.cli import console
from mirage_dask.download import catalogue
from mirage_dask.download.installer import is_complete_fits
from mirage_dask.download.mirage_data import (
    DownloadError,
    download_reffiles,
    space_needed,
)
from mirage_dask.errors import InputError

MEMBERS = {f"mirage_data/nircam/cosmic_ray_library/{i}.fits": noise(2000, i) for i in range(3)}


def dark_file() -> bytes:
    return fits_file(np.arange(300, dtype=np.int16).reshape(3, 10, 10))


@pytest.fixture
def site():
    with serving(Site({DARK: packed(dark_file()), LIBRARY: packed(tar_of(MEMBERS))})) as found:
        yield found


def get(site, path, **given):
    given = {"policy": SOON, "base_url": site.url} | given
    return download_reffiles(path, catalogue=[dark_archive(), library_archive()], **given)


def statuses(report):
    return [file.status for file in report.files]


# ------------------------------------------------------------------------------------- what is asked for again


def test_downloads_and_unpacks(site, tmp_path):
    report = get(site, tmp_path)
    assert statuses(report) == ["fetched", "fetched"]
    assert (tmp_path / "mirage_data" / DARK.removesuffix(".gz")).read_bytes() == dark_file()
    for name, content in MEMBERS.items():
        assert (tmp_path / name).read_bytes() == content
    kept = [p.name for p in (tmp_path / "mirage_downloads").iterdir()]
    assert not [name for name in kept if not name.endswith((".json", ".lock"))]
    record = json.loads((tmp_path / "mirage_downloads/library.tar.gz.json").read_text())
    assert record["url"] == site.url + LIBRARY
    assert record["files"] == dict.fromkeys(MEMBERS, 2000)
    assert len(record["sha256"]) == 64
    assert record["size"] == len(site.files[LIBRARY])


def test_what_is_here_is_not_asked_for(site, tmp_path):
    get(site, tmp_path)
    site.asked.clear()
    assert statuses(get(site, tmp_path)) == ["present", "present"]
    assert site.asked == []


@pytest.mark.parametrize("harm", ["removed", "shortened"])
def test_what_is_missing_or_short_is_fetched_again(site, tmp_path, harm):
    get(site, tmp_path)
    victim = tmp_path / next(iter(MEMBERS))
    if harm == "removed":
        victim.unlink()
    else:
        victim.write_bytes(b"")
    site.asked.clear()
    assert statuses(get(site, tmp_path)) == ["present", "fetched"]
    assert victim.read_bytes() == MEMBERS[next(iter(MEMBERS))]
    assert {path for _, path, _ in site.asked} == {f"/{LIBRARY}"}


def test_damaged_record_is_no_record(site, tmp_path):
    get(site, tmp_path)
    record = tmp_path / "mirage_downloads/library.tar.gz.json"
    for text in ("", "[]", "{", '{"files": 3}', '{"size": "x"}'):
        record.write_text(text)
        assert statuses(get(site, tmp_path)) == ["present", "fetched"]


def test_darks_of_mirage_are_taken(site, tmp_path):
    place = tmp_path / "mirage_data" / DARK.removesuffix(".gz")
    place.parent.mkdir(parents=True)
    place.write_bytes(dark_file())
    assert statuses(get(site, tmp_path)) == ["present", "fetched"]
    assert all(path == f"/{LIBRARY}" for _, path, _ in site.asked)


def test_half_darks_are_not(site, tmp_path):
    place = tmp_path / "mirage_data" / DARK.removesuffix(".gz")
    place.parent.mkdir(parents=True)
    place.write_bytes(dark_file()[:-2880])
    assert statuses(get(site, tmp_path)) == ["fetched", "fetched"]
    assert place.read_bytes() == dark_file()


def test_whole_fits(tmp_path):
    path, content = tmp_path / "x.fits", dark_file()
    path.write_bytes(content)
    assert is_complete_fits(path)
    for size in (0, 80, 2880 + 80, len(content) - 2881, len(content) - 1):
        path.write_bytes(content[:size])
        assert not is_complete_fits(path), size
    assert not is_complete_fits(tmp_path)


def test_archive_that_is_here_already(site, tmp_path):
    """Copied there by hand: it is not downloaded."""
    place = tmp_path / "mirage_downloads/library.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(site.files[LIBRARY])
    get(site, tmp_path)
    assert (tmp_path / next(iter(MEMBERS))).exists()
    assert all(path == f"/{DARK}" for _, path, _ in site.asked)


def test_archive_that_is_half_here_already(site, tmp_path):
    place = tmp_path / "mirage_downloads/library.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes(site.files[LIBRARY][:100])
    get(site, tmp_path)
    assert (tmp_path / next(iter(MEMBERS))).read_bytes() == MEMBERS[next(iter(MEMBERS))]


def test_archives_are_kept_on_request(site, tmp_path):
    get(site, tmp_path, keep_archives=True)
    assert (tmp_path / "mirage_downloads/library.tar.gz").read_bytes() == site.files[LIBRARY]
    (tmp_path / next(iter(MEMBERS))).unlink()
    site.asked.clear()
    assert statuses(get(site, tmp_path)) == ["present", "fetched"]
    assert site.gets() == []  # unpacked again from the archive


def test_archives_go_as_soon_as_they_are_unpacked(site, tmp_path):
    """Otherwise the disk would have to hold all of them."""
    most = 0

    def look(*_):
        nonlocal most
        most = max(most, len(list((tmp_path / "mirage_downloads").glob("*.gz"))))

    found = [dark_archive(path=f"nircam/darks/raw/A1/{i}.fits.gz") for i in range(4)]
    site.files |= {a.path: site.files[DARK] for a in found}
    download_reffiles(tmp_path, catalogue=found, base_url=site.url, policy=SOON, parallel=1, progress=look)
    assert most == 1


def test_problems_of_all_files_come_together(site, tmp_path):
    many = [library_archive(path=f"fgs/none{i}.tar.gz") for i in range(3)]
    with pytest.raises(DownloadError) as caught:
        download_reffiles(
            tmp_path, catalogue=[*many, dark_archive()], base_url=site.url, policy=SOON, parallel=2
        )
    assert sorted(p.split()[0] for p in caught.value.problems) == [a.name for a in many]
    assert (tmp_path / "mirage_data" / DARK.removesuffix(".gz")).exists()


def test_as_many_at_once_as_asked(site, tmp_path):
    found = [dark_archive(path=f"nircam/darks/raw/A1/{i}.fits.gz") for i in range(6)]
    site.files |= {a.path: site.files[DARK] for a in found}
    now, most, lock, together = 0, 0, threading.Lock(), threading.Event()

    def count(handler):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 3:
                together.set()
        together.wait(60)  # until as many as may be are there
        time.sleep(0.05)  # for one more, which should not come
        handler.answer()
        with lock:
            now -= 1

    site.always = count
    download_reffiles(tmp_path, catalogue=found, base_url=site.url, policy=SOON, parallel=3)
    assert most == 3


def test_progress(site, tmp_path):
    told = []
    get(site, tmp_path, progress=lambda what, done, total: told.append((what, done, total)))
    sizes = sum(len(content) for content in site.files.values())
    assert all(0 <= done <= total for _, done, total in told)
    assert told[-1][1:] == (sizes, sizes)
    done = [d for _, d, _ in told]
    assert done == sorted(done)
    assert done[-1] == sizes
    assert any("unpacking library.tar.gz" in what for what, _, _ in told)
    assert told[-1][0].startswith("2 of 2 files")


def test_space():
    dark, unknown = dark_archive(disk=6_000), library_archive(disk=None)
    assert space_needed([dark], parallel=1, keep_archives=False) == 6_000
    assert space_needed([unknown], parallel=1, keep_archives=False) == 0
    many = [dark_archive(path=f"{i}.fits.gz", disk=6_000) for i in range(10)]
    assert space_needed(many, parallel=4, keep_archives=False) == 10 * 3_000 + 4 * 3_000
    assert space_needed(many, parallel=4, keep_archives=True) == 10 * 6_000


def test_reminder_is_a_line_for_the_shell(site, tmp_path):
    report = get(site, tmp_path / "with space")
    assert report.reminder == f"export MIRAGE_DATA='{tmp_path}/with space/mirage_data'"


# ------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def small(site, monkeypatch):
    """The command line, with a table of two archives and the server of this test."""
    monkeypatch.setattr(catalogue, "archives", lambda: (dark_archive(), library_archive()))
    monkeypatch.setenv("MIRAGE_DASK_DOWNLOAD_URL", site.url)
    return site


def test_command(small, tmp_path, capsys):
    assert cli.main(["reference", "download", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"export MIRAGE_DATA={tmp_path}/mirage_data\n"
    assert "2 archives fetched, 0 existed already" in err
    assert (tmp_path / next(iter(MEMBERS))).exists()
    assert cli.main(["reference", "download", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [f["status"] for f in told["files"]] == ["present", "present"]
    assert told["reminder"].startswith("export MIRAGE_DATA=")


def test_as_mirage_users_call_it(small, tmp_path, capsys):
    from mirage_dask.compat import downloader

    downloader.download_reffiles(str(tmp_path), "nircam", "linearized", False, True)
    assert f"export MIRAGE_DATA={tmp_path}/mirage_data" in capsys.readouterr().err
    assert (tmp_path / next(iter(MEMBERS))).exists()
    with pytest.raises(InputError, match="dark_type 'baked'"):
        downloader.download_reffiles(str(tmp_path), dark_type="baked")
    with pytest.raises(TypeError, match="at most 7"):
        downloader.download_reffiles(str(tmp_path), "all", "raw", *[False] * 6)
    with pytest.raises(TypeError, match="dark_type"):
        downloader.download_reffiles(str(tmp_path), "all", "raw", dark_type="raw")


def test_bytes_in_a_terminal_and_in_a_log(monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(console, "_log_lines", partial(console._log_lines, seconds=-1.0))
    for terminal in (True, False):
        stream = io.StringIO()
        shown = Console(file=stream, force_terminal=terminal, width=100)
        monkeypatch.setattr(console, "_console", lambda stderr, shown=shown: shown)
        with console.progress_bytes() as progress:
            progress("1 of 2 files, " + "long" * 30, 1_500_000, 3_000_000)
        assert ("1.5/3.0 MB" if terminal else "(1.5 MB of 3 MB)") in stream.getvalue()


def test_command_reports_every_problem(small, tmp_path, capsys):
    small.files.clear()
    assert cli.main(["reference", "download", str(tmp_path), "--attempts", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("error:") == 2
    assert "Traceback" not in err


def test_dry_run_asks_nobody(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MIRAGE_DASK_DOWNLOAD_URL", "http://127.0.0.1:9/")
    words = ["reference", "download", str(tmp_path / "new"), "--dry-run", "--single-dark"]
    assert cli.main([*words, "--instrument", "nircam"]) == 0
    out, err = capsys.readouterr()
    rows = out.splitlines()
    assert len(rows) == 1 + 17
    assert "4.6 GB" in out
    assert "6.38 GB" in out
    assert "17 of 17 archives to fetch: about 87.9 GB on the disk" in err
    assert not (tmp_path / "new").exists()
    assert cli.main([*words, "--json"]) == 0
    assert all(f["status"] == "to fetch" for f in json.loads(capsys.readouterr().out)["files"])


def test_wrong_words(tmp_path, capsys):
    for words, hint in [
        (["reference", "download"], "PATH"),
        (["reference"], "ACTION"),
        (["reference", "downlaod", "x"], "did you mean 'download'?"),
        (["reference", "download", "x", "--dark-type", "linear"], "did you mean 'linearized'?"),
        (["reference", "download", "x", "--instrument", "nircan"], "did you mean 'nircam'"),
        (["reference", "download", "x", "--parallel", "0"], "at least 1"),
        (["reference", "download", "x", "--base-url", "ftp://x/"], "base_url is 'ftp://x/'"),
    ]:
        assert cli.main(words) == 2, words
        assert hint in capsys.readouterr().err


def test_gzip_of_several_members(site, tmp_path):
    content = dark_file()
    site.files[DARK] = gzip.compress(content[:3000]) + gzip.compress(content[3000:])
    get(site, tmp_path)
    assert (tmp_path / "mirage_data" / DARK.removesuffix(".gz")).read_bytes() == content
