"""Electrons of the static light of a window: the stage `light` alone, with the same random numbers as in the chain."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from mirage_dask.detector.context import Box, Floats, Inside, Place, Readout
from mirage_dask.detector.light import collect_light
from mirage_dask.detector.random.keys import exposure_keys
from mirage_dask.exposure.boxes.areas import ArrayLike, static_light
from mirage_dask.exposure.frame import Frame
from mirage_dask.exposure.planes import read_planes
from mirage_dask.exposure.references import References
from mirage_dask.spec import ExposureSpec, Window


def photons(
    spec: ExposureSpec,
    references: References,
    window: Window,
    on: Collection[str],
    given: Mapping[str, ArrayLike],
) -> Floats:
    """Return the electrons of static light since the reset, averaged as each group averages its frames.

    Parameters
    ----------
    spec, references, window
        As for `simulate_window`.
    on
        Effects that are on; those of the stage `light` count.
    given
        The user's own variables, of which `seed` counts.

    Returns
    -------
    float32 (integration, group, y, x), e-.
    """
    frame = Frame(spec, references.pack.array)
    rows, columns = frame.box(window.rows, window.columns)
    seed = frame.detector(static_light(spec, references, given, window.rows, window.columns))
    response = read_planes(references.pack, on, ("light",), (rows, columns), frame.array)["response"]
    light = np.ascontiguousarray(seed * response)
    first, stop = window.integrations
    charge = np.zeros((stop - first, window.groups[1], *light.shape), np.float32)
    keys = exposure_keys(
        spec.random_seed, spec.program, observation=spec.observation, visit=spec.visit, exposure=spec.exposure,
        tile=spec.tile, dither=spec.dither, detector=spec.detector,
    )  # fmt: skip
    collect_light(
        keys.stream("pixel"), Readout.of(spec), Box(first, rows[0], columns[0]), "poisson" in on, light, Place(0, 0),
        Inside(0, light.shape[0], 0, light.shape[1]), charge,
    )  # fmt: skip
    return np.ascontiguousarray(frame.science(charge[:, window.groups[0] :]))
