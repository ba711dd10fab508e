"""The built-in reference files that are FITS: the values of each type, and their conventions.

Flux calibration is consistent as follows. Light that yields n electrons/s in a mean pixel yields n QE in a pixel of
relative quantum efficiency QE, and n QE / gain DN/s. The pipeline computes cal = DN/s / flat * photmjsr. With

    flat     = QE * area * mean gain / gain
    photmjsr = photfnu / 1e-17 / PIXAR_SR     (photfnu: erg/s/cm2/Hz per DN/s; 1 MJy = 1e-17 in that unit)

and photfnu_e = photfnu / mean gain, cal = n photfnu_e / (1e-17 * area * PIXAR_SR): the flux divided by the true solid
angle of the pixel, independent of its gain and efficiency. A star's flux is therefore sum(cal * area) * PIXAR_SR, and
a uniform sky is uniform in cal.

Flats of grisms leave the area out, flat = QE * mean gain / gain, and say so in their header (FLATAREA): a pixel behind a
grism has the light of sources, not of the patch of the sky that it covers, and the pipeline sums cal for a spectrum without
the area. So a spectrum is the source's whatever the area of its pixels. (The observatory's flats are those of imaging: its
spectra are low by the relative area of their pixels, up to 3 % in NIRCam's corners.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.lib import recfunctions
from numpy.typing import NDArray

from mirage_dask.instruments import (
    MEGAJANSKY,
    frame_time,
    get_detector,
    get_instrument,
    get_readout,
    get_zeropoint,
    grism_of,
    optical_elements,
    transmission,
)
from mirage_dask.instruments.tables import read_table
from mirage_dask.pointing import aperture, full_frame, siaf_model
from mirage_dask.reference.builtin import asdf_files
from mirage_dask.reference.builtin.apertures.corrections import (
    GrismOptics,
    aperture_corrections,
    grism_corrections,
)
from mirage_dask.reference.builtin.asdf_files import LookUp
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.masking.files import write_mask, write_throughput
from mirage_dask.reference.builtin.rules import Recipe, grism_optics, optics_of
from mirage_dask.reference.builtin.soss import files as soss_files
from mirage_dask.reference.files.fits_images import (
    image_hdu,
    primary_hdu,
    quality_hdus,
    subarray_cards,
    write_fits,
)
from mirage_dask.reference.files.ipc_kernels import inverse_kernel, ipc_kernel
from mirage_dask.reference.files.quality import flag
from mirage_dask.reference.files.reading import AREA_IN_FLAT
from mirage_dask.reference.grisms import time_series
from mirage_dask.reference.grisms.reference_files import write_background, write_photom

STERADIAN = (np.pi / 180.0 / 3600.0) ** 2
"""Steradians per square arcsecond."""
DARK_STEP = 2.0**-14
"""DN; a power of two, so that the slope of a dark ramp is exact for every readout pattern."""

DARK_GROUPS = 2
"""The pipeline extends a short dark along the slope of its last two groups, which is exact for a linear one."""


def write_file(
    path: Path,
    *,
    recipe: Recipe,
    maps: DetectorMaps | None,
    look_up: LookUp = asdf_files.grism_configuration,
) -> None:
    """Write one built-in reference file.

    Parameters
    ----------
    recipe
        The file to write.
    maps
        Maps of its detector; None for files of the whole instrument.
    look_up
        Gives the configurations of grisms.
    """
    if recipe.exp_type == soss_files.EXP_TYPE:
        if recipe.kind == "photom":
            soss_files.write_photom(path, recipe, solid_angle=_solid_angle(recipe.detector))
        elif recipe.kind == "bkg":
            assert maps is not None
            area, _ = pixel_area(recipe.detector)
            plane = maps.efficiency(recipe.filter, recipe.pupil) * area / maps.gain
            soss_files.write_background(path, recipe, plane)
        else:
            soss_files.WRITERS[recipe.kind](path, recipe)
    elif recipe.exp_type and recipe.kind in _GRISMS:
        _GRISMS[recipe.kind](path, recipe, maps, look_up)
    elif recipe.kind in _INSTRUMENT:
        _INSTRUMENT[recipe.kind](path, recipe)
    else:
        assert maps is not None
        _DETECTOR[recipe.kind](path, recipe, maps)


def _primary(
    recipe: Recipe, maps: DetectorMaps, model: str, description: str, **cards: Any
) -> fits.PrimaryHDU:
    detector, (ny, nx) = maps.detector, maps.shape
    placed = subarray_cards("GENERIC", 0, 0, nx, ny, fast=detector.fast_axis, slow=detector.slow_axis)
    return primary_hdu(
        kind=recipe.kind,
        model=model,
        instrument=recipe.instrument,
        detector=detector.fits_name,
        description=description,
        cards=placed | cards,
    )


def _mask(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    write_fits(path, [_primary(recipe, maps, "MaskModel", "Bad pixels"), *quality_hdus(maps.mask)])


def _superbias(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    image = image_hdu("SCI", maps.superbias, step=0.125, zero=maps.detector.bias)
    write_fits(path, [_primary(recipe, maps, "SuperBiasModel", "Signal after reset, DN", BUNIT="DN"), image])


def _saturation(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    flags = np.where(maps.active, np.uint32(0), flag("NO_SAT_CHECK"))
    image = image_hdu("SCI", maps.saturation, step=1.0, zero=32_768.0)
    primary = _primary(recipe, maps, "SaturationModel", "Raw DN at saturation, bias included", BUNIT="DN")
    write_fits(path, [primary, image, *quality_hdus(flags)])


def _linearity(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    # Orders differ by factors of 1e4, so each tile has its own step: an eighth of the scatter in it.
    image = fits.CompImageHDU(
        maps.linearity(),
        name="COEFFS",
        compression_type="RICE_1",
        quantize_level=8,
        quantize_method=-1,
        tile_shape=(1, 32, maps.shape[1]),
    )
    flags = np.where(maps.uncorrectable, flag("NO_LIN_CORR"), np.uint32(0))
    primary = _primary(recipe, maps, "LinearityModel", "Linear DN = sum c_k DN^k, bias subtracted")
    write_fits(path, [primary, image, *quality_hdus(flags)])


def _gain(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    image = image_hdu("SCI", maps.gain, step=2.0**-11, zero=2.0)
    write_fits(path, [_primary(recipe, maps, "GainModel", "Gain, electrons/DN", BUNIT="ELECTRONS/DN"), image])


def _readnoise(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    image = image_hdu("SCI", maps.cds_noise, step=2.0**-8)
    primary = _primary(recipe, maps, "ReadnoiseModel", "Noise of a correlated double sample, DN", BUNIT="DN")
    write_fits(path, [primary, image])


def _ipc(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    kernel = inverse_kernel(ipc_kernel(maps.detector)).astype(np.float32)
    primary = _primary(recipe, maps, "IPCModel", "Kernel that removes inter-pixel capacitance")
    write_fits(path, [primary, fits.ImageHDU(kernel, name="SCI")])


def _dark(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    detector = maps.detector
    row = next(
        r for r in read_table("subarrays") if r["detector"] == detector.name and r["name"] == recipe.subarray
    )
    where = aperture(row["aperture"])
    amplifiers = recipe.amplifiers or int(row["amplifiers"])
    pattern = get_readout(recipe.instrument, recipe.readpatt)
    box = np.s_[where.y0 : where.y0 + where.ny, where.x0 : where.x0 + where.nx]
    time = frame_time(recipe.instrument, where.nx, where.ny, amplifiers)
    per_frame = np.rint(maps.dark_rate[box] * (time / maps.gain[box]) / DARK_STEP) * DARK_STEP
    # A group is the mean of its frames; frame k (from 1) has integrated for k frame times.
    first = np.arange(DARK_GROUPS) * (pattern.nframes + pattern.groupgap)
    frames = (first + (pattern.nframes + 1) / 2)[:, None, None]
    image = image_hdu("SCI", frames * per_frame, step=DARK_STEP / 2)
    cards = subarray_cards(
        recipe.subarray,
        where.x0,
        where.y0,
        where.nx,
        where.ny,
        fast=detector.fast_axis,
        slow=detector.slow_axis,
    )
    cards |= {
        "READPATT": pattern.name,
        "NGROUPS": DARK_GROUPS,
        "NFRAMES": pattern.nframes,
        "GROUPGAP": pattern.groupgap,
        "NOUTPUTS": amplifiers,
        "TFRAME": time,
        "AVDRKCUR": detector.dark_current,
    }
    primary = _primary(recipe, maps, "DarkModel", "Dark ramp, linear DN, bias subtracted", **cards)
    write_fits(path, [primary, image, *quality_hdus(np.zeros((where.ny, where.nx), np.uint32))])


@cache
def pixel_area(detector: str) -> tuple[NDArray[np.float32], float]:
    """Return (solid angle of each pixel over the nominal one, the nominal one in square arcseconds).

    The solid angle is the determinant of the derivatives of V2, V3, times cos V3; the nominal one is the product of the
    SIAF's pixel scales at the reference point.
    """
    facts = full_frame(detector)
    forward, _ = siaf_model(facts.name)
    nominal = facts.x_scale * facts.y_scale
    # The derivatives are polynomials of low order: a coarse grid, interpolated exactly by Chebyshev fits.
    nodes = np.cos(np.pi * (np.arange(24) + 0.5) / 24)
    centre, half = (facts.nx - 1) / 2.0, facts.nx / 2.0
    x, y = np.meshgrid(nodes * half + centre, nodes * half + centre)
    h = 0.5
    right, left = forward(x + h, y), forward(x - h, y)
    up, down = forward(x, y + h), forward(x, y - h)
    determinant = (right[0] - left[0]) * (up[1] - down[1]) - (up[0] - down[0]) * (right[1] - left[1])
    area = np.abs(determinant) * np.cos(np.radians(forward(x, y)[1] / 3600.0)) / nominal
    position = (np.arange(facts.nx) - centre) / half
    basis = np.polynomial.chebyshev.chebvander(nodes, 10)
    fitted = np.linalg.lstsq(basis, np.linalg.lstsq(basis, area, rcond=None)[0].T, rcond=None)[0].T
    fine = np.polynomial.chebyshev.chebvander(position, 10)
    return (fine @ fitted @ fine.T).astype(np.float32), nominal


def _area(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    values, nominal = pixel_area(maps.detector.name)
    cards = {"PIXAR_SR": nominal * STERADIAN, "PIXAR_A2": nominal}
    image = image_hdu("SCI", values, step=2.0**-18, zero=1.0)
    write_fits(
        path, [_primary(recipe, maps, "PixelAreaModel", "Relative pixel area of the SIAF", **cards), image]
    )


def _solid_angle(detector: str) -> float:
    """Nominal solid angle of a pixel, steradian."""
    facts = full_frame(detector)
    return facts.x_scale * facts.y_scale * STERADIAN


def _photom(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    detector = maps.detector
    solid_angle = _solid_angle(detector.name)
    rows = []
    for _, filter_, pupil in optics_of(detector.name):
        zero = get_zeropoint(detector.name, filter_, pupil)
        photfnu = zero.photfnu / transmission(detector.name, pupil)
        rows.append((filter_, pupil, photfnu / MEGAJANSKY / solid_angle, 0.0))
    kind = [("filter", "S12"), ("pupil", "S12"), ("photmjsr", "f4"), ("uncertainty", "f4")]
    table = fits.BinTableHDU(_of_wheels(np.array(rows, dtype=kind), recipe.instrument), name="PHOTOM")
    cards = {"PIXAR_SR": solid_angle, "PIXAR_A2": solid_angle / STERADIAN}
    model = f"{get_instrument(recipe.instrument).image_model}PhotomModel"
    write_fits(path, [_primary(recipe, maps, model, "MJy/sr per DN/s", **cards), table])


def _of_wheels(table: NDArray[np.void], instrument: str) -> NDArray[np.void]:
    """Return a table without the columns filter and pupil for an instrument without wheels (FGS)."""
    if optical_elements(instrument):
        return table
    kept = [name for name in table.dtype.names or () if name not in ("filter", "pupil")]
    return recfunctions.repack_fields(table[kept])


def _flat(path: Path, recipe: Recipe, maps: DetectorMaps) -> None:
    values = maps.efficiency(recipe.filter, recipe.pupil) * (np.float32(maps.detector.gain) / maps.gain)
    cards: dict[str, Any] = {"CHANNEL": maps.detector.channel, "FILTER": recipe.filter, "PUPIL": recipe.pupil}
    if grism_of(recipe.filter, recipe.pupil):
        cards[AREA_IN_FLAT] = False
    else:
        values = values * pixel_area(maps.detector.name)[0]
    flags = np.zeros(values.shape, np.uint32)
    flags[maps.dead] = flag("NO_FLAT_FIELD", "DO_NOT_USE", "DEAD")
    flags[~maps.active] = flag("NO_FLAT_FIELD", "DO_NOT_USE")
    values[~maps.active] = 1.0
    primary = _primary(
        recipe,
        maps,
        "FlatModel",
        f"QE {'' if AREA_IN_FLAT in cards else 'x relative area '}x mean gain / gain",
        **{key: value for key, value in cards.items() if value != ""},
    )
    write_fits(path, [primary, image_hdu("SCI", values, step=2.0**-12, zero=1.0), *quality_hdus(flags)])


def _distortion(path: Path, recipe: Recipe, _maps: DetectorMaps) -> None:
    asdf_files.write_distortion(path, recipe)


def _filteroffset(path: Path, recipe: Recipe, _maps: DetectorMaps) -> None:
    asdf_files.write_filter_offsets(path, recipe)


def _apcorr(path: Path, recipe: Recipe) -> None:
    primary = primary_hdu(
        kind=recipe.kind,
        model=f"{get_instrument(recipe.instrument).image_model}ApcorrModel",
        instrument=recipe.instrument,
        detector=None,
        description="Encircled energy of the built-in PSF",
    )
    table = _of_wheels(aperture_corrections(recipe.instrument), recipe.instrument)
    write_fits(path, [primary, fits.BinTableHDU(table, name="APCORR")])


def _grism_photom(path: Path, recipe: Recipe, _maps: DetectorMaps | None, look_up: LookUp) -> None:
    name = recipe.detector
    found = {place[1:]: look_up(*place) for place in grism_optics() if place[0] == name}
    series = recipe.exp_type == time_series.EXP_TYPE
    about: dict[str, Any] = {"mode": time_series.MODE, "least": time_series.LEAST} if series else {}
    write_photom(path, found, detector=name, solid_angle=_solid_angle(name), **about)


def _bkg(path: Path, recipe: Recipe, maps: DetectorMaps | None, look_up: LookUp) -> None:
    assert maps is not None
    optics = (recipe.filter, recipe.pupil)
    write_background(
        path,
        look_up(recipe.detector, *optics),
        detector=recipe.detector,
        optics=optics,
        # The sky falls on a pixel by its area, and is subtracted before the flat is divided by.
        response=maps.efficiency(*optics) * pixel_area(recipe.detector)[0] / maps.gain,
        solid_angle=_solid_angle(recipe.detector),
    )


def _specwcs(path: Path, recipe: Recipe, _maps: DetectorMaps | None, look_up: LookUp) -> None:
    asdf_files.write_traces(path, recipe, look_up)


def _extracted(path: Path, recipe: Recipe, _maps: DetectorMaps | None, look_up: LookUp) -> None:
    asdf_files.write_extracted(path, recipe, look_up)


def _grism_apcorr(path: Path, recipe: Recipe, _maps: DetectorMaps | None, look_up: LookUp) -> None:
    optics = {}
    for place, (filter_, _) in grism_optics().items():
        if get_detector(place[0]).instrument == recipe.instrument:
            pair = (filter_, "CLEAR") if recipe.instrument == "NIRCAM" else ("CLEAR", filter_)
            optics[place] = GrismOptics(*pair, get_zeropoint(place[0], *pair).pivot, look_up(*place))
    short = {"NIRCAM": "Nrc", "NIRISS": "Nis"}[recipe.instrument]
    primary = primary_hdu(
        kind=recipe.kind,
        model=f"{short}WfssApcorrModel",
        instrument=recipe.instrument,
        detector=None,
        description="Light of the built-in PSF in rows across the dispersion",
        cards={"EXP_TYPE": recipe.exp_type},
    )
    table = fits.BinTableHDU(grism_corrections(optics), name="APCORR")
    table.header["SIZEUNIT"] = "pixels"
    write_fits(path, [primary, table])


_INSTRUMENT: dict[str, Callable[[Path, Recipe], None]] = {
    "apcorr": _apcorr,
    "abvegaoffset": asdf_files.write_magnitude_offsets,
    "pars-detector1pipeline": asdf_files.write_detector1_parameters,
    "nrm": write_mask,
    "throughput": write_throughput,
}
_DETECTOR: dict[str, Callable[[Path, Recipe, DetectorMaps], None]] = {
    "mask": _mask,
    "superbias": _superbias,
    "saturation": _saturation,
    "linearity": _linearity,
    "gain": _gain,
    "readnoise": _readnoise,
    "ipc": _ipc,
    "dark": _dark,
    "area": _area,
    "photom": _photom,
    "flat": _flat,
    "distortion": _distortion,
    "filteroffset": _filteroffset,
}
_GRISMS: dict[str, Callable[[Path, Recipe, DetectorMaps | None, LookUp], None]] = {
    "photom": _grism_photom,
    "bkg": _bkg,
    "specwcs": _specwcs,
    "wavelengthrange": _extracted,
    "apcorr": _grism_apcorr,
}
"""Files of exposures with grisms only."""
