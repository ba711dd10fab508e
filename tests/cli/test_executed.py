"""The commands on files of exposures: `exposures` and `inject`."""

from __future__ import annotations

import json

import pytest
from support.injected import NAME, observed, star_catalog

from mirage_dask.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return observed(tmp_path_factory.mktemp("observed"))


@pytest.fixture
def settings(tmp_path):
    star_catalog(tmp_path / "stars.cat")
    path = tmp_path / "my.yaml"
    path.write_text("catalogs: {point_source: stars.cat}\n")
    return str(path)


def test_exposures_of_a_folder(folder, capsys):
    assert main(["exposures", str(folder), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == NAME


def test_sources_are_injected_and_kept(folder, settings, tmp_path, capsys):
    command = [
        "inject",
        str(folder),
        "--settings",
        settings,
        "--out",
        str(tmp_path / "out"),
        "--serial",
        "--json",
    ]
    for what, other in (("made", "kept"), ("kept", "made")):
        assert main(command) == 0
        report = json.loads(capsys.readouterr().out)
        assert len(report[what]) == 1
        assert not report[other]
    assert (tmp_path / "out" / f"{NAME}_injected.ecsv").exists()


def test_bad_input_of_inject(folder, settings, tmp_path, capsys):
    assert (
        main(["inject", str(tmp_path / "nowhere"), "--settings", settings, "--out", str(tmp_path / "o")]) == 2
    )
    assert "there is no such file" in capsys.readouterr().err
    assert main(["inject", str(folder), "--settings", settings, "--out", str(folder)]) == 2
    assert "it would be replaced by its copy" in capsys.readouterr().err
