"""Magnitudes in JWST filters from other bands, from a model of the Galaxy and from spectra."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.physical_models import BlackBody

from mirage_dask import catalogs
from mirage_dask.catalogs import photometry
from mirage_dask.catalogs.photometry import AB_MINUS_VEGA, WAVELENGTH, filter_band, jwst_magnitudes
from mirage_dask.errors import InputError
from mirage_dask.instruments import detectors_of, optical_elements

FILTERS = ("NIRCam F070W", "NIRCam F150W", "NIRCam F444W/F405N", "NIRISS F200W", "NIRISS F480M")
WAVES = np.geomspace(0.3, 6.0, 4000) * u.um


def vega(temperature, names):
    """Return the Vega magnitudes of black bodies by astropy, at the wavelengths of the bands."""
    found = {}
    for name in names:
        flux = [BlackBody(t * u.K)(WAVELENGTH[name] * u.um).value for t in temperature]
        found[name] = -2.5 * np.log10(flux) - 20.0 - AB_MINUS_VEGA[name]
    return found


@pytest.mark.parametrize(
    "names", [list(WAVELENGTH)[:8], ["gaia_bp", "gaia_rp"], ["2mass_j", "2mass_k"], ["wise_w1", "wise_w2"]]
)
def test_black_bodies_stay_black_bodies(names):
    """astropy's Planck function in every filter, also far from the bands, where they tell the temperature."""
    temperature = np.array([2500.0, 3500.0, 5000.0, 6500.0])
    found = jwst_magnitudes(vega(temperature, names), FILTERS)
    for name, (column, values) in zip(FILTERS, found.items(), strict=True):
        wave = np.geomspace(*filter_band(name), 2000) * u.um
        expected = [-2.5 * np.log10(BlackBody(t * u.K)(wave).value.mean()) - 20.0 for t in temperature]
        np.testing.assert_allclose(
            values, expected, atol=0.03 if "wise_w1" not in names else 0.15, err_msg=column
        )


def test_what_goes_in_comes_out(monkeypatch):
    """At the wavelength of a band the magnitude is that of the band, whatever the spectrum."""
    monkeypatch.setattr(photometry, "filter_band", lambda _: (2.1589, 2.1591))
    known = {
        "gaia_g": [15.0, 18.0],
        "2mass_h": [13.0, 19.0],
        "2mass_k": [14.0, 15.5],
        "wise_w1": [10.0, np.nan],
    }
    found = jwst_magnitudes(known, ["NIRCam F212N"])["nircam_f212n_magnitude"]
    np.testing.assert_allclose(found, np.array([14.0, 15.5]) + AB_MINUS_VEGA["2mass_k"], atol=1e-3)


def test_stars_with_one_band_or_none():
    known = {"gaia_g": [15.0, np.nan, np.nan], "2mass_k": [np.nan, 14.0, np.nan]}
    found = jwst_magnitudes(known, ["NIRCam F200W"])["nircam_f200w_magnitude"]
    assert 12.5 < found[0] < 15.2
    assert abs(found[1] - 14.0 - AB_MINUS_VEGA["2mass_k"]) < 0.2
    assert found[2] == 99.0


def test_zero_points_are_those_of_the_papers():
    for name, jansky in (("2mass_j", 1594), ("2mass_h", 1024), ("2mass_k", 666.7), ("wise_w1", 309.54),
                         ("wise_w2", 171.787), ("johnson_v", 3636), ("johnson_k", 640)):  # fmt: skip
        assert AB_MINUS_VEGA[name] == pytest.approx(-2.5 * np.log10(jansky / 3631.0), abs=0.002)


def test_the_model_of_the_galaxy(shared):
    """Of real colours: V, J and K give H 0.09 mag too faint with a scatter of 0.05, which the module states."""
    path = shared / "data/catalogs/examples/besancon_query_result.cat"
    stars = catalogs.besancon(path, filters=["NIRCam F200W", "NIRCam F444W"])
    assert len(stars) == 4915
    assert stars["x_or_RA"][0] == pytest.approx(12.488455)
    names, rows = catalogs_rows(path)
    k, vk, jk, jh = (rows[:, names.index(name)] for name in ("K", "V-K", "J-K", "J-H"))
    bright = k < 22
    # A star's AB magnitude in F200W (1.99 micron) is that of K (2.19) within the slope of the spectrum.
    assert abs(np.median(stars["nircam_f200w_magnitude"] - k) - AB_MINUS_VEGA["johnson_k"]) < 0.2
    known = {"johnson_v": k + vk, "johnson_j": k + jk, "johnson_k": k}
    place = (np.log(WAVELENGTH["johnson_h"]) + np.array([-1e-3, 1e-3])).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photometry, "filter_band", lambda _: tuple(np.exp(place)))
        found = (
            jwst_magnitudes(known, ["NIRCam F150W"])["nircam_f150w_magnitude"] - AB_MINUS_VEGA["johnson_h"]
        )
    off = (found - (k + jk - jh))[bright]
    assert off.mean() == pytest.approx(0.09, abs=0.01)
    assert off.std() == pytest.approx(0.05, abs=0.01)


