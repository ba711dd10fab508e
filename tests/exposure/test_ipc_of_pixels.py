"""A kernel for each pixel from the user's file to the exposure, and out of it again by the kernels of the same file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from astropy.io import fits

import mirage_dask as md
from mirage_dask.detector.effects import EFFECTS
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.reference.files.ipc_kernels import inverse_kernel
from mirage_dask.spec import Window

NAME = "jw99001002001_01101_00002_nrcb1"
LEFT = np.array([[0.0002, 0.006, 0.0001], [0.005, 0, 0.0055], [0.0001, 0.0065, 0.0002]])
RIGHT = np.array([[0, 0.003, 0], [0.002, 0, 0.004], [0, 0.0045, 0]])
for kernel in (LEFT, RIGHT):
    kernel[1, 1] = 1 - kernel.sum()


def corrected(image, kernels):
    """What the pipeline makes of an image with the file's kernels, (3, 3, y, x): the sum of neighbours by weights."""
    out = np.zeros(image.shape)
    padded = np.pad(image.astype(float), 1)
    ny, nx = image.shape
    for j in range(3):
        for i in range(3):
            out += padded[2 - j : 2 - j + ny, 2 - i : 2 - i + nx] * kernels[j, i]
    return out


def test_the_kernels_of_a_file_take_out_what_the_exposure_has(tmp_path):
    """Unequal kernels in the left and right half, which correct: the corrected image is that without coupling.

    A file's kernels are 3 x 3, and so only the middle of what inverts a coupling of 0.6 %: what is left is its square.
    """
    example = md.example_proposal()
    row = md.open_proposal(example).table.set_index("name").loc[NAME]
    middle = int(row["x0"]) + int(row["nx"]) // 2
    kernels = np.empty((3, 3, 2048, 2048), np.float32)
    kernels[..., :middle] = inverse_kernel(LEFT)[:, :, None, None]
    kernels[..., middle:] = inverse_kernel(RIGHT)[:, :, None, None]
    path = tmp_path / "ipc.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(kernels, name="SCI")]).writeto(path)
    proposal = partial(
        md.open_proposal, example, cosmic_rays="none", background=0.0, dates="2021-10-04", roll_angle=30.0,
        reffile_overrides={"nircam": {"ipc": {"nrcb1": str(path)}}},
    )  # fmt: skip
    plan = proposal(effects={effect.name: effect.name == "ipc" for effect in EFFECTS}).prepare(NAME)
    spec = plan.spec(plan.row(NAME))
    references = open_references(spec, plan.url)
    assert "ipc_kernels" in references.pack.names
    seed = np.zeros((spec.ny, spec.nx), np.float32)
    seed[20:-20:7, 20:-20:9] = 1000.0
    window = Window((0, 1), (spec.ngroups - 1, spec.ngroups), (0, spec.ny), (0, spec.nx))
    simulate = partial(
        simulate_window, references=references, window=window, want=("linear",), replaced={"seed": seed}
    )
    coupled = simulate(spec)["linear"][0, 0]
    truth = simulate(replace(spec, switched=tuple(sorted(set(spec.switched) ^ {"ipc"}))))["linear"][0, 0]
    peak = truth.max()
    y, x = np.s_[spec.y0 : spec.y0 + spec.ny], np.s_[spec.x0 : spec.x0 + spec.nx]
    found = corrected(coupled, kernels[:, :, y, x])
    half = spec.nx // 2
    inside = np.ones(truth.shape, bool)
    inside[:, half - 2 : half + 2] = False  # where neighbours have other kernels
    inside[[0, -1]] = inside[:, [0, -1]] = False
    assert np.abs(coupled - truth)[inside].max() > 0.015 * peak
    assert np.abs(found - truth)[inside].max() < 2e-4 * peak
    # The other half's kernel would leave ten times as much.
    wrong = corrected(coupled, np.broadcast_to(inverse_kernel(RIGHT)[:, :, None, None], (3, 3, *truth.shape)))
    assert np.abs(wrong - truth)[:, : half - 2].max() > 2e-3 * peak
