"""A raw file of an exposure without sources, and stars to add to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

import mirage_dask as md
from support.simulated import SUBARRAY_SW

NAME = SUBARRAY_SW
GAIN = 2.01
"""e-/DN of NRCB1, mean."""
STARS = ((60.0, 80.0, 20.0), (200.0, 210.0, 20.5), (310.0, 120.0, 21.0))
"""x, y (pixels), AB magnitude."""
BLINDING = (120.0, 320.0, 9.0)


def observed(folder: Path, **settings) -> Path:
    """Simulate an exposure and return the folder with its raw file."""
    proposal = md.open_proposal(md.example_proposal(), settings={"background": "low"} | settings)
    proposal.simulate(folder / "observed.zarr", scheduler="serial", select=NAME, progress=False, truth=False)
    md.open_simulation(folder / "observed.zarr").export(folder / "uncal")
    return folder / "uncal"


def star_catalog(path: Path, stars=STARS) -> Path:
    """Write a catalog of stars at pixels of the exposure."""
    lines = [f"{n} {x} {y} {mag}" for n, (x, y, mag) in enumerate(stars, start=1)]
    path.write_text(
        "\n".join(["# position_pixels", "# abmag", "index x_or_RA y_or_Dec magnitude", *lines]) + "\n"
    )
    return path


def rate_file(path: Path, uncal: Path, *, unit: str = "DN/s", **cards) -> Path:
    """Write a rate or calibrated file of the exposure: 1 in every pixel but one, errors of 0.1 and their variances."""
    with fits.open(uncal) as hdus:
        primary, sky = hdus[0].copy(), hdus["SCI"].header
    shape = (400, 400) if "ints" not in path.name else (2, 400, 400)
    science = np.ones(shape, np.float32)
    science[..., 210, 201] = np.nan
    images = [fits.ImageHDU(science, name="SCI")]
    for key in ("RA_REF", "DEC_REF", "ROLL_REF", "V2_REF", "V3_REF"):
        images[0].header[key] = sky[key]
    images[0].header["BUNIT"] = unit
    for key, value in cards.items():
        images[0].header[key] = value
    images += [
        fits.ImageHDU(np.full(shape, 0.1, np.float32), name="ERR"),
        fits.ImageHDU(np.full(shape, 0.01, np.float32), name="VAR_POISSON"),
        fits.ImageHDU(np.full(shape, 7, np.int32), name="DQ"),
    ]
    path.parent.mkdir(exist_ok=True, parents=True)
    primary.header.pop("FILENAME", None)
    fits.HDUList([primary, *images]).writeto(path)
    return path