def catalogs_rows(path):
    from mirage_dask.catalogs.surveys.besancon import _read

    return _read(path)


HEAD = "#  K  V-K  J-K  J-H  Teff  RAJ2000  DECJ2000\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 3\n", "not a result of the Besançon model"),
        (HEAD, "no stars below the names"),
        (HEAD.replace("J-H", "X") + "13 5 1 0.6 3143 12 12\n", "column 'J-H' is missing"),
        (HEAD.replace("RAJ2000", "l") + "13 5 1 0.6 3143 12 12\n", "column 'RAJ2000' is missing"),
        (HEAD + "13 5 1 0.6 3143 12 12\n13 5 1 0.6 3143 12\n", "line 3 has 6 values for 7 columns"),
        (HEAD + "13 5 1 much 3143 12 12\n", "line 2 is not numbers"),
        (HEAD + "13 5 1 0.6 3143 12 95\n", "declination must be in -90 to 90 degrees"),
    ],
)
def test_bad_results_of_the_model(tmp_path, text, words):
    path = tmp_path / "besancon.cat"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        catalogs.besancon(path, filters=["NIRCam F200W"])
    assert str(path) in caught.value.problems[0]
    assert words in "\n".join(caught.value.problems)


def test_every_filter_has_a_band():
    for instrument in ("NIRCAM", "NIRISS"):
        for element in optical_elements(instrument):
            if element.name.startswith("F") and element.partner and detectors_of(instrument):
                low, high = filter_band(f"{instrument} {element.name}")
                assert 0.6 < low < high < 5.5
    assert filter_band("FGS 1") == filter_band("fgs1_magnitude")
    with pytest.raises(InputError, match="stands for no one filter"):
        filter_band("magnitude")


def test_a_flat_spectrum_has_its_magnitude():
    found = catalogs.magnitudes_from_spectrum(WAVES, np.full(4000, 3631e-6) * u.Jy, FILTERS)
    assert list(found) == [catalogs.column_of(name) for name in FILTERS]
    np.testing.assert_allclose(list(found.values()), 15.0, atol=2e-4)  # 48.6 is rounded
    none = catalogs.magnitudes_from_spectrum(WAVES, np.zeros(4000) * u.Jy, FILTERS[:1])
    assert list(none.values()) == [99.0]


@pytest.mark.parametrize("temperature", [1500.0, 3500.0, 6000.0])
def test_the_same_as_synphot(temperature):
    synphot = pytest.importorskip("synphot")
    source = synphot.SourceSpectrum(synphot.models.BlackBodyNorm1D, temperature=temperature)
    flux = source(WAVES, flux_unit="flam")
    found = catalogs.magnitudes_from_spectrum(WAVES, flux.value * u.Unit("erg / (s cm2 AA)"), FILTERS)
    for name, value in zip(FILTERS, found.values(), strict=True):
        low, high = (edge * 1e4 for edge in filter_band(name))
        grid = np.linspace(low, high, 20_000)
        points, heights = np.concatenate([[low - 1e-3], grid, [high + 1e-3]]), np.pad(np.ones(20_000), 1)
        box = synphot.SpectralElement(synphot.models.Empirical1D, points=points, lookup_table=heights)
        seen = synphot.Observation(source, box, binset=grid, force="extrap")
        assert seen.effstim("abmag", wavelengths=grid).value == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(
    ("wave", "flux", "words"),
    [
        ([1, 2, 3] * u.um, [1, 2] * u.Jy, "as many of one as of the other"),
        ([1, 2, 3] * u.s, [1, 2, 3] * u.Jy, "wavelengths in s; a unit of length is needed"),
        ([1, 2, 3] * u.um, [1, 2, 3] * u.K, "fluxes in K; a flux density"),
        ([1, 3, 2] * u.um, [1, 2, 3] * u.Jy, r"wavelength 2 \(2\) does not rise"),
        ([1, 2, 3] * u.um, [1, -2, np.nan] * u.Jy, r"flux 2 \(nan\) is not finite"),
        ([2, 3, 4] * u.um, [1, 2, 3] * u.Jy, "covers 2 to 4 micron, the filter 0.62"),
    ],
)
def test_bad_spectra(wave, flux, words):
    with pytest.raises(InputError, match=words):
        catalogs.magnitudes_from_spectrum(wave, flux, FILTERS[:1])
