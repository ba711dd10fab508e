"""What is given to others says nothing of who made it: stores, reports, pieces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from support.small_plans import make_spec, small_specs, table_of

from mirage_dask.io.privacy import anonymous, anonymous_values, has_secrets, local_path
from mirage_dask.run.execute import run_plan
from mirage_dask.run.executors import performance
from mirage_dask.run.executors.resources import Resources
from mirage_dask.settings import load_settings
from mirage_dask.store.pieces import reference_piece
from mirage_dask.store.plan import save_plan
from mirage_dask.store.simulation import SimulationStore

SECRETS = ("alice", "hunter2", "t0ken")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "home" / "alice"
    folder.mkdir(parents=True)
    (tmp_path / "scratch" / "alice").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USER", "alice")
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{home}/a.cat", "~/a.cat"),
        ("{home}", "~"),
        ('File "{home}/x.py", line 3', 'File "~/x.py", line 3'),
        ("{home}2/a", "{home}2/a"),
        ("/data{home}/a", "/data{home}/a"),
        ("/scratch/alice/b", "/scratch/$USER/b"),
        ("/scratch/alice2/b", "/scratch/alice2/b"),
        ("alice and bob", "alice and bob"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("https://alice:hunter2@host:8/p?sig=t0ken#part", "https://host:8/p#part"),
        ("no (https://h/p?sig=t0ken), https://alice@h", "no (https://h/p https://h"),
    ],
)
def test_texts(home, text, expected):
    # The address of the last one ends with the bracket and the comma, which belong to its query.
    if "data{home}" in text:
        expected = expected.replace("{home}", str(home).replace("/alice", "/$USER"))
    assert anonymous(text.replace("{home}", str(home))) == expected.replace("{home}", str(home))


def test_records_are_paths_again(home):
    for path in (home / "a b" / "c.cat", Path("/scratch/alice/x"), Path("/data/x")):
        assert local_path(anonymous(str(path))) == path
    assert anonymous_values({"a": [str(home), 1, None], str(home): (True,)}) == {
        "a": ["~", 1, None],
        "~": [True],
    }


def test_a_store_names_nobody(fake, home, tmp_path):
    scratch = tmp_path / "scratch" / "alice"
    catalog = home / "stars.cat"
    catalog.write_text("")
    settings = {"catalogs": {"point_source": str(catalog)}, "psf_paths": str(scratch)}
    specs = [make_spec(1, layers=(("background", "-1.0"),)), *small_specs()[1:]]
    table = table_of(
        specs, point_source=str(catalog), psf_path=str(scratch), overrides=json.dumps({"gain": str(catalog)})
    )
    place = f"https://alice:hunter2@host/{home}/x?token=t0ken"
    plan = save_plan(
        tmp_path / "plan", table, specs, settings=settings, provenance={"references": [], "server": place}
    )
    report = run_plan(plan, tmp_path / "s.zarr", resources=Resources(scheduler="serial"))
    assert len(report.failures) == 1
    for path in (tmp_path / "s.zarr").rglob("*"):
        if path.suffix == ".parquet":
            content = pd.read_parquet(path).to_csv()
        else:
            content = path.read_bytes().decode("latin-1") if path.is_file() else ""
        assert not [secret for secret in SECRETS if secret in content], path
    store = SimulationStore.open(tmp_path / "s.zarr")
    assert store.table["traceback"].str.contains("poisoned exposure").sum() == 1
    found = load_settings(store.plan.info["settings"])  # paths of this machine again
    assert (found.catalogs[0].path, found.psf_paths) == (str(catalog), str(scratch))


def test_performance_reports(home, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(f"<p>{home}/x.py</p> tcp://alice:hunter2@h:1 https://cdn/x.js")
    performance._make_anonymous(path)
    assert path.read_text() == "<p>~/x.py</p> tcp://h:1 https://cdn/x.js"


def test_arrays_at_addresses_with_secrets_are_copied(monkeypatch):
    array = zarr.create_array("memory://secrets/x", shape=(2, 2), dtype="f4")
    array[...] = np.ones((2, 2))
    for place, kept in (("s3://b/x", True), ("https://u:p@h/x", False), ("https://h/x?sig=1", False)):
        assert has_secrets(place) != kept
        monkeypatch.setattr(type(array), "store_path", place)
        assert (reference_piece(array) is not None) == kept
