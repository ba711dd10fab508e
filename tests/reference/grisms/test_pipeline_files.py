"""Reference files of grisms say to the pipeline's own transforms what the configuration says."""

from __future__ import annotations

import numpy as np
import pytest

from mirage_dask.instruments import MEGAJANSKY, get_detector
from mirage_dask.reference.grisms.builtin import builtin_configuration, wheels
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.reference_files import (
    inverse_sensitivity,
    write_background,
    write_photom,
    write_specwcs,
    write_wavelength_range,
)
from mirage_dask.reference.grisms.sky import dispersed_sky
from mirage_dask.reference.grisms.text_files import read_configuration
from mirage_dask.reference.grisms.trace_models import extracted_range, trace_models

CASES = [
    ("NRCALONG", "F444W", "GRISMR"),
    ("NRCALONG", "F322W2", "GRISMR"),
    ("NRCBLONG", "F250M", "GRISMC"),
    ("NIS", "F150W", "GR150R"),
    ("NIS", "F150W", "GR150C"),
]
PUBLISHED = [
    "nircam/NIRCAM_F444W_modA_R",
    "nircam/NIRCAM_F322W2_modB_C",
    "nircam/NIRCAM_F250M_modA_R",
    "niriss/NIRISS_F150W_GR150R",
]
WORST = 0.005
"""Pixels."""
SOLID_ANGLE = 9.3e-14


def _check(path, configuration: GrismConfiguration, detector: str, grism: str) -> None:
    """Compare the pipeline's transforms, made from a file, with the configuration."""
    from stdatamodels.jwst import datamodels
    from stdatamodels.jwst.transforms import models

    nircam = get_detector(detector).instrument == "NIRCAM"
    with datamodels.open(path) as file:
        tree = {
            name: (getattr(file, name).instance if getattr(file, name, None) is not None else None)
            for name in ("displ", "dispx", "dispy", "invdispl", "orders")
        }
        if nircam:
            inverses = {
                f"inv_{axis}models": getattr(file, f"invdisp{axis}").instance
                for axis in "xy"
                if getattr(file, f"invdisp{axis}") is not None
            }
    by_kind = {"lmodels": tree["displ"], "xmodels": tree["dispx"], "ymodels": tree["dispy"]}
    if nircam:
        kind = "Column" if grism == "GRISMC" else "Row"
        forward = getattr(models, f"NIRCAMForward{kind}GrismDispersion")(
            tree["orders"], **by_kind, inv_lmodels=tree["invdispl"], **inverses
        )
        backward = models.NIRCAMBackwardGrismDispersion(
            tree["orders"], **by_kind, inv_lmodels=tree["invdispl"]
        )
    else:
        kind = "Row" if grism == "GR150C" else "Column"
        forward = getattr(models, f"NIRISSForward{kind}GrismDispersion")(tree["orders"], **by_kind, theta=0.0)
        backward = models.NIRISSBackwardGrismDispersion(
            tree["orders"], **(by_kind | {"lmodels": tree["invdispl"]}), theta=0.0
        )
    for order in configuration.orders:
        low, high = extracted_range(order)
        wave = np.linspace(low, high, 9)
        for x0, y0 in ((100.3, 200.2), (1900.1, 1100.9), (-60.0, 2030.0)):
            _, x, y = order.trace(x0, y0, order.parameter(x0, y0, wave))
            gx, gy = backward.evaluate(np.full(9, x0), np.full(9, y0), wave, np.full(9, float(order.order)))[
                :2
            ]
            assert np.abs(gx - x).max() < WORST
            assert np.abs(gy - y).max() < WORST
            speed = np.hypot(x[-1] - x[0], y[-1] - y[0]) / (high - low)
            for px, py, wanted in zip(x, y, wave, strict=True):
                found = forward.evaluate(*(np.array([v]) for v in (px, py, x0, y0, float(order.order))))[2]
                assert abs(float(np.ravel(found)[0]) - wanted) * speed < WORST


@pytest.mark.parametrize(("detector", "filter", "grism"), CASES)
def test_traces_of_built_in_configurations(detector, filter, grism, tmp_path):
    configuration = builtin_configuration(detector, filter, grism)
    optics = wheels(get_detector(detector).instrument, filter, grism)
    path = tmp_path / "specwcs.asdf"
    write_specwcs(path, configuration, detector=detector, optics=optics, fwcpos=33.5667)
    _check(path, configuration, detector, grism)


