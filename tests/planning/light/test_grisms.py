"""Exposures behind grisms: what plans hold of them, settings, notes, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.grism_plans import NIRISS, Pack, catalog, checked, rates, row, spectra_file, tables
from support.grisms import write_configuration
from support.sky_pictures import gaussian, write_fits

from mirage_dask.errors import InputError
from mirage_dask.planning.light.grisms import GrismTables, configuration_file, read_grism
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.dispersed.magnitudes import filled, hats
from mirage_dask.scene.dispersed.tables import DispersedImages, DispersedStars
from mirage_dask.settings.spectra import SpectraChoice, spectra_choice
from mirage_dask.sky_images.tables import extended_table, save_stamps

pytest.importorskip("h5py")


def test_a_flat_spectrum_needs_one_row(tmp_path):
    layers, _ = tables(tmp_path, catalog(tmp_path), spectra="flat")
    found = rates(tmp_path, layers["dispersed_star"])
    np.testing.assert_allclose(found[0] / found[1:], [10**0.4, 10**0.8], rtol=1e-6)
    grism = read_grism("", *NIRISS)
    order = grism.orders[0]
    wave = np.linspace(1.2, 1.8, 100_001)
    light = 10 ** (-0.4 * (20 + 48.6)) * 2.99792458e18 / (wave * 1e4) ** 2
    assert found[0] == pytest.approx(np.trapezoid(order.respond(wave) * light * 1e4, wave), rel=0.01)
    assert len(DispersedStars.load(tmp_path, layers["dispersed_star"])) == 0


def test_magnitudes_of_several_filters_make_a_spectrum(tmp_path):
    """Flat ones give the flat spectrum; the sum of hats is the line through the magnitudes."""
    stars = catalog(tmp_path, "niriss_f090w_magnitude niriss_f150w_magnitude niriss_f200w_magnitude")
    flat = rates(tmp_path, tables(tmp_path, stars, spectra="flat")[0]["dispersed_star"])
    layers, _ = tables(tmp_path, stars, spectra="magnitudes")
    np.testing.assert_allclose(rates(tmp_path, layers["dispersed_star"]), flat, rtol=5e-3)


def test_hats():
    pivots = [0.9, 1.5, 2.0]
    parts = hats(pivots)
    wave = parts[0].wavelength
    total = sum(f * part.flux for f, part in zip([3.0, 1.0, 2.0], parts, strict=True))
    inside = (wave >= 0.9) & (wave <= 2.0)
    nu = np.interp(wave[inside], pivots, [3.0 * 0.9**2, 1.5**2, 2.0 * 2.0**2])
    np.testing.assert_allclose(total[inside] * wave[inside] ** 2, nu)
    np.testing.assert_allclose(total[wave > 2] * wave[wave > 2] ** 2, 2.0 * 4.0)
    assert (total > 0).all()
    middle = (3.0 * 0.9**2 + (2.0 * 2.0**2 - 3.0 * 0.9**2) * 0.6 / 1.1) / 1.5**2
    np.testing.assert_allclose(
        filled(np.array([[3.0, np.nan, 2.0]]), pivots), [[3.0, middle, 2.0]], rtol=2e-3
    )


@pytest.mark.parametrize("units", ["flam", "normalized"])
def test_spectra_of_a_file(tmp_path, units):
    """Those of the file count as they are, or have the scale of the magnitude; others as before."""
    stars = catalog(tmp_path)
    usual = rates(tmp_path, tables(tmp_path, stars, spectra="flat")[0]["dispersed_star"])
    file = spectra_file(tmp_path, {2: 1e-16 if units == "flam" else 7.0}, units)
    key = tables(tmp_path, stars, spectra=f"flat {file}")[0]["dispersed_star"]
    found = rates(tmp_path, key)
    np.testing.assert_allclose(found[[0, 2]], usual[[0, 2]])
    order = read_grism("", *NIRISS).orders[0]
    wave = np.linspace(1.2, 1.8, 100_001)
    if units == "flam":
        assert found[1] == pytest.approx(np.trapezoid(order.respond(wave) * 1e-16 * 1e4, wave), rel=2e-3)
    else:
        assert found[1] == pytest.approx(usual[1], rel=0.05)


def test_sky_and_notes(tmp_path):
    stars = catalog(tmp_path)
    ghosts = '{"stamp": "", "psf": "none"}'
    layers, notes = tables(tmp_path, stars, 0.5, spectra="flat", ghosts=ghosts)
    assert list(layers) == ["dispersed_background", "dispersed_star"]
    assert "ghosts of dispersed sources are not simulated (1 exposure)" in notes[0]
    assert "dispersed_background" not in tables(tmp_path, stars, 0.0, spectra="flat")[0]


def test_refusals(tmp_path):
    """All of them together, each with what helps."""
    stars = catalog(tmp_path)
    assert checked(tmp_path, stars) == []
    file = spectra_file(tmp_path, {2: 1e-17, 8: 1e-17})
    found = checked(tmp_path, stars, f"flat {file}", str(tmp_path))
    assert len(found) == 2
    assert "no file NIRISS_F150W_GR150R.conf" in found[0]
    assert "its spectra are also of sources that no catalog has (1, such as index 8)" in found[1]
    content = Path(file).read_bytes()
    Path(file).write_bytes(content[: len(content) // 2])
    assert "not a valid HDF5 file" in checked(tmp_path, stars, f"flat {file}")[0]
    broken = write_configuration(tmp_path, "NIRISS_F150W_GR150R")
    broken.write_text(broken.read_text().replace("NAXIS", "NOAXIS"))
    assert "there is no NAXIS" in checked(tmp_path, stars, "flat", str(tmp_path))[0]


@pytest.mark.parametrize(("count", "said"), [(1, "1 image"), (2, "2 images")])
def test_notes_on_images_count_them(count, said, tmp_path, monkeypatch):
    monkeypatch.setattr("mirage_dask.planning.light.grisms.LARGEST", 10)
    picture = gaussian((31, 31), 15.0, 15.0, 3.0)
    write_fits(tmp_path / "dark.fits", picture - 0.9 * picture.max())
    path = tmp_path / "images.cat"
    rows = [f"{n + 1} 53.16 -27.8 dark.fits 0 None" for n in range(count)]
    path.write_text(
        "\n".join(["index x_or_RA y_or_Dec filename pos_angle niriss_f150w_magnitude", *rows]) + "\n"
    )
    images = read_catalog(path, "extended")
    stamps = save_stamps(images, str(tmp_path))
    key = extended_table(images, *NIRISS, zeropoint=Pack.zeropoint, stamps=stamps).save(tmp_path)
    found = GrismTables(str(tmp_path), [("extended", str(path), images)])
    pack: ReferencePack = Pack()  # type: ignore[assignment]
    one = row(catalog(tmp_path), "flat", point_source="", extended=str(path))
    found.layers(one, pack, [("extended", key)], 0.0)
    cut, dark = found.notes
    assert (
        f"what lies farther than 10 pixels from the middle is cut from {said} of sources (1 exposure)" in cut
    )
    assert f"left out, without light: {said} of sources (1 exposure)" in dark


def test_images_of_sources(tmp_path):
    """Their light is that of their pixels, by magnitude or as they are; colours and lines as of other sources."""
    picture = gaussian((31, 31), 15.0, 15.0, 3.0)
    write_fits(tmp_path / "a.fits", picture)
    write_fits(tmp_path / "dark.fits", picture - 0.9 * picture.max())
    path = tmp_path / "images.cat"
    rows = [
        "1 53.16 -27.8 a.fits 0 20 21",
        "2 53.1601 -27.8 a.fits None None 22",
        "3 53.16 -27.8 dark.fits 0 None None",
    ]
    names = "index x_or_RA y_or_Dec filename pos_angle niriss_f150w_magnitude niriss_f200w_magnitude"
    path.write_text("\n".join([names, *rows]) + "\n")
    images = read_catalog(path, "extended")
    found = GrismTables(str(tmp_path), [("extended", str(path), images)])
    table = extended_table(
        images, *NIRISS, zeropoint=Pack.zeropoint, stamps=save_stamps(images, str(tmp_path))
    )
    key = table.save(tmp_path)
    pack: ReferencePack = Pack()  # type: ignore[assignment]
    one = row(catalog(tmp_path), "flat", point_source="", extended=str(path))
    ((kind, name),) = found.layers(one, pack, [("extended", key)], 0.0)
    assert kind == "dispersed_image"
    made = DispersedImages.load(tmp_path, name)
    assert made.index.tolist() == [1, 2, 3]
    star = 10 ** (-0.4 * 20 - 0.4 * 48.599934378) / Pack.zeropoint.photfnu_e
    np.testing.assert_allclose(
        made.amounts[:, 0], [star, picture.sum() * Pack.zeropoint.gain, 0.0], rtol=1e-5
    )
    assert made.rows.tolist() == [[0], [0], [0]]
    assert found.notes == ("grisms: left out, without light: 1 image of sources (1 exposure).",)
    colours = found.layers(replace(one, spectra=SpectraChoice()), pack, [("extended", key)], 0.0)
    amounts = DispersedImages.load(tmp_path, dict(colours)["dispersed_image"]).amounts
    assert amounts.shape == (3, 2)
    assert (amounts[:2] > 0).all()


def test_a_spectrum_without_light_in_the_grism(tmp_path):
    stars = catalog(tmp_path)
    for units in ("flam", "normalized"):
        file = spectra_file(tmp_path, {2: 1e-17}, units, low=4.0)
        with pytest.raises(InputError, match=r"the spectrum of source 2: it .*has no light"):
            tables(tmp_path, stars, spectra=f"flat {file}")


def test_configurations_of_the_instrument_teams(tmp_path):
    write_configuration(tmp_path, "NIRISS_F150W_GR150R")
    found = read_grism(str(tmp_path), *NIRISS, gain=1.61)
    assert found.name == "NIRISS_F150W_GR150R"
    names = [
        configuration_file("", "NRCBLONG", "F444W", "GRISMC").name,
        configuration_file("", "NRCALONG", "F322W2", "GRISMR").name,
    ]
    assert names == ["NIRCAM_F444W_modB_C.conf", "NIRCAM_F322W2_modA_R.conf"]
    # The second order of F444W is thousands of pixels away.
    assert [o.order for o in read_grism("", "NRCALONG", "F444W", "GRISMR").orders] == [1]


def test_the_choice_reads_itself():
    assert SpectraChoice().to_dict() == {"continuum": "magnitudes"}
    assert spectra_choice("a.hdf5") == SpectraChoice(file="a.hdf5")
    assert spectra_choice({"continuum": "flat"}) == SpectraChoice("flat")
