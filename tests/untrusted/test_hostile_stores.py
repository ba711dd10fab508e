"""Stores made to do harm to whoever opens them: nothing is run, written, deleted or asked outside of them."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numcodecs.pickles
import numpy as np
import pytest
import xarray as xr
import zarr
from support import hostile_stores
from support.hostile_stores import change_info, change_spec, change_table, pickle_array

from mirage_dask import cli, open_simulation
from mirage_dask.errors import StoreError
from mirage_dask.reference.crds.lookup import calibrate_env
from mirage_dask.reference.sources import cache_of
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors.resources import Resources
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.untrusted.arrays import quiet

SERIAL = Resources(scheduler="serial")


@pytest.fixture
def store(fake, plan, tmp_path) -> Path:
    path = tmp_path / "s.zarr"
    run_plan(plan, path, resources=SERIAL)
    return path


@pytest.fixture
def trace(tmp_path, monkeypatch) -> Path:
    """A file that exists after code of a store was run; numcodecs unpickles, as its earlier versions do."""
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    return tmp_path / "trace"


def said(capsys, *words: str) -> tuple[int, str]:
    """Run a command in this process: its exit code and what it printed; it never calls itself a bug."""
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "bug of mirage-dask" not in err
    assert "Traceback" not in out + err
    return code, out + err


def read_all(store: Path) -> None:
    """Read what a plan says of its first exposure."""
    opened = SimulationStore.open(store)
    opened.plan.spec(0)
    opened.plan.table_row(opened.plan.names[0])


def commands(store: Path, name: str) -> list[list[str]]:
    folder = store.parent
    return [
        ["verify", str(store), "--serial"],
        ["verify", str(store), "--checksums"],
        ["export", str(store), str(folder / "fits"), "--serial"],
        ["show", str(store), name, "--png", str(folder / "a.png")],
        ["show", str(store), "--what", "mosaic", "--png", str(folder / "b.png")],
        ["status", str(store)],
        ["status", str(store), "--retry-failed", "--serial"],
    ]


def test_arrays_that_unpickle(store, trace, capsys):
    opened = SimulationStore.open(store)
    name = opened.plan.names[0]
    pickle_array(store / name / "raw", trace)
    with suppress(Exception):
        zarr.open_array(str(store / name / "raw"), mode="r")[...]
    assert trace.exists(), "the payload works where nothing is checked"
    trace.unlink()
    for words in commands(store, name):
        _, text = said(capsys, *words)
        if words[0] in ("verify", "export"):
            assert "has lost its metadata (zarr.json)" in text
    for engine in ({"exposure": name}, {"group": name}):
        with pytest.raises(StoreError, match="lost its metadata"):
            xr.open_dataset(store, engine="mirage_dask", **engine).raw.load()
    with pytest.raises(StoreError, match="lost its metadata"):
        open_simulation(store).exposure(name).raw.compute()
    assert not trace.exists()
    run_plan(opened.plan, store, resources=SERIAL)  # the same run writes the metadata again
    assert open_simulation(store).verify(scheduler="serial").ok
    assert not trace.exists()


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("zarr_format", 2, "does not describe a Zarr array of version 3"),
        ("data_type", "uint32", "data_type differ"),
        ("shape", [2, 3, 48, 128], "shape differ"),
        ("fill_value", 7, "fill_value differ"),
        ("codecs", [{"name": "numcodecs.pickle"}], "codecs differ"),
        ("storage_transformers", ["x"], "storage_transformers differ"),
        ("extra", {"must_understand": True}, "extra differ"),
    ],
)
def test_metadata_are_compared_with_the_plan(store, capsys, member, value, words):
    name = SimulationStore.open(store).plan.names[-1]
    path = store / name / "raw" / "zarr.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), member: value}))
    with pytest.raises(StoreError, match=words):
        SimulationStore.open(store).raw(name)
    code, text = said(capsys, "verify", store, "--checksums")
    assert (code, words in text, str(path) in text) == (1, True, True)


def test_attributes_may_be_changed(store):
    """They decide on no value; people add their own."""
    opened = SimulationStore.open(store)
    before = opened.raw(opened.plan.names[0])[...]
    with quiet():
        zarr.open_array(str(store / opened.plan.names[0] / "raw"), mode="r+").attrs["mine"] = "yes"
    assert np.array_equal(opened.raw(opened.plan.names[0])[...], before)


@pytest.mark.parametrize("evil", ["../victim", "/etc/victim", "jw1/../../victim", "plan", "", "jw1\n", ".."])
@pytest.mark.parametrize("where", ["spec", "row", "table"])
def test_names_outside_of_the_store(store, tmp_path, capsys, evil, where):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "data").write_text("precious")
    name = SimulationStore.open(store).plan.names[0]
    if where == "spec":
        change_spec(store, name=evil)
    elif where == "row":
        change_spec(store, name=evil, listed=evil)
    else:
        change_table(store, lambda t: t.assign(name=t["name"].replace(name, evil), status="failed"))
    before = {p.relative_to(tmp_path) for p in tmp_path.rglob("*")}
    for words in commands(store, name):
        code, text = said(capsys, *words)
        if words[0] == "status" and where == "row":
            assert code == 2
            assert "specs.parquet, column name" in text
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*")} - before
    assert {str(p).split("/")[0] for p in made} <= {"fits", "a.png", "b.png", "s.zarr"}
    assert not any("victim" in str(p) for p in made)
    assert (tmp_path / "victim" / "data").read_text() == "precious"
    with pytest.raises(StoreError, match=r"(is|are) not valid|lacks|has another name"):
        read_all(store)


@pytest.mark.parametrize(
    "changes",
    [
        {"pack": "../../secret"},
        {"layers": (("point_source", "../../secret"),)},
        {"layers": (("../x", "abc"),)},
        {"inputs": (("x", "a/b"),)},
        {"filter": "$(touch x)"},
        {"replaced": (("dark", "../../x"),)},
        {"nx": 2**70},
        {"tframe": float("nan")},
        {"attitude": (1.0,)},
        {"ngroups": "3"},
    ],
    ids=str,
)
def test_keys_and_numbers_of_a_specification(store, changes):
    change_spec(store, **changes)
    with pytest.raises(StoreError, match=rf"specs\.parquet: .*{next(iter(changes))} = "):
        SimulationStore.open(store).plan.spec(0)


def test_links_that_lead_out_of_the_store(store, tmp_path):
    opened = SimulationStore.open(store)
    name = opened.plan.names[0]
    victim = tmp_path / "victim"
    (store / name).rename(victim)
    (store / name).symlink_to(victim)
    (victim / "raw" / "zarr.json").unlink()
    before = sorted(victim.rglob("*"))
    with pytest.raises(StoreError, match="is a symbolic link"):
        run_plan(opened.plan, store, resources=SERIAL)
    assert sorted(victim.rglob("*")) == before


def test_pieces_at_other_places(store, capsys):
    """A URL in a plan is never asked."""
    asked: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for place in (f"http://127.0.0.1:{server.server_port}/secret", "/etc/secret", "file:///etc/secret"):
            change_spec(store, replaced=(("dark", f"{place}#{'0' * 32}"),))
            for words in commands(store, SimulationStore.open(store).plan.names[0]):
                said(capsys, *words)
            with pytest.raises(StoreError, match="replaced = "):
                read_all(store)
    finally:
        server.shutdown()
    assert asked == []


@pytest.mark.parametrize(
    "evil", ["jwst_1.pmap; touch x", "$(touch x)", "a b", "jwst_1.pmap\ntouch x", "../x", ""]
)
def test_contexts_are_names(store, capsys, evil):
    use = {
        "selection": "",
        "type": "gain",
        "file": "x",
        "sha256": "",
        "source": "crds",
        "context": evil,
        "pack": "",
    }
    change_info(store, lambda info: info["provenance"].update(references=[use]))
    code, text = said(capsys, "export", store, store.parent / "fits", "--serial")
    assert (code, "not valid (CRDS context)" in text) == (2, True)
    assert not (store.parent / "fits" / "calibrate.env").exists()
    with pytest.raises(StoreError, match="context"):
        calibrate_env(cache_of([use]))


def test_what_a_shell_reads_is_quoted(monkeypatch, tmp_path):
    root = tmp_path / "it's; touch x $(touch y)"
    monkeypatch.setenv("CRDS_PATH", str(root))
    use = {"type": "gain", "source": "crds", "context": "jwst_1234.pmap"}
    (tmp_path / "calibrate.env").write_text(calibrate_env(cache_of([use])))
    script = 'set -a; . ./calibrate.env; printf %s "$CRDS_PATH"'
    answer = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout == str(root)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["calibrate.env"]


@pytest.mark.parametrize(
    "change", [{"provenance": 3}, {"settings": []}, {"versions": {"x": 1}}, {"tile_bytes": "8"}]
)
def test_members_of_a_plan(store, capsys, change):
    change_info(store, lambda info: info.update(change))
    code, text = said(capsys, "status", store)
    assert (code, "plan.json is not a valid plan" in text) == (2, True)


def test_tests_make_hostile_stores_that_only_differ_where_they_say(store):
    change_info(store, lambda info: None)
    change_table(store, lambda table: table)
    change_spec(store)
    hostile_stores.forget()
    assert open_simulation(store).verify(scheduler="serial").ok
