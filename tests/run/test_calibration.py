"""An export with its references is calibrated wherever it is moved: sourced in bash, crds finds every file, offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support.simulated import example_plan

from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.io.files import write_bytes
from mirage_dask.reference.crds.copying import copy_references
from mirage_dask.reference.sources import cache_of
from mirage_dask.run.calibration import calibration_environment
from mirage_dask.scene.dispersed.tables import DispersedStars

ASK = """
import json, sys
import crds
from stdatamodels.jwst import datamodels
header = {
    "META.INSTRUMENT.NAME": "NIRCAM", "META.INSTRUMENT.DETECTOR": "NRCB1", "META.INSTRUMENT.CHANNEL": "SHORT",
    "META.INSTRUMENT.MODULE": "B", "META.INSTRUMENT.FILTER": "F150W", "META.INSTRUMENT.PUPIL": "CLEAR",
    "META.EXPOSURE.TYPE": "NRC_IMAGE", "META.EXPOSURE.READPATT": "RAPID", "META.SUBARRAY.NAME": "FULL",
    "META.OBSERVATION.DATE": "2021-10-04", "META.OBSERVATION.TIME": "00:00:00",
}
kinds = sys.argv[1:]
print(json.dumps(crds.getreferences(header, reftypes=kinds, observatory="jwst")))
"""
KINDS = (
    "mask",
    "gain",
    "readnoise",
    "superbias",
    "linearity",
    "dark",
    "flat",
    "distortion",
    "photom",
    "area",
)


@pytest.mark.slow
def test_a_moved_export_is_calibrated(tmp_path, cache_directory):
    plan = example_plan()
    first = tmp_path / "first place" / "uncal"
    write_bytes(
        str(first / "calibrate.env"), calibration_environment(plan, first, with_references=True).encode()
    )
    moved = tmp_path / "it's moved"
    shutil.copytree(first, moved)
    shutil.rmtree(first.parent)
    command = 'set -a; source "$1/calibrate.env"; set +a; shift; exec "$@"'
    answer = subprocess.run(
        ["bash", "-c", command, "bash", str(moved), sys.executable, "-c", ASK, *KINDS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith(("CRDS", "MIRAGE"))},
    )
    found = json.loads(answer.stdout.splitlines()[-1])
    assert set(found) == set(KINDS)
    assert all(path.startswith(f"{moved}/crds_cache/references/jwst/nircam/") for path in found.values())
    assert all(os.path.getsize(path) > 0 for path in found.values())
    assert not list(moved.rglob("*psf*"))  # what only the simulation reads stays at home


@pytest.mark.slow
def test_references_are_linked_once(tmp_path, cache_directory):
    plan = example_plan()
    provenance = plan.info["provenance"]["references"]
    cache = cache_of(provenance)
    made = copy_references(cache, provenance, tmp_path / "cache")
    assert len(made) == len({row["file"] for row in provenance if row["context"]})
    before = {path: path.stat().st_ino for path in made}
    if cache.root.stat().st_dev == tmp_path.stat().st_dev:
        assert all(path.stat().st_ino == cache.path(path.name).stat().st_ino for path in made)
    assert copy_references(cache, provenance, tmp_path / "cache") == made
    assert {path: path.stat().st_ino for path in made} == before
    gone = [{**provenance[0], "file": "jwst_nircam_mask_gone.fits"}]
    with pytest.raises(ReferenceFileError, match="such as jwst_nircam_mask_gone"):
        copy_references(cache, gone, tmp_path / "other")


def test_a_shell_that_does_not_say_what_it_sources_says_so(tmp_path, monkeypatch):
    from mirage_dask.reference.crds.lookup import CrdsCache, calibrate_env

    text = calibrate_env(CrdsCache(tmp_path, "jwst_0001.pmap", "builtin"), folder="crds_cache")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "calibrate.env").write_text(text)
    answer = subprocess.run(
        ["sh", "-c", ". a/calibrate.env"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "source this file in bash or zsh" in answer.stderr


def _behind_grisms(tmp_path, keys, folders=None):
    """A plan of exposures with one source each, behind one grism, whose configurations have these keys; none: no source."""
    tables = str(tmp_path / "sources")
    row = {"grism_configurations": "mine", "detector": "NIS", "filter": "GR150R", "pupil": "F150W"}
    names = [f"exposure{i}" for i in range(len(keys))]
    rows = {
        name: row | {"grism_configurations": folder}
        for name, folder in zip(names, folders or ["mine"] * len(keys), strict=True)
    }
    specs = []
    for key in keys:
        layers = ()
        if key:
            one = DispersedStars(
                "1" * 32,
                key * 32,
                "2" * 32,
                1.5,
                *(np.zeros(0, np.int64), np.zeros((0, 1), np.int64)),
                np.zeros((0, 1)),
            )
            layers = ((DispersedStars.kind, one.save(tables)),)
        specs.append(SimpleNamespace(detector="NIS", filter="GR150R", pupil="F150W", layers=layers))
    return SimpleNamespace(
        url=str(tmp_path), names=names, table=pd.DataFrame({"name": names, **row}), table_row=rows.__getitem__,
        spec=lambda i: specs[i], info={"provenance": {"references": []}},
    )  # fmt: skip


def test_configurations_of_the_user_s_own_have_references_beside_the_files(tmp_path, monkeypatch):
    made = {}
    monkeypatch.setattr(
        "mirage_dask.reference.own_grisms.write_grism_references", lambda root, own: made.update({root: own})
    )
    monkeypatch.setattr("mirage_dask.run.calibration.open_configuration", lambda _tables, key: key)
    plan = _behind_grisms(tmp_path, ["a", "b"])  # of one file, turned with the filter wheel
    text = calibration_environment(plan, tmp_path / "fits")
    ((root, own),) = made.items()
    assert own == {("NIS", "GR150R", "F150W"): "a" * 32}
    assert root.parent == tmp_path / "fits"
    assert f"/{root.name}" in text
    assert (root / "mappings" / "jwst" / "jwst_0001.pmap").is_file()
    calibration_environment(_behind_grisms(tmp_path, ["c"]), tmp_path / "fits")
    assert len(made) == 2  # another configuration has another folder


def test_two_configurations_of_one_grism_need_two_directories(tmp_path):
    plan = _behind_grisms(tmp_path, ["a", "b"], ["mine", "yours"])
    with pytest.raises(InputError, match="exposure0 and exposure1 have different grism_configurations"):
        calibration_environment(plan, tmp_path / "fits")


def test_exposures_without_sources_are_named(tmp_path):
    plan = _behind_grisms(tmp_path, [""])
    assert "# Exposures without sources have the built-in traces" in calibration_environment(plan, tmp_path)
