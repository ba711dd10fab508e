"""Keys and effects are declared once: parser, JSON schema, documentation, starter file and help agree with it."""

from __future__ import annotations

import copy
import json
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml
from support.small_settings import catalogs_in, problems

import mirage_dask as md
from mirage_dask.cli import main
from mirage_dask.detector import effects as declared
from mirage_dask.detector.effects import EFFECTS, default_effects, effect_names
from mirage_dask.errors import InputError
from mirage_dask.pointing import roll_warning
from mirage_dask.settings import CATALOG_TYPES, Effects, ExposureRow, Settings, load_settings
from mirage_dask.settings.keys import KEYS, json_schema
from mirage_dask.settings.row import row_of
from mirage_dask.settings.starter import starter_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
CASES = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text(encoding="utf-8"))


def tables() -> dict[str, list[str]]:
    """Lines between the markers of docs/settings.md, as they follow from the declarations."""
    effects = ["| name | what it is | default |", "| --- | --- | --- |"]
    effects += [f"| `{e.name}` | {e.what} | {'on' if e.on else 'off'} |" for e in EFFECTS]
    keys = ["| key | values | default |", "| --- | --- | --- |"]
    keys += [f"| `{key.name}` | {key.what} | {key.default} |" for key in KEYS]
    keys += ["| `parameter_defaults` | a dictionary of the keys above, which they override | |"]
    parameters = ["| effect | parameter | what it is | default |", "| --- | --- | --- | --- |"]
    parameters += [
        f"| `{e.name}` | `{p.name}` | {p.what} | {p.default if p.words else f'{p.default:g}'} |"
        for e in EFFECTS
        for p in e.parameters
    ]
    return {
        "effects": effects,
        "parameters of effects": parameters,
        "keys": [line.replace("|  |", "| |") for line in keys],
    }


@pytest.mark.parametrize("name", ["keys", "effects", "parameters of effects"])
def test_the_documentation_follows(name):
    text = DOCUMENT.read_text(encoding="utf-8")
    shown = text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0]
    assert shown.splitlines() == tables()[name]


def test_every_key_is_a_field_of_the_settings():
    names = {f.name for f in fields(Settings)}
    assert {key.name for key in KEYS} - {"reffile_defaults"} <= names
    assert names - {key.name for key in KEYS} == {"full_names", "given", "source"}


# ---------------------------------------------------------------- JSON schema

