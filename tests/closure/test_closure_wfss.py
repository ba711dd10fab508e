"""Slitless spectroscopy from the proposal to spectra: simulated with noise, exported, through stock Detector1 and Spec2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import calibrate_spectra

import mirage_dask as md
from mirage_dask.reference.grisms.builtin import builtin_configuration

pytestmark = pytest.mark.closure

MAGNITUDES = {1: 17.5, 2: 17.0, 3: 18.0}
"""AB, at all wavelengths."""
PLACES = {1: (0.0, 0.0), 2: (25.0, 20.0), 3: (-30.0, -15.0)}
"""Arcsec east and north of the aperture's reference point."""
JANSKY = 3631.0
"""Of AB magnitude 0."""


@pytest.fixture(scope="module")
def spectra(tmp_path_factory) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Wavelength (micron) and flux (Jy) of order +1 by source, of an exposure of NIRISS with F150W and GR150R."""
    pytest.importorskip("jwst")
    folder = tmp_path_factory.mktemp("wfss")
    xml = md.example_proposal("slitless")
    table = md.open_proposal(xml).table
    seen = table[(table.status == "ready") & (table.pupil == "F150W")]
    behind = seen[(seen["filter"] == "GR150R")].iloc[0]
    direct = seen[(seen.exp_type == "NIS_IMAGE") & (seen.observation == behind.observation)].iloc[0]
    lines = ["index x_or_RA y_or_Dec magnitude"]
    for number, (east, north) in PLACES.items():
        ra = behind.ra_ref + east / 3600 / np.cos(np.radians(behind.dec_ref))
        lines.append(f"{number} {ra:.9f} {behind.dec_ref + north / 3600:.9f} {MAGNITUDES[number]}")
    (folder / "stars.cat").write_text("\n".join(lines) + "\n")
    proposal = md.open_proposal(
        xml, catalogs={"point_source": str(folder / "stars.cat")}, background="low", cosmic_rays="none"
    )
    proposal.simulate(folder / "a.zarr", select=[direct["name"], behind["name"]], scheduler="serial")
    out = folder / "fits"
    md.open_simulation(folder / "a.zarr").export(out, with_spec2_inputs=True)
    lines = (out / "calibrate.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    subprocess.run(
        [sys.executable, calibrate_spectra.__file__, ".", f"{behind['name']}_uncal.fits", f"{behind['name']}_spec2.json"],
        cwd=out, env={**os.environ, **settings}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _order_one(out / f"{behind['name']}_x1d.fits")


def _order_one(path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    from stdatamodels.jwst import datamodels

    found = {}
    with datamodels.open(path) as model:
        for spec in model.spec:
            for row in spec.spec_table if spec.spectral_order == 1 else ():
                wave, flux = np.array(row["WAVELENGTH"], float), np.array(row["FLUX"], float)
                good = np.isfinite(wave) & np.isfinite(flux) & (flux != 0)
                found[int(row["SOURCE_ID"])] = wave[good], flux[good]
    return found


def test_spectra_are_those_of_the_catalog(spectra):
    """Within 1 %: the correction of the aperture takes the PSF as round."""
    order = builtin_configuration("NIS", "F150W", "GR150R").order(1)
    assert sorted(spectra) == sorted(MAGNITUDES)
    for number, (wave, flux) in spectra.items():
        inside = order.respond(wave) > 0.3 * order.response.max()
        ratio = flux[inside] / (JANSKY * 10 ** (-0.4 * MAGNITUDES[number]))
        print(
            f"\nstar {number}: {inside.sum()} pixels, flux ratio {np.median(ratio):.4f} +- {ratio.std():.4f}"
        )
        assert inside.sum() > 50
        assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
