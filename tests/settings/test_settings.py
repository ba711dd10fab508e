"""Settings: what is understood, and that every mistake is named with its key, value and remedy, all at once."""

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

from mirage_dask.errors import InputError
from mirage_dask.settings import CosmicRays, Effects, Settings, load_settings

EXAMPLES = Path(str(files("mirage_dask") / "examples"))
ROW = {
    "observation": 1,
    "target": "DEMO-FIELD",
    "instrument": "NIRCAM",
    "channel": "SHORT",
    "mode": "imaging",
    "detector": "NRCB1",
    "filter": "F150W",
    "pupil": "CLEAR",
    "readpatt": "RAPID",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("stars.cat", "galaxies.cat", "other.cat"):
        (tmp_path / name).write_text("index x_or_RA y_or_Dec\n")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def problems(source=None, **arguments) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_settings(source, **arguments)
    return caught.value.problems


def test_defaults():
    settings = load_settings()
    assert settings == Settings()
    assert (settings.roll_angle, settings.dates, settings.seed) == (0.0, datetime(2021, 10, 4), 42)
    chosen = settings.for_exposure(ROW)
    assert (chosen.catalogs, chosen.background) == ({}, "low")
    assert chosen.cosmic_rays == CosmicRays("SUNMAX", 1.0)
    assert chosen.effects == Effects()
    assert len(Effects().names) == 13
    assert list(Effects().names) == sorted(Effects().names)


def test_example():
    settings = load_settings(EXAMPLES / "settings.yaml")
    chosen = settings.for_exposure(ROW)
    assert chosen.catalogs.get("point_source") == str(EXAMPLES / "stars.cat")
    assert chosen.catalogs.get("galaxy") == str(EXAMPLES / "galaxies.cat")
    assert chosen.cosmic_rays == CosmicRays("SUNMIN", 1.0)
    assert settings.roll_angle == 30.0


@pytest.mark.parametrize("empty", ["", "# nothing\n", "{}", "background:\nseed: null\n"])
def test_empty_files(folder, empty):
    settings = load_settings(write(folder, empty))
    assert settings.to_dict() == Settings().to_dict()


def test_arguments_override_the_file(folder):
    path = write(folder, "seed: 1\nroll_angle: 10\nbackground: absurd\n")
    settings = load_settings(path, seed=2, background="high", roll_angle=None)
    assert (settings.seed, settings.roll_angle) == (2, 10.0)
    assert settings.for_exposure(ROW).background == "high"


def test_rows_of_any_kind():
    table = pd.DataFrame([ROW, ROW | {"observation": 2, "channel": "LONG"}])
    settings = load_settings(background={1: 0.1, 2: {"nircam": {"sw": 0.2, "lw": 0.3}}})
    assert [settings.for_exposure(r).background for r in table.itertuples()] == [0.1, 0.3]
    assert [settings.for_exposure(table.iloc[i]).background for i in (0, 1)] == [0.1, 0.3]


# ---------------------------------------------------------------- catalogs


def test_flat_catalogs(folder):
    path = write(folder, "catalogs: {Point_Source: stars.cat, galaxy: null, extended: None}\n")
    chosen = load_settings(path).for_exposure(ROW)
    assert (chosen.catalogs.get("point_source"), chosen.catalogs.get("galaxy")) == (
        str(folder / "stars.cat"),
        None,
    )


def test_catalogs_of_targets_and_instruments(folder):
    path = write(
        folder,
        """
catalogs:
  galaxy: galaxies.cat
  DEMO-FIELD: {point_source: stars.cat}
  DEMO-STARS:
    NIRCam: {point_source: other.cat}
    niriss: {point_source: stars.cat}
  DARK: {}
""",
    )
    settings = load_settings(path)

    def names(**row):
        chosen = settings.for_exposure(ROW | row)
        return tuple(
            p and Path(p).name for p in (chosen.catalogs.get("point_source"), chosen.catalogs.get("galaxy"))
        )

    assert names() == ("stars.cat", "galaxies.cat")
    assert names(target="DEMO-STARS") == ("other.cat", "galaxies.cat")
    assert names(target="DEMO-STARS", instrument="NIRISS") == ("stars.cat", "galaxies.cat")
    assert names(target="DARK") == names(target="ANY") == (None, "galaxies.cat")


def test_target_without_catalogs(folder):
    settings = load_settings(write(folder, "catalogs: {A: {point_source: stars.cat}, B: {}}\n"))
    assert settings.for_exposure(ROW | {"target": "B"}).catalogs.get("point_source") is None
    with pytest.raises(InputError, match="no entry for target 'DEMO-FIELD'"):
        settings.for_exposure(ROW)


def test_paths(folder, monkeypatch):
    monkeypatch.setenv("MY_CATALOGS", str(folder))
    monkeypatch.chdir(folder)
    for path in ("$MY_CATALOGS/stars.cat", "stars.cat", "./x/../stars.cat", folder / "stars.cat"):
        (folder / "x").mkdir(exist_ok=True)
        chosen = load_settings(catalogs={"point_source": path}).for_exposure(ROW)
        assert chosen.catalogs.get("point_source") == str(folder / "stars.cat")


@pytest.mark.parametrize(
    ("catalogs", "words"),
    [
        (
            {"point_sorce": "stars.cat"},
            "catalogs.point_sorce: 'point_sorce' is not allowed; did you mean 'point_source'",
        ),
        ({"point_source": "absent.cat"}, "catalogs.point_source: there is no file"),
        ({"point_source": 3}, "3 is no file name"),
        ({"T": {"nircan": {"galaxy": "stars.cat"}}}, "did you mean 'nircam'"),
        (
            {"T": {"nircam": {"galaxi": "stars.cat"}}},
            "catalogs.T.nircam.galaxi: 'galaxi' is not allowed; did you mean 'galaxy'",
        ),
        ({"T": {"nircam": {"galaxy": {"a": 1}}}}, "is no file name"),
        ("stars.cat", "'stars.cat' is not understood"),
        (["stars.cat"], "is not understood"),
    ],
)
def test_mistakes_in_catalogs(folder, monkeypatch, catalogs, words):
    monkeypatch.chdir(folder)
    (problem,) = problems(catalogs=catalogs)
    assert words in problem


# ---------------------------------------------------------------- background


@pytest.mark.parametrize(
    ("value", "short", "long"),
    [
        ("medium", "medium", "medium"),
        ("Medium", "medium", "medium"),
        (0.25, 0.25, 0.25),
        ("0.25", 0.25, 0.25),
        (0, 0.0, 0.0),
        ({"001": "high"}, "high", "high"),
        ({1: {"nircam": "high", "niriss": 3}}, "high", "high"),
        ({"1": {"nircam": {"sw": "low", "lw": 0.5}}}, "low", 0.5),
        ({"nircam": {"sw": "high", "lw": 0.5}}, "high", 0.5),
        ({"nircam": "low", 1: "high", 2: "low"}, "high", "high"),
        ({1: {"NIRCam": {"SW": "low", "LW": "high"}}}, "low", "high"),
    ],
)
def test_background(value, short, long):
    settings = load_settings(background=value)
    got = [settings.for_exposure(ROW | {"channel": c}).background for c in ("SHORT", "LONG")]
    assert got == [short, long]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("lo", "background: 'lo' is not allowed; did you mean 'low'"),
        (-1, "-1 is no background"),
        (float("nan"), "nan is no background"),
        ("inf", "'inf' is no background"),
        (True, "True"),
        ([1], "[1] is not allowed"),
        ({"one": "low"}, "background.one: 'one' is not allowed"),
        (
            {1: {"nircam": {"mw": 1}}},
            "background.1.nircam.mw: 'mw' is not allowed; did you mean 'sw' or 'lw'",
        ),
        ({1: {"fgs": {"sw": 1}}}, "background.1.fgs.sw"),
        ({1: {"wfc3": 1}}, "background.1.wfc3"),
    ],
)
def test_mistakes_in_the_background(value, words):
    (problem,) = problems(background=value)
    assert words in problem


