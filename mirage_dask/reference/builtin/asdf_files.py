"""The built-in reference files that are ASDF: distortion, filter and magnitude offsets, traces of grisms.

The distortion is the polynomial of the observatory's SIAF, detector pixel -> V2, V3. The inverse in the file inverts
exactly this polynomial (the SIAF's own inverse is a separate fit, which differs by up to 0.1 pixel in corners).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.modeling import Model, models
from astropy.table import Table

from mirage_dask.instruments import exp_type, get_detector, get_zeropoint, optical_elements
from mirage_dask.pointing import aperture_polynomials, distortion_from_model, field_name, siaf_model
from mirage_dask.pointing.astropy_models import inverse_model
from mirage_dask.reference.builtin.rules import Recipe, grism_optics, is_time_series, optics_of
from mirage_dask.reference.files.asdf_trees import asdf_meta, write_asdf
from mirage_dask.reference.files.fits_images import AUTHOR, USEAFTER
from mirage_dask.reference.grisms import time_series
from mirage_dask.reference.grisms.builtin import builtin_configuration
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.reference_files import write_specwcs, write_wavelength_range


def _meta(recipe: Recipe, *, model: str, description: str) -> dict[str, Any]:
    instrument: dict[str, Any] = {"name": recipe.instrument}
    if recipe.detector:
        detector = get_detector(recipe.detector)
        # The pipeline's model requires the pupils for which the file is valid.
        instrument |= {
            "detector": detector.fits_name,
            **({"module": detector.module} if detector.module else {}),
            **({"channel": detector.channel} if detector.channel else {}),
            **({"p_pupil": f"{recipe.pupil or 'ANY'}|"} if optical_elements(recipe.instrument) else {}),
        }
    return asdf_meta(
        kind=recipe.kind,
        model=model,
        instrument=instrument,
        exp_type=exp_type(recipe.instrument, "imaging"),
        description=description,
    )


@cache
def forward_model(detector: str, pupil: str = "") -> Model:
    """Return the SIAF's map of a detector, 0-based full-frame science pixels -> V2, V3 in arcsec, with its inverse.

    Parameters
    ----------
    detector
        Its name.
    pupil
        A Lyot stop, whose wedge turns the light; empty for none.
    """
    name = field_name(detector, pupil)
    facts = aperture_polynomials(name)
    angle = np.radians(facts["v3i_yang"])
    parity = facts["vparity"]
    ideal = {
        (i, j): (cx, cy)
        for (i, j, cx), (_, _, cy) in zip(facts["sci_to_idl_x"], facts["sci_to_idl_y"], strict=True)
    }
    v2 = {
        f"c{i}_{j}": float(parity * x * np.cos(angle) + y * np.sin(angle)) for (i, j), (x, y) in ideal.items()
    }
    v3 = {
        f"c{i}_{j}": float(-parity * x * np.sin(angle) + y * np.cos(angle))
        for (i, j), (x, y) in ideal.items()
    }
    v2["c0_0"] += facts["v2_ref"]
    v3["c0_0"] += facts["v3_ref"]
    to_reference = models.Shift(1.0 - facts["x_sci_ref"]) & models.Shift(1.0 - facts["y_sci_ref"])
    degree = facts["degree"]
    both = models.Polynomial2D(degree, **v2) & models.Polynomial2D(degree, **v3)
    forward = to_reference | models.Mapping((0, 1, 0, 1)) | both
    size = get_detector(detector).size
    exact = distortion_from_model(
        siaf_model(name)[0], size=size, margin=200, orders=(6, 7, 8, 9, 12, 14), label=detector
    )
    forward.inverse = inverse_model(exact)
    return forward


def write_distortion(path: Path, recipe: Recipe) -> None:
    """Write the distortion of one detector."""
    meta = _meta(recipe, model="DistortionModel", description="Distortion of the SIAF, pixel to V2, V3")
    meta |= {"input_units": "pixel", "output_units": "arcsec"}
    write_asdf(path, {"meta": meta, "model": forward_model(recipe.detector, recipe.pupil)})


def write_filter_offsets(path: Path, recipe: Recipe) -> None:
    """Write offsets of zero for all optics of a detector: filters of the built-in telescope cause no shift."""
    meta = _meta(recipe, model="FilteroffsetModel", description="No shift between filters")
    meta["input_units"] = "pixel"
    pairs = sorted({(f, p) for _, f, p in optics_of(recipe.detector)})
    offsets = [{"filter": f, "pupil": p, "column_offset": 0.0, "row_offset": 0.0} for f, p in pairs]
    write_asdf(path, {"meta": meta, "filters": offsets})


def write_magnitude_offsets(path: Path, recipe: Recipe) -> None:
    """Write the AB minus Vega magnitude of all optics, from the zero points: mean of the detectors, or of each guider."""
    wheels = bool(optical_elements(recipe.instrument))
    offsets: dict[tuple[str, ...], list[float]] = {}
    for detector, filter_, pupil in optics_of(instrument=recipe.instrument):
        zero = get_zeropoint(detector, filter_, pupil)
        ab = -2.5 * np.log10(zero.photfnu) - 48.6
        key = (filter_, pupil) if wheels else (get_detector(detector).fits_name,)
        offsets.setdefault(key, []).append(float(ab - zero.vegamag))
    rows = [(*key, float(np.mean(values))) for key, values in sorted(offsets.items())]
    columns = {"filter": "U12", "pupil": "U15"} if wheels else {"detector": "U12"}
    columns["abvega_offset"] = "f4"
    table = Table(rows=rows, names=list(columns), dtype=list(columns.values()))
    meta = _meta(recipe, model="ABVegaOffsetModel", description="AB minus Vega magnitude of the zero points")
    write_asdf(path, {"meta": meta, "abvega_offset": table})


def write_detector1_parameters(path: Path, recipe: Recipe) -> None:
    """Write the parameters of the pipeline's first stage: without IPC correction, as at the observatory.

    The step is run before the superbias is subtracted, where it is not valid (spacetelescope/jwst 3859); the
    observatory's parameter files disable it.
    """
    meta = _meta(recipe, model="StepParsModel", description="As the observatory: no IPC correction")
    meta |= {"date": USEAFTER, "origin": AUTHOR}
    ipc = {"class": "jwst.ipc.IPCStep", "name": "ipc", "parameters": {"skip": True}}
    pipeline = {"class": "jwst.pipeline.Detector1Pipeline", "name": "Detector1Pipeline", "parameters": {}}
    write_asdf(path, {"meta": meta, **pipeline, "steps": [ipc]})


@cache
def grism_configuration(detector: str, filter: str, pupil: str) -> GrismConfiguration:
    """Return the built-in configuration of a detector and the elements of its wheels."""
    return builtin_configuration(detector, *grism_optics()[detector, filter, pupil])


LookUp = Callable[[str, str, str], GrismConfiguration]
"""From a detector and the elements of its wheels to the configuration in use: `grism_configuration`, or the user's own."""