@pytest.mark.parametrize("name", PUBLISHED)
def test_traces_of_published_configurations(name, shared, tmp_path):
    configuration = read_configuration(shared / f"data/grism/{name}.conf", gain=1.8)
    words = name.split("/")[1].split("_")
    if words[0] == "NIRCAM":
        detector, grism = f"NRC{words[2][-1]}LONG", f"GRISM{words[3]}"
    else:
        detector, grism = "NIS", words[2]
    optics = wheels(words[0], words[1], grism)
    path = tmp_path / "specwcs.asdf"
    write_specwcs(path, configuration, detector=detector, optics=optics, fwcpos=33.5667)
    _check(path, configuration, detector, grism)


def test_the_error_of_the_polynomials_is_stated():
    models = trace_models(builtin_configuration("NRCALONG", "F444W", "GRISMR"), instrument="NIRCAM")
    assert models.error < 0.002
    assert models.tree["orders"] == [1, 2]


def test_ranges_are_those_of_the_filters(tmp_path):
    from stdatamodels.jwst import datamodels

    path = tmp_path / "jwst_nircam_wavelengthrange.asdf"
    names = [("F444W", "GRISMR", "A"), ("F444W", "GRISMC", "A"), ("F250M", "GRISMR", "A")]
    configurations = {name: builtin_configuration("NRCALONG", *name[:2]) for name in names}
    write_wavelength_range(path, configurations, instrument="NIRCAM")
    with datamodels.WavelengthrangeModel(path) as model:
        model.validate()
        assert model.meta.exposure.type == "NRC_WFSS"
        low, high = model.get_wfss_wavelength_range("F444W", [1])[1]
        assert [list(pair) for pair in model.extract_orders] == [["F250M", [1]], ["F444W", [1]]]
    assert 3.8 < low < 3.95
    assert 4.95 < high < 5.1


def test_the_inverse_sensitivity_gives_flux_back(tmp_path):
    """A source of 1 mJy at 4.4 micron: what its pixels hold, by the definition of a sensitivity, is 1 mJy again."""
    from stdatamodels.jwst import datamodels

    detector = get_detector("NRCALONG")
    configuration = builtin_configuration("NRCALONG", "F444W", "GRISMR")
    order = configuration.order(1)
    dispersion = 1e-3  # micron per pixel
    f_lambda = 1e-26 * 2.99792458e18 / 4.4e4**2
    rate = float(order.respond(4.4)) * f_lambda * dispersion * 1e4 / detector.gain
    wave, relative = inverse_sensitivity(order, gain=detector.gain, solid_angle=SOLID_ANGLE)
    found = rate / dispersion * np.interp(4.4, wave, relative) * SOLID_ANGLE * MEGAJANSKY * 1e23
    assert found == pytest.approx(1e-3, rel=1e-4)
    path = tmp_path / "photom.fits"
    write_photom(path, {("F444W", "GRISMR"): configuration}, detector="NRCALONG", solid_angle=SOLID_ANGLE)
    with datamodels.open(path) as model:
        assert type(model).__name__ == "NrcWfssPhotomModel"
        assert model.phot_unit == "MJy micron s / (DN sr)"
        row = next(row for row in model.phot_table if row["order"] == 1)
        assert (row["filter"], row["pupil"], row["photmjsr"]) == ("F444W", "GRISMR", 1.0)
        at = np.interp(4.4, row["wavelength"][: row["nelem"]], row["relresponse"][: row["nelem"]])
    assert at == pytest.approx(float(np.interp(4.4, wave, relative)), rel=1e-5)


def test_the_background_is_the_dispersed_sky(tmp_path):
    from stdatamodels.jwst import datamodels

    configuration = builtin_configuration("NIS", "F150W", "GR150R")
    response = np.full((2048, 2048), 0.5, np.float32)
    response[100] = 0.25
    path = tmp_path / "bkg.fits"
    write_background(
        path, configuration, detector="NIS", optics=("GR150R", "F150W"), response=response, solid_angle=SOLID_ANGLE
    )  # fmt: skip
    with datamodels.open(path) as model:
        assert type(model).__name__ == "WfssBkgModel"
        plane = np.array(model.data)
    wave = np.geomspace(0.5, 5.8, 1000)
    flux = MEGAJANSKY * SOLID_ANGLE * 2.99792458e18 / (wave * 1e4) ** 2
    wanted = dispersed_sky(configuration, wave, flux).window(nx=2048, ny=2048) * response
    np.testing.assert_allclose(plane, wanted, atol=2.0**-12 * wanted.max())
