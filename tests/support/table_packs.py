"""Packs without reference files: every pixel has the values of the instrument tables, quick to make for any detector."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.exposure.references import References
from mirage_dask.instruments import get_detector
from mirage_dask.reference.packs.planes import PlaneMaker, to_detector


class TablePack:
    """Stands for a reference pack of a detector."""

    names = ()

    def __init__(self, name: str):
        self.detector = get_detector(name)
        self.maker = PlaneMaker(self.detector, {})
        self.array = self.detector.array
        facts = {
            key: getattr(self.detector, key)
            for key in ("ktc_noise", "pink_noise", "output_pink_noise", "pixel_pink_noise")
        }
        self.meta = {"mean_gain": self.detector.gain, "ipc": self.maker.ipc(), "pixar_a2": 1.0, **facts}
        self._planes: dict[str, NDArray[Any]] = {}

    def plane(self, name: str, rows: slice, columns: slice) -> NDArray[Any]:
        if name not in self._planes:
            made = self.maker.dark_rate()[0] if name == "dark_rate" else getattr(self.maker, name)()
            kind = np.uint32 if name == "mask" else np.float32
            self._planes[name] = to_detector(made, self.detector).astype(kind)
        return self._planes[name][..., rows, columns].copy()


@lru_cache(maxsize=1)  # 200 MB each
def table_references(name: str) -> References:
    """Return the references of a detector without light."""
    return References(TablePack(name))
