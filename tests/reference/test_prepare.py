"""The planner's single entry: builds, asks, packs; every exposure gets its pack and every file its line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.reference_set import EXPOSURE, exposure_row

from mirage_dask.errors import ReferenceFileError
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.prepare import prepare_references
from mirage_dask.settings import rows_of


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rows = [
        EXPOSURE | {"name": "one", "status": "ready"},
        EXPOSURE | {"name": "later", "start_time": "2023-01-01 05:00:00", "status": "ready"},
        EXPOSURE | {"name": "rapid", "readpatt": "RAPID", "status": "ready"},
        EXPOSURE | {"name": "miri", "detector": "MIRIMAGE", "filter": "F770W", "status": "unsupported"},
    ]
    return pd.DataFrame(rows)


def test_prepare(table, tmp_path):
    said: list[tuple[str, int, int]] = []
    libraries = {"one": ["SUNMAX"], "later": ["sunmax"]}
    url = str(tmp_path)
    made = prepare_references(
        rows_of(table),
        cosmic_ray_libraries=libraries,
        destination_url=url,
        progress=lambda *words: said.append(words),
    )
    assert set(made.packs) == {"one", "later", "rapid"}
    assert made.packs["one"] == made.packs["later"] != made.packs["rapid"]
    assert said[-1] == ("references", 2, 2)

    pack = ReferencePack.open(url, made.packs["one"])
    psf, rays = pack.psf(), pack.cosmic_rays("SUNMAX")
    assert pack.psf() is psf
    assert 0.9 < psf.total_energy <= 1.0
    assert len(rays) == 10_000
    # Cosmic rays apart, the two share every plane.
    other = ReferencePack.open(url, made.packs["rapid"])
    assert np.array_equal(other.psf().core, psf.core)
    with pytest.raises(ReferenceFileError, match="no cosmic_rays/SUNMAX"):
        other.cosmic_rays("SUNMAX")

    lines = pd.DataFrame(made.provenance)
    assert set(lines.columns) == {"selection", "type", "file", "sha256", "source", "context", "pack"}
    assert set(lines["source"]) == {"builtin"}
    assert {"gain", "photom", "apcorr", "psf", "cosmic_rays SUNMAX"} <= set(lines["type"])
    assert (lines["sha256"].str.len() == 64).all()
    assert set(lines["pack"]) == set(made.packs.values())

    again = prepare_references(rows_of(table), cosmic_ray_libraries=libraries, destination_url=url)
    assert again.packs == made.packs


def test_nothing_to_prepare(table, tmp_path):
    made = prepare_references(rows_of(table[table["status"] == "unsupported"]), destination_url=str(tmp_path))
    assert made.packs == {}
    assert made.provenance == []


def test_all_unanswered_exposures_are_named(table, tmp_path):
    wrong = [exposure_row(name="a", subarray="SUB161"), exposure_row(name="b", readpatt="SLOW")]
    with pytest.raises(ReferenceFileError) as caught:
        prepare_references(wrong, destination_url=str(tmp_path))
    assert "SUBARRAY SUB161" in str(caught.value)
    assert "READPATT SLOW" in str(caught.value)
