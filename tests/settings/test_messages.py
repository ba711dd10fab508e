"""What a user is told: the exact sentence for each kind of mistake, and all of a file at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings

CASES = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cat").write_text("x_or_RA y_or_Dec magnitude\n")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "message"),
    [(case["settings"], case["message"]) for case in CASES],
)
def test_messages(folder, settings, message):
    with pytest.raises(InputError) as caught:
        load_settings(settings)
    assert str(caught.value).replace(str(folder), "HERE") == message


TEN_PROBLEMS = {
    "backgroud": "low",
    "catalogs": {"point_source": "absent.cat", "M-83": {"nircam": {"galaxi": "a.cat"}}},
    "roll_angle": "north",
    "dates": {1: "someday"},
    "cosmic_rays": {"library": "SUNMID"},
    "background": {1: {"nircam": {"mw": 1}}, 2: "lo"},
    "effects": ["pink_nois"],
    "seed": -1,
}


def test_enough_kinds():
    assert len(CASES) >= 30


def test_ten_problems_are_ten_lines(folder):
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(TEN_PROBLEMS))
    with pytest.raises(InputError) as caught:
        load_settings(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems) == 10
    assert all(line.startswith(f"{path}: ") and line[-1] in ".?" for line in lines)
