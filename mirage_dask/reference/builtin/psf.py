"""The built-in PSF library: gridded PSFs and PSF wings in the files and formats of MIRAGE_DATA.

The optics are in `mirage_dask.reference.builtin.psf_optics`; this module defines the grid of positions and the two files
of a detector and filter (`mirage_dask.psf.files`: their names and format). A library has 2 x 2 positions (the
corners of the detector), 4 samples per pixel and a field of 65 pixels; the wings are 301 pixels wide (and one more
at each edge, which readers trim), in the middle of the detector. Weak lenses and Lyot stops spread the light over more
pixels and have a wider field.

A plane sums to the energy in its field, not to 1: the light beyond is in the wings, and beyond 150 pixels it is
lost. Behind the mask NRM, whose fringes are analysed over a whole subarray, the core reaches from the star to the farthest
edge of that, and the band has more wavelengths. About 1 s of one core per position of a wide filter. Equal calls write equal
files; an existing valid file is kept, regardless of its origin.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError, nearest
from mirage_dask.instruments import LYOT_STOPS, Detector, get_detector, get_instrument, optical_elements
from mirage_dask.instruments.tables import read_table
from mirage_dask.psf.files import (
    PsfPaths,
    blocking_filter,
    find_library,
    library_folder,
    library_stem,
    matching_files,
    psf_detector,
    read_core,
    read_wings,
)
from mirage_dask.reference.builtin import psf_optics as optics
from mirage_dask.reference.builtin.records import is_usable, record_of, write_recorded

VERSION = 2
"""Incremented whenever the optics change: files of another version are written again."""
OVERSAMPLING = 4
FIELD_PIXELS = 65
WEAK_LENS_FIELD_PIXELS = 201
MASK_FIELD_PIXELS = 113
"""Behind NRM: core and wings blend beyond 49 pixels, and SUB80 reaches 47 from the place of the star."""
MASK_WAVELENGTHS = 12
"""Least number behind NRM, twice as many in a wide filter: between the ends of the band F480M the path between holes that
are 5.28 m apart differs by 1.1 wavelengths at 49 pixels from the star, of F277W by 8."""
LYOT_FIELD_PIXELS = 101
WINGS_PIXELS = 303
"""Side of the wings as written; readers trim one pixel at each edge."""

WEAK_LENSES = {"WLP4": 3.9, "WLP8": 7.8, "WLM8": -7.8}
"""Waves of defocus at 2.12 micron from peak to valley, mean over the field of both modules: measured 3.87 to 3.90, 7.76 to
7.79 and -7.79 to -7.81 (JWST-REF-046515, as tabulated in stpsf, NIRCam_WL_Empirical_Power.csv)."""


def build_psf_library(directory: str | Path, *, detector: str, filter: str, pupil: str = "CLEAR") -> PsfPaths:
    """Write the gridded PSFs and the wings of one detector and filter, unless they exist.

    Parameters
    ----------
    directory
        Root of a tree with the layout of MIRAGE_DATA; created if it does not exist.
    detector
        Any of its names, such as 'NRCB5'.
    filter, pupil
        Elements in the two wheels: 'F444W', 'CLEAR'; 'F150W2', 'F162M'; 'F212N', 'WLP8'; NIRISS 'CLEAR', 'F090W';
        '' for FGS. Grisms and other elements without a bandpass or a stop are treated as CLEAR.

    Returns
    -------
    The paths of core and wings.

    Raises
    ------
    ReferenceFileError
        If the bandpass is not known, or the files cannot be written.
    InputError
        If the detector is unknown.
    """
    spec = get_detector(detector)
    filter, pupil = filter.strip().upper(), pupil.strip().upper()
    wavelength, width = passband(filter, pupil, instrument=spec.instrument)
    stop = stop_of(pupil)
    waves = sum(WEAK_LENSES.get(name, 0.0) for name in (filter, pupil))
    field = WEAK_LENS_FIELD_PIXELS if waves else MASK_FIELD_PIXELS if stop == "NRM" else FIELD_PIXELS
    field = LYOT_FIELD_PIXELS if stop in LYOT_STOPS else field
    paths = _paths(directory, spec, filter, pupil, field)
    kept = _existing(paths, spec, filter, pupil)
    if kept is not None:
        return kept

    pixel, blur = spec.pixel_scale, blur_of(spec)
    edge = float(spec.size - 1)

    n = field * OVERSAMPLING
    step = pixel / OVERSAMPLING
    places = [(x, y) for y in (0.0, edge) for x in (0.0, edge)]
    samples = np.empty((len(places), n, n), dtype=np.float32)
    waveset = wavelengths(wavelength, width, stop=stop)
    for index, (x, y) in enumerate(places):
        error = centred_wavefront(
            spec, (2 * x / edge - 1, 2 * y / edge - 1), waves, waveset, stop=stop, pixel=pixel, blur=blur
        )
        # Samples are "per detector pixel", independent of the oversampling: an ePSF in the terms of photutils.
        samples[index] = optics.images(error, waveset, count=n, step=step, pixel=pixel, blur=blur, stop=stop)

    # Twice as many wavelengths for the wings: with fewer, distant speckles would appear as separate chains.
    many = wavelengths(wavelength, width, stop=stop, density=2)
    error = centred_wavefront(spec, (0.0, 0.0), waves, waveset, stop=stop, pixel=pixel, blur=blur)
    wings = optics.images(
        error, many, count=WINGS_PIXELS, step=pixel, pixel=pixel, blur=blur, stop=stop
    ).astype(np.float32)

    header = _header(spec, filter, pupil, pixel)
    # The wings first, so that the wings exist wherever a core does.
    assert paths.wings is not None
    _write(paths.wings, wings, {**header, **_sampling(WINGS_PIXELS, pixel, 1, many)})
    grid = {
        f"DET_YX{i}": (str((y, x)), f"(y, x) of PSF {i}, science frame, 0-based")
        for i, (x, y) in enumerate(places)
    }
    number = {"NUM_PSFS": (len(places), "places on the detector")}
    _write(
        paths.core, samples, {**header, **_sampling(field, pixel, OVERSAMPLING, waveset), **grid, **number}
    )
    return paths


@cache
def bandpasses(instrument: str) -> dict[str, tuple[float, float]]:
    """Return pivot wavelength and bandwidth, micron, of the elements that have them, by name ('' for FGS)."""
    rows = [r for r in read_table("bandpasses") if r["instrument"] == instrument.upper()]
    return {r["element"]: (float(r["pivot"]), float(r["width"])) for r in rows}


def passband(filter: str, pupil: str = "CLEAR", *, instrument: str = "NIRCAM") -> tuple[float, float]:
    """Return the pivot wavelength and the bandwidth, micron, of the elements in the two wheels.

    The narrower one is used: F164N in the pupil wheel together with F150W2 is F164N. Grisms, masks and clear
    positions have none.

    Raises
    ------
    ReferenceFileError
        If the filter is not in the filter wheel, or neither element has a bandpass in the tables.
    """
    table = bandpasses(instrument)
    known = [table[name] for name in (filter, pupil) if name in table]
    positions = {e.name for e in optical_elements(instrument) if e.wheel == "filter"} or {""}
    if not known or filter not in positions:
        raise ReferenceFileError(
            f"the built-in set has no PSF for filter {filter!r} with pupil {pupil!r}"
            f"{nearest(filter, list(table))}; give your own library with psf_paths"
        )
    return min(known, key=lambda band: band[1])


def wavelengths(pivot: float, width: float, *, stop: str = "", density: int = 1) -> NDArray[np.float64]:
    """Return wavelengths (metres) that sample a box of this pivot and width (micron), with equal photons each.

    One for a narrow band (below 3 %), 3 for a medium, 7 for a wide, 11 for a very wide one, times `density`; behind the stop
    NRM see `MASK_WAVELENGTHS`.
    """
    relative = width / pivot
    count = 1 if relative < 0.03 else density * (3 if relative < 0.15 else 7 if relative < 0.35 else 11)
    if stop == "NRM":
        count = density * MASK_WAVELENGTHS * (1 if relative < 0.15 else 2)
    return (pivot + width * ((np.arange(count) + 0.5) / count - 0.5)) * 1e-6


def stop_of(pupil: str) -> str:
    """Return the element whose stop shapes the pupil; '' if only the telescope does."""
    return pupil if pupil in optics.STOPS or pupil in LYOT_STOPS else ""


def blur_of(spec: Detector) -> float:
    """Return 1 sigma of jitter and charge diffusion together, arcsec."""
    return float(np.hypot(optics.JITTER, spec.charge_diffusion))


def centred_wavefront(
    spec: Detector,
    place: tuple[float, float],
    waves: float,
    waveset: NDArray[np.float64],
    *,
    stop: str,
    pixel: float,
    blur: float,
) -> NDArray[np.float64]:
    """Return the centred wavefront at a position of the detector, -1 to 1 in x and y."""
    error = optics.wavefront(spec.name, spec.wavefront_rms, field=place)
    few = waveset[[0, len(waveset) // 2, -1]] if len(waveset) > 3 else waveset
    # Centred in focus: a weak lens is symmetric, and its broad image has no core to centre on.
    error = optics.centred(error, few, pixel=pixel, blur=blur, stop=stop)
    return error + optics.defocus(waves) if waves else error


def _paths(directory: str | Path, spec: Detector, filter: str, pupil: str, field: int) -> PsfPaths:
    folder = library_folder(directory, spec.instrument)
    stem = library_stem(spec.instrument, spec.name, filter, pupil)
    tail = "predicted_realization0.fits"
    return PsfPaths(
        folder / f"{stem}_fovp{field}_samp{OVERSAMPLING}_npsf4_{tail}",
        folder / "psf_wings" / f"{stem}_fovp{WINGS_PIXELS}_samp1_{tail}",
    )


def _existing(own: PsfPaths, spec: Detector, filter: str, pupil: str) -> PsfPaths | None:
    """Return the existing files if they are valid, None if they have to be written.

    A damaged file that this module wrote is written again; for one of another origin an error is raised.
    """
    assert own.wings is not None
    names = matching_files(
        own.core.parent, detector=spec.name, filter=filter, pupil=pupil, instrument=spec.instrument
    )
    if any(path not in own for found in names for path in found):
        core, wings = find_library(
            own.core.parent, detector=spec.name, filter=filter, pupil=pupil, instrument=spec.instrument
        )
        read_core(core)
        if wings is not None:
            read_wings(wings)
        return PsfPaths(core, wings)
    if not all(is_usable(path, record_of(path)) for path in (own.core, own.wings)):
        return None
    try:
        read_core(own.core)
        read_wings(own.wings)
    except ReferenceFileError:
        return None
    # Files of an older version of this module are written again; a file without the keyword has another origin.
    return own if all(fits.getval(path, "MDPSFVER") == VERSION for path in own if _ours(path)) else None


def _ours(path: Path | None) -> bool:
    return path is not None and "MDPSFVER" in fits.getheader(path)


def _header(spec: Detector, filter: str, pupil: str, pixel: float) -> dict[str, tuple[Any, str]]:
    """Return the keywords common to both files: those that Mirage requires, and the parameters of the PSFs."""
    first, second = blocking_filter(spec.instrument, filter, pupil)
    header: dict[str, tuple[Any, str]] = {
        "INSTRUME": (get_instrument(spec.instrument).label, "instrument"),
        "DETECTOR": (psf_detector(spec.name), "detector"),
        "FILTER": (first, "filter wheel"),
        "PUPIL": (second, "pupil wheel"),
        "PUPILOPD": ("mirage_dask_predicted", "wavefront error"),
        "OPD_FILE": ("mirage_dask_predicted", "wavefront error"),
        "OPDSLICE": (0, "wavefront realization"),
        "ORIGIN": ("mirage_dask", "built-in PSF library"),
        "MDPSFVER": (VERSION, "version of the built-in PSFs"),
        "PIXELSCL": (pixel, "[arcsec] detector pixel"),
        "TEL_WFE": (spec.wavefront_rms * 1e9, "[nm] rms wavefront error, mid-field"),
        "JITRTYPE": ("Gaussian convolution", "pointing jitter"),
        "JITRSIGM": (optics.JITTER, "[arcsec] jitter, 1 sigma per axis"),
        "CHDFTYPE": ("gaussian", "charge diffusion"),
        "CHDFSIGM": (spec.charge_diffusion, "[arcsec] charge diffusion, 1 sigma per axis"),
        "IPCINST": ("none", "IPC is not in these PSFs: the ramp has it"),
        "NORMALIZ": ("exit_pupil", "1 = all light of the star in an infinite field"),
    }
    if second not in ("CLEAR", ""):
        header["HIERARCH PUPIL_MASK"] = (second, "pupil wheel")
    return header


def _sampling(
    field: int, pixel: float, oversampling: int, waveset: NDArray[np.float64]
) -> dict[str, tuple[Any, str]]:
    return {
        "FOVPIXEL": (field, "field of view, detector pixels"),
        "FOV": (field * pixel, "[arcsec] field of view"),
        "OVERSAMP": (oversampling, "samples per detector pixel"),
        "DET_SAMP": (oversampling, "samples per detector pixel"),
        "NWAVES": (len(waveset), "wavelengths"),
        "WAVELEN": (float(waveset.mean()), "[m] mean wavelength"),
    }


def _write(path: Path, samples: NDArray[np.float32], keywords: dict[str, tuple[Any, str]]) -> None:
    """Write a cube into the primary HDU, or a plane into the extension DET_DIST."""
    primary = fits.PrimaryHDU(samples if samples.ndim == 3 else None)
    hdus = fits.HDUList([primary])
    if samples.ndim == 2:
        hdus.append(fits.ImageHDU(samples, name="DET_DIST"))
    for hdu in hdus:
        for key, card in keywords.items():
            hdu.header[key] = card
    write_recorded(path, lambda temporary: hdus.writeto(temporary, overwrite=True), record_of(path))
