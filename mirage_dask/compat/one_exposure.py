"""One YAML file of Mirage's simulators: its lazy exposure, and its output files."""

from __future__ import annotations

import sys
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import yaml

from mirage_dask.errors import InputError
from mirage_dask.exposure.levels import mask_plane, saturation_level
from mirage_dask.exposure.references import open_references
from mirage_dask.fits.linear import linear_name, write_linear
from mirage_dask.fits.ramp_models import RampProduct
from mirage_dask.fits.segments import segments_of
from mirage_dask.fits.uncal import uncal_name, write_uncal
from mirage_dask.proposal import Proposal, open_yaml
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.run.executors.local import processors
from mirage_dask.run.export import computed_pixels
from mirage_dask.spec import Window

if TYPE_CHECKING:
    import xarray as xr

_TOLD: set[str] = set()


def print_note(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(f"mirage_dask: {text}\n")


def print_note_once(text: str) -> None:
    """Write a line to stderr, unless this process has written it before."""
    if text not in _TOLD:
        _TOLD.add(text)
        print_note(text)


class OneExposure:
    """The exposure of a YAML file.

    Parameters
    ----------
    paramfile
        The file.

    Raises
    ------
    InputError
        If there is no such file, it has problems, or its exposure cannot be simulated.
    """

    def __init__(self, paramfile: str | Path | None):
        if paramfile is None:
            raise InputError("paramfile is None; set it to the YAML file of the exposure.")
        self.path = Path(paramfile)
        self.proposal: Proposal = open_yaml(self.path)
        self.row: dict[str, Any] = self.proposal.table.iloc[0].to_dict()
        if self.row["status"] != "ready":
            raise InputError(f"{self.path}: {self.row['name']} cannot be simulated: {self.row['reason']}.")
        for note in self.proposal.notes:
            print_note_once(note)

    @cached_property
    def output(self) -> dict[str, Any]:
        """Section Output of the file."""
        return dict(yaml.safe_load(self.path.read_text(encoding="utf-8"))["Output"])

    @property
    def gain(self) -> float:
        """Mean gain, e-/DN: what turns Mirage's DN/s into electrons/s."""
        plan = self.proposal.prepare()
        spec = plan.spec(plan.row(self.row["name"]))
        return float(ReferencePack.open(plan.url, spec.pack).meta["mean_gain"])

    def dataset(self, **pieces: npt.NDArray[Any] | None) -> xr.Dataset:
        """Return the lazy exposure, with pieces of the caller's own in place of computed ones."""
        return self.proposal.exposure(self.row["name"], **pieces)

    def write(self, dataset: xr.Dataset) -> Path:
        """Write the ramps that the file asks for, raw, linear or both; return the path of the first file, raw if any."""
        asked = str(self.output.get("datatype") or "raw")
        folder = Path(str(self.output.get("directory") or "."))
        folder.mkdir(parents=True, exist_ok=True)
        plan = self.proposal.prepare()
        name = self.row["name"]
        row = plan.row(name)
        spec = plan.spec(row)
        pack = open_references(spec, plan.url).pack

        def compute(variable: str, window: Window) -> npt.NDArray[Any]:
            box = (window.integrations, window.groups, window.rows, window.columns)
            part = dataset[variable][tuple(slice(*side) for side in box)]
            return np.asarray(part.compute(scheduler="synchronous").values)

        def linear(window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
            return compute("linear", window), saturation_level(spec, pack, window)

        raw_files, linear_files = [], []
        for segment in segments_of(spec.shape):
            product = RampProduct.of(plan, spec, segment)
            windows = partial(plan.grid(row).boxes, segment.integrations)
            if "raw" in asked or "linear" not in asked:
                raw_files.append(folder / uncal_name(name, segment))
                raw = computed_pixels(partial(compute, "raw"), windows(), threads=processors())
                write_uncal(raw_files[-1], raw, product)
            if "linear" in asked:
                linear_files.append(folder / linear_name(name, segment))
                ramp = computed_pixels(linear, windows(), threads=processors())
                write_linear(linear_files[-1], ramp, mask_plane(spec, pack), product)
        return (raw_files or linear_files)[0]
