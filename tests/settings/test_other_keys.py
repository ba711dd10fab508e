"""Settings: cosmic rays, effects, references and the other keys: what is understood, and every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_settings import ROW, catalogs_in, problems, write

from mirage_dask.settings import CosmicRays, Effects, load_settings


@pytest.fixture
def folder(tmp_path) -> Path:
    return catalogs_in(tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"library": "SUNMIN", "scale": 2}, CosmicRays("SUNMIN", 2.0)),
        ({"library": "flares"}, CosmicRays("FLARE", 1.0)),
        ({"scale": 0.5}, CosmicRays("SUNMAX", 0.5)),
        ("FLARE", CosmicRays("FLARE", 1.0)),
        ({"library": "flight"}, CosmicRays("FLIGHT", 1.0)),
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
    assert ("cosmic_rays" in chosen.effects) == (expected is not None)


def test_effects():
    assert load_settings(effects=["pink_noise", "Flat"]).effects == Effects().switch(
        pink_noise=False, flat=False
    )
    assert load_settings(effects={"pink_noise": False, "flat": True}).effects == Effects().switch(
        pink_noise=False
    )
    assert load_settings(effects="ipc").effects == Effects().switch(ipc=False)
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
        ({"cosmic_rays": {"library": "SUNMIN", "scale": -1}}, "scale -1 is not a number"),
        ({"cosmic_rays": {"library": "SUNMIN", "scale": "nan"}}, "scale 'nan' is not a number"),
        ({"cosmic_rays": {"library": "SUNMIN", "scael": 2}}, "did you mean 'scale'"),
        ({"cosmic_rays": 3}, "3 is not understood"),
        ({"cosmic_rays": True}, "True is not understood"),
        ({"cosmic_rays": {"x": "SUNMIN"}}, "cosmic_rays.x: 'x' is not allowed"),
        ({"effects": {"pink_nois": False}}, "did you mean 'pink_noise'"),
        ({"effects": {"pink_noise": "no"}}, "effects.pink_noise: 'no' is neither true nor false"),
        ({"effects": 3}, "effects: 3 is not understood"),
        ({"roll_angle": "north"}, "roll_angle: 'north' is not a valid angle"),
        ({"roll_angle": {"1": float("inf")}}, "roll_angle.1: inf is not a valid angle"),
        ({"roll_angle": {1: 1, "001": 2}}, "observation 1 is given twice"),
        ({"roll_angle": {True: 1}}, "True is not a valid observation number"),
        ({"dates": {1: "someday"}}, "dates.1: 'someday' is not a valid date"),
        ({"references": "mirage_data"}, "mirage_data holds libraries only; write [mirage_data, crds] or"),
        ({"references": "buildin"}, "did you mean 'builtin'"),
        ({"references": 3}, "3 is not allowed"),
        ({"seed": -1}, "seed: -1 is not a whole number"),
        ({"seed": 1.5}, "1.5 is not a whole number"),
        ({"seed": True}, "True is not a whole number"),
        ({"seed": "42"}, "'42' is not a whole number"),
        ({"seed": 2**63}, "is not a whole number"),
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
    assert (settings.roll_angle, settings.random_seed) == (5.0, 8)
    assert load_settings({"seed": 8, "parameter_defaults": {"seed": 7}}).random_seed == 8


def test_all_problems_at_once(folder):
    path = write(
        folder,
        "seed: x\nbackground: {1: lo, 2: {nircam: {sw: hi}}}\ncatalogs: {galaxy: no.cat}\ncolour: red\n",
    )
    found = problems(path, references="crdz")
    assert len(found) == 6
    assert sum(p.startswith(f"{path}: ") for p in found) == 5
