"""A grism time series from the proposal to light curves: simulated, exported, through stock Detector1, Spec2 and Tso3."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support import calibrate_series

import mirage_dask as md
from mirage_dask.catalogs.spectral_light_curves import write_light_curves
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.time_series import LEAST

pytestmark = pytest.mark.closure

INTEGRATIONS, GROUPS = 100, 4
MIDDLE, FLAT, WHOLE = 87.3, 50.0, 80.0
"""Of the transit: middle, and how long it is at its deepest and in all; seconds."""
STARS = {True: (9.6, 0.012), False: (7.9, 0.03)}
"""AB magnitude at all wavelengths, and depth of the transit, without noise and with it: the brighter star stays below
saturation in four groups, and read noise and 1/f noise of all 64 rows, which the pipeline adds, leave 800 ppm of it."""
PLACE = (857.0, 56.5)
"""Pixels (0-based): where APT puts the target, 1.444 arcsec above the reference point of NRCA5_GRISM64_F444W.

The reports of these proposals are older than the SIAF, by which they lie 27 pixels to the right, and the pipeline takes the
target to be at XREF_SCI."""
WAVE = np.linspace(3.7, 5.2, 31)
QUIET = ("poisson", "read_noise", "dark_current", "pink_noise", "ktc_noise", "pixel_pink_noise", "crosstalk")
"""Off without noise. Crosstalk moves reference pixels by less than a count: where no noise dithers the rounding to whole
counts, the step refpix spreads that over all pixels: 0.3 % of the depth, which linear ramps have right either way."""


def depth(wave: np.ndarray, middle: float) -> np.ndarray:
    """The spectrum of the planet, around a depth."""
    return middle * (1.0 + 0.1 * np.sin(6.0 * wave))


@dataclass(frozen=True)
class Series:
    """What the pipeline made."""

    times: np.ndarray
    """(n,) middles of integrations, seconds since the first begins."""
    white: np.ndarray
    wave: np.ndarray
    flux: np.ndarray
    """(n, wavelengths)"""
    cadence: float


def run(shared, folder: Path, *, quiet: bool) -> Series:
    """Simulate, export and calibrate; times of the transit are multiples of the cadence."""
    magnitude, deepest = STARS[quiet]
    source = shared / "apt" / "88888_wasp79_tso" / "variant3"
    (xml,), (pointing,) = source.glob("*.xml"), source.glob("*.pointing")
    text = xml.read_text()
    text = text.replace("Integrations>2<", f"Integrations>{INTEGRATIONS}<").replace(
        "ncgts:Groups>2<", f"ncgts:Groups>{GROUPS}<"
    )
    (folder / "a.xml").write_text(text)
    (folder / "a.pointing").write_bytes(pointing.read_bytes())
    table = md.open_proposal(folder / "a.xml").table
    row = table[(table["mode"] == "ts_grism") & (table["filter"] == "F444W")].iloc[0]
    time = np.array([0.0, MIDDLE - WHOLE / 2, MIDDLE - FLAT / 2, MIDDLE + FLAT / 2, MIDDLE + WHOLE / 2, 1e3])
    light = 1.0 - depth(WAVE, deepest)[:, None] * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    write_light_curves(folder / "curves.hdf5", WAVE, time, light)
    (folder / "target.cat").write_text(
        "# position_pixels\nindex x_or_RA y_or_Dec magnitude lightcurve_file\n"
        f"99999 {PLACE[0]} {PLACE[1]} {magnitude} curves.hdf5\n"
    )
    proposal = md.open_proposal(
        folder / "a.xml", catalogs={"tso_grism_catalog": str(folder / "target.cat")}, background=0.0,
        cosmic_rays="none", effects=dict.fromkeys(QUIET, False) if quiet else {},
    )  # fmt: skip
    proposal.simulate(folder / "a.zarr", select=[row["name"]], scheduler="serial")
    out = folder / "fits"
    simulation = md.open_simulation(folder / "a.zarr")
    simulation.export(out)
    lines = (out / "calibrate.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    (uncal,) = out.glob("*_uncal.fits")
    with (folder / "pipeline.log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, calibrate_series.__file__, ".", uncal.name],
            cwd=out, env={**os.environ, **settings}, stdout=log, stderr=log,
        )  # fmt: skip
    assert done.returncode == 0, (folder / "pipeline.log").read_text()[-4000:]
    return _read(out, float(row.tframe) * (GROUPS + 1))


def _read(out: Path, cadence: float) -> Series:
    from astropy.table import Table
    from stdatamodels.jwst import datamodels

    (found,) = out.glob("series*whtlt.ecsv")
    table = Table.read(found)
    names = {name.lower(): name for name in table.colnames}
    flux = next(names[n] for n in names if "flux" in n)
    days = np.array(table[next(names[n] for n in names if n.startswith("mjd"))], float)
    (spectra,) = out.glob("series*x1dints.fits")
    with datamodels.open(spectra) as model:
        rows = model.spec[0].spec_table
        wave = np.array(rows["WAVELENGTH"][0], float)
        each = np.array(rows["FLUX"], float)
    times = (days - days[0]) * 86400.0 + 0.5 * (cadence - cadence / (GROUPS + 1))
    return Series(times, np.array(table[flux], float), wave, each, cadence)


def fitted(series: Series, light: np.ndarray) -> tuple[float, float]:
    """Depth and middle of the transit that fits best."""
    from scipy.optimize import least_squares

    def model(p):
        shape = np.interp(np.abs(series.times - p[1]), [FLAT / 2, WHOLE / 2], [1.0, 0.0])
        return p[2] * (1.0 - p[0] * shape)

    level = float(np.median(light))
    found = least_squares(
        lambda p: model(p) / level - light / level, [0.01, MIDDLE - 3.0, level], x_scale=[1e-3, 1.0, level]
    )
    return float(found.x[0]), float(found.x[1])


def white_depth(series: Series, deepest: float) -> float:
    """The depth at all wavelengths that are calibrated, weighted as the pipeline's sum of fluxes is."""
    order = builtin_configuration("NRCA5", "F444W", "GRISMR").order(1)
    inside = order.respond(series.wave) > LEAST * order.response.max()
    before = np.nanmean(series.flux[series.times < MIDDLE - WHOLE / 2][:, inside], axis=0)
    return float((before * depth(series.wave[inside], deepest)).sum() / before.sum())


