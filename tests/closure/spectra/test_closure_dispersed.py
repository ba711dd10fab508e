"""The stock Spec2 pipeline gives back the spectra and the sky that were put into exposures with grisms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits
from support.dispersed_runs import REAL_STAR, STARS, Dispersed, calibrated

pytestmark = pytest.mark.closure

SKY = 0.5
"""MJy/sr."""


@dataclass(frozen=True)
class Case:
    detector: str
    filter: str
    grism: str
    aperture: str
    tolerance: float
    """Of the median of a spectrum."""


CASES = {
    "NIRCam": Case("NRCALONG", "F444W", "GRISMR", "NRCA5_FULL", 1e-3),
    "NIRISS": Case("NIS", "F150W", "GR150R", "NIS_CEN", 3e-3),
}


@pytest.fixture(scope="session", params=CASES)
def exposure(request, tmp_path_factory) -> tuple[Case, Dispersed]:
    pytest.importorskip("jwst")
    case = CASES[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    made = calibrated(
        directory, detector=case.detector, filter=case.filter, grism=case.grism, sky=SKY, aperture=case.aperture
    )  # fmt: skip
    return case, made


def _spectra(made: Dispersed) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Wavelength (micron) and flux (Jy) by label, of order +1."""
    from stdatamodels.jwst import datamodels

    found = {}
    with datamodels.open(made.product("x1d")) as model:
        for spec in model.spec:
            if spec.spectral_order != 1:
                continue
            for row in spec.spec_table:
                good = (
                    np.isfinite(row["FLUX"]) & (np.array(row["FLUX"]) != 0) & np.isfinite(row["WAVELENGTH"])
                )
                found[int(row["SOURCE_ID"])] = (
                    np.array(row["WAVELENGTH"], float)[good],
                    np.array(row["FLUX"], float)[good],
                )
    return found


def _ratio(exposure: tuple[Case, Dispersed], star: tuple[float, float, float], label: int) -> np.ndarray:
    """Flux over that which was put in, of each pixel along a trace where the filter is open."""
    _, made = exposure
    order = made.configuration.order(1)
    wave, flux = _spectra(made)[label]
    inside = order.respond(wave) > 0.3 * order.response.max()
    return flux[inside] / (1e-4 * star[2])


def test_spectra_are_those_that_were_put_in(exposure):
    case, made = exposure
    assert sorted(_spectra(made)) == [1, 2, 3, 4]
    for label, star in enumerate(STARS, start=1):
        ratio = _ratio(exposure, star, label)
        print(f"\n{case.filter} {case.grism} star {label}: {ratio.size} pixels, flux ratio {np.median(ratio):.5f} "
              f"+- {ratio.std():.5f}")  # fmt: skip
        assert ratio.size > 50
        assert np.median(ratio) == pytest.approx(1.0, abs=case.tolerance)


def test_a_star_of_the_telescope_is_corrected_for_its_aperture(exposure):
    """6 to 12 % of its light lie beyond the 11 rows."""
    ratio = _ratio(exposure, REAL_STAR, len(STARS) + 1)
    print(f"\n{exposure[0].filter} {exposure[0].grism} with the PSF: flux ratio {np.median(ratio):.5f}")
    assert np.median(ratio) == pytest.approx(1.0, abs=0.002)


def test_wavelengths_are_those_of_the_traces(exposure):
    """The pipeline finds the star by its place on the sky; its pixels have the wavelengths that fell there."""
    from stdatamodels.jwst import datamodels

    case, made = exposure
    order = made.configuration.order(1)
    along_x = case.grism in ("GRISMR", "GR150C")
    compared = 0
    with datamodels.open(made.product("cal")) as model:
        for slit in model.slits:
            if slit.meta.wcsinfo.spectral_order != 1:
                continue
            x0, y0, _ = (*STARS, REAL_STAR)[slit.source_id - 1]
            wave = np.linspace(*order.segments[0], 4000)
            _, x, y = order.trace(x0, y0, order.parameter(x0, y0, wave))
            u, v = (x, y) if along_x else (y, x)
            ahead = np.argsort(u)
            u, v, wave = u[ahead], v[ahead], wave[ahead]
            start_u, start_v = (slit.xstart, slit.ystart) if along_x else (slit.ystart, slit.xstart)
            plane = np.array(slit.wavelength if along_x else slit.wavelength.T)
            columns = np.arange(plane.shape[1])
            pixels = columns + start_u - 1
            columns = columns[(pixels > u[0]) & (pixels < u[-1])]
            pixels = columns + start_u - 1
            rows = np.rint(np.interp(pixels, u, v)).astype(int) - (start_v - 1)
            inside = (rows >= 0) & (rows < plane.shape[0])
            found, wanted = plane[rows[inside], columns[inside]], np.interp(pixels[inside], u, wave)
            off = np.abs(found - wanted) * np.abs((u[-1] - u[0]) / (wave[-1] - wave[0]))
            compared += np.isfinite(off).sum()
            print(f"\n{case.filter} star {slit.source_id}: wavelengths within {np.nanmax(off):.4f} pixels")
            assert np.nanmax(off) < 0.05
    assert compared > 150


def test_the_sky_is_removed(exposure):
    _, made = exposure
    with fits.open(made.product("bsub")) as hdus:
        left = hdus["SCI"].data.astype(float)
        header, factor = hdus[0].header, hdus[0].header.get("BKGSCALE")
    good = (made.sky > 0.2 * made.sky.max()) & np.isfinite(left)
    residual = np.median(left[good] / made.sky[good])
    print(f"\nsky left {residual:.2e}, factor {factor}")
    assert header["S_BKDSUB"] == "COMPLETE"
    assert abs(residual) < 0.01


def test_every_step_ran(exposure):
    _, made = exposure
    with fits.open(made.product("x1d")) as hdus:
        header = hdus[0].header
        steps = {
            key: header.get(key)
            for key in ("S_WCS", "S_BKDSUB", "S_FLAT", "S_EXTR2D", "S_PHOTOM", "S_EXTR1D")
        }
    assert set(steps.values()) == {"COMPLETE"}, steps
