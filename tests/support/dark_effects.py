"""Effects of the dark alone: an exposure without references, and what one effect adds to any box of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.context import Box, ExposureContext, Readout
from mirage_dask.detector.effects import EFFECTS, changed_parameters
from mirage_dask.detector.outputs import Outputs
from mirage_dask.detector.random.keys import ExposureKeys
from mirage_dask.instruments import get_detector
from support.small_plans import make_spec

GAIN = 2.0
TFRAME = 10.0


def dark_exposure(
    effect: str,
    *,
    detector: str = "NRCA1",
    seed: int = 1,
    nframes: int = 1,
    groupgap: int = 0,
    rows: tuple[int, int] = (0, 2048),
    columns: tuple[int, int] = (0, 2048),
    amplifiers: int = 4,
    **parameters: float,
) -> ExposureContext:
    """Return an exposure whose effect has these parameters; the frame time is 10 s, the gain 2."""
    changed = changed_parameters((effect, name, value) for name, value in parameters.items())
    spec = replace(
        make_spec(), detector=detector, nframes=nframes, groupgap=groupgap, tframe=TFRAME, parameters=changed
    )
    array = get_detector(detector).array
    pack: Any = SimpleNamespace(meta={"mean_gain": GAIN})
    outputs = Outputs(columns[0], columns[1] - columns[0], amplifiers)
    return ExposureContext(
        spec, pack, array, ExposureKeys(f"{seed}"), Readout.of(spec), (rows, columns), outputs
    )


def added(
    effect: str, context: ExposureContext, box: Box, shape: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Return what an effect adds to a box of this shape; None stands for an effect that says it adds nothing."""
    (declared,) = (e for e in EFFECTS if e.name == effect)
    dark = np.zeros(shape, np.float32)
    said = declared.function()(context, box, dark)
    assert said or not dark.any(), effect
    return dark
