"""Truth and segmentation of sources that are images, with the telescope's PSF and without, at the edge of an array."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from support.moving import QUIET
from support.simulated import SUBARRAY_SW

import mirage_dask as md
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.spec import Window


@pytest.mark.parametrize("psf", ["none", "jwst"])
def test_an_image_at_the_edge(tmp_path, psf):
    rows, columns = np.indices((60, 80)) - np.array([29.5, 39.5])[:, None, None]
    picture = np.exp(-(rows**2 + columns**2) / (2 * 12.0**2)).astype(np.float32)
    fits.writeto(tmp_path / "a.fits", picture)
    catalog = tmp_path / "extended.cat"
    lines = ["4 8.3 200.7 a.fits 30 16", "9 250.2 100.1 a.fits 0 17"]
    catalog.write_text(
        "# position_pixels\nindex x_or_RA y_or_Dec filename pos_angle magnitude\n" + "\n".join(lines) + "\n"
    )
    proposal = md.open_proposal(
        md.example_proposal(), catalogs={"extended": catalog}, extended={"psf": psf, "scale": 1}, **QUIET
    )
    truth = proposal.truth(SUBARRAY_SW).set_index("id")
    plan = proposal.prepare(SUBARRAY_SW)
    spec = plan.spec(plan.row(SUBARRAY_SW))
    references = open_references(spec, plan.url)
    (layer,) = references.light.static
    for source in layer.sources:
        alone = np.zeros((spec.ny, spec.nx), np.float32)
        source.light.add(alone, x0=spec.x0, y0=spec.y0)
        row = truth.loc[source.index]
        assert row["rate_on_array"] == pytest.approx(alone.sum(dtype=float), rel=3e-3)
    assert truth.loc[4, "magnitude"] == pytest.approx(16.0, abs=1e-3)
    assert truth.loc[4, "fraction"] < 0.8 < truth.loc[9, "fraction"]
    assert truth.loc[9, "x"] == pytest.approx(250.2)
    ids = simulate_window(spec, references, Window.whole(spec), want=("segmentation",))["segmentation"]
    assert ids[200, 5] == 4
    assert ids[100, 250] == 9
    assert ids[390, 390] == 0
