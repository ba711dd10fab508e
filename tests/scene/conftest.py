"""A small PSF in the library's own shape."""

from __future__ import annotations

import numpy as np
import pytest
from support.small_psf import GRID, OVERSAMPLING, WING_PIXELS, core_samples, star_light

from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary


@pytest.fixture(scope="session")
def core_file() -> CoreFile:
    return CoreFile(core_samples(), OVERSAMPLING, GRID, GRID)


@pytest.fixture(scope="session")
def psf(core_file) -> PsfLibrary:
    offsets = np.arange(WING_PIXELS) - WING_PIXELS // 2
    dx, dy = np.meshgrid(offsets, offsets)
    return PsfLibrary.from_samples(core_file, star_light(dx.astype(float), dy.astype(float), 0.0, 0.0))