GOOD: list[dict[str, Any]] = [
    {},
    {"catalogs": {"point_source": "stars.cat", "galaxy": None}},
    {"catalogs": {"galaxy": "galaxies.cat", "A": {"point_source": "stars.cat", "niriss": {"galaxy": "other.cat"}}}},
    {"catalogs": {"A": {}}, "parameter_defaults": {"darks": "raw", "seed": 3}},
    *({"background": value} for value in ("date", 0.25, {"1": "low", "2": 3}, {"nircam": "low", "1": "high"})),
    {"background": {"1": {"nircam": {"sw": 0.1, "lw": "high"}, "niriss": 2.0, "fgs": "low"}, "2": "low"}},
    *({"ghosts": value} for value in (True, False, None, "other.cat", {"stamp": "other.cat", "psf": "none"}, {})),
    {"scene_image": {"path": "other.cat", "psf": "0.03 arcsec", "psf_pixelscale": 0.01}},
    {"spectra": "other.cat"},
    {"spectra": {"continuum": "flat_fnu", "extrapolation": "zero", "file": ".", "frame": "rest"}},
    {"spectra": {"lines": "other.cat", "lines_frame": "rest", "normalise": "niriss_f200w_magnitude"}},
    *({"filter_wheel_angle": value} for value in (33.6, {"GR150R": 33, "gr150c": 354}, {"1": 33.5, "2": {"GR150R": 34}})),
    {"roll_angle": 37.5, "dates": "2022-10-31"},
    {"roll_angle": {"1": 37.5}, "dates": {"001": "2022-10-31T12:00:00"}},
    {"use_dateobs_for_background": True, "references": "crds", "reffile_defaults": "crds_full_name"},
    {"references": ["mirage_data", "crds", "builtin"], "darks": "linearized_varied", "random_seed": 2**63 - 1},
    *({"cosmic_rays": value} for value in ("FLARES", "none", False, {"scale": 2}, {"1": "SUNMIN", "2": False})),
    {"cosmic_rays": {"1": {"library": "FLARE", "scale": 44}}},
    *({"cosmic_rays": value} for value in ("flight", {"library": "flight"}, {"1": "FLIGHT"})),
    *({"scattered_light": value} for value in (None, False, {}, {"wisps": True}, {"wisps": 0.03, "claws": "other.cat"})),
    {"scattered_light": {"wisp_templates": "."}},
    {"scattered_light": {"claws": "other.cat", "claw_light": 0.5, "claw_templates": ".", "dragons_breath": True}},
    *({"psf_paths": value} for value in (".", None, {"1": "."}, [".", "."])),
    *({"segmentation_threshold": value} for value in ("0.05 e-/s", "27 ABmag", "0.1 mjy/str", "1e-29 erg/cm2/Hz")),
    *({"effects": value} for value in ("ipc", ["ipc", "flat"], {"ipc": False, "flat": True}, [])),
    {"reffile_overrides": {"nircam": {"gain": {"nrcb5": "other.cat", "nrcalong": "crds"}, "badpixmask": None}}},
    {"reffile_overrides": {"niriss": {"linearity": "other.cat", "superbias": {"NISRAPID": "other.cat"}}}},
    {"reffile_overrides": {"fgs": {"flat": {"guider1": {"fgs_image": "other.cat"}}}}},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cat").write_text("index x_or_RA y_or_Dec\n")
    return catalogs_in(tmp_path)


@pytest.mark.parametrize("values", GOOD, ids=str)
def test_what_is_understood_fits_the_schema(folder, values):
    load_settings(values)
    jsonschema.validate(values, json_schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["settings"]))
def test_what_is_refused_does_not_fit_the_schema(case):
    """All but what a schema cannot see: files, what words mean together, two spellings of a key."""
    unseen = ("there is no f", "is given", "is not a valid date", "which is given, too")
    values = json.loads(json.dumps(case["settings"]))
    validator = jsonschema.Draft202012Validator(json_schema())
    if not any(words in case["message"] for words in unseen):
        assert list(validator.iter_errors(values))


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_what_settings_write_fits_the_schema(folder):
    for values in GOOD:
        written = json.loads(json.dumps(load_settings(values).to_dict()))
        jsonschema.validate(written, json_schema())
        assert load_settings(written) == load_settings(values)


# ---------------------------------------------------------------- effects


def test_effects_that_are_on():
    assert Effects() == Effects(tuple(default_effects()))
    assert Effects().switched == {}
    without = Effects().switch(ipc=False, flat=True)
    assert "ipc" not in without
    assert "flat" in without
    assert without.switched == {"ipc": False}
    assert Effects(reversed_names := tuple(reversed(Effects().names))).names != reversed_names
    with pytest.raises(ValueError, match="there is no effect glow"):
        Effects(("glow",))


@pytest.fixture
def glow(monkeypatch):
    """An effect that is off by default."""
    more = (*EFFECTS, replace(EFFECTS[0], name="glow", what="glow of the amplifiers", on=False, random=()))
    monkeypatch.setattr(declared, "EFFECTS", more)


@pytest.mark.usefixtures("glow")
def test_an_effect_that_is_off_by_default():
    assert "glow" not in load_settings().effects
    settings = load_settings(effects={"glow": True, "ipc": False})
    assert "glow" in settings.effects
    assert settings.to_dict() == {"effects": {"glow": True, "ipc": False}}
    assert load_settings(settings.to_dict()) == settings
    assert load_settings(effects={"glow": False}) == load_settings()
    assert problems(effects=["ipc", "glow"]) == [
        "effects.glow: a list names effects to switch off, and glow is off by default; write {glow: true} to switch it on."
    ]
    assert "glow" in json_schema()["properties"]["effects"]["anyOf"][0]["anyOf"][2]["properties"]


