"""What was exported and is opened again is the same exposure: the same specification, the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from support.simulated import SUBARRAY_LW, SUBARRAY_SW

import mirage_dask as md

SETTINGS = md.example_proposal().with_name("settings.yaml")


@pytest.mark.parametrize("naming", ["mirage", "mast"])
def test_exported_exposures_are_the_same_ones(tmp_path, naming):
    proposal = md.open_proposal(md.example_proposal(), settings=SETTINGS, naming=naming)
    places = [list(proposal.table["aperture"]).index(name) for name in ("NRCB1_SUB400P", "NRCB5_SUB400P")]
    names = list(proposal.table["name"].iloc[places])
    if naming == "mirage":
        names = [SUBARRAY_SW, SUBARRAY_LW]
    proposal.simulate(tmp_path / "a.zarr", scheduler="serial", select=names, progress=False, truth=False)
    md.open_simulation(tmp_path / "a.zarr").export(tmp_path / "uncal")

    program = md.open_exposures(tmp_path / "uncal", settings=SETTINGS)
    assert sorted(program.table["name"]) == sorted(names)
    for name in names:
        before, after = proposal.prepare(name), program.prepare(name)
        assert after.spec(after.row(name)) == before.spec(before.row(name))
        window = np.s_[0, -1, 100:140, 200:300]
        raw = md.open_simulation(tmp_path / "a.zarr").exposure(name).raw[window].values
        np.testing.assert_array_equal(program.exposure(name).raw[window].values, raw)


def test_without_our_own_keywords_the_pointing_is_right_to_a_micro_degree(tmp_path):
    """As of a file that the pipeline has processed: RA_REF and the others say where."""
    from mirage_dask.executed import executed_table, exposure_files, read_keywords

    proposal = md.open_proposal(md.example_proposal(), settings=SETTINGS)
    proposal.simulate(
        tmp_path / "a.zarr", scheduler="serial", select=SUBARRAY_SW, progress=False, truth=False
    )
    md.open_simulation(tmp_path / "a.zarr").export(tmp_path / "uncal")
    (path,) = exposure_files(tmp_path / "uncal")
    keywords = {key: value for key, value in read_keywords(path).items() if not key.startswith("MD")}
    (row,) = executed_table([keywords]).table.to_dict("records")
    wanted = proposal.table.set_index("name").loc[SUBARRAY_SW]
    for column in ("ra_ref", "dec_ref", "roll_ref", "pa_v3", "ra_pointing", "dec_pointing"):
        assert row[column] == pytest.approx(wanted[column], abs=1e-6)
    assert (row["v2"], row["v3"]) == pytest.approx((wanted["v2"], wanted["v3"]), abs=1e-4)
