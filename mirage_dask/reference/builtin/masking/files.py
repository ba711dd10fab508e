"""The reference files of the pipeline's stage 3 of aperture masking: the mask (`nrm`), the filters (`throughput`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.reference.builtin.psf import passband
from mirage_dask.reference.builtin.rules import Recipe
from mirage_dask.reference.builtin.stops.nrm import FLAT_TO_FLAT, HOLES, transmitted
from mirage_dask.reference.files.fits_images import primary_hdu, write_fits

PUPIL_DIAMETER, PUPIL_CIRCLE = 6.559348, 6.603464
"""Metres: the primary mirror between flats along V3, and the circle around it, which the image of the mask spans."""
PIXELS = 1024
"""Along a side of the image of the mask."""
FINER = 2
"""Samples along a side of each of its pixels, which are grey at the edges of holes."""
SAMPLES = 400
"""Wavelengths of a filter; the analysis makes 19 of them."""
ANGSTROMS = 1e4
"""Per micron."""


def write_mask(path: Path, recipe: Recipe) -> None:
    """Write the mask as designed, and its image."""
    from astropy.io import fits

    cards: dict[str, object] = {
        "EXP_TYPE": recipe.exp_type,
        "DIAM": PUPIL_DIAMETER,
        "F2F": FLAT_TO_FLAT,
        "PUPL_CRC": PUPIL_CIRCLE,
    }
    for number, (x, y) in enumerate(HOLES, start=1):
        cards |= {f"NRM_X_A{number}": x, f"NRM_Y_A{number}": y}
    primary = primary_hdu(
        kind=recipe.kind,
        model="NRMModel",
        instrument=recipe.instrument,
        detector=None,
        description="Non-redundant mask, metres on the primary mirror",
        cards=cards,
    )
    write_fits(path, [primary, fits.ImageHDU(mask_image(), name="NRM")])


def mask_image() -> NDArray[np.float32]:
    """Return the transmission of the mask as designed, (`PIXELS`, `PIXELS`), 0 to 1, over `PUPIL_CIRCLE` metres."""
    count = FINER * PIXELS
    axis = (np.arange(count) - (count - 1) / 2) * PUPIL_CIRCLE / count
    fine = transmitted(axis[None, :], axis[:, None], affine=((1.0, 0.0), (0.0, 1.0)))
    return fine.reshape(PIXELS, FINER, PIXELS, FINER).mean(axis=(1, 3)).astype(np.float32)


def write_throughput(path: Path, recipe: Recipe) -> None:
    """Write a filter: the band that the built-in PSFs have, as throughput over wavelength in Angstrom."""
    from astropy.io import fits

    pivot, width = passband(recipe.filter, "NRM", instrument=recipe.instrument)
    wave = (pivot + width * np.linspace(-0.55, 0.55, SAMPLES)) * ANGSTROMS
    inside = np.abs(wave / ANGSTROMS - pivot) <= 0.5 * width
    table = np.zeros(SAMPLES, dtype=[("wavelength", "f4"), ("throughput", "f4")])
    table["wavelength"], table["throughput"] = wave, inside
    primary = primary_hdu(
        kind=recipe.kind,
        model="ThroughputModel",
        instrument=recipe.instrument,
        detector=None,
        description="Relative throughput, 1 in the band",
        cards={"FILTER": recipe.filter},
    )
    write_fits(path, [primary, fits.BinTableHDU(table, name="THROUGHPUT")])