def write_traces(path: Path, recipe: Recipe, look_up: LookUp) -> None:
    """Write the traces of one filter and grism."""
    optics = (recipe.filter, recipe.pupil)
    angles = {e.name: e.position for e in optical_elements(recipe.instrument) if e.wheel == "filter"}
    configuration = look_up(recipe.detector, *optics)
    if recipe.exp_type == time_series.EXP_TYPE:
        time_series.write_specwcs(path, configuration, detector=recipe.detector, optics=optics)
        return
    write_specwcs(
        path, configuration, detector=recipe.detector, optics=optics, fwcpos=angles.get(recipe.filter)
    )


def write_extracted(path: Path, recipe: Recipe, look_up: LookUp) -> None:
    """Write the wavelengths that are extracted, of all grisms of an instrument."""
    if recipe.exp_type == time_series.EXP_TYPE:
        places = {names[0]: optics for optics, names in grism_optics().items() if is_time_series(optics)}
        time_series.write_wavelength_range(path, {f: look_up(*p) for f, p in places.items()})
        return
    configurations = {
        (*names, optics[0]): look_up(*optics)
        for optics, names in grism_optics().items()
        if get_detector(optics[0]).instrument == recipe.instrument
    }
    write_wavelength_range(path, configurations, instrument=recipe.instrument)
