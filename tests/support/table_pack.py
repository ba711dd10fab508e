"""Reference data without files: every pixel of a detector has the values of the instrument tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.instruments import get_detector
from mirage_dask.reference.packs.planes import PlaneMaker, to_detector


class TablePack:
    """A pack without reference files: every pixel has the values of the instrument tables."""

    names = ()

    def __init__(self, name: str):
        self.detector = get_detector(name)
        self.maker = PlaneMaker(self.detector, {})
        self.array = self.detector.array
        facts = {
            key: getattr(self.detector, key)
            for key in ("ktc_noise", "pink_noise", "output_pink_noise", "pixel_pink_noise")
        }
        self.meta = {"mean_gain": self.detector.gain, "ipc": self.maker.ipc(), **facts}

    def plane(self, name: str, rows: slice, columns: slice) -> NDArray[np.float32]:
        made = self.maker.dark_rate()[0] if name == "dark_rate" else getattr(self.maker, name)()
        return to_detector(made, self.detector)[..., rows, columns].astype(np.float32)