@pytest.fixture
def flicker(monkeypatch):
    """An effect that is off by default and has two parameters."""
    parameters = (
        declared.Parameter("rate", "flickers per second", 0.5, high=10.0),
        declared.Parameter("shape", "how it flickers", "step", words=("step", "ramp")),
    )
    new = replace(EFFECTS[0], name="flicker", what="flicker", on=False, random=(), parameters=parameters)
    monkeypatch.setattr(declared, "EFFECTS", (*EFFECTS, new))


@pytest.mark.usefixtures("flicker")
def test_an_effect_with_parameters():
    """Given, they switch the effect on; what is at its default is written nowhere; text in columns comes back."""
    plain = load_settings(effects={"flicker": True})
    assert plain.effects.parameters == ()
    assert load_settings(effects={"flicker": {"rate": 0.5}}) == plain
    given = {"flicker": {"rate": 2, "Shape": "RAMP"}, "ipc": False}
    settings = load_settings(effects=given)
    assert settings.effects.parameters == (("flicker", "rate", 2.0), ("flicker", "shape", "ramp"))
    assert settings.to_dict() == {"effects": {"flicker": {"rate": 2.0, "shape": "ramp"}, "ipc": False}}
    assert load_settings(json.loads(json.dumps(settings.to_dict()))) == settings
    assert settings.effects.switch(flicker=False).parameters == ()
    row = ExposureRow(effects=settings.effects)
    assert row_of(row.to_columns()).effects == settings.effects
    assert declared.parameter_value("flicker", "rate", settings.effects.parameters) == 2.0
    assert declared.parameter_value("flicker", "rate", ()) == 0.5
    jsonschema.validate({"effects": given | {"flicker": {"rate": 10}}}, json_schema())
    assert list(
        jsonschema.Draft202012Validator(json_schema()).iter_errors({"effects": {"flicker": {"rate": -1}}})
    )


@pytest.mark.usefixtures("flicker")
def test_wrong_parameters_are_named():
    given = {"flicker": {"rate": 11, "shape": "circle", "rat": 1}, "ipc": {"rate": 1}}
    assert problems(effects=given) == [
        "effects.flicker.rate: 11 is not a number from 0 to 10.",
        "effects.flicker.shape: 'circle' is not one of step, ramp.",
        "effects.flicker.rat: 'rat' is not allowed; did you mean 'rate'; allowed: rate, shape.",
        "effects.ipc: the effect has no parameters; write true or false.",
    ]
    assert problems(effects={"flicker": {"rate": True}}) == ["effects.flicker.rate: True is not a number."]
    assert problems(effects={"flicker": 3}) == [
        "effects.flicker: 3 is neither true nor false, nor {rate: …, shape: …}."
    ]
    for entry in (("flicker", "rate", 1e9), ("flicker", "glow", 1.0), ("glow", "rate", 1.0)):
        with pytest.raises(ValueError, match=r"is not a number from|has no parameter"):
            declared.parameter_value(*entry[:2], (entry,))


def test_help_and_starter_name_every_effect(capsys):
    assert main(["settings", "--help"]) == 0
    shown = capsys.readouterr().out
    text = starter_text(md.open_proposal(md.example_proposal()).table, CATALOG_TYPES)
    assert [name for name in effect_names() if name not in shown or name not in text] == []
    usual = Settings()
    written = replace(load_settings(yaml.safe_load(text)), catalogs=(), given=())
    assert usual == replace(written, roll_angle=usual.roll_angle, dates=usual.dates)


