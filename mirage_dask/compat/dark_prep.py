"""`mirage.dark.dark_prep`: the second of Mirage's three stages, the dark ramp in the exposure's readout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirage_dask.compat.one_exposure import OneExposure


class DarkPrep:
    """The dark of one exposure, by the noise model.

    Attributes
    ----------
    paramfile
        The YAML file.
    prepDark : (integration, group, y, x) array
        Linear DN, after `prepare`.
    """

    def __init__(self, file_splitting: bool = True, offline: bool = False):
        self.paramfile: str | Path | None = None
        self.file_splitting, self.offline = file_splitting, offline
        self.prepDark: npt.NDArray[np.float32] | None = None

    def prepare(self) -> None:
        """Compute the dark."""
        self.prepDark = OneExposure(self.paramfile).dataset()["dark"].values
