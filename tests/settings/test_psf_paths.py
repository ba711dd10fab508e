"""psf_paths: one folder, one for each observation, one for each exposure specification; through YAML and back."""

from __future__ import annotations

import pandas as pd
import pytest

import mirage_dask as md
from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings
from mirage_dask.settings.psf_paths import psf_folders


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [f"psf{i}" for i in range(4)]
    for name in names:
        (tmp_path / name).mkdir()
    return [str(tmp_path / name) for name in names]


def table(**settings):
    return md.open_proposal(md.example_proposal(), **settings).table


def by_observation(found):
    return found.groupby("observation")["psf_path"].unique().map(list).to_dict()


def test_one_folder_or_none(folders):
    assert set(table()["psf_path"]) == {""}
    for nothing in ("None", ""):
        assert load_settings(psf_paths=nothing).psf_paths == ""
    assert set(table(psf_paths="psf1")["psf_path"]) == {folders[1]}


def test_a_folder_for_an_observation(folders):
    assert by_observation(table(psf_paths={1: "psf0"})) == {1: [folders[0]], 2: [""]}
    assert by_observation(table(psf_paths={"001": "psf0", "2": folders[3]})) == {
        1: [folders[0]],
        2: [folders[3]],
    }


def test_a_list_follows_the_exposure_specifications(folders):
    rows = pd.DataFrame({"observation": [1, 1, 1, 2, 2], "specification": [1, 2, 1, 1, 1]})
    assert psf_folders(rows, ["a", "b", "c"]) == ["a", "b", "a", "c", "c"]
    found = table()
    entries = found[["observation", "specification"]].drop_duplicates()
    chosen = [folders[i % 4] for i in range(len(entries))]
    again = table(psf_paths=chosen)
    merged = again[["observation", "specification", "psf_path"]].drop_duplicates()
    assert list(merged["psf_path"]) == chosen


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("absent", "psf_paths: there is no folder"),
        ({3: "psf0"}, "psf_paths: the proposal has no observation 3; it has 1, 2"),
        ({"x": "psf0"}, "psf_paths: 'x' is not a valid observation number"),
        (["psf0", 4], r"psf_paths\[1\]: 4 is not a valid folder name"),
        (["psf0"] * 9, "psf_paths: 9 folders for . exposure specifications"),
    ],
)
def test_mistakes(folders, given, words):
    with pytest.raises(InputError, match=words):
        table(psf_paths=given)


@pytest.mark.parametrize("name", ["psf2", "nircam/gridded_psf_library"])
def test_yaml_keeps_it(folders, tmp_path, name):
    """Also a folder that is named as the one in MIRAGE_DATA."""
    (tmp_path / name).mkdir(parents=True, exist_ok=True)
    proposal = md.open_proposal(md.example_proposal(), psf_paths={2: name})
    proposal.write_yaml(tmp_path / "yaml")
    again = md.open_yaml(tmp_path / "yaml").table.set_index("name")["psf_path"]
    expected = proposal.table.set_index("name")["psf_path"]
    assert set(expected) == {"", str(tmp_path / name)}
    pd.testing.assert_series_equal(again.sort_index(), expected.sort_index())


def test_settings_come_back(folders):
    for given in ("psf1", {1: "psf0"}, ["psf0", "psf3"]):
        settings = load_settings(psf_paths=given)
        assert load_settings(settings.to_dict()) == settings
