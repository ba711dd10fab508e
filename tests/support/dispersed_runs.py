"""Exposures of known stars with grisms, without noise, calibrated by stock Spec2 with the built-in references."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from mirage_dask.instruments import MEGAJANSKY, exp_type, get_detector, get_zeropoint, optical_elements
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.builtin.cache import build_cache
from mirage_dask.reference.builtin.locations import reference_path
from mirage_dask.reference.crds.lookup import CrdsCache, calibrate_env
from mirage_dask.reference.grisms.builtin import builtin_configuration, wheels
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.reference.grisms.sky import dispersed_sky
from mirage_dask.reference.sources import psf_library
from mirage_dask.scene.dispersed.deposit import add_spectrum
from mirage_dask.scene.dispersed.sources import SourceSpectra, add_stars
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.dispersed.weights import node_weights
from mirage_dask.truth.source_catalog import source_catalog
from support.dispersed import gaussian_star

SCRIPT = Path(__file__).with_name("calibrate_spectra.py")
LIGHT = 2.99792458e18
"""Angstrom per second."""
SIGMA = 1.1
"""Pixels, of a narrow star: the 11 rows that the pipeline adds hold all of it."""
WAVE = np.linspace(0.5, 5.8, 2000)
STARS = ((700.30, 1012.60, 1.0), (1300.7, 400.2, 2.0), (300.2, 1500.6, 1.5))
"""x, y (0-based pixels of the direct image) and flux, 1e-4 Jy at all wavelengths, of narrow stars.

The pipeline is told that they are extended, so that it makes no aperture correction."""
REAL_STAR = (1000.4, 700.7, 1.8)
"""The same of a star with the telescope's PSF, with the label after those."""
HALF_WIDTH = 100
"""Pixels, of its image."""
POINTING = {"ra": 53.16, "dec": -27.79, "roll": 30.0}


@dataclass(frozen=True)
class Dispersed:
    """One calibrated exposure."""

    configuration: GrismConfiguration
    directory: Path
    name: str
    sky: NDArray[np.float64]
    """DN/s of the sky in the rate image."""

    def product(self, suffix: str) -> Path:
        """Return the path of a product of the pipeline."""
        return self.directory / f"{self.name}_{suffix}.fits"


def calibrated(
    directory: Path, *, detector: str, filter: str, grism: str, sky: float, aperture: str
) -> Dispersed:
    """Make a rate image, and what Spec2 wants beside it; run Spec2.

    Parameters
    ----------
    sky
        MJy/sr.
    aperture
        Of the SIAF: the pointing, and what pysiaf makes sky positions with.
    """
    spec = get_detector(detector)
    optics = wheels(spec.instrument, filter, grism)
    cache = CrdsCache.builtin()
    build_cache(cache.root, detectors=[detector], optics=[optics])
    configuration = builtin_configuration(detector, filter, grism)
    stem = f"jwst_{spec.instrument.lower()}"
    serial = "-".join((spec.name, *optics)).lower()
    with fits.open(reference_path(cache.root, f"{stem}_flat_{serial}.fits")) as hdus:
        flat, flags = hdus["SCI"].data.astype(float), hdus["DQ"].data
    with fits.open(reference_path(cache.root, f"{stem}_area_{spec.name.lower()}.fits")) as hdus:
        area, solid_angle = hdus["SCI"].data.astype(float), hdus[0].header["PIXAR_SR"]
    # What a pixel makes of an electron of light, by the convention of flats of grisms.
    response = np.where(flags & 1, 0.0, flat / spec.gain)
    light = np.zeros((2048, 2048), np.float32)
    flux = 1e-4 * 1e-23 * LIGHT / (WAVE * 1e4) ** 2
    for segment in segments(configuration):
        weights = node_weights(segment, WAVE, flux)
        for x, y, amount in STARS:
            add_spectrum(
                light, segment, [gaussian_star(SIGMA)], x=x, y=y, weights=weights, amount=amount, x0=0, y0=0
            )  # fmt: skip
    optics_without = (filter, "CLEAR") if spec.instrument == "NIRCAM" else ("CLEAR", filter)
    files, _ = psf_library(
        ("builtin",), detector=spec.name, filter=optics_without[0], pupil=optics_without[1]
    )
    weights = tuple(node_weights(s, WAVE, flux)[None] for s in segments(configuration))
    x, y, amount = (np.array([value]) for value in REAL_STAR)
    add_stars(
        light, PsfLibrary.from_fits(*files), segments(configuration),
        SourceSpectra(weights, np.zeros(1, np.int64), amount), x=x, y=y, half_width=np.array([HALF_WIDTH]),
        pivot=get_zeropoint(spec.name, *optics_without).pivot, x0=0, y0=0,
    )  # fmt: skip
    ground = MEGAJANSKY * solid_angle * LIGHT / (WAVE * 1e4) ** 2
    plane = sky * dispersed_sky(configuration, WAVE, ground).window(nx=2048, ny=2048) * area * response
    name = f"jw00001001001_02101_00001_{spec.fits_name.lower()}"
    found = Dispersed(configuration, directory, name, plane)
    _write(found, light * response + plane, (flags & 1).astype(np.uint32), detector, optics, grism, aperture)
    lines = calibrate_env(cache).splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    log = directory / "pipeline.log"
    with log.open("wb") as stream:
        command = [sys.executable, str(SCRIPT), str(directory), "spec2.json"]
        done = subprocess.run(
            command, env=kept | settings, stdout=stream, stderr=stream, cwd=directory, timeout=900
        )
    assert done.returncode == 0, f"the pipeline failed:\n{log.read_text()[-4000:]}"
    return found


