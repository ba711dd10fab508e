r"""The pipeline's reference files of slitless spectroscopy, made from configurations of grisms.

    specwcs           traces of one filter and grism (`trace_models`)
    wavelengthrange   which wavelengths of an order are extracted
    photom            the inverse sensitivity of every filter, grism and order
    bkg               what the pixels count of a uniform sky

A pixel of the spectrum of a source of flux F_nu holds, in DN/s,

.. math:: \frac{S}{g}\, F_\lambda\, \frac{d\lambda}{dp}, \qquad F_\lambda = F_\nu\, \frac{c}{\lambda^2}

with S the sensitivity in electrons, g the mean gain and d lambda/dp the dispersion. The pipeline divides by the dispersion
in micron per pixel and multiplies by `photmjsr relresponse`, MJy/sr micron/pixel per DN/s; so with Omega the pixel's
solid angle

.. math:: \mathrm{relresponse} = \frac{\lambda_A^2\, g}{c_A\, S\, 10^4}\, \frac{1}{10^{-17}\, \Omega}

(lambda_A, c_A in Angstrom, 10^-17 erg/s/cm2/Hz a MJy, 10^4 Angstrom a micron). Source: jwst 3.0, photom.py. Where S is
below 1/1000 of its peak there is no row.

The plane bkg is in DN/s for a sky of 1 MJy/sr at all wavelengths, times the detector's response; so the factor by which the
pipeline scales it is the sky in MJy/sr.

NOT modelled: the colour of the sky, which changes the ramps at the field's edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import MEGAJANSKY, exp_type, get_detector
from mirage_dask.reference.files.asdf_trees import asdf_meta, write_asdf
from mirage_dask.reference.files.fits_images import (
    image_hdu,
    primary_hdu,
    quality_hdus,
    subarray_cards,
    write_fits,
)
from mirage_dask.reference.grisms.builtin import Wheels
from mirage_dask.reference.grisms.configuration import LEAST_RESPONSE, GrismConfiguration, GrismOrder
from mirage_dask.reference.grisms.sky import ANGSTROMS, dispersed_sky
from mirage_dask.reference.grisms.trace_models import extracted_range, trace_models

Floats = NDArray[np.float64]

SAMPLES = 2000
"""Of the inverse sensitivity, evenly in wavelength."""
EXTRACTED = (1,)
"""Orders that the pipeline extracts."""
_LIGHT = 2.99792458e18
"""Angstrom per second."""
_SKY_WAVELENGTHS = (0.5, 5.8)
"""Micron."""
_STEP = 2.0**-12
"""Of the brightest pixel: step of the values of a stored plane."""


def write_specwcs(
    path: Path, configuration: GrismConfiguration, *, detector: str, optics: Wheels, fwcpos: float | None
) -> None:
    """Write the traces of one filter and grism.

    Parameters
    ----------
    path
        ASDF file.
    configuration
        Any.
    detector
        'NRCALONG', 'NIS' …
    optics
        See `builtin.wheels`.
    fwcpos
        Angle of NIRISS's filter wheel, degrees, at which traces hold where the configuration says none.

    Raises
    ------
    InputError
        If the pipeline's polynomials do not fit the traces.
    """
    spec = get_detector(detector)
    tree = dict(trace_models(configuration, instrument=spec.instrument).tree)
    about = {"name": spec.instrument, "detector": spec.fits_name, "filter": optics[0], "pupil": optics[1]}
    if spec.instrument == "NIRCAM":
        model = "NIRCAMGrismModel"
        about |= {"module": spec.module, "channel": spec.channel}
    else:
        model = "NIRISSGrismModel"
        tree["fwcpos_ref"] = configuration.fwcpos_ref if configuration.fwcpos_ref is not None else fwcpos
    meta = asdf_meta(
        kind="specwcs",
        model=model,
        instrument=about,
        exp_type=exp_type(spec.instrument, "wfss"),
        description=f"Traces of {configuration.name}",
    )
    write_asdf(path, {"meta": meta | {"input_units": "micron", "output_units": "micron"}, **tree})


def write_wavelength_range(
    path: Path, configurations: Mapping[tuple[str, str, str], GrismConfiguration], *, instrument: str
) -> None:
    """Write which wavelengths of each filter and order are extracted.

    Parameters
    ----------
    path
        ASDF file.
    configurations
        Of an instrument, by blocking filter, grism and module.
    instrument
        'NIRCAM' or 'NIRISS'.
    """
    found: dict[tuple[int, str], tuple[float, float]] = {}
    for (filter_, _, _), configuration in configurations.items():
        for order in configuration.orders:
            low, high = extracted_range(order)
            known = found.get((order.order, filter_), (low, high))
            found[order.order, filter_] = (min(low, known[0]), max(high, known[1]))
    filters = sorted({filter_ for _, filter_ in found})
    meta = asdf_meta(
        kind="wavelengthrange",
        model="WavelengthrangeModel",
        instrument={"name": instrument},
        exp_type=exp_type(instrument, "wfss"),
        description="Wavelengths that are extracted",
    )
    tree = {
        "waverange_selector": filters,
        "wavelengthrange": [[order, name, *limits] for (order, name), limits in sorted(found.items())],
        "order": sorted({order for order, _ in found}),
        "extract_orders": [[name, list(EXTRACTED)] for name in filters],
    }
    write_asdf(path, {"meta": meta | {"wavelength_units": "micron"}, **tree})


def write_photom(
    path: Path,
    configurations: Mapping[Wheels, GrismConfiguration],
    *,
    detector: str,
    solid_angle: float,
    mode: str = "wfss",
    least: float = 0.0,
) -> None:
    """Write the flux calibration of the grisms of one detector.

    Parameters
    ----------
    path
        FITS file.
    configurations
        By the elements of the wheels.
    detector
        Its mean gain counts.
    solid_angle
        Of a pixel, steradian.
    mode
        'wfss' or 'ts_grism', which have the same calibration.
    least
        Of the peak: where the sensitivity is below this, nothing is calibrated.
    """
    from astropy.io import fits

    spec = get_detector(detector)
    arrays = ("wavelength", "relresponse", "reluncertainty")
    kind: list[Any] = [("filter", "S12"), ("pupil", "S15"), ("order", "i2"), ("photmjsr", "f4")]
    kind += [("uncertainty", "f4"), ("nelem", "i2"), *((name, "f4", (SAMPLES,)) for name in arrays)]
    rows = []
    for optics, configuration in configurations.items():
        for order in configuration.orders:
            wave, relative = inverse_sensitivity(order, gain=spec.gain, solid_angle=solid_angle)
            relative[order.respond(wave) < least * order.response.max()] = 0.0
            rows.append((*optics, order.order, 1.0, 0.0, SAMPLES, wave, relative, np.zeros(SAMPLES)))
    short = "Nrc" if spec.instrument == "NIRCAM" else "Nis"
    primary = primary_hdu(
        kind="photom",
        model=f"{short}WfssPhotomModel",
        instrument=spec.instrument,
        detector=spec.fits_name,
        description="MJy/sr micron/pixel per DN/s",
        cards={
            "EXP_TYPE": exp_type(spec.instrument, mode),
            "PIXAR_SR": solid_angle,
            "PIXAR_A2": solid_angle * (180.0 * 3600.0 / np.pi) ** 2,
        },
    )
    table = fits.BinTableHDU(np.array(rows, dtype=kind), name="PHOTOM")
    table.header["PHOTUNIT"] = "MJy micron s / (DN sr)"  # the step wfss_contam asks for it
    write_fits(path, [primary, table])


def inverse_sensitivity(order: GrismOrder, *, gain: float, solid_angle: float) -> tuple[Floats, Floats]:
    """Return `SAMPLES` wavelengths (micron) of an order and its relresponse there, 0 where there is no light."""
    lit = order.wavelength[order.response > LEAST_RESPONSE * order.response.max()]
    wave = np.linspace(lit[0], lit[-1], SAMPLES)
    response = order.respond(wave)
    with np.errstate(divide="ignore"):
        relative = (wave * ANGSTROMS) ** 2 * gain / (_LIGHT * response * ANGSTROMS * MEGAJANSKY * solid_angle)
    return wave, np.where(response > 0.5 * LEAST_RESPONSE * response.max(), relative, 0.0)


def write_background(
    path: Path,
    configuration: GrismConfiguration,
    *,
    detector: str,
    optics: Wheels,
    response: NDArray[np.float32],
    solid_angle: float,
) -> None:
    """Write what the pixels of a detector count of a sky of 1 MJy/sr.

    Parameters
    ----------
    path
        FITS file.
    configuration
        Of the grism.
    detector
        'NRCALONG' …
    optics
        See `builtin.wheels`.
    response
        (ny, nx) DN per electron that the sky sends to a mean pixel: quantum efficiency times relative area over gain.
    solid_angle
        Of a pixel, steradian.
    """
    spec = get_detector(detector)
    wave = np.geomspace(*_SKY_WAVELENGTHS, 1000)
    flux = MEGAJANSKY * solid_angle * _LIGHT / (wave * ANGSTROMS) ** 2
    ny, nx = response.shape
    plane = dispersed_sky(configuration, wave, flux).window(nx=nx, ny=ny) * response
    step = 2.0 ** np.floor(np.log2(plane.max())) * _STEP
    cards = subarray_cards("GENERIC", 0, 0, nx, ny, fast=spec.fast_axis, slow=spec.slow_axis)
    cards |= {"EXP_TYPE": exp_type(spec.instrument, "wfss"), "FILTER": optics[0], "PUPIL": optics[1]}
    primary = primary_hdu(
        kind="bkg",
        model="WfssBkgModel",
        instrument=spec.instrument,
        detector=spec.fits_name,
        description="DN/s of a uniform sky of 1 MJy/sr",
        cards={**cards, "BUNIT": "DN/s"},
    )
    flags = np.zeros((ny, nx), np.uint32)
    write_fits(path, [primary, image_hdu("SCI", plane, step=float(step)), *quality_hdus(flags)])
