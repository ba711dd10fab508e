"""Darks in the real file layout, small enough to be made by a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from mirage_dask.instruments import get_detector
from mirage_dask.reference.darks.files import dark_folder
from mirage_dask.spec import ExposureSpec

TFRAME = 10.73677
NY, NX = 70, 90
"""Of the small files: blocks at their edges are narrower than the others."""

FILE_NAMES = {
    "NIRCAM": "Linearized_Dark_and_SBRefpix_NRC{fits_name}-DARK-6001{n}_1_490_SE_2016-01-0{n}T00h00m00_level1b_uncal.fits",
    "NIRISS": "jw{n:05d}_nis_linear_dark_prep_object.fits",
    "FGS": "{n}_1x88_FGSF0351{n}_1_{guider}_SE_2015-12-0{n}T00h00m00_dms_uncal_linearized.fits",
}


def exposure(**changes: Any) -> ExposureSpec:
    """A spec of which darks need the identity, the readout and the pixels."""
    values: dict[str, Any] = {
        "name": "jw00001001001_02101_00001_nrcb5", "program": 1, "observation": 1, "visit": 1, "exposure": 1, "tile": 1,
        "dither": 1, "detector": "NRCB5", "filter": "F444W", "pupil": "CLEAR", "nints": 1, "ngroups": 3, "nframes": 1,
        "groupgap": 0, "tframe": TFRAME, "x0": 0, "y0": 0, "nx": NX, "ny": NY, "fast_axis": -1, "slow_axis": 2,
        "amplifiers": 4, "attitude": (), "random_seed": 1, "pack": "none",
    }  # fmt: skip
    return ExposureSpec(**(values | changes))


@dataclass(frozen=True)
class MadeDark:
    """A file, and what it holds."""

    path: Path
    signal: np.ndarray
    """SCI as written."""
    bias: np.ndarray
    """SBANDREFPIX as written."""

    @property
    def total(self) -> np.ndarray:
        """Linear counts with bias, (integration, frame, y, x), double precision."""
        return self.signal.astype(np.float64) + self.bias.astype(np.float64)


def linear_ramp(
    shape: tuple[int, int, int, int], seed: int, *, noise: float = 6.0, jumps: tuple[Any, ...] = ()
) -> np.ndarray:
    """Linear counts: a weak current, white noise, and jumps (frame, y, x, height)."""
    rng = np.random.default_rng(seed)
    ramp = rng.normal(0.0, noise, shape) + 0.02 * np.arange(shape[1])[:, None, None]
    for frame, y, x, height in jumps:
        ramp[:, frame:, y, x] += height
    return ramp


def write_linearized(
    root: Path,
    detector: str = "NRCB5",
    *,
    number: int = 1,
    frames: int = 108,
    integrations: int = 1,
    size: tuple[int, int] = (NY, NX),
    pattern: str | None = None,
    jumps: tuple[Any, ...] = (),
    cards: dict[str, Any] | None = None,
    noise: float = 6.0,
) -> MadeDark:
    """Write a linearized dark where MIRAGE_DATA has it."""
    own = get_detector(detector)
    folder, _ = dark_folder(root, detector)
    folder.mkdir(parents=True, exist_ok=True)
    name = FILE_NAMES[own.instrument].format(
        n=number, fits_name=own.fits_name, guider={"GUIDER1": 497, "GUIDER2": 498}.get(own.name)
    )
    shape = (integrations, frames, *size)
    signal = linear_ramp(shape, number, jumps=jumps, noise=noise).astype(">f4")
    rng = np.random.default_rng(100 + number)
    fixed = rng.normal(10_000.0, 300.0, size)
    bias = (fixed + rng.normal(0.0, 2.0, (integrations, frames, size[0], 1))).astype(">f4")
    rapid = {"NIRCAM": "RAPID", "NIRISS": "NISRAPID", "FGS": "FGSRAPID"}[own.instrument]
    primary = fits.PrimaryHDU()
    for key, value in {
        "READPATT": pattern or rapid, "NFRAMES": 1, "NSKIP": 0, "NGROUPS": frames, "NINTS": integrations,
        "DETECTOR": own.fits_name, "INSTRUME": own.instrument, "FASTAXIS": own.fast_axis, "SLOWAXIS": own.slow_axis,
        "TFRAME": TFRAME, **(cards or {}),
    }.items():  # fmt: skip
        primary.header[key] = value
    parts = {"SCI": signal, "SBANDREFPIX": bias, "ZEROFRAME": signal[:, 0], "ZEROSBANDREFPIX": bias[:, 0]}
    path = folder / name
    fits.HDUList([primary, *(fits.ImageHDU(data, name=key) for key, data in parts.items())]).writeto(path)
    return MadeDark(path, signal, bias)


def write_raw(root: Path, detector: str, counts: np.ndarray, *, number: int = 1) -> Path:
    """Write a raw dark of NIRCam where MIRAGE_DATA has it."""
    own = get_detector(detector)
    folder, _ = dark_folder(root, detector, kind="raw")
    folder.mkdir(parents=True, exist_ok=True)
    primary = fits.PrimaryHDU()
    for key, value in {
        "READPATT": "RAPID", "NFRAMES": 1, "GROUPGAP": 0, "DETECTOR": own.fits_name, "INSTRUME": own.instrument,
        "FASTAXIS": own.fast_axis, "SLOWAXIS": own.slow_axis, "TFRAME": TFRAME,
    }.items():  # fmt: skip
        primary.header[key] = value
    path = folder / f"NRC{own.fits_name}-DARK-6001{number}_1_490_SE_2016-01-01T00h00m00_level1b_uncal.fits"
    fits.HDUList([primary, fits.ImageHDU(counts, name="SCI")]).writeto(path)
    return path
