"""What sources shine with behind a grism: continua, scales, redshifts and lines, against integrals of S F."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from support.grism_plans import NIRISS, catalog, light, rates, spectra_file, tables

from mirage_dask import catalogs
from mirage_dask.errors import InputError
from mirage_dask.instruments import get_zeropoint
from mirage_dask.planning.light.grisms import read_grism
from mirage_dask.planning.light.spectra import filter_columns
from mirage_dask.scene.dispersed import spectra as of_scene
from mirage_dask.scene.dispersed.magnitudes import CONSTANT, POWER_LAW, STEEPEST, ZERO, filled, powers
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.settings import spectra as of_settings
from mirage_dask.settings.spectra import SpectraChoice

FLAM = u.erg / (u.s * u.cm**2 * u.AA)
waves = np.linspace(0.8, 2.4, 400_001)
C = 2.99792458e18


def rate(flux: np.ndarray) -> float:
    """The integral of S F of the first order of F150W, e-/s; flux in erg/s/cm2/A at `waves`."""
    order = read_grism("", *NIRISS).orders[0]
    (low, high), *_ = order.segments
    inside = (waves >= low) & (waves <= high)
    return float(np.trapezoid((order.respond(waves) * flux * 1e4)[inside], waves[inside]))


def fnu(magnitude: float) -> np.ndarray:
    """F_lambda of a source of constant F_nu at `waves`."""
    return 10 ** (-0.4 * (magnitude + 48.6)) * C / (waves * 1e4) ** 2


def of(
    folder: Path, columns: str = "niriss_f150w_magnitude", *, extra: dict | None = None, **choice
) -> np.ndarray:
    """Rates of the three stars."""
    stars = catalog(folder, columns, **(extra or {}))
    return rates(folder, tables(folder, stars, spectra=SpectraChoice(**choice))[0]["dispersed_star"])


def lines_file(folder: Path, rows: list[tuple], sigma: u.Unit = u.um) -> str:
    index, wave, flux, width = (np.array(column) for column in zip(*rows, strict=True))
    table = QTable(
        {
            "index": index,
            "wavelength": wave * u.um,
            "flux": flux * u.erg / u.s / u.cm**2,
            "sigma": width * sigma,
        }
    )
    table.write(folder / "lines.ecsv", overwrite=True)
    return str(folder / "lines.ecsv")


def test_words_of_settings_are_those_of_the_scene():
    assert of_settings.EXTRAPOLATIONS == of_scene.EXTRAPOLATIONS == (CONSTANT, POWER_LAW, ZERO)


def test_flat_in_f_lambda(tmp_path):
    """Constant F_lambda, that of the magnitude at the pivot."""
    found = of(tmp_path, continuum="flat_flambda")
    pivot = get_zeropoint(*NIRISS).pivot * 1e4
    density = 10 ** (-0.4 * (20 + 48.6)) * C / pivot**2
    assert found[0] == pytest.approx(rate(np.full(waves.size, density)), rel=2e-3)
    assert found[0] / found[2] == pytest.approx(10**0.8)
    assert found[0] != pytest.approx(of(tmp_path, continuum="flat")[0], rel=2e-3)


@pytest.mark.parametrize("extrapolation", of_settings.EXTRAPOLATIONS)
def test_extrapolations(tmp_path, extrapolation):
    """Between F115W and F150W F_nu is a line; beyond F150W the three ways differ."""
    extra = {"niriss_f115w_magnitude": "20.9 20.9 25"}
    found = of(tmp_path, extra=extra, continuum="magnitudes", extrapolation=extrapolation)
    pivots = [get_zeropoint("NIS", "CLEAR", name).pivot for name in ("F115W", "F150W")]
    for i, magnitudes in enumerate(((20.9, 20.0), (20.9, 21.0), (25.0, 22.0))):
        nu = [10 ** (-0.4 * (m + 48.6)) for m in magnitudes]
        flux = np.interp(waves, pivots, nu) * C / (waves * 1e4) ** 2
        ends = [n * C / (p * 1e4) ** 2 for n, p in zip(nu, pivots, strict=True)]
        power = np.log(ends[1] / ends[0]) / np.log(pivots[1] / pivots[0])
        beyond = waves > pivots[1]
        if extrapolation != "constant":
            flux[beyond] = 0.0 if extrapolation == "zero" else ends[1] * (waves[beyond] / pivots[1]) ** power
        assert found[i] == pytest.approx(rate(flux), rel=2e-3)


def test_missing_magnitudes_follow_the_extrapolation():
    """Of the first filter of three: as its neighbours say, or nothing; what is between them does not change."""
    pivots, flux = [1.0, 2.0, 4.0], np.array([[np.nan, 8.0, 1.0], [3.0, np.nan, 1.0], [5.0, 4.0, 3.0]])
    found = {how: filled(flux, pivots, how) for how in of_settings.EXTRAPOLATIONS}
    assert found["constant"][0, 0] == pytest.approx(32.0, rel=1e-5)
    assert found["power_law"][0, 0] == pytest.approx(64.0)
    assert found["zero"][0, 0] == 0.0
    middle = (3.0 + (16.0 - 3.0) / 3.0) / 4.0
    for values in found.values():
        assert values[1, 1] == pytest.approx(middle, rel=1e-5)
        np.testing.assert_array_equal(values[2], flux[2])
    assert filled(np.array([[np.nan, 8.0, np.nan]]), pivots, "power_law")[0, 2] == pytest.approx(
        2.0, rel=1e-5
    )
    assert powers(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), pivots).tolist() == [
        [STEEPEST[1], STEEPEST[0]],
        [-2, -2],
    ]


@pytest.mark.parametrize("column", ["niriss_f200w_magnitude", "nircam_f200w_magnitude"])
def test_scale_by_another_column(tmp_path, column):
    """A shape gets the scale of that magnitude, of another instrument too; the others keep theirs."""
    file = spectra_file(tmp_path, {2: 3.0}, "normalized")
    extra = {column: "17 17.5 18"}
    found = of(tmp_path, extra=extra, continuum="flat", file=file, normalise=column)
    usual = of(tmp_path, extra=extra, continuum="flat")
    np.testing.assert_allclose(found[[0, 2]], usual[[0, 2]])
    pivot = get_zeropoint(*filter_columns(("NIS", "NRCA1"))[column]).pivot * 1e4
    density = 10 ** (-0.4 * (17.5 + 48.6)) * C / pivot**2
    assert found[1] == pytest.approx(rate(np.full(waves.size, density)), rel=2e-3)


@pytest.mark.parametrize("where", ["catalog", "file", "both"])
def test_redshifts(tmp_path, where):
    """A step in the source's own frame arrives at (1 + z) times its wavelength; what the file says goes first."""
    wave = np.array([0.5, 0.9999, 1.0001, 3.0]) * u.um
    flux = np.array([0.0, 0.0, 1e-16, 1e-16]) * FLAM
    redshifts = None if where == "catalog" else {2: 0.5}
    file = catalogs.write_spectra(tmp_path / "rest.hdf5", {2: (wave, flux)}, redshifts=redshifts)
    extra = {} if where == "file" else {"redshift": "None 0.5 7" if where == "catalog" else "None 0.1 None"}
    found = of(tmp_path, extra=extra, continuum="flat", file=str(file), frame="rest")
    assert found[1] == pytest.approx(rate(np.where(waves > 1.5, 1e-16 / 1.5, 0.0)), rel=2e-3)
    observed = of(tmp_path, extra=extra, continuum="flat", file=str(file))
    assert observed[1] == pytest.approx(rate(np.full(waves.size, 1e-16)), rel=2e-3)


