"""Single-object spectroscopy from the proposal to spectra: with noise, through stock Detector1 and Spec2 with ATOCA."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import calibrate_soss

import mirage_dask as md

pytestmark = pytest.mark.closure

MAGNITUDE = 11.5
"""AB, at all wavelengths."""
ZERO = 3631e-6
"""MJy, of AB magnitude 0."""
BANDS = {
    1: ((0.88, 1.0), (1.0, 1.3), (1.3, 1.8), (1.8, 2.3), (2.3, 2.8)),
    2: ((0.61, 0.7), (0.7, 0.85)),
}
"""Micron, by order: order 2 beyond has 5 % of its light and less, beside that of order 1."""


def shortened(folder: Path, shared: Path) -> Path:
    """Write program 1366 with two integrations of SOSS, and return its XML."""
    source = shared / "apt" / "1366_short"
    text = (source / "ers_apt_prog1366_short_tests.xml").read_text()
    start = text.index(":NirissSoss>")
    end = text.index(":NirissSoss>", start + 20)
    few = re.sub(r"Integrations>\d+<", "Integrations>2<", text[start:end])
    (folder / "a.xml").write_text(text[:start] + few + text[end:])
    shutil.copy(source / "ers_apt_prog1366_short_tests.pointing", folder / "a.pointing")
    return folder / "a.xml"


def spectra_of(path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return wavelength (micron) and flux over that of the catalog by order, of the first integration."""
    from stdatamodels.jwst import datamodels

    found = {}
    with datamodels.open(path) as model:
        for spec in model.spec:
            wave, flux = (np.array(spec.spec_table[name][0], float) for name in ("WAVELENGTH", "FLUX"))
            good = np.isfinite(flux) & (flux != 0)
            found[int(spec.spectral_order)] = wave[good], flux[good] / (ZERO * 10 ** (-0.4 * MAGNITUDE))
    return found


@pytest.fixture(scope="module")
def ratios(shared, tmp_path_factory) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    pytest.importorskip("jwst")
    folder = tmp_path_factory.mktemp("soss")
    xml = shortened(folder, shared)
    table = md.open_proposal(xml).table
    row = table[(table.exp_type == "NIS_SOSS") & (table["filter"] == "CLEAR")].iloc[0]
    (folder / "star.cat").write_text(
        f"index x_or_RA y_or_Dec magnitude\n1 {row.ra_ref:.9f} {row.dec_ref:.9f} {MAGNITUDE}\n"
    )
    proposal = md.open_proposal(
        xml, catalogs={"point_source": str(folder / "star.cat")}, background="low", cosmic_rays="none"
    )
    proposal.simulate(folder / "a.zarr", select=[row["name"]], scheduler="serial")
    out = folder / "fits"
    md.open_simulation(folder / "a.zarr").export(out)
    lines = (out / "calibrate.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    (ramp,) = out.glob("*_uncal.fits")
    name = ramp.name.removesuffix("_uncal.fits")
    subprocess.run(
        [sys.executable, calibrate_soss.__file__, ".", name],
        cwd=out, env={**os.environ, **settings}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return spectra_of(out / f"{name}_x1dints.fits")


def test_spectra_are_those_of_the_catalog(ratios):
    """Both orders within 1 % in each band, where they overlap too."""
    assert sorted(ratios) == [1, 2]
    for order, bands in BANDS.items():
        wave, ratio = ratios[order]
        for low, high in bands:
            inside = (wave > low) & (wave < high)
            found = float(np.median(ratio[inside]))
            print(f"\norder {order}, {low} to {high} micron: {found:.4f} +- {ratio[inside].std():.4f}")
            assert inside.sum() > 50
            assert found == pytest.approx(1.0, abs=0.01)
