"""Spectra: units, magnitudes, redshifts, lines, and one sentence for each mistake."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.scene.dispersed.spectra import Spectrum, load_weights, save_weights, spectrum_weights
from mirage_dask.scene.photometry import count_rate

LONG = {"detector": "NRCALONG", "filter": "F444W"}
AT = np.array([0.8, 1.5, 2.7, 4.4])


def at(spectrum, wavelength):
    return np.interp(wavelength, spectrum.wavelength, spectrum.flux, left=0, right=0)


@pytest.mark.parametrize(
    "unit", ["erg/s/cm2/A", "W/m2/um", "erg/s/cm2/Hz", "Jy", "mJy", "uJy", "nJy", "MJy", "W / (m3)"]
)
@pytest.mark.parametrize("wave_unit", ["micron", "Angstrom", "nm", "m"])
def test_units_are_astropy_s(unit, wave_unit):
    from astropy import units as u

    wave = np.array([1.2, 1.5, 4.0])
    names = {"erg/s/cm2/A": "erg/(s cm2 AA)", "W/m2/um": "W/(m2 um)", "erg/s/cm2/Hz": "erg/(s cm2 Hz)"}
    given = np.array([1.0, 2.0, 3.0]) * u.Unit(names.get(unit, unit))
    wanted = given.to_value("erg/(s cm2 AA)", u.spectral_density(wave * u.um))
    in_unit = (wave * u.um).to_value(wave_unit)
    found = Spectrum.of(in_unit, given.value, wavelength_unit=wave_unit, flux_unit=unit)
    np.testing.assert_allclose(found.wavelength, wave, rtol=1e-14)
    np.testing.assert_allclose(found.flux, wanted, rtol=1e-9)


def test_flat_spectra():
    nu = Spectrum.flat_fnu(20.0)
    np.testing.assert_allclose(at(nu, AT) * (AT * 1e4) ** 2 / 2.99792458e18, 3.631e-20 * 10**-8, rtol=1e-4)
    np.testing.assert_allclose(at(Spectrum.flat_flambda(20.0), AT), 10 ** (-0.4 * 41.1), rtol=1e-12)


def test_magnitudes_in_several_filters():
    """At the pivots it has the flux density of the magnitudes; between them logarithms are linear."""
    points = [(get_zeropoint("NRCALONG", f, "CLEAR"), m) for f, m in (("F444W", 22.0), ("F277W", 23.5))]
    found = Spectrum.through(points)
    for zeropoint, magnitude in points:
        wanted = count_rate(np.array(magnitude), "abmag", zeropoint) * zeropoint.photflam_e
        assert at(found, zeropoint.pivot) == pytest.approx(float(wanted), rel=1e-12)
    middle = np.sqrt(points[0][0].pivot * points[1][0].pivot)
    ends = [at(found, z.pivot) for z, _ in points]
    assert at(found, middle) == pytest.approx(np.sqrt(ends[0] * ends[1]), rel=1e-5)
    far, nearer = 5.6, 5.0
    assert at(found, far) * far**2 == pytest.approx(at(found, nearer) * nearer**2, rel=1e-5)
    law = Spectrum.through(points, extrapolation="power_law")
    slope = np.log(ends[0] / ends[1]) / np.log(points[0][0].pivot / points[1][0].pivot)
    assert at(law, far) / at(law, nearer) == pytest.approx((far / nearer) ** slope, rel=1e-5)
    none = Spectrum.through(points, extrapolation="zero")
    assert (none.wavelength[0], none.wavelength[-1]) == (points[1][0].pivot, points[0][0].pivot)


@pytest.mark.parametrize("system", ["abmag", "stmag", "vegamag"])
def test_normalised_to_a_magnitude(system):
    """A flat spectrum counts as many electrons in the filter as imaging says, lines included."""
    flat = Spectrum.flat_flambda().with_lines([(4.4, 1e-9, 0.001)]).normalised(21.0, system=system, **LONG)
    zeropoint = get_zeropoint("NRCALONG", "F444W", "CLEAR")
    rate = flat.mean("NRCALONG", "F444W", "CLEAR") / zeropoint.photflam_e
    assert rate == pytest.approx(float(count_rate(np.array(21.0), system, zeropoint)), rel=1e-9)
    assert flat.lines[0][1] < 1e-9
    nu = Spectrum.flat_fnu(21.0)
    assert nu.normalised(21.0, **LONG).flux[0] == pytest.approx(nu.flux[0], rel=1e-2)


def test_redshift_keeps_the_total():
    rest = Spectrum.of([1.0, 1.1, 1.3], [1e-18, 2e-18, 1e-18], lines=[(1.2, 3e-17, 1e-3)])
    found = rest.redshifted(2.5)
    np.testing.assert_allclose(found.wavelength, rest.wavelength * 3.5)
    total = [np.trapezoid(s.flux, s.wavelength) for s in (rest, found)]
    assert total[0] == pytest.approx(total[1])
    assert found.lines[0] == pytest.approx((4.2, 3e-17, 3.5e-3))


def test_light_at_the_nodes(along_x, tmp_path):
    spectra = [Spectrum.flat_flambda(23.0), Spectrum.flat_flambda(23.0).with_lines([(4.2, 1e-16, 0.0)])]
    (weights,) = spectrum_weights(spectra, [along_x])
    line = weights[1].sum(dtype=float) - weights[0].sum(dtype=float)
    assert line == pytest.approx(1e-16 * along_x.trace.respond(4.2), rel=1e-4)
    key = save_weights(tmp_path, (weights,))
    (found,) = load_weights(tmp_path, key)
    assert found.tobytes() == weights.tobytes()
    assert found.dtype == np.float32


def test_mistakes_are_told_together(along_x):
    with pytest.raises(InputError) as error:
        Spectrum.of(
            [1.0, 0.9, np.nan], [1.0, -1.0, 2.0], wavelength_unit="parsec", flux_unit="erg/s/cm2/Hx",
            lines=[(4.0, -1.0, 0.0)], name="star 7",
        )  # fmt: skip
    text = "\n".join(error.value.problems)
    for words in (
        "the unit 'parsec' is not known", "'erg/s/cm2/Hx' is not known; did you mean 'erg/s/cm2/hz'",
        "wavelength number 3 is not finite", "wavelength number 2 is not above the one before",
        "flux number 2 is negative", "line 1, (4.0, -1.0, 0.0)",
    ):  # fmt: skip
        assert words in text
    assert all(p.startswith("star 7: ") and p.endswith((".", "?")) for p in error.value.problems)
    with pytest.raises(InputError, match=r"'mjy' is not known; did you mean 'mJy'"):
        Spectrum.of([1, 2], [1, 2], flux_unit="mjy")
    with pytest.raises(InputError, match=r"'kg' is not known"):
        Spectrum.of([1, 2], [1, 2], flux_unit="kg")
    with pytest.raises(InputError, match="2 wavelengths and 3 fluxes"):
        Spectrum.of([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="galaxy 3: it has no light between 3"):
        spectrum_weights([Spectrum.of([1, 2], [1, 1], name="galaxy 3")], [along_x])
    with pytest.raises(InputError, match="no light in F444W"):
        Spectrum.of([1, 2], [1, 1]).normalised(20.0, **LONG)
    with pytest.raises(InputError, match="not a redshift"):
        Spectrum.flat_fnu().redshifted(-2.0)
    points = [(get_zeropoint("NRCALONG", "F444W", "CLEAR"), np.nan)]
    with pytest.raises(InputError, match=r"(?s)no extrapolation 'linear'.*finite magnitude"):
        Spectrum.through(points, extrapolation="linear")