@pytest.mark.parametrize("sigma", [(0.002, u.um), (0.002 / 1.45 * 299792.458, u.km / u.s)])
def test_lines_are_added(tmp_path, sigma):
    """Their flux arrives, at their place and with their width, on top of any continuum; others have none."""
    lines = lines_file(
        tmp_path, [(1, 1.0, 3e-16, sigma[0]), (1, 1.01, 1e-16, 0.0), (3, 3.1, 1e-15, 0.0)], sigma[1]
    )
    width = 0.002 * (1.45 if sigma[1] == u.um else 1.0)
    choice = {"lines": lines, "lines_frame": "rest"}
    stars = catalog(tmp_path, "niriss_f150w_magnitude niriss_f200w_magnitude", redshift="0.45 None -0.5")
    grism = read_grism("", *NIRISS)
    (first, *_) = segments(grism)
    for continuum in ("flat", "magnitudes"):
        found = {
            which: light(
                tmp_path,
                tables(tmp_path, stars, spectra=SpectraChoice(continuum, **more))[0]["dispersed_star"],
            )
            for which, more in (("without", {}), ("with", choice))
        }
        added = found["with"] - found["without"]
        expected = 3e-16 * grism.orders[0].respond(1.45) + 1e-16 * grism.orders[0].respond(1.4645)
        assert added[0].sum() == pytest.approx(expected, rel=2e-3)
        assert np.abs(added[1]).max() == 0.0
        assert added[2].sum() == pytest.approx(1e-15 * grism.orders[0].respond(1.55), rel=2e-3)
        alone = lines_file(tmp_path, [(1, 1.0, 3e-16, sigma[0])], sigma[1])
        chosen = SpectraChoice(continuum, lines=alone, lines_frame="rest")
        one = (
            light(tmp_path, tables(tmp_path, stars, spectra=chosen)[0]["dispersed_star"])[0]
            - found["without"][0]
        )
        mean = (one * first.wavelength).sum() / one.sum()
        assert mean == pytest.approx(1.45, abs=2e-5)
        spread = np.sqrt((one * (first.wavelength - mean) ** 2).sum() / one.sum())
        assert spread == pytest.approx(width, rel=0.02)
        lines_file(
            tmp_path, [(1, 1.0, 3e-16, sigma[0]), (1, 1.01, 1e-16, 0.0), (3, 3.1, 1e-15, 0.0)], sigma[1]
        )


def test_one_filter_has_nothing_beyond_it(tmp_path):
    with pytest.raises(
        InputError, match=r"stars\.cat: it has magnitudes in one filter of NIRISS.*write constant"
    ):
        of(tmp_path, continuum="magnitudes", extrapolation="zero")


def test_choices_as_text():
    for choice in (
        SpectraChoice(),
        SpectraChoice("flat", "/a b/c.hdf5"),
        SpectraChoice(
            "flat_flambda", "/a {b}.ecsv", "zero", "rest", "/l.ecsv", "rest", "niriss_f150w_magnitude"
        ),
    ):
        assert (
            SpectraChoice.from_text(choice.to_text())
            == choice
            == of_settings.spectra_choice(choice.to_dict())
        )
    assert SpectraChoice("flat", "/a.hdf5").to_text() == "flat /a.hdf5"


def test_files_of_a_folder_are_inputs(tmp_path):
    """A plan is made again when one of them changes."""
    for name in ("1.ecsv", "2.ecsv"):
        (tmp_path / name).touch()
    found = SpectraChoice(file=str(tmp_path), lines="/l.ecsv").paths
    assert found == (str(tmp_path / "1.ecsv"), str(tmp_path / "2.ecsv"), "/l.ecsv")
    assert SpectraChoice().paths == ()
