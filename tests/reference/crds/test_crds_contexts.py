"""Contexts of CRDS: a plan follows the one in use, YAML files with full names and stores keep the one they were made in."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from support.crds_site import LATER, LATER_GAIN, Observatory, observing
from support.simulated import SUBARRAY_SW

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.compat import yaml_generator
from mirage_dask.errors import ReferenceFileError
from mirage_dask.mirage_yaml.writer import REFERENCE_KEYS
from mirage_dask.proposal import Proposal
from mirage_dask.reference.builtin.rules import CONTEXT
from mirage_dask.reference.crds import client
from mirage_dask.reference.crds.lookup import SIMULATION_TYPES, calibrate_env
from mirage_dask.reference.files.reading import file_digest
from mirage_dask.reference.sources import cache_of, find_files
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.settings import rows_of
from mirage_dask.store.plan import Plan

GAIN = "jwst_nircam_gain_nrcb1.fits"


def one_exposure(**settings) -> Proposal:
    """The example, cut down to one exposure of a subarray."""
    given = {"references": "crds", "dates": "2022-10-01", "cosmic_rays": "none"} | settings
    whole = md.open_proposal(md.example_proposal(), **given)
    rows = whole.table[whole.table["name"] == SUBARRAY_SW].reset_index(drop=True)
    return Proposal(whole.file, whole.settings, table=rows)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The contents of all files of the exposure, and of the gain of the later context."""
    (found,) = find_files(rows_of(one_exposure(references="builtin").table), ["builtin"])
    contents = {found[kind].path.name: found[kind].path.read_bytes() for kind in SIMULATION_TYPES}
    stream = io.BytesIO()
    with fits.open(io.BytesIO(contents[GAIN])) as hdus:
        hdus["SCI"].data = hdus["SCI"].data * np.float32(1.25)
        hdus.writeto(stream)
    return contents | {LATER_GAIN: stream.getvalue()}


@pytest.fixture
def site(files):
    with observing(Observatory(dict(files))) as site:
        yield site


@pytest.fixture
def cache(site, tmp_path, monkeypatch) -> Path:
    client._silent.clear()
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    monkeypatch.setenv("CRDS_SERVER_URL", site.url)
    return tmp_path / "crds"


def gain_of(plan: Plan) -> tuple[str, str, str]:
    """Name, source and context of the gain."""
    (row,) = [row for row in plan.info["provenance"]["references"] if row["type"] == "gain"]
    return row["file"], row["source"], row["context"]


def raw(proposal: Proposal) -> np.ndarray:
    return proposal.exposure(SUBARRAY_SW).raw[0, -1, 40:60, 40:60].values


def test_what_is_fetched_gives_the_same_pixels(cache, site, files):
    told = []
    fetched, built = one_exposure(), one_exposure(references="builtin")
    plan = fetched.prepare(progress=lambda *said: told.append(said))
    assert any(said[0].startswith("CRDS files, ") and said[1:] == (12, 12) for said in told)
    rows = [row for row in plan.info["provenance"]["references"] if row["type"] in SIMULATION_TYPES]
    assert {(row["source"], row["context"]) for row in rows} == {("crds", CONTEXT)}
    for row in rows:
        (path,) = cache.rglob(row["file"])
        assert path.read_bytes() == files[row["file"]]
        assert file_digest(path) == row["sha256"]
    np.testing.assert_array_equal(raw(fetched), raw(built))


def test_a_plan_follows_the_context_in_use(cache, site):
    """Also where the context comes from the server, and from what the cache remembers of it: not from CRDS_CONTEXT."""
    first = one_exposure()
    assert gain_of(first.prepare()) == (GAIN, "crds", CONTEXT)
    assert one_exposure().prepare().url == first.prepare().url
    remembered = cache / "config/jwst/server_config"
    remembered.unlink()
    site.context = LATER
    later = one_exposure()
    assert gain_of(later.prepare()) == (LATER_GAIN, "crds", LATER)
    assert later.prepare().url != first.prepare().url
    assert (raw(later) != raw(first)).any()
    remembered.write_text(remembered.read_text().replace(LATER, CONTEXT))
    site.asked.clear()
    assert one_exposure().prepare().url == first.prepare().url
    assert site.asked == []


