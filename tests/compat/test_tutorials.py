"""The scripts in examples/from_mirage: Mirage's tutorials with their imports changed, run to the end."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[2] / "examples" / "from_mirage"


def run(name: str, tmp_path: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main(tmp_path)


def test_imaging(tmp_path, monkeypatch):
    monkeypatch.delenv("CRDS_PATH", raising=False)
    found = run("imaging", tmp_path)
    assert found["raw"].shape == found["linear"].shape == (2, 8, 400, 400)
    np.testing.assert_array_equal(found["staged"], found["raw"])
    np.testing.assert_array_equal(found["scene"], found["seed"])
    bright = found["seed"] > np.quantile(found["seed"], 0.999)
    assert found["rate"][bright].mean() > 3 * np.median(found["rate"][8:-8, 8:-8])
    assert abs(np.median(found["dark_rate"])) < 1.0  # DN/s


def test_whole_program(tmp_path, monkeypatch):
    monkeypatch.delenv("CRDS_PATH", raising=False)
    found = run("whole_program", tmp_path)
    assert set(found["observations"]) == {"001", "002"}
    assert len(found["sources"]) > 20
    assert list(found["table"]["outputfits"][-8:-6]) == [path.name for path in found["made"]]
    assert all(path.is_file() for path in found["made"])
    assert len(found["pointings"]) > 4
    assert set(found["table"]["date_obs"]) == {"2022-03-01"}
    assert found["dark"].shape == (400, 400)


def test_niriss_and_catalogs(tmp_path, monkeypatch):
    monkeypatch.delenv("CRDS_PATH", raising=False)
    found = run("niriss_and_catalogs", tmp_path)
    assert found["galaxies"].table["index"].tolist() == list(range(250, 270))
    assert found["raw"].ndim == 4
    assert found["seed"].shape == found["raw"].shape[2:]
    assert found["seed"].max() > 10 * np.median(found["seed"])