@pytest.mark.parametrize("quiet", [True, False])
def test_the_transit_comes_back(shared, tmp_path, quiet):
    """Depth within 0.1 % of the input without noise, within 1 % with it; the middle within an integration.

    The noise of the integrations leaves 0.6 % of the depth: 1 % is 1.6 sigma, and 3 sigma 1.8 %.
    """
    pytest.importorskip("jwst")
    series, (_, deepest) = run(shared, tmp_path, quiet=quiet), STARS[quiet]
    found, middle = fitted(series, series.white)
    wanted = white_depth(series, deepest)
    print(f"\nwhite: depth {found:.6f}, input {wanted:.6f}: {found / wanted - 1:+.2%}; middle {middle - MIDDLE:+.3f} s "
          f"of {series.cadence:.2f}")  # fmt: skip
    assert len(series.white) == INTEGRATIONS
    outside = np.abs(series.times - MIDDLE) > WHOLE / 2
    scatter = series.white[outside].std() / np.median(series.white[outside])
    inside = int((np.abs(series.times - MIDDLE) < FLAT / 2).sum())
    sigma = scatter * np.sqrt(1.0 / inside + 1.0 / outside.sum())
    print(f"scatter of an integration {scatter * 1e6:.0f} ppm, sigma of the depth {sigma / wanted:.2%}")
    assert quiet or sigma < 0.007 * wanted
    assert abs(found - wanted) < (1e-3 if quiet else 1e-2) * wanted
    assert abs(middle - MIDDLE) < series.cadence
    bins = [(4.0, 4.3), (4.3, 4.6), (4.6, 4.9)]
    for low, high in bins:
        inside = (series.wave > low) & (series.wave < high)
        light = np.nansum(series.flux[:, inside], axis=1)
        own, _ = fitted(series, light)
        print(f"{low} to {high} micron: {own:.6f}, input {depth(series.wave[inside], deepest).mean():.6f}")
        if quiet:
            assert own == pytest.approx(depth(series.wave[inside], deepest).mean(), rel=5e-3)
