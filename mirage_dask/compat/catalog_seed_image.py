"""`mirage.seed_image.catalog_seed_image`: the first of Mirage's three stages, the noiseless scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.compat.one_exposure import OneExposure


class Catalog_seed:
    """The scene on one detector.

    Attributes
    ----------
    paramfile
        The YAML file.
    seedimage : (y, x) array
        DN/s, after `make_seed`.
    seed_segmap : (y, x) array
        Catalog index of the source that gives most light, after `make_seed`; 0 for none.
    seedinfo : dict
        Units, and the gain that converts them, e-/DN.
    frametime : float
        Seconds.
    """

    def __init__(self, offline: bool = False):
        self.paramfile: str | Path | None = None
        self.offline = offline
        self.seedimage: npt.NDArray[np.float64] | None = None
        self.seed_segmap: npt.NDArray[np.int64] | None = None
        self.seedinfo: dict[str, Any] = {}
        self.frametime = float("nan")

    def make_seed(self) -> None:
        """Compute the scene."""
        exposure = OneExposure(self.paramfile)
        self.seedimage = exposure.seed_image()
        self.seed_segmap = exposure.segmentation()
        self.seedinfo = exposure.seed_information()
        self.frametime = float(exposure.row["tframe"])
