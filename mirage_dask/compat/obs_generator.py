"""`mirage.ramp_generator.obs_generator`: the third of Mirage's three stages, the ramp from scene and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.compat.one_exposure import OneExposure


class Observation:
    """Put a scene and a dark together and write the files.

    Attributes
    ----------
    paramfile
        The YAML file.
    seed : (y, x) array
        DN/s, from `Catalog_seed.seedimage`; None: computed.
    linDark : (integration, group, y, x) array or Ramp
        Linear DN, from `DarkPrep.prepDark`; None: computed.
    segmap, seedheader
        Accepted; nothing depends on them.
    output_file : Path
        Of the raw file, after `create`; of the linear one where only that is asked for.
    raw_output, linear_output : str
        Paths of the raw and the linear file, the first ones where there are segments; None for what is not asked for.
    """

    def __init__(self, offline: bool = False):
        self.paramfile: str | Path | None = None
        self.offline = offline
        self.seed: Any = None
        self.linDark: Any = None
        self.segmap: Any = None
        self.seedheader: Any = None
        self.output_file: Path | None = None
        self.raw_output: str | None = None
        self.linear_output: str | None = None

    def create(self) -> None:
        """Make the ramp and write what the YAML file asks for: raw, linear or both."""
        exposure = OneExposure(self.paramfile)
        pieces = {}
        if self.seed is not None:
            pieces["seed"] = (np.asarray(self.seed, np.float64) * exposure.gain).astype(np.float32)
        if self.linDark is not None:
            pieces["dark"] = np.asarray(self.linDark, np.float32)
        files = exposure.write(**pieces)
        self.output_file, self.raw_output, self.linear_output = (
            files.first,
            files.raw_output,
            files.linear_output,
        )
