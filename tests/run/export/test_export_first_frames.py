"""Raw files of NIRCam in groups of several frames carry the first frame of each integration: the extension ZEROFRAME."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import mirage_dask as md
from mirage_dask.exposure.first_frame import first_frame
from mirage_dask.exposure.references import open_references
from mirage_dask.spec import Window

EXAMPLES = Path(str(files("mirage_dask") / "examples"))
NAME = "jw99001002001_01101_00001_nrcb1"


@pytest.fixture
def proposal(tmp_path) -> md.Proposal:
    """The example with the subarray read in groups of two frames."""
    for suffix in (".xml", ".pointing"):
        text = (EXAMPLES / f"mosaic_2x2{suffix}").read_text()
        head, mark, tail = text.partition("SUB400P")
        text = head + mark + tail.replace("<nci:ReadoutPattern>RAPID", "<nci:ReadoutPattern>BRIGHT2")
        (tmp_path / f"x{suffix}").write_text(text)
    return md.open_proposal(tmp_path / "x.xml", background=3.0)


def test_raw_files_have_the_first_frame_of_each_integration(proposal, tmp_path):
    from stdatamodels.jwst import datamodels

    proposal.simulate(tmp_path / "s.zarr", select=[NAME], progress=False)
    store = md.open_simulation(tmp_path / "s.zarr")
    assert len(store.export(tmp_path / "fits", select=[NAME])) == 1
    path = tmp_path / "fits" / f"{NAME}_uncal.fits"
    plan = proposal.prepare()
    spec = plan.spec(plan.row(NAME))
    expected = first_frame(spec, open_references(spec, plan.url), Window.whole(spec), {})
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["ZEROFRAM"] is True
        assert hdus[0].header["NFRAMES"] == 2
        zero, ramp = hdus["ZEROFRAME"].data, hdus["SCI"].data
        assert zero.dtype == np.uint16
        assert np.array_equal(zero, expected)
    with datamodels.open(path) as model:
        assert np.array_equal(model.zeroframe, expected)
    # One frame of light less half of a frame: the mean of two frames is half a frame later.
    later = ramp[:, 0].astype(float) - zero
    slope = (ramp[:, -1].astype(float) - ramp[:, 0]) / (ramp.shape[1] - 1) / 2
    assert np.median(later) == pytest.approx(np.median(slope) / 2, abs=1.0)


def test_without_it_the_file_is_written_and_says_why(proposal, tmp_path, caplog, monkeypatch):
    """Charge that the user gives group by group has no first frame."""
    monkeypatch.setattr("mirage_dask.exposure.first_frame.can_compute", lambda *_: False)
    proposal.simulate(tmp_path / "s.zarr", select=[NAME], progress=False)
    assert len(md.open_simulation(tmp_path / "s.zarr").export(tmp_path / "fits", select=[NAME])) == 1
    assert (
        "has no extension ZEROFRAME: it contains charge or a dark that is known group by group" in caplog.text
    )
    with fits.open(tmp_path / "fits" / f"{NAME}_uncal.fits") as hdus:
        assert "ZEROFRAME" not in hdus
        assert hdus[0].header["ZEROFRAM"] is False
