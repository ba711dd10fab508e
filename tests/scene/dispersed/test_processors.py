"""Dispersed light has the same bits on a processor without vector extensions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import numpy as np
from support.small_psf import GRID, OVERSAMPLING, core_samples
from mirage_dask.psf.files import CoreFile
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.scene.dispersed.sources import SourceSpectra, add_galaxies, add_stars
from mirage_dask.scene.dispersed.traces import segments
from mirage_dask.scene.galaxies.placed import PlacedGalaxies
folder = Path(sys.argv[1])
arrays = dict(np.load(folder / "arrays.npz"))
psf = PsfLibrary.from_arrays({k: arrays[k] for k in ("core", "wings", "profile", "enclosed")}, eval(sys.argv[4]))
found = segments(GrismConfiguration.load(folder, sys.argv[3]))
weights = tuple(np.linspace(0, 1, s.count, dtype=np.float32)[None] for s in found)
spectra = SourceSpectra(weights, np.zeros(3, int), np.ones(3))
x, y = np.array([300.3, 700.7, -40.2]), np.array([500.1, 510.6, 505.4])
galaxies = PlacedGalaxies(x, y, np.ones(3), arrays["form"], arrays["variances"], arrays["weights"])
out = np.zeros((60, 900), np.float32)
half, place = np.array([9, 20, 15]), {"pivot": 4.4, "x0": 300, "y0": 460}
add_stars(out, psf, found, spectra, x=x, y=y, half_width=half, **place)
add_galaxies(out, psf, found, spectra, galaxies=galaxies, half_width=half, **place)
print(hashlib.sha256(out.tobytes()).hexdigest(), (out != 0).mean())
"""


@pytest.mark.slow
def test_the_same_bits_on_another_processor(nircam, psf, tmp_path, root):
    import numpy as np
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    from mirage_dask.scene.galaxies.sersic import constants

    arrays, meta = psf.to_arrays()
    _, variances, weights = constants(np.array([0.8, 1.5, 4.0]))
    form = np.array([[4.0, 1.0, 3.0], [9.0, 0.0, 2.0], [1.0, 0.2, 1.0]])
    np.savez(tmp_path / "arrays.npz", **arrays, form=form, variances=variances, weights=weights)
    key = nircam.save(tmp_path)
    plain = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": " ".join(n for n in __cpu_dispatch__ if __cpu_features__.get(n)),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL",
    }
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(root / "tests"), key, repr(meta)]
    answers = [
        subprocess.run(
            command, env={**os.environ, **extra}, capture_output=True, text=True, check=True
        ).stdout
        for extra in ({}, plain)
    ]
    assert float(answers[0].split()[1]) > 0.5
    assert answers[0] == answers[1]