def test_background_of_another_observation():
    with pytest.raises(InputError, match="background: no value for observation 1, NIRCAM SHORT"):
        load_settings(background={2: "low"}).for_exposure(ROW)


# ---------------------------------------------------------------- the other keys


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"library": "SUNMIN", "scale": 2}, CosmicRays("SUNMIN", 2.0)),
        ({"library": "flares"}, CosmicRays("FLARE", 1.0)),
        ({"scale": 0.5}, CosmicRays("SUNMAX", 0.5)),
        ("FLARE", CosmicRays("FLARE", 1.0)),
        (False, None),
        ("none", None),
        ("Off", None),
        ({1: {"library": "SUNMIN", "scale": 3}, 2: False}, CosmicRays("SUNMIN", 3.0)),
        ({"001": "none"}, None),
    ],
)
def test_cosmic_rays(value, expected):
    chosen = load_settings(cosmic_rays=value).for_exposure(ROW)
    assert chosen.cosmic_rays == expected
    assert chosen.effects.cosmic_rays == (expected is not None)


def test_effects():
    assert load_settings(effects=["pink_noise", "Flat"]).effects == Effects(pink_noise=False, flat=False)
    assert load_settings(effects={"pink_noise": False, "flat": True}).effects == Effects(pink_noise=False)
    assert load_settings(effects="ipc").effects == Effects(ipc=False)
    off = load_settings(effects={"cosmic_rays": False}).for_exposure(ROW)
    assert off.cosmic_rays is None
    assert "cosmic_rays" not in off.effects.names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"cosmic_rays": {"library": "SUNMID"}},
            "cosmic_rays: There is no cosmic-ray library 'SUNMID'; did you mean",
        ),
        ({"cosmic_rays": {"library": "SUNMIN", "scale": -1}}, "scale -1 is no number"),
        ({"cosmic_rays": {"library": "SUNMIN", "scale": "nan"}}, "scale 'nan' is no number"),
        ({"cosmic_rays": {"library": "SUNMIN", "scael": 2}}, "did you mean 'scale'"),
        ({"cosmic_rays": 3}, "3 is not understood"),
        ({"cosmic_rays": True}, "True is not understood"),
        ({"cosmic_rays": {"x": "SUNMIN"}}, "cosmic_rays.x: 'x' is not allowed"),
        ({"effects": {"pink_nois": False}}, "did you mean 'pink_noise'"),
        ({"effects": {"pink_noise": "no"}}, "effects.pink_noise: 'no' is neither true nor false"),
        ({"effects": 3}, "effects: 3 is not understood"),
        ({"roll_angle": "north"}, "roll_angle: 'north' is not a valid angle"),
        ({"roll_angle": {"1": float("inf")}}, "roll_angle.1: inf is not a valid angle"),
        ({"roll_angle": {1: 1, "001": 2}}, "observation 1 is there twice"),
        ({"roll_angle": {True: 1}}, "True is no observation number"),
        ({"dates": {1: "someday"}}, "dates.1: 'someday' is not a valid date"),
        ({"references": "mirage_data"}, "mirage_data holds libraries only; write [mirage_data, crds] or"),
        ({"references": "buildin"}, "did you mean 'builtin'"),
        ({"references": 3}, "3 is not allowed"),
        ({"seed": -1}, "seed: -1 is no whole number"),
        ({"seed": 1.5}, "1.5 is no whole number"),
        ({"seed": True}, "True is no whole number"),
        ({"seed": "42"}, "'42' is no whole number"),
        ({"seed": 2**63}, "is no whole number"),
        ({"reffile_defaults": "crdz"}, "reffile_defaults: 'crdz' is not allowed; did you mean 'crds'"),
        ({"reffile_overrides": {"gain": {}}}, "reffile_overrides.gain: 'gain' is not allowed"),
        ({"darks": "linear"}, "darks: 'linear' is not allowed; did you mean 'linearized'"),
        ({"use_dateobs_for_background": "yes"}, "'yes' is neither true nor false"),
        ({"parameter_defaults": 3}, "parameter_defaults: 3 is not understood"),
        ({"parameter_defaults": {"seed": -1}}, "seed: -1"),
        ({"backgroud": "low"}, "backgroud: 'backgroud' is not allowed; did you mean 'background'"),
    ],
)
def test_mistakes(arguments, words):
    (problem,) = problems(**arguments)
    assert words in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("builtin",)),
        ({"references": "crds"}, ("crds",)),
        ({"references": ["MIRAGE_DATA", "crds", "builtin"]}, ("mirage_data", "crds", "builtin")),
        ({"references": "crds_full_name"}, ("crds",)),
        ({"reffile_defaults": "crds"}, ("crds",)),
        ({"reffile_defaults": "crds_full_names"}, ("crds",)),
        ({"reffile_defaults": "crds", "references": "builtin"}, ("builtin",)),
    ],
)
def test_references(given, expected):
    assert load_settings(**given).references == expected