@pytest.mark.parametrize("name", ["mosaic_2x2", "three_instruments"])
def test_the_starter_says_what_jwst_allows(name, tmp_path):
    """The untouched file has no note about roll or date."""
    path = md.example_proposal() if name == "mosaic_2x2" else md.example_proposal(name)
    settings = tmp_path / "settings.yaml"
    settings.write_text(starter_text(md.open_proposal(path).table, CATALOG_TYPES))
    assert "roll_angle: 0.0" not in settings.read_text()
    assert md.open_proposal(path, settings=settings).notes == md.open_proposal(path).notes


def test_the_starter_has_a_day_for_each_target():
    """Targets on opposite sides of the sky have no day in common; one without a position gets another's."""
    table = md.open_proposal(md.example_proposal()).table
    far = table["observation"] == 2
    table = table.assign(
        ra_pointing=table["ra_pointing"].mask(far, (table["ra_pointing"] + 180) % 360),
        dec_pointing=table["dec_pointing"].mask(far, -table["dec_pointing"]),
    )
    lost = table[far].assign(observation=3, ra_pointing=float("nan"), dec_pointing=float("nan"))
    settings = load_settings(yaml.safe_load(starter_text(pd.concat([table, lost]), CATALOG_TYPES)))
    assert list(settings.dates) == list(settings.roll_angle) == [1, 2, 3]
    assert settings.dates[3] == settings.dates[1]
    for number in (1, 2):
        ra, dec = table.loc[table["observation"] == number, ["ra_pointing", "dec_pointing"]].iloc[0]
        assert roll_warning(ra, dec, settings.dates[number], settings.roll_angle[number]) == ""


def test_the_starter_knows_that_observations_follow_each_other():
    """One date is that of the first; the last one begins ten days later, when other rolls are possible."""
    place = {"ra_pointing": 53.1779, "dec_pointing": -27.7999}
    table = md.open_proposal(md.example_proposal()).table.assign(**place)
    late = table.assign(observation=7, start_time="2021-10-14T00:00:00.000")
    settings = load_settings(yaml.safe_load(starter_text(pd.concat([table, late]), CATALOG_TYPES)))
    for days in (0, 10):
        when = settings.dates + timedelta(days=days)
        assert roll_warning(*place.values(), when, settings.roll_angle) == ""


# ---------------------------------------------------------------- the random seed and its old name


def test_the_old_name_of_the_random_seed(folder):
    path = folder / "settings.yaml"
    path.write_text("seed: 3\n")
    assert load_settings(path).random_seed == load_settings(random_seed=3).random_seed == 3
    assert load_settings(path, random_seed=4).random_seed == load_settings(path, seed=4).random_seed == 4
    path.write_text("random_seed: 3\n")
    assert load_settings(path, seed=4).random_seed == 4
    assert load_settings(seed=4).given == ("random_seed",)
    assert set(md.open_proposal(md.example_proposal(), seed=5).table["random_seed"]) == {5}
    with pytest.raises(InputError, match="seed: it is another name of random_seed"):
        load_settings(seed=1, random_seed=1)


# ---------------------------------------------------------------- what settings are known by


def test_a_default_is_not_written():
    """A new optional key changes no plan's key: what is at its default is left out."""
    assert load_settings().to_dict() == {}
    everything = {
        "background": "low",
        "roll_angle": 0,
        "dates": "2021-10-04",
        "cosmic_rays": {"library": "SUNMAX", "scale": 1},
        "references": "builtin",
        "darks": "model",
        "effects": dict.fromkeys(default_effects(), True),
        "random_seed": 42,
    }
    assert load_settings(everything).to_dict() == {}
    assert load_settings(everything | {"cosmic_rays": {1: "SUNMAX", 2: "none"}}).to_dict() == {
        "cosmic_rays": {1: {}, 2: False}
    }
    full = load_settings(references="builtin", reffile_defaults="crds_full_name")
    assert load_settings(copy.deepcopy(full.to_dict())) == full
