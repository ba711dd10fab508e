"""The package in examples/plugin, installed for a process of its own: two effects that mirage_dask does not know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from support import glow_script

import mirage_dask as md
from mirage_dask.errors import InputError, StoreError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin"


def site_with_example(folder: Path, version: str | None = None) -> Path:
    """Lay out the package and its metadata as an installer does."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    (folder / "mirage_dask_glow").symlink_to(EXAMPLE / "mirage_dask_glow")
    metadata = folder / f"mirage_dask_glow-{version or project['version']}.dist-info"
    metadata.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {version or project['version']}"]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n")
    points = [f"{k} = {v}" for k, v in project["entry-points"]["mirage_dask.effects"].items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[mirage_dask.effects]", *points]) + "\n")
    return folder


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package installed."""
    paths = [str(site), str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module")
def glow(tmp_path_factory):
    """What the script of a user found, and the store it made."""
    folder = tmp_path_factory.mktemp("glow")
    (site := folder / "site").mkdir()
    store = folder / "glow.zarr"
    done = run(site_with_example(site), "-m", "support.glow_script", str(store))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), store


def test_the_glow_is_what_it_declares(glow):
    found, _ = glow
    low, rows = found["rows"]
    peak, scale = (glow_script.EFFECTS["amplifier_glow"][name] for name in ("peak", "scale"))
    places = np.arange(low, low + rows)
    if found["orientation"] < 0:
        places = 2047 - places
    expected = peak * np.exp(-places / scale) * found["seconds"]
    mean = np.array(found["glow"])
    sigma = np.sqrt(expected / found["columns"])
    assert np.abs((mean - expected) / sigma)[expected > 1].max() < 4.5


def test_the_layer_is_light_of_the_scene(glow):
    found, _ = glow
    low, columns = found["columns read"]
    first, last = (0.2 * x for x in (low, low + columns - 1))  # 200 e-/s per 1,000 pixels
    assert found["seed"] == pytest.approx([first, last], rel=0.02)  # relative area of pixels
    assert found["light"] == pytest.approx(sum(found["seed"]) / 2, rel=0.06)  # of which the flat takes some


def test_windows_stores_and_other_effects_keep_their_bits(glow):
    found, _ = glow
    assert found["window"]
    assert found["stored"]
    assert found["same dark"]
    assert found["same rays"]
    assert found["other raw"] > 0.5
    assert found["schema"]
    assert found["packages"] == [
        ["amplifier_glow", "mirage_dask_glow-0.1.0"],
        ["stray_light", "mirage_dask_glow-0.1.0"],
    ]


def test_without_the_package_exposures_are_refused_by_name(glow):
    _, store = glow
    with pytest.raises(
        StoreError, match=r"effect amplifier_glow of mirage_dask_glow-0\.1\.0, and here there is none"
    ):
        _ = md.open_simulation(store).exposure(glow_script.NAME).seed.values
    with pytest.raises(InputError, match=r"effects\.amplifier_glow"):
        md.open_proposal(md.example_proposal(), effects={"amplifier_glow": True})


def test_another_version_of_the_package_is_refused(glow, tmp_path):
    _, store = glow
    code = f"import mirage_dask as md; md.open_simulation({str(store)!r}).exposure({glow_script.NAME!r}).seed.values"
    done = run(site_with_example(tmp_path, version="0.2.0"), "-c", code)
    assert done.returncode != 0
    assert "here it is of mirage_dask_glow-0.2.0; install that version" in done.stderr


def test_a_package_that_cannot_be_imported_is_left_out_with_a_warning(tmp_path):
    site = site_with_example(tmp_path)
    (site / "mirage_dask_glow").unlink()
    (site / "mirage_dask_glow.py").write_text("AMPLIFIER_GLOW = 7\n")
    done = run(
        site, "-c", "from mirage_dask.detector.effects import EFFECTS; print(EFFECTS[-1].package == '')"
    )
    assert done.stdout.strip() == "True"
    assert (
        "'amplifier_glow' of mirage_dask_glow-0.1.0 is left out: it is int, not mirage_dask.plugins.Effect"
        in done.stderr
    )
    assert "'stray_light' of mirage_dask_glow-0.1.0 is left out: AttributeError" in done.stderr
