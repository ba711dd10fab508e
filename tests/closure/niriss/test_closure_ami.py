"""Aperture masking from the proposal to closure phases: with noise, through stock Detector1, Image2 and Ami3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import calibrate_masked
from support.binaries import Fringes

import mirage_dask as md

pytestmark = pytest.mark.closure

SEPARATION, ANGLE, CONTRAST = 150.0, 40.0, 0.1
"""Milliarcseconds, degrees east of north, light of the companion over that of the star."""
MAGNITUDES = {"AB-DOR": 5.0, "HD-37093": 6.0}
"""Vega magnitudes of the target and the reference star."""


@pytest.fixture(scope="module")
def analysed(shared, tmp_path_factory) -> Path:
    """The folder of the products of a pair and of a reference star in F480M."""
    pytest.importorskip("jwst")
    kept = os.environ.get("MIRAGE_DASK_CLOSURE_AMI")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("ami")
    folder.mkdir(parents=True, exist_ok=True)
    (xml,) = (shared / "apt" / "793_ami").glob("*.xml")
    table = md.open_proposal(xml).table
    seen = table[(table.exp_type == "NIS_AMI") & (table["filter"] == "F480M")]
    rows = [seen[seen.target == target].iloc[0] for target in MAGNITUDES]
    lines = ["# vegamag", "index x_or_RA y_or_Dec magnitude"]
    for row in rows:
        lines.append(f"{len(lines)} {row.ra_ref:.9f} {row.dec_ref:.9f} {MAGNITUDES[row.target]}")
    east, north = (SEPARATION / 3.6e6 * f(np.radians(ANGLE)) for f in (np.sin, np.cos))
    place = rows[0].ra_ref + east / np.cos(np.radians(rows[0].dec_ref)), rows[0].dec_ref + north
    lines.append(f"{len(lines)} {place[0]:.9f} {place[1]:.9f} {5.0 - 2.5 * np.log10(CONTRAST):.4f}")
    (folder / "stars.cat").write_text("\n".join(lines) + "\n")
    proposal = md.open_proposal(
        xml, catalogs={"point_source": str(folder / "stars.cat")}, background="low", cosmic_rays="none"
    )
    names = [row["name"] for row in rows]
    proposal.simulate(folder / "a.zarr", select=names, scheduler="serial")
    out = folder / "fits"
    md.open_simulation(folder / "a.zarr").export(out)
    lines = (out / "calibrate.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    subprocess.run(
        [sys.executable, calibrate_masked.__file__, ".", *names],
        cwd=out, env={**os.environ, **settings}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return out


def test_a_single_star_has_no_closure_phase(analysed):
    """Those of the reference star are within their noise: 35 of them, by chi squared."""
    (path,) = analysed.glob("*psf-ami-oi.fits")
    fringes = Fringes.read(path)
    print(f"\nclosure phases {fringes.phase.std():.3f} degrees, errors {np.median(fringes.phase_error):.3f}")
    print(f"squared visibilities {fringes.squared.min():.3f} to {fringes.squared.max():.3f}")
    assert np.isfinite(fringes.phase).all()
    assert abs(np.median(fringes.phase)) < 3 * np.median(fringes.phase_error)
    assert np.mean((fringes.phase / np.maximum(fringes.phase_error, 0.02)) ** 2) < 4.0


def test_a_pair_is_recovered(analysed):
    """Separation and contrast within 5 %, from the observables calibrated with the reference star."""
    (path,) = analysed.glob("*aminorm-oi.fits")
    east, north, ratio = Fringes.read(path).pair()
    separation, angle = float(np.hypot(east, north)), float(np.degrees(np.arctan2(east, north)) % 360)
    print(f"\nseparation {separation:.2f} mas, angle {angle:.2f} degrees, contrast {ratio:.4f}")
    assert separation == pytest.approx(SEPARATION, rel=0.05)
    assert ratio == pytest.approx(CONTRAST, rel=0.05)
    assert angle == pytest.approx(ANGLE, abs=2.0)
