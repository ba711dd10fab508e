"""Settings as YAML files, with the proposal they are for, and there and back."""

from __future__ import annotations

import json
import pickle
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_settings import ROW, catalogs_in, problems, write

from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings

EXAMPLES = Path(str(files("mirage_dask") / "examples"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return catalogs_in(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: [1", "line 1"),
        ("a: b: c", "line 1"),
        ("seed: 1\nseed: 2\n", "line 2: it is not valid YAML: key 'seed' is given twice"),
        ("background: {1: low, 1: high}\n", "is given twice"),
        ("- seed\n", "must be 'key: value' lines"),
        ("just words\n", "must be 'key: value' lines"),
        ("seed: !!python/object/apply:os.system ['touch hacked']\n", "could not determine a constructor"),
        ("[1, 2]: 3\n", "key"),
        ("dates: 2021-13-45\n", "it is not valid YAML"),
        ("seed: " + "[" * 5000, "not valid YAML"),
        ("\0", "not valid YAML"),
        ("seed: \x81", "not valid YAML"),
    ],
)
def test_bad_yaml(folder, text, words):
    path = folder / "settings.yaml"
    path.write_bytes(text.encode("latin-1"))
    (problem,) = problems(path)
    assert problem.startswith(str(path))
    assert words in problem
    assert not (folder / "hacked").exists()


def test_files_that_cannot_be_read(folder):
    assert "cannot be read" in problems(folder / "absent.yaml")[0]
    assert "cannot be read" in problems(folder)[0]
    path = write(folder, "seed: 1 #" + "x" * 5_000_000)
    assert "larger than 4 MB" in problems(path)[0]


def test_yaml_types(folder):
    """YAML makes dates, octal numbers and booleans of plain words; they mean what the user wrote."""
    path = write(
        folder,
        "dates: {001: 2022-10-31, 2: 2022-10-31T12:00:00, 3: 2022-10-31T12:00:00Z}\n"
        "cosmic_rays: off\nroll_angle: {010: 5}\n",
    )
    settings = load_settings(path)
    noon = datetime(2022, 10, 31, 12)
    assert settings.dates == {1: datetime(2022, 10, 31), 2: noon, 3: noon}
    assert settings.for_exposure(ROW).cosmic_rays is None
    assert settings.roll_angle == {10: 5.0}


# ---------------------------------------------------------------- with a proposal


def table() -> pd.DataFrame:
    rows = [
        ROW,
        ROW | {"observation": 2, "target": "DEMO-STARS"},
        ROW | {"observation": 3, "target": "OTHER"},
    ]
    return pd.DataFrame(
        [r | {"status": s} for r, s in zip(rows, ["ready", "ready", "unsupported"], strict=True)]
    )


def test_settings_fit_the_proposal(folder, monkeypatch):
    monkeypatch.chdir(folder)
    fits = {"DEMO-FIELD": {"galaxy": "galaxies.cat"}, "DEMO-STARS": {}}
    load_settings(catalogs=fits, background={1: "low", 2: 3}).check_against(table())
    load_settings(EXAMPLES / "settings.yaml").check_against(table())
    settings = load_settings(
        catalogs={"DEMO-FELD": {}, "DEMO-STARS": {}}, background={1: "low", 7: "low"}, roll_angle={9: 1}
    )
    with pytest.raises(InputError) as caught:
        settings.check_against(table())
    text = str(caught.value)
    for words in (
        "catalogs: target 'DEMO-FELD' is not in the proposal; did you mean 'DEMO-FIELD'",
        "catalogs: no entry for target 'DEMO-FIELD'",
        "background: the proposal has no observation 7",
        "background: no value for observation 2",
        "roll_angle: the proposal has no observation 9",
    ):
        assert words in text


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"background": {1: {"nircam": {"sw": 0.1, "lw": "high"}, "niriss": 2.0}, 2: "low"}},
        {
            "dates": {1: "2022-10-31T12:00:00.5"},
            "roll_angle": {1: 37.5},
            "cosmic_rays": {1: "SUNMIN", 2: False},
        },
        {"cosmic_rays": False, "effects": ["flat"], "seed": 0},
    ],
)
def test_json_round_trip(arguments):
    settings = load_settings(**arguments)
    assert load_settings(json.loads(json.dumps(settings.to_dict()))) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_json_round_trip_of_catalogs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    catalogs = {
        "galaxy": "galaxies.cat",
        "A": {"point_source": "stars.cat"},
        "B": {"nircam": {"galaxy": "other.cat"}},
        "C": {},
    }
    settings = load_settings(catalogs=catalogs)
    monkeypatch.chdir("/")
    assert load_settings(json.loads(json.dumps(settings.to_dict()))).catalogs == settings.catalogs


simple = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    simple,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(simple, inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        *[
            "catalogs",
            "background",
            "roll_angle",
            "dates",
            "cosmic_rays",
            "references",
            "effects",
            "seed",
            "darks",
            "psf_paths",
        ],
        "x",
    ]
)


@given(st.dictionaries(keys, anything, max_size=4))
def test_any_value_is_accepted_or_named(values):
    """Whatever a key holds: settings or an InputError, nothing else."""
    found: list[str] = []
    try:
        json.dumps(load_settings(values).to_dict())
    except InputError as error:
        found = error.problems
    assert all(": " in p and p.endswith(".") for p in found)