@pytest.mark.parametrize("word", ["crds_full_name", "crds_full_names"])
def test_yaml_files_with_full_names_keep_their_files(cache, site, tmp_path, monkeypatch, word):
    named, plain = one_exposure(references=None, reffile_defaults=word), one_exposure()
    (path,) = named.write_yaml(tmp_path / "named")
    plain.write_yaml(tmp_path / "plain")
    section = yaml.safe_load(path.read_text())["Reffiles"]
    for key, kind in REFERENCE_KEYS.items():
        if kind in SIMULATION_TYPES:
            assert Path(section[key]).is_file()
            assert cache in Path(section[key]).parents
            assert f"_{kind}_" in section[key]
    assert "crds" not in section.values()
    section = yaml.safe_load((tmp_path / "plain" / path.name).read_text())["Reffiles"]
    assert {section[key] for key in REFERENCE_KEYS} == {"crds"}

    (cache / "config/jwst/server_config").unlink()
    site.context = LATER
    site.asked.clear()
    again = md.open_yaml(tmp_path / "named")
    assert gain_of(again.prepare()) == (GAIN, "crds", CONTEXT)
    provenance = again.prepare().info["provenance"]["references"]
    assert {row["type"] for row in provenance} >= set(SIMULATION_TYPES)
    assert f"CRDS_CONTEXT={CONTEXT}" in calibrate_env(cache_of(provenance))
    assert site.asked == []
    again.write_yaml(tmp_path / "again")
    assert (tmp_path / "again" / path.name).read_text() == path.read_text()
    anew = md.open_yaml(tmp_path / "plain")
    assert gain_of(anew.prepare()) == (LATER_GAIN, "crds", LATER)

    # Who edits a file's key means it.
    path.write_text(path.read_text().replace(f"gain: {cache}/references/jwst/nircam/{GAIN}", "gain: crds"))
    monkeypatch.setenv("CRDS_CONTEXT", LATER)
    assert gain_of(md.open_yaml(tmp_path / "named").prepare()) == (LATER_GAIN, "crds", LATER)


def test_a_type_that_is_not_needed_stays_so(cache, site, tmp_path):
    """The first context says N/A for the dark, the later one names a file."""
    imap = site.rules["jwst_nircam_0001.imap"].decode()
    site.rules["jwst_nircam_0001.imap"] = _without(imap, "jwst_nircam_dark_0001.rmap")
    (path,) = one_exposure(references=None, reffile_defaults="crds_full_name").write_yaml(tmp_path / "named")
    (cache / "config/jwst/server_config").unlink()
    site.context = LATER
    plan = md.open_yaml(path).prepare()
    assert "dark" not in {row["type"] for row in plan.info["provenance"]["references"]}
    assert gain_of(plan) == (GAIN, "crds", CONTEXT)


def _without(imap: str, rmap: str) -> bytes:
    from support.crds_site import changed

    return changed(imap, (rmap, "N/A")).encode()


def test_other_ways_to_full_names(cache, site, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("reffile_defaults: crds_full_name\ndates: 2022-10-01\n")
    assert main(["yaml", str(md.example_proposal()), "--settings", str(settings), "--out", str(tmp_path / "yaml"),
                 "--select", f"name == '{SUBARRAY_SW}'"]) == 0  # fmt: skip
    text = (tmp_path / "yaml" / f"{SUBARRAY_SW}.yaml").read_text()
    assert f"gain: {cache}/references/jwst/nircam/{GAIN}" in text

    generator = yaml_generator.SimInput(str(md.example_proposal()), reffile_defaults="crds_full_name")
    assert generator._references() == {"reffile_defaults": "crds_full_name"}


def test_a_file_that_cannot_be_had_is_said_before_anything_is_written(cache, site, tmp_path):
    del site.references[GAIN]
    with pytest.raises(ReferenceFileError, match=f"{GAIN}.*does not have it"):
        one_exposure(references=None, reffile_defaults="crds_full_name").write_yaml(tmp_path / "yaml")
    assert not (tmp_path / "yaml").exists()


def test_a_store_never_asks_again(cache, site, tmp_path, monkeypatch):
    """What is in the store is enough to finish it and to verify it, without cache, server and context."""
    store = tmp_path / "one.zarr"
    one_exposure().simulate(store, scheduler="serial", progress=False)
    shutil.rmtree(cache)
    monkeypatch.setenv("CRDS_SERVER_URL", "http://localhost:9")
    site.context = LATER
    site.asked.clear()
    shutil.rmtree(store / SUBARRAY_SW)
    simulation = md.open_simulation(store)
    assert gain_of(simulation.store.plan) == (GAIN, "crds", CONTEXT)
    run_plan(simulation.store.plan, store, resources=Resources(scheduler="serial"), progress=False)
    checked = md.open_simulation(store).verify(scheduler="serial")
    assert checked.ok
    assert checked.checked
    assert site.asked == []
    assert not cache.exists()


def test_dates_before_the_launch(caplog):
    words = "exposures that start before the launch (2021-12-25): 1, the first on"
    early = one_exposure(dates="2021-10-04")
    assert [note for note in early.notes if words in note and "2022-07-12" in note] == [early.notes[-1]]
    assert not [note for note in one_exposure(dates="2021-12-26").notes if words in note]
    assert not [n for n in one_exposure(dates="2021-10-04", references="builtin").notes if words in n]
    with pytest.raises(ReferenceFileError):
        early.prepare()
    assert caplog.text.count(words) == 1