def test_parameter_defaults_give_way():
    settings = load_settings(
        {"parameter_defaults": {"roll_angle": 5, "seed": 7}, "seed": 8, "psf_paths": None}
    )
    assert (settings.roll_angle, settings.seed) == (5.0, 8)
    assert load_settings({"seed": 8, "parameter_defaults": {"seed": 7}}).seed == 8


def test_all_problems_at_once(folder):
    path = write(
        folder,
        "seed: x\nbackground: {1: lo, 2: {nircam: {sw: hi}}}\ncatalogs: {galaxy: no.cat}\ncolour: red\n",
    )
    found = problems(path, references="crdz")
    assert len(found) == 6
    assert sum(p.startswith(f"{path}: ") for p in found) == 5


# ---------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: [1", "line 1"),
        ("a: b: c", "line 1"),
        ("seed: 1\nseed: 2\n", "line 2: it is no YAML: key 'seed' is there twice"),
        ("background: {1: low, 1: high}\n", "is there twice"),
        ("- seed\n", "must be 'key: value' lines"),
        ("just words\n", "must be 'key: value' lines"),
        ("seed: !!python/object/apply:os.system ['touch hacked']\n", "could not determine a constructor"),
        ("[1, 2]: 3\n", "key"),
        ("dates: 2021-13-45\n", "it is no YAML that can be used"),
        ("seed: " + "[" * 5000, "no YAML"),
        ("\0", "no YAML"),
        ("seed: \x81", "no YAML"),
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
