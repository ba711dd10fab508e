"""The commands at work on the example proposal: what they print where, what they leave behind, how they end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mirage_dask import cli, example_proposal
from mirage_dask.cli.reference import _uses
from mirage_dask.instruments import get_detector

PROPOSAL = str(example_proposal())
GIVEN = [PROPOSAL, "--settings", str(example_proposal().with_name("settings.yaml"))]
SMALL = "subarray != 'FULL' and detector == 'NRCB1' and exposure <= 2"
FIRST = "jw99001002001_01101_00001_nrcb1"


def run(capsys, *words: str, code: int = 0) -> tuple[str, str]:
    """Run a command; return what it wrote to stdout and stderr."""
    assert cli.main(list(words)) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, cache_directory) -> Path:
    """A store of two small exposures, made by the command."""
    path = tmp_path_factory.mktemp("cli") / "small.zarr"
    assert cli.main(["simulate", *GIVEN, "--out", str(path), "--select", SMALL, "--quiet"]) == 0
    return path


def test_exposures(capsys):
    out, err = run(capsys, "exposures", *GIVEN)
    lines = out.splitlines()
    assert lines[0].split()[0] == "name"
    assert len(lines) == 29
    assert "28 detector exposures, 28 can be simulated" in err


def test_exposures_as_files(capsys, tmp_path):
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    out, err = run(capsys, "exposures", *GIVEN, "--csv", str(csv), "--parquet", str(parquet))
    assert not out
    assert f"wrote 28 rows to {csv}" in err
    a, b = pd.read_csv(csv), pd.read_parquet(parquet)
    assert list(a["name"]) == list(b["name"])
    assert {"ra_ref", "detector", "status", "s_region"} <= set(a)
    out, _ = run(capsys, "exposures", *GIVEN, "--csv", "-", "--select", SMALL)
    assert len(out.splitlines()) == 3


def test_exposures_as_json(capsys):
    out, _ = run(
        capsys, "exposures", *GIVEN, "--json", "--select", "detector == 'NRCB5' and subarray == 'FULL'"
    )
    rows = json.loads(out)
    assert {row["detector"] for row in rows} == {"NRCB5"}
    assert isinstance(rows[0]["ra_ref"], float)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["exposures", "nowhere.aptx"], "nowhere.aptx"),
        (["exposures", PROPOSAL, "--settings", "nowhere.yaml"], "nowhere.yaml"),
        (["exposures", PROPOSAL, "--select", "detectr == 1"], "detectr"),
        (["show", PROPOSAL, "jw99001002001_01101_00001_nrcb2"], "did you mean"),
        (["status", "nowhere.zarr"], "nowhere.zarr"),
        (["export", "nowhere.zarr", "out"], "nowhere.zarr"),
        (["show", "nowhere.zarr"], "nowhere.zarr"),
        (["reference", "build"], "PROPOSAL"),
        (["reference", "build", "--detectors", "NRCB1", "--filters", "F444W"], "detectors"),
        (["reference", "build", "--detectors", "NIS", "--filters", "F201W"], "F200W"),
        (["reference", "build", "--detectors", "NIS"], "PROPOSAL"),
        (["simulate", PROPOSAL, "--out", "x.zarr", "--memory", "2GB"], "workers"),
    ],
)
def test_bad_input_is_two_and_one_sentence(words, hint, capsys, tmp_path, monkeypatch, cache_directory):
    monkeypatch.chdir(tmp_path)
    out, err = run(capsys, *words, code=2)
    assert hint in err
    assert "Traceback" not in err
    assert not out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_plan(capsys, cache_directory):
    out, _ = run(capsys, "plan", *GIVEN)
    words = dict(line.split(maxsplit=1) for line in out.splitlines() if line[0] != " ")
    assert words["exposures"] == "28"
    assert words["references"].startswith("builtin: ")
    assert "measured on 3 tiles here" in words["CPU"]
    assert "free" not in words["raw"]
    out, _ = run(capsys, "plan", *GIVEN, "--json", "--no-measure", "--workers", "64")
    plan = json.loads(out)
    assert plan["exposures"] == 28
    assert plan["statuses"] == {"ready": 28, "unsupported": 0}
    assert (plan["workers"], plan["measured_tiles"], plan["submissions"]) == (64, 0, 1)
    assert 28 <= plan["tasks"] <= 400
    assert 1000 < plan["graph_bytes"] < 100_000
    assert 64 * plan["seconds"] == pytest.approx(plan["cpu_seconds"])
    assert plan["raw_bytes"] > 6e8
    assert set(plan["references"].values()) == {"builtin"}


@pytest.mark.slow
def test_plan_of_a_store_says_what_will_be_made_again(capsys, store, tmp_path):
    out, _ = run(capsys, "plan", *GIVEN, "--out", str(store), "--no-measure")
    assert "in the store: 2 of " in out
    assert "GB free" in out
    text = Path(GIVEN[2]).read_text().replace("seed: 42", "seed: 8")
    for name in ("stars.cat", "galaxies.cat"):
        text = text.replace(name, str(Path(PROPOSAL).with_name(name)))
    settings = tmp_path / "settings.yaml"
    settings.write_text(text)
    other = ["plan", PROPOSAL, "--settings", str(settings), "--out", str(store), "--no-measure"]
    out, _ = run(capsys, *other, "--select", SMALL)
    assert "2 exposures changed" in out
    assert "again: random seed changed" in out
    out, err = run(
        capsys, "simulate", *other[1:4], "--out", str(store), "--select", SMALL, "--serial", "--quiet", code=2
    )
    assert "another plan" in err
    assert "random seed changed" in err


@pytest.mark.slow
def test_simulate_again_does_nothing(capsys, store):
    out, _ = run(capsys, "simulate", *GIVEN, "--out", str(store), "--select", SMALL, "--json", "--serial")
    report = json.loads(out)
    assert (report["exposures"], report["skipped"], report["tiles"]) == (2, 2, 0)
    assert not report["failures"]


@pytest.mark.slow
def test_status(capsys, store):
    out, _ = run(capsys, "status", str(store))
    words = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert (words["exposures"], words["done"], words["ready"]) == ("28", "2", "26")
    out, _ = run(capsys, "status", str(store), "--json")
    done = [row["name"] for row in json.loads(out) if row["status"] == "done"]
    assert FIRST in done


@pytest.mark.slow
def test_verify(capsys, store):
    _, err = run(capsys, "verify", str(store), "--sample", "1", "--serial")
    assert "as the plan gives them: 1 of 1 tile; finished in all: 2 (" in err


@pytest.mark.slow
def test_export(capsys, store, tmp_path):
    out, err = run(capsys, "export", str(store), str(tmp_path / "uncal"))
    assert Path(out.splitlines()[0]).name == f"{FIRST}_uncal.fits"
    assert all(Path(line).is_file() for line in out.splitlines())
    assert "not complete: 26 exposures" in err
    assert "CRDS_PATH=" in (tmp_path / "uncal" / "calibrate.env").read_text()
    _, err = run(capsys, "export", str(store), str(tmp_path / "uncal"), "--select", SMALL)
    assert "wrote 0 files" in err
    assert "2 existed already" in err
    _, err = run(capsys, "export", str(store), str(tmp_path / "uncal"), "--select", "exposure == 3")
    assert "skipped, not simulated yet: jw" in err
    assert "failed" not in err


@pytest.mark.slow
@pytest.mark.parametrize("what", ["footprint", "scene", "exposure", "mosaic"])
def test_show(capsys, store, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    words = [FIRST] if what in ("scene", "exposure") else []
    out, _ = run(capsys, "show", str(store), "--what", what, *words)
    name = FIRST if words else "small"
    assert out == f"{name}_{what}.png\n"
    assert (tmp_path / out.strip()).read_bytes().startswith(b"\x89PNG")


def test_show_needs_no_simulation(capsys, tmp_path):
    picture = tmp_path / "where.pdf"
    out, _ = run(capsys, "show", *GIVEN, "--png", str(picture))
    assert out == f"{picture}\n"
    assert picture.read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_failures_are_named_and_retried(capsys, store, tmp_path, monkeypatch):
    """A damaged pack fails exposures with exit code 1; once it is whole again, --retry-failed completes them."""
    broken = tmp_path / "broken.zarr"
    shutil.copytree(store, broken)
    for commit in broken.glob("jw*/commit/*"):
        commit.unlink()

    def fail(*_: object, **__: object) -> None:
        raise ArithmeticError("a kernel that fails")

    with monkeypatch.context() as patch:
        patch.setattr("mirage_dask.exposure.simulate.simulate_window", fail)
        out, err = run(
            capsys, "simulate", *GIVEN, "--out", str(broken), "--select", SMALL, "--serial", "--quiet", code=1
        )
        assert out == f"{broken}\n"
        assert err.count("failed jw") == 2
        assert "a kernel that fails" in err
        out, _ = run(capsys, "status", str(broken), code=1)
        assert FIRST in out
        assert "a kernel that fails" in out
        assert "Traceback" not in out
        out, _ = run(capsys, "status", str(broken), "--traceback", code=1)
        assert out.count("Traceback (most recent call last)") == 2
        assert out.rstrip().endswith("ArithmeticError: a kernel that fails")
    out, err = run(capsys, "status", str(broken), "--retry-failed", "--serial")
    assert "simulating 2 failed exposures again" in err
    assert "failed" not in out


def test_reference_build_of_several_instruments():
    detectors = [get_detector(name) for name in ("NRCB1", "NRCB5", "NIS", "GUIDER1")]
    assert _uses(detectors, ["F200W", "F444W", "F380M"]) == [
        ("NRCB1", "F200W", "CLEAR"),
        ("NRCB5", "F444W", "CLEAR"),
        ("NIS", "CLEAR", "F200W"),
        ("NIS", "F444W", "CLEARP"),
        ("NIS", "F380M", "CLEARP"),
        ("GUIDER1", "", ""),
    ]
    assert _uses(detectors[3:], []) == [("GUIDER1", "", "")]