def _write(
    made: Dispersed, rate: Any, flags: Any, detector: str, optics: tuple[str, str], grism: str, aperture: str
) -> None:
    """Write the rate image, its catalog, a segmentation map, a direct image and the association."""
    import pysiaf
    from pysiaf.utils.rotations import attitude
    from stdatamodels.jwst import datamodels

    spec, directory = get_detector(detector), made.directory
    where = pysiaf.Siaf("NIRCam" if spec.instrument == "NIRCAM" else "NIRISS")[aperture]
    model = datamodels.ImageModel(rate.astype(np.float32))
    model.dq = flags
    model.err = np.full(rate.shape, 0.01, np.float32)
    model.var_poisson = np.full(rate.shape, 5e-5, np.float32)
    model.var_rnoise = np.full(rate.shape, 5e-5, np.float32)
    meta = model.meta
    meta.telescope, meta.filename, meta.bunit_data = "JWST", f"{made.name}_rate.fits", "DN/s"
    meta.instrument.name, meta.instrument.detector = spec.instrument, spec.fits_name
    meta.instrument.filter, meta.instrument.pupil = optics
    if spec.instrument == "NIRCAM":
        meta.instrument.module, meta.instrument.channel = spec.module, spec.channel
    else:
        angles = {e.name: e.position for e in optical_elements("NIRISS") if e.wheel == "filter"}
        meta.instrument.filter_position = angles[grism]
    meta.exposure.type, meta.exposure.nframes = exp_type(spec.instrument, "wfss"), 1
    meta.observation.date, meta.observation.time = "2027-03-01", "00:00:00"
    numbers = {"program_number": "00001", "observation_number": "001", "visit_number": "001"}
    numbers |= {"visit_group": "02", "sequence_id": "1", "activity_id": "01", "exposure_number": "00001"}
    for key, value in numbers.items():
        setattr(meta.observation, key, value)
    meta.subarray.name, meta.subarray.xstart, meta.subarray.ystart = "FULL", 1, 1
    meta.subarray.xsize = meta.subarray.ysize = 2048
    wcs = meta.wcsinfo
    wcs.wcsaxes, wcs.v2_ref, wcs.v3_ref = 2, where.V2Ref, where.V3Ref
    wcs.ra_ref, wcs.dec_ref, wcs.roll_ref = POINTING.values()
    wcs.v3yangle, wcs.vparity = where.V3IdlYAngle, int(where.VIdlParity)
    wcs.dispersion_direction = 1 if grism in ("GRISMR", "GR150C") else 2
    meta.velocity_aberration.scale_factor = 1.0
    model.save(directory / f"{made.name}_rate.fits")
    where.set_attitude_matrix(attitude(where.V2Ref, where.V3Ref, *POINTING.values()))
    x, y, amount = np.array([*STARS, REAL_STAR]).T
    catalog = source_catalog(
        label=np.arange(1, len(x) + 1), x=x, y=y, half_width=np.full(len(x), 5.0),
        abmag=-2.5 * np.log10(1e-4 * amount / 3631.0), extended=np.arange(len(x)) < len(STARS),
        to_sky=lambda px, py: where.sci_to_sky(px + 1.0, py + 1.0),
    )  # fmt: skip
    catalog.write(directory / "direct_cat.ecsv", overwrite=True)
    datamodels.SegmentationMapModel(np.zeros(rate.shape, np.uint32)).save(directory / "direct_segm.fits")
    datamodels.ImageModel(np.zeros(rate.shape, np.float32)).save(directory / "direct_i2d.fits")
    members = [
        {"expname": f"{made.name}_rate.fits", "exptype": "science"},
        {"expname": "direct_cat.ecsv", "exptype": "sourcecat"},
        {"expname": "direct_segm.fits", "exptype": "segmap"},
        {"expname": "direct_i2d.fits", "exptype": "direct_image"},
    ]
    association = {
        "asn_type": "spec2", "asn_rule": "DMSLevel2bBase", "asn_id": "a3001", "asn_pool": "none", "program": "1",
        "products": [{"name": made.name, "members": members}],
    }  # fmt: skip
    (directory / "spec2.json").write_text(json.dumps(association))
