"""What the light of earlier exposures leaves in an exposure: the inputs of persistence.

What an earlier exposure has filled is its expected light, without noise, drawn here strip by strip; of it only the pixels
with more than the effect's least fluence are kept, and never more than `MOST_PIXELS`. The table of what an exposure receives
lies in the plan under the hash of its content, which is part of its specification: exposures can be simulated in any order,
and each by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.charge.trapping import Fill, release
from mirage_dask.detector.effects import effects_on, parameter_value
from mirage_dask.io.progress import Progress
from mirage_dask.io.tables import save_table
from mirage_dask.planning.history import NAME, Earlier
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import open_layers
from mirage_dask.scene.static_light import exposure_view, static_light
from mirage_dask.spec import ExposureSpec

_LOG = logging.getLogger(__name__)

STRIP = 256
"""Rows of the science frame that are drawn at a time."""
MOST_PIXELS = 500_000
"""Pixels of an earlier exposure that are followed, the brightest ones."""


class Histories:
    """The inputs of exposures, from the light of those before them.

    Parameters
    ----------
    url
        Directory of the plan.
    specs
        Specifications of the exposures and of their histories, by name.
    """

    def __init__(self, url: str, specs: Mapping[str, ExposureSpec]):
        self.url, self.specs = url, specs
        self._lit: dict[tuple[str, float], Fill] = {}

    def with_persistence(
        self, found: Mapping[str, Sequence[Earlier]], progress: Progress | None = None
    ) -> dict[str, ExposureSpec]:
        """Return the specifications of exposures with what their histories leave in them.

        Parameters
        ----------
        found
            `histories`, in any order.
        progress
            Called with (what is being done, how many are done, how many there are).
        """
        out = {}
        # In the order of the table, which is that of time for each detector: few fills are in memory.
        for done, (name, before) in enumerate(found.items()):
            if progress is not None:
                progress("light of earlier exposures", done, len(found))
            out[name] = self._with_inputs(self.specs[name], before)
        return out

    def _with_inputs(self, spec: ExposureSpec, before: Sequence[Earlier]) -> ExposureSpec:
        value = partial(parameter_value, NAME, changed=spec.parameters)
        least = float(value("fluence"))
        keys = [(earlier.name, least) for earlier in before]
        self._lit = {key: fill for key, fill in self._lit.items() if key in keys}
        fills = []
        for key, earlier in zip(keys, before, strict=True):
            if key not in self._lit:
                self._lit[key] = _fill(self.specs[earlier.name], self.url, least)
            fills.append(replace(self._lit[key], since=max(earlier.since, spec.tframe)))
        table = release([fill for fill in fills if fill.pixel.size], value).table()
        if not table["row"].size:
            return spec
        content = save_table(f"{self.url}/sources", table, kind=f"input/{NAME}")
        return replace(spec, inputs=(*spec.inputs, (NAME, content)))


def _fill(spec: ExposureSpec, url: str, least: float) -> Fill:
    """Return the pixels in which an integration of an exposure leaves more than some electrons."""
    pack, on = ReferencePack.open(url, spec.pack), effects_on(spec.switched)
    light = open_layers(spec.layers, exposure_view(spec, pack, url)).static
    seconds = spec.frames_per_integration * spec.tframe
    found: list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]] = []
    for low in range(0, spec.ny, STRIP):
        y = spec.y0 + low, spec.y0 + min(low + STRIP, spec.ny)
        x = spec.x0, spec.x0 + spec.nx
        rows, columns = pack.array.detector_box(y, x)
        box = slice(*rows), slice(*columns)
        rate = pack.array.orientation.detector(static_light(light, pack, y=y, x=x))
        rate = rate * (pack.plane("response", *box) if "flat" in on else np.float32(1))
        rate = rate * pack.array.sensitive(*box)
        row, column = np.nonzero(rate * np.float32(seconds) > np.float32(least))
        per_electron = pack.plane("inverse_gain", *box)[row, column]
        well = pack.plane("full_well", *box)[row, column] / per_electron
        pixel = ((row + rows[0]).astype(np.int64) << 16) + (column + columns[0])
        found.append((pixel, rate[row, column], well))
    pixel, rate, well = (np.concatenate(part) for part in zip(*found, strict=True))
    if pixel.size > MOST_PIXELS:
        _LOG.warning(
            "%s: %d pixels hold more than %g electrons; persistence of the brightest %d of them is simulated. A larger "
            "`fluence` (effects: {persistence: {fluence: …}}) leaves out the faint ones.",
            spec.name, pixel.size, least, MOST_PIXELS,
        )  # fmt: skip
        kept = np.lexsort((pixel, -rate))[:MOST_PIXELS]
        pixel, rate, well = pixel[kept], rate[kept], well[kept]
    order = np.argsort(pixel)
    return Fill(
        pixel=pixel[order],
        rate=rate[order].astype(np.float64),
        well=well[order].astype(np.float64),
        seconds=seconds,
        reset=spec.tframe,
        integrations=spec.nints,
        since=0.0,
    )
