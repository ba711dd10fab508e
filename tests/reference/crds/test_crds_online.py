"""Fetching from CRDS: what the real client of crds gets from a server that speaks its language, and what may go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.crds_site import (
    LATER,
    LATER_GAIN,
    Observatory,
    broken_off,
    damaged,
    hanging,
    not_there,
    observing,
    overloaded,
    placeholders,
    reset,
    truncated,
)
from support.reference_set import EXPOSURE, exposure_row

from mirage_dask.errors import ReferenceFileError
from mirage_dask.reference.builtin.rules import CONTEXT
from mirage_dask.reference.checking import TO_BE_FETCHED, check_references
from mirage_dask.reference.crds import client
from mirage_dask.reference.crds.client import missing_rules
from mirage_dask.reference.crds.lookup import SIMULATION_TYPES, CrdsCache, environment, question, recommend
from mirage_dask.reference.crds.observatory import DEFAULT_SERVER, observatory_cache, observatory_context
from mirage_dask.reference.prepare import prepare_references
from mirage_dask.reference.sources import find_files
from mirage_dask.settings import ExposureRow

GAIN = "jwst_nircam_gain_nrcb1.fits"
ROW = exposure_row(references="crds")


def names_of(exposure: ExposureRow) -> dict[str, str]:
    cache = CrdsCache.builtin()
    return recommend([("x", question(exposure))], cache=cache, types=SIMULATION_TYPES)[0]


@pytest.fixture
def site():
    names = list(names_of(exposure_row()).values())
    with observing(Observatory(placeholders([*names, LATER_GAIN]))) as site:
        yield site


@pytest.fixture
def cache(site, tmp_path, monkeypatch) -> Path:
    """An empty cache that is connected to the server."""
    client._silent.clear()
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    monkeypatch.setenv("CRDS_SERVER_URL", site.url)
    monkeypatch.setenv("CRDS_CLIENT_TIMEOUT_SECONDS", "2")
    monkeypatch.delenv("CRDS_CONTEXT", raising=False)
    return tmp_path / "crds"


def left_over(cache: Path) -> list[str]:
    """Names of files that are no file of a CRDS cache."""
    known = (".fits", ".asdf", "map", "server_config", "ref_cache_subdir_mode")
    files = [p for p in cache.rglob("*") if p.is_file()]
    return [p.name for p in files if p.name.startswith(".") or not p.name.endswith(known)]


def test_an_empty_cache_is_filled_with_what_is_needed(site, cache):
    told = []
    rows = [exposure_row(), exposure_row(name="other")]
    found = find_files(rows, ["crds"], progress=lambda *said: told.append(said))
    assert found[0] == found[1]
    assert {kind: file.path.name for kind, file in found[0].items()} == names_of(exposure_row())
    for file in found[0].values():
        assert file.path.read_bytes() == site.references[file.path.name]
        assert (file.source, file.context) == ("crds", CONTEXT)
    assert {p.name: p.read_bytes() for p in (cache / "mappings/jwst").iterdir()} == {
        name: site.rules[name] for name in site.closure(CONTEXT)
    }
    assert left_over(cache) == []
    # Each once, and nothing else.
    fetched = [name for name in site.asked if "." in name]
    assert sorted(fetched) == sorted([*names_of(exposure_row()).values(), *site.closure(CONTEXT)])
    texts, done, total = zip(*[said for said in told if "CRDS files" in said[0]], strict=True)
    assert set(total) == {len(found[0])}
    assert (done[-1], list(done)) == (len(found[0]), sorted(done))
    assert all(" of 0.0 MB: jwst_nircam_" in text for text in texts)


def test_nobody_is_asked_when_all_is_there(site, cache):
    first = find_files([exposure_row()], ["crds"])
    site.asked.clear()
    site.context = LATER  # the cache stays in its context until somebody connects it
    assert find_files([exposure_row()], ["crds"]) == first
    assert find_files([exposure_row()], ["builtin"])
    assert site.asked == []
    (cache / "references/jwst/nircam" / GAIN).unlink()
    assert find_files([exposure_row()], ["crds"]) == first
    assert site.files() == [GAIN]
    assert observatory_context().context == CONTEXT


def test_what_the_context_is(site, cache, monkeypatch):
    site.context = LATER
    assert observatory_context().context == LATER
    assert not (cache / "mappings").exists()
    site.asked.clear()
    assert observatory_cache().context == LATER
    assert site.asked[:2] == ["get_server_info", "get_mapping_names"]
    monkeypatch.setenv("CRDS_CONTEXT", CONTEXT)
    assert observatory_cache().context == CONTEXT
    assert missing_rules(CrdsCache(cache, CONTEXT, "crds")) == []
    site.asked.clear()
    monkeypatch.delenv("CRDS_CONTEXT")
    assert observatory_context().context == LATER
    assert site.asked == []
    site.context = CONTEXT
    monkeypatch.setenv("CRDS_CONTEXT", "latest")
    assert observatory_context().context == CONTEXT
    monkeypatch.setenv("CRDS_CONTEXT", "jwst-2022-01-01T00:00:00")
    assert observatory_context().context == CONTEXT
    assert site.asked[-1] == "get_context_by_date"
    for word in ("build", "jwst-build", "jwst-latest", "jwst-operational", "jwst-edit"):
        monkeypatch.setenv("CRDS_CONTEXT", word)
        assert observatory_context().context == CONTEXT
    for word, remedy in (
        ("newest", "CRDS_CONTEXT is 'newest', which is not a valid context"),
        ("jwst_9.pmap", "jwst_9"),
    ):
        monkeypatch.setenv("CRDS_CONTEXT", word)
        with pytest.raises(ReferenceFileError, match=remedy):
            find_files([exposure_row()], ["crds"])
    # Without a network, what the cache remembers is the latest.
    monkeypatch.setenv("CRDS_CONTEXT", "latest")
    with monkeypatch.context() as changed:
        changed.setenv("CRDS_SERVER_URL", "http://localhost:9")
        assert observatory_context().context == CONTEXT
        changed.setenv("CRDS_CONTEXT", "jwst-2022-01-01T00:00:00")
        with pytest.raises(
            ReferenceFileError,
            match="CRDS_CONTEXT is 'jwst-2022-01-01T00:00:00', which is not a valid context",
        ):
            observatory_context()
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    monkeypatch.setenv("CRDS_CONTEXT", "latest")
    assert observatory_context().context == CONTEXT


def test_an_empty_cache_and_a_given_context(site, cache, monkeypatch):
    site.context = LATER
    monkeypatch.setenv("CRDS_CONTEXT", CONTEXT)
    (found,) = find_files([exposure_row()], ["crds"])
    assert (found["gain"].path.name, found["gain"].context) == (GAIN, CONTEXT)
    monkeypatch.setenv("CRDS_CONTEXT", LATER)
    (found,) = find_files([exposure_row()], ["crds"])
    assert (found["gain"].path.name, found["gain"].context) == (LATER_GAIN, LATER)


@pytest.mark.parametrize("fault", [broken_off, truncated, reset, damaged, overloaded])
def test_a_fault_that_passes_is_mended(site, cache, fault):
    site.faults = {GAIN: [fault], "jwst_nircam_0001.imap": [fault]}
    (found,) = find_files([exposure_row()], ["crds"])
    assert found["gain"].path.read_bytes() == site.references[GAIN]
    assert (cache / "mappings/jwst/jwst_nircam_0001.imap").read_bytes() == site.rules["jwst_nircam_0001.imap"]
    assert site.asked.count(GAIN) == 2
    assert left_over(cache) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (broken_off, "tried 3 times"),
        (truncated, "does not match server size"),
        (reset, "tried 3 times"),
        (damaged, "does not match server sha1sum"),
        (overloaded, "503"),
        (not_there, "404"),
        (hanging, "timed out"),
    ],
)
def test_a_fault_that_stays_leaves_nothing(site, cache, fault, words):
    """The other files are there, the error says all that is to be known, and the next run mends it."""
    site.faults = {GAIN: [fault] * 3}
    with pytest.raises(ReferenceFileError) as caught:
        find_files([exposure_row(overrides="")], ["crds"])
    first, *others = str(caught.value).splitlines()
    assert others == [] or fault is hanging  # a server that hangs is not waited for again
    text = next(line for line in (first, *others) if GAIN in line)
    parts = (
        EXPOSURE["name"],
        GAIN,
        "(gain for INSTRUMENT NIRCAM, DETECTOR NRCB1",
        "SUBARRAY FULL",
        str(cache),
        CONTEXT,
    )
    for part in (
        *parts,
        site.url,
        words,
        "reffile_overrides",
        "[crds, builtin]",
        "mirage-dask reference build",
    ):
        assert part in text
    assert not (cache / "references/jwst/nircam" / GAIN).exists()
    assert left_over(cache) == []
    site.faults = {}
    (found,) = find_files([exposure_row()], ["crds"])
    assert found["gain"].path.read_bytes() == site.references[GAIN]


def test_a_checksum_that_is_never_right(site, cache, caplog):
    site.wrong_sums = {GAIN}
    (found,) = find_files([exposure_row()], ["crds", "builtin"])
    assert (found["gain"].source, found["flat"].source) == ("builtin", "crds")
    assert "does not match server sha1sum" in caplog.text
    assert not (cache / "references/jwst/nircam" / GAIN).exists()
    own = cache.parent / "my_gain.fits"
    own.write_bytes(b"mine")
    row = exposure_row(overrides=f'{{"gain": "{own}"}}')
    assert "gain" not in find_files([row], ["crds"])[0]


@pytest.mark.parametrize("way", ["refused", "silent", "readonly", "serverless"])
def test_without_a_server(site, cache, monkeypatch, way):
    words = {
        "refused": "does not answer (Connection refused)",
        "silent": "does not answer (timed out)",
        "readonly": "CRDS_READONLY_CACHE",
        "serverless": "serverless",
    }[way]
    if way == "refused":
        monkeypatch.setenv("CRDS_SERVER_URL", "http://localhost:9")
    elif way == "silent":
        site.silent = True
        monkeypatch.setenv("CRDS_CLIENT_TIMEOUT_SECONDS", "1")
    elif way == "readonly":
        monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    else:
        monkeypatch.setenv("CRDS_SERVER_URL", "https://jwst-serverless.stsci.edu")
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(ReferenceFileError) as caught:
            find_files([exposure_row(), exposure_row(name="other")], ["crds"])
    assert time.monotonic() - start < 6
    (text,) = str(caught.value).splitlines()
    for part in (
        *(f"{EXPOSURE['name']} and 1 other", "gain", "DETECTOR NRCB1", str(cache), "not a CRDS cache"),
        *(words, "reffile_overrides", "[crds, builtin]", "mirage-dask reference build"),
    ):
        assert part in text
    assert len(site.asked) == (way == "silent")
    assert not cache.exists()
    (found,) = find_files([exposure_row()], ["crds", "builtin"])
    assert {file.source for file in found.values()} == {"builtin"}


def test_something_else_than_crds_answers(site, cache, monkeypatch):
    monkeypatch.setattr(site, "call", lambda method, params: "<html>Log in here</html>")
    with pytest.raises(ReferenceFileError, match="does not answer"):
        find_files([exposure_row()], ["crds"])


def test_a_cache_that_cannot_be_written(site, cache):
    cache.write_text("a file in its place")
    with pytest.raises(ReferenceFileError, match=f"{cache}.* CRDS_PATH"):
        find_files([exposure_row()], ["crds"])


def test_check_fetches_no_reference_file(site, cache, monkeypatch):
    uses = [u for u in check_references([ROW]) if u.source == "crds"]
    assert {use.type for use in uses} == set(SIMULATION_TYPES)
    assert {use.state for use in uses} == {TO_BE_FETCHED}
    assert site.files() == []
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    (gain,) = [use for use in check_references([ROW]) if "gain" in use.problem and use.type == "gain"]
    assert "CRDS_READONLY_CACHE" in gain.problem


def test_each_question_is_asked_once(site, cache, monkeypatch, tmp_path):
    """Exposures that differ in what CRDS does not look at are one question; their number does not count."""
    from crds.core import heavy_client

    asked = []
    real = heavy_client.getrecommendations
    monkeypatch.setattr(
        heavy_client,
        "getrecommendations",
        lambda header, **how: (asked.append(header), real(header, **how))[1],
    )
    own = tmp_path / "gain.fits"
    own.write_bytes(b"")
    rows = [exposure_row(name=f"e{i}") for i in range(50)]
    rows += [exposure_row(name=f"o{i}", overrides=f'{{"gain": "{own}"}}') for i in range(50)]
    rows += [exposure_row(name="later", start_time="2023-01-01T00:00:00")]
    # The placeholders are no FITS files: reading them comes after all questions.
    with pytest.raises(ReferenceFileError):
        prepare_references(rows, destination_url=str(tmp_path / "plan"), sources=["crds"])
    assert len(asked) == len({tuple(header.items()) for header in asked}) == 2


def test_defaults(monkeypatch, tmp_path):
    for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CRDS_CONTEXT", CONTEXT)
    cache = observatory_context()
    assert (cache.root, cache.server) == (tmp_path / "crds_cache", DEFAULT_SERVER)
    assert DEFAULT_SERVER == "https://jwst-crds.stsci.edu"


@pytest.mark.parametrize(("name", "value"), [("CRDS_REFPATH", "/elsewhere"), ("CRDS_S3_ENABLED", "true")])
def test_what_cannot_be_followed_is_said(site, cache, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ReferenceFileError, match=f"{name} is not supported here: unset it"):
        find_files([exposure_row()], ["crds"])
    assert site.asked == []


def test_a_flat_cache(site, cache, monkeypatch):
    """Where all files lie in one folder, they are looked for and put there."""
    (cache / "config/jwst").mkdir(parents=True)
    (cache / "config/jwst/ref_cache_subdir_mode").write_text("flat")
    (found,) = find_files([exposure_row()], ["crds"])
    assert {file.path.parent for file in found.values()} == {cache / "references" / "jwst"}
    with environment(observatory_cache()):
        import crds

        files = crds.getreferences(question(exposure_row()), reftypes=["gain"], observatory="jwst")
    assert files == {"gain": str(found["gain"].path)}


EARLIER = """
import os, sys
os.environ |= {"CRDS_SERVER_URL": "https://hst-crds.stsci.edu", "CRDS_PATH": "/nowhere", "CRDS_CONTEXT": "hst_0001.pmap"}
import crds
from crds.client import api
from crds.core import config
config.CRDS_REF_SUBDIR_MODE = "flat"
before = api.URL, config.CRDS_REF_SUBDIR_MODE, config.get_cache_readonly()
for name in ("CRDS_PATH", "CRDS_CONTEXT"):
    del os.environ[name]
