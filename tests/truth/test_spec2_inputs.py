"""Inputs of Stage 2 for exposures with grisms: sources where the truth says, and what belongs to which exposure."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from support.simulated import SUBARRAY_SW, example_plan, exposure, whole

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.truth import spec2_inputs
from mirage_dask.truth.source_catalog import source_catalog
from mirage_dask.truth.tables import truth_table

IMAGE = {
    "instrument": "NIRCAM",
    "observation": "001",
    "detector": "NRCB5",
    "exp_type": "NRC_IMAGE",
    "pupil": "CLEAR",
}
GRISM = IMAGE | {"exp_type": "NRC_WFSS", "pupil": "GRISMR"}
ROWS = [
    IMAGE | {"name": "other", "filter": "F356W", "start_time": "2027-01-01T00:00:00"},
    IMAGE | {"name": "first", "filter": "F444W", "start_time": "2027-01-01T01:00:00"},
    GRISM | {"name": "jw00042001001_02101_00001_nrcb5", "filter": "F444W", "start_time": "2027-01-01T02:00:00"},
    IMAGE | {"name": "second", "filter": "F444W", "start_time": "2027-01-01T03:00:00"},
    GRISM | {"name": "jw00042001001_02101_00002_nrcb5", "filter": "F322W2", "start_time": "2027-01-01T04:00:00"},
]  # fmt: skip


@pytest.fixture
def plan() -> SimpleNamespace:
    """A plan of images and exposures with grisms, as far as these are chosen by it."""
    table = pd.DataFrame(ROWS)
    rows = {row["name"]: row for row in ROWS}
    return SimpleNamespace(table=table, names=list(rows), table_row=rows.__getitem__)


def test_the_direct_image_is_the_last_before(plan):
    assert spec2_inputs.direct_exposure(plan, ROWS[2]["name"]) == "first"
    plan.names.remove("first")
    assert spec2_inputs.direct_exposure(plan, ROWS[2]["name"]) == "second"


def test_an_exposure_without_a_direct_image_is_named(plan, tmp_path):
    with pytest.raises(InputError, match=r"00002_nrcb5 has no direct image through F322W2"):
        spec2_inputs.write_spec2_inputs(plan, plan.names, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_images_have_no_inputs(plan, tmp_path):
    assert spec2_inputs.write_spec2_inputs(plan, ["first", "other"], tmp_path) == []


def test_an_association_names_its_members(plan, tmp_path, monkeypatch):
    made: list[str] = []
    monkeypatch.setattr(spec2_inputs, "write_direct", lambda _plan, name, _where: made.append(name) or [])
    (path,) = spec2_inputs.write_spec2_inputs(plan, plan.names[:4], tmp_path)
    found = json.loads(path.read_text())
    assert made == ["first"]
    assert found["program"] == "42"
    (product,) = found["products"]
    assert product["name"] == ROWS[2]["name"]
    assert {m["exptype"]: m["expname"] for m in product["members"]} == {
        "science": f"{ROWS[2]['name']}_rate.fits",
        "sourcecat": "first_cat.ecsv",
        "segmap": "first_segm.fits",
        "direct_image": "first_i2d.fits",
    }


def test_catalog_map_and_image_of_a_direct_exposure(tmp_path):
    """The example's subarray: sources on the sky where the truth table has them, and AB magnitudes of their rates."""
    from stdatamodels.jwst import datamodels

    plan = example_plan()
    spec, _ = exposure(SUBARRAY_SW)
    paths = spec2_inputs.write_direct(plan, SUBARRAY_SW, tmp_path)
    catalog = QTable.read(paths[0], format="ascii.ecsv")
    truth = truth_table(plan, plan.row(SUBARRAY_SW)).to_pandas().set_index("id")
    assert len(catalog) > 5
    of = truth.loc[np.asarray(catalog["label"])]
    there = SkyCoord(of["ra"].to_numpy(), of["dec"].to_numpy(), unit="deg")
    assert catalog["sky_centroid"].separation(there).arcsec.max() < 1e-3
    fnu = of["rate"].to_numpy() * get_zeropoint(spec.detector, spec.filter, spec.pupil).photfnu_e
    np.testing.assert_allclose(catalog["isophotal_abmag"], -2.5 * np.log10(fnu) - 48.6, atol=1e-9)
    assert (np.asarray(catalog["is_extended"]) == (of["kind"] != "point_source").to_numpy()).all()
    corners = [catalog[f"sky_bbox_{name}"] for name in ("ll", "lr", "ul", "ur")]
    assert all((corner.separation(there).arcsec > 0.05).all() for corner in corners)
    labels = whole(SUBARRAY_SW)["segmentation"]
    with datamodels.open(paths[1]) as model:
        np.testing.assert_array_equal(model.data, labels)
    with datamodels.open(paths[2]) as model:
        assert model.meta.bunit_data == "MJy/sr"
        scale = np.asarray(model.data) / whole(SUBARRAY_SW)["seed"]
        np.testing.assert_allclose(scale, scale[5, 5], rtol=1e-5)
    assert set(np.asarray(catalog["label"])) <= set(np.unique(labels))


def test_labels_are_checked():
    with pytest.raises(InputError, match="positive, each once"):
        source_catalog(
            label=[1, 1], x=[0, 1], y=[0, 1], half_width=[2, 2], abmag=[20, 21], extended=[False, False],
            to_sky=lambda x, y: (x, y),
        )  # fmt: skip
