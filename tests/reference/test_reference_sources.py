"""Sources of reference data: the first that has a file wins, and what none has is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.copies import copy_folder
from support.reference_set import EXPOSURE, builtin, exposure_row

from mirage_dask.errors import ReferenceFileError
from mirage_dask.reference.builtin.locations import crds_directory, mirage_data_directory
from mirage_dask.reference.builtin.rules import CONTEXT
from mirage_dask.reference.crds.lookup import CrdsCache, calibrate_env
from mirage_dask.reference.prepare import prepare_references
from mirage_dask.reference.sources import (
    cache_of,
    cosmic_ray_library_files,
    find_files,
    observatory_cache,
    psf_library,
)
from mirage_dask.settings import rows_of


@pytest.fixture(scope="module", autouse=True)
def _built():
    """The built-in files of the one exposure are there."""
    builtin()


@pytest.fixture
def observatory(tmp_path, monkeypatch) -> Path:
    """A CRDS cache as `crds sync` leaves one, here with the built-in files of one exposure."""
    root = tmp_path / "crds"
    copy_folder(crds_directory() / "mappings", root / "mappings")
    copy_folder(crds_directory() / "config", root / "config")
    for file in find_files([exposure_row()], ["builtin"])[0].values():
        target = root / file.path.relative_to(crds_directory())
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(file.path)
    monkeypatch.setenv("CRDS_PATH", str(root))
    return root


def test_the_cache_of_this_machine(observatory, monkeypatch):
    assert observatory_cache() == CrdsCache(observatory, CONTEXT, "crds")
    monkeypatch.setenv("CRDS_CONTEXT", "jwst_1234.pmap")
    with pytest.raises(
        ReferenceFileError, match=r"does not hold jwst_1234\.pmap, and CRDS_SERVER_URL is .*serverless"
    ):
        observatory_cache()
    monkeypatch.delenv("CRDS_CONTEXT")
    (observatory / "config/jwst/server_config").write_text("{'latest_context': __import__('os')}")
    with pytest.raises(ReferenceFileError, match="not a CRDS cache"):
        observatory_cache()
    (observatory / "config/jwst/server_config").write_text(repr({"latest_context": CONTEXT}))
    with pytest.raises(ReferenceFileError, match="cannot be used for"):
        find_files([exposure_row()], ["crds"])


def test_crds_has_all(observatory):
    (found,) = find_files([exposure_row()], ["crds"])
    assert set(found) >= {"gain", "flat", "superbias", "distortion"}
    assert {file.source for file in found.values()} == {"crds"}
    assert all(observatory in file.path.parents for file in found.values())


def test_what_crds_lacks_comes_from_the_next_or_is_named(observatory):
    (gain,) = observatory.rglob("*_gain_*nrcb1*.fits")
    gain.unlink()
    (found,) = find_files([exposure_row()], ["crds", "builtin"])
    assert found["gain"].source == "builtin"
    assert found["flat"].source == "crds"
    with pytest.raises(ReferenceFileError) as caught:
        find_files([exposure_row()], ["crds"])
    text = str(caught.value)
    for words in (
        EXPOSURE["name"],
        str(observatory),
        gain.name,
        "(gain for INSTRUMENT NIRCAM, DETECTOR NRCB1",
        "CRDS_SERVER_URL",
        "reffile_overrides",
        "[crds, builtin]",
        "reference build",
    ):
        assert words in text


def test_real_mappings_name_real_files(shared, monkeypatch):
    """The mappings of 2019, without any reference file: every type that is missing is named with its file."""
    monkeypatch.setenv("CRDS_PATH", str(shared / "data" / "crds_mappings"))
    with pytest.raises(ReferenceFileError) as caught:
        find_files([exposure_row()], ["crds"])
    lines = str(caught.value).splitlines()
    assert len(lines) > 8
    assert all("jwst_nircam_" in line and "[crds, builtin]" in line for line in lines)


def test_libraries(tmp_path, monkeypatch):
    optics = {"detector": EXPOSURE["detector"], "filter": EXPOSURE["filter"], "pupil": EXPOSURE["pupil"]}
    for sources in (["builtin"], ["crds"], ["builtin", "mirage_data"]):
        assert psf_library(sources, **optics)[1] == "builtin"
    monkeypatch.setenv("MIRAGE_DATA", str(tmp_path / "none"))
    with pytest.raises(ReferenceFileError, match=r"MIRAGE_DATA is .* not a directory"):
        psf_library(["mirage_data", "crds"], **optics)
    monkeypatch.setenv("MIRAGE_DATA", str(tmp_path))
    with pytest.raises(ReferenceFileError, match="no PSF library"):
        psf_library(["mirage_data"], **optics)
    assert psf_library(["mirage_data", "builtin"], **optics)[1] == "builtin"
    with pytest.raises(ReferenceFileError, match=r"cosmic_ray_library lacks CRs_MCD1\.7_SUNMIN_00_"):
        cosmic_ray_library_files(["mirage_data"], detector=EXPOSURE["detector"], library="SUNMIN")
    monkeypatch.setenv("MIRAGE_DATA", str(mirage_data_directory()))
    paths, source = psf_library(["mirage_data", "builtin"], **optics)
    assert source == "mirage_data"
    assert paths == psf_library(["builtin"], **optics)[0]


def test_overrides_are_used_by_their_exposure_alone(tmp_path, observatory):
    (file,) = observatory.rglob("*_gain_*nrcb1*.fits")
    own = tmp_path / "my_gain.fits"
    shutil.copy(file, own)
    rows = [
        EXPOSURE | {"overrides": ""},
        EXPOSURE | {"name": "jw99001001001_01101_00009_nrcb1", "overrides": json.dumps({"gain": str(own)})},
    ]
    prepared = prepare_references(rows_of(rows), destination_url=str(tmp_path / "plan"), sources=["crds"])
    gains = [row for row in prepared.provenance if row["type"] == "gain"]
    assert sorted((row["source"], row["file"]) for row in gains) == [
        ("crds", file.name),
        ("override", own.name),
    ]
    assert {row["source"] for row in prepared.provenance if row["type"] == "flat"} == {"crds"}
    cache = cache_of(prepared.provenance)
    assert cache.root == observatory
    assert f"CRDS_PATH={observatory}" in calibrate_env(cache)
    assert cache_of([]).source == "builtin"