os.environ["CRDS_SERVER_URL"] = sys.argv[1]
from support.reference_set import exposure_row
from mirage_dask.reference.sources import find_files
(found,) = find_files([exposure_row()], ["crds"])
print(found["gain"].path)
assert (api.URL, config.CRDS_REF_SUBDIR_MODE, config.get_cache_readonly()) == before
assert "CRDS_PATH" not in os.environ
"""


def test_a_process_that_imported_crds_with_other_values(site, tmp_path):
    """What crds keeps from its import on is set for our questions, and put back; the defaults hold."""
    run = subprocess.run(
        [sys.executable, "-c", EARLIER, site.url],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    path = tmp_path / "crds_cache/references/jwst/nircam" / GAIN
    assert run.stdout.split() == [str(path)]
    assert path.read_bytes() == site.references[GAIN]


KILLED = """
from support.reference_set import exposure_row
from mirage_dask.reference.sources import find_files
find_files([exposure_row()], ["crds"])
"""


def test_a_killed_process_leaves_no_half_file(site, cache, monkeypatch):
    monkeypatch.setenv("CRDS_CLIENT_TIMEOUT_SECONDS", "60")
    site.faults = {GAIN: [hanging]}
    process = subprocess.Popen([sys.executable, "-c", KILLED], env=os.environ.copy())
    until = time.monotonic() + 60
    while time.monotonic() < until and not (GAIN in site.asked and list(cache.rglob(".tmp_*"))):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    site.done.set()
    assert GAIN in site.asked
    assert not (cache / "references/jwst/nircam" / GAIN).exists()
    for name in left_over(cache):
        (path,) = cache.rglob(name)
        os.utime(path, (0, 0))
    (found,) = find_files([exposure_row()], ["crds"])
    assert found["gain"].path.read_bytes() == site.references[GAIN]
    assert not [name for name in left_over(cache) if "gain" in name]


def test_two_processes_fetch_each_file_once(site, cache):
    command = [sys.executable, "-c", KILLED]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in running:
        assert process.wait(60) == 0, process.stderr.read()
    assert sorted(site.files()) == sorted(names_of(exposure_row()).values())
    assert left_over(cache) == []
