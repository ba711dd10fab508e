"""Settings: what is understood of catalogs and background, and every mistake named with its key, value and remedy."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from support.small_settings import ROW, catalogs_in, problems, write

from mirage_dask.errors import InputError
from mirage_dask.settings import CosmicRays, Effects, Settings, load_settings

EXAMPLES = Path(str(files("mirage_dask") / "examples"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return catalogs_in(tmp_path)


def test_defaults():
    settings = load_settings()
    assert settings == Settings()
    assert (settings.roll_angle, settings.dates, settings.random_seed) == (0.0, datetime(2021, 10, 4), 42)
    chosen = settings.for_exposure(ROW)
    assert (chosen.catalogs, chosen.background) == ({}, "low")
    assert chosen.cosmic_rays == CosmicRays("SUNMAX", 1.0)
    assert chosen.effects == Effects()
    assert len(Effects().names) == 16
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
    assert (settings.random_seed, settings.roll_angle) == (2, 10.0)
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
        ({"point_source": 3}, "3 is not a valid file name"),
        ({"T": {"nircan": {"galaxy": "stars.cat"}}}, "did you mean 'nircam'"),
        (
            {"T": {"nircam": {"galaxi": "stars.cat"}}},
            "catalogs.T.nircam.galaxi: 'galaxi' is not allowed; did you mean 'galaxy'",
        ),
        ({"T": {"nircam": {"galaxy": {"a": 1}}}}, "is not a valid file name"),
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
        (-1, "-1 is not a valid background"),
        (float("nan"), "nan is not a valid background"),
        ("inf", "'inf' is not a valid background"),
        (True, "True"),
        ([[1]], "[1] is not allowed"),
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
