"""What the light of earlier exposures leaves in an exposure: the inputs of persistence.

What an earlier exposure has filled is its expected light, without noise, drawn here strip by strip; of it only the pixels
with more than the effect's least fluence are kept, and never more than `MOST_PIXELS`: at most 16 MB for each exposure within
the look-back, beside one strip of light. They are drawn one after another, on the client. The table of what an exposure
receives lies in the plan under the hash of its content, which is part of its specification: exposures can be simulated in
any order, and each by itself.

The model `traps` takes its numbers from the files TRAPPARS, TRAPDENSITY and PERSAT of the user's where there are any.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.charge.trapping import Fill, release
from mirage_dask.detector.effects import effects_on, parameter_value
from mirage_dask.errors import InputError, ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.io.progress import Progress
from mirage_dask.io.tables import save_table
from mirage_dask.planning.history import NAME, Earlier
from mirage_dask.reference.files.traps import (
    TYPES,
    read_persistence_level,
    read_trap_density,
    read_trap_families,
)
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.layers import open_layers
from mirage_dask.scene.static_light import exposure_view, static_light
from mirage_dask.settings.row import read_overrides
from mirage_dask.spec import ExposureSpec

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)

STRIP = 256
"""Rows of the science frame that are drawn at a time."""
MOST_PIXELS = 500_000
"""Pixels of an earlier exposure that are followed, the brightest ones."""


def check_traps(table: pd.DataFrame) -> None:
    """Read the files of traps that exposures name.

    Raises
    ------
    InputError
        With every problem of every file.
    """
    problems: dict[str, None] = {}
    for detector, text in (
        table[["detector", "overrides"]].drop_duplicates().itertuples(index=False, name=None)
    ):
        shape = get_detector(detector).array.science_shape
        for kind, path in read_overrides(text).items():
            try:
                if kind == "trappars":
                    read_trap_families(Path(path))
                elif kind in TYPES:
                    read_trap_density(Path(path), shape)
            except ReferenceFileError as error:
                problems[str(error)] = None
    if problems:
        raise InputError(list(problems))


class Histories:
    """The inputs of exposures, from the light of those before them.

    Parameters
    ----------
    url
        Directory of the plan.
    specs
        Specifications of the exposures and of their histories, by name.
    overrides
        Reference files of the user's own for each of them, by type.
    """

    def __init__(
        self,
        url: str,
        specs: Mapping[str, ExposureSpec],
        overrides: Mapping[str, Mapping[str, str]] | None = None,
    ):
        self.url, self.specs = url, specs
        self.overrides = overrides or {}
        self._lit: dict[tuple[str, float, float | str], Fill] = {}

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
        # Files of traps belong to a detector, and so to all of its exposures.
        files = self.overrides.get(spec.name, {}) if value("model") == "traps" else {}
        families = read_trap_families(Path(files["trappars"])) if files.get("trappars") else None
        coefficients = None if families is None else [astuple(family) for family in families]
        keys = [(earlier.name, least, value("model")) for earlier in before]
        self._lit = {key: fill for key, fill in self._lit.items() if key in keys}
        fills = []
        for key, earlier in zip(keys, before, strict=True):
            if key not in self._lit:
                self._lit[key] = _fill(self.specs[earlier.name], self.url, least, files)
            fills.append(replace(self._lit[key], since=max(earlier.since, spec.tframe)))
        table = release([fill for fill in fills if fill.pixel.size], value, coefficients).table()
        if not table["row"].size:
            return spec
        content = save_table(f"{self.url}/sources", table, kind=f"input/{NAME}")
        return replace(spec, inputs=(*spec.inputs, (NAME, content)))


def _fill(spec: ExposureSpec, url: str, least: float, files: Mapping[str, str]) -> Fill:
    """Return the pixels in which an integration of an exposure leaves more than some electrons.

    Parameters
    ----------
    files
        Those of traps, by type.
    """
    pack, on = ReferencePack.open(url, spec.pack), effects_on(spec.switched)
    light = open_layers(spec.layers, exposure_view(spec, pack, url)).static
    seconds = spec.frames_per_integration * spec.tframe
    shape, detector = pack.array.science_shape, pack.array.orientation.detector
    traps = (
        detector(read_trap_density(Path(files["trapdensity"]), shape)) if files.get("trapdensity") else None
    )
    level = detector(read_persistence_level(Path(files["persat"]), shape)) if files.get("persat") else None
    found: list[tuple[NDArray[Any], ...]] = []
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
        full = pack.plane("full_well", *box) if level is None else level[box]
        well = full[row, column] / per_electron
        density = np.zeros(row.size) if traps is None else traps[box][row, column] / per_electron
        pixel = ((row + rows[0]).astype(np.int64) << 16) + (column + columns[0])
        found.append((pixel, rate[row, column], well, density))
    pixel, rate, well, density = (np.concatenate(part) for part in zip(*found, strict=True))
    if pixel.size > MOST_PIXELS:
        _LOG.warning(
            "%s: %d pixels hold more than %g electrons; persistence of the brightest %d of them is simulated. A larger "
            "`fluence` (effects: {persistence: {fluence: …}}) leaves out the faint ones.",
            spec.name, pixel.size, least, MOST_PIXELS,
        )  # fmt: skip
        kept = np.lexsort((pixel, -rate))[:MOST_PIXELS]
        pixel, rate, well, density = pixel[kept], rate[kept], well[kept], density[kept]
    order = np.argsort(pixel)
    return Fill(
        pixel=pixel[order],
        rate=rate[order].astype(np.float64),
        well=well[order].astype(np.float64),
        seconds=seconds,
        reset=spec.tframe,
        integrations=spec.nints,
        since=0.0,
        density=None if traps is None else density[order].astype(np.float64),
    )
