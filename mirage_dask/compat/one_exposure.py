"""One YAML file of Mirage's simulators: its lazy exposure, and its output files."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import yaml

from mirage_dask.errors import InputError
from mirage_dask.exposure.levels import mask_plane
from mirage_dask.exposure.references import open_references
from mirage_dask.fits.linear import linear_file, linear_name
from mirage_dask.fits.ramp_models import RampProduct
from mirage_dask.fits.segments import segments_of
from mirage_dask.fits.uncal import uncal_file, uncal_name
from mirage_dask.opening import open_yaml
from mirage_dask.proposal import Proposal
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.run.executors.local import processors
from mirage_dask.run.pixels.computed import computed_pixels, with_quality
from mirage_dask.settings.spectra import SpectraChoice
from mirage_dask.spec import Window
from mirage_dask.virtual import simulate_together

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


@dataclass(frozen=True, eq=False)
class Ramp:
    """An array with a header, as Mirage keeps its darks; arithmetic needs `data`, numpy takes either."""

    data: npt.NDArray[Any]
    """(integration, group, y, x)."""
    header: dict[str, Any]
    """NINTS, NGROUPS, TFRAME and so on, as in the exposure's file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the data."""
        return self.data.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return the data, so that numpy takes the object as an array."""
        return np.array(self.data, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class WrittenFiles:
    """Files of one exposure; several of a kind where it is long enough for segments."""

    raw: tuple[Path, ...]
    linear: tuple[Path, ...]

    @property
    def first(self) -> Path:
        """Path of the first raw file; of the first linear one where only those are asked for."""
        return (self.raw or self.linear)[0]

    @property
    def raw_output(self) -> str | None:
        """Mirage's attribute: path of the first raw file, None without."""
        return str(self.raw[0]) if self.raw else None

    @property
    def linear_output(self) -> str | None:
        """Mirage's attribute: path of the first linear file, None without."""
        return str(self.linear[0]) if self.linear else None


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

    def choose_spectra(self, **changes: str) -> None:
        """Change what the light of sources behind the grism is: fields of `settings.spectra.SpectraChoice`."""
        choice = replace(SpectraChoice.from_text(self.row["spectra"]), **changes)
        self.row["spectra"] = choice.to_text()
        self.proposal.table.loc[self.proposal.table.index[0], "spectra"] = choice.to_text()

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

    def seed_image(self) -> npt.NDArray[np.float64]:
        """Compute the scene, (y, x), DN/s."""
        return np.asarray(self.dataset()["seed"].values, np.float64) / self.gain

    def segmentation(self) -> npt.NDArray[np.int64]:
        """Compute which source gives most light in each pixel, (y, x); 0 for none."""
        return np.asarray(self.dataset()["segmentation"].values, np.int64)

    def seed_information(self) -> dict[str, Any]:
        """Return units and gain, e-/DN, of the scene."""
        return {"units": "ADU/sec", "gain": self.gain, "exposure": self.row["name"]}

    def dark(self) -> Ramp:
        """Compute the dark, (integration, group, y, x), linear DN."""
        columns = {"NINTS": "nint", "NGROUPS": "ngroup", "NFRAMES": "nframes", "GROUPGAP": "groupgap"}
        columns |= {"TFRAME": "tframe", "TGROUP": "tgroup", "READPATT": "readpatt", "DETECTOR": "detector"}
        header = {key: self.row[name] for key, name in columns.items()}
        return Ramp(self.dataset()["dark"].values, header)

    def dataset(self, **pieces: Any) -> xr.Dataset:
        """Return the lazy exposure, with pieces of the caller's own in place of computed ones."""
        return self.proposal.exposure(self.row["name"], **pieces)

    def write(self, **pieces: npt.NDArray[Any] | None) -> WrittenFiles:
        """Write the ramps that the file asks for, raw, linear or both, computed once for both.

        Parameters
        ----------
        **pieces
            Of the caller's own in place of computed ones, as for `dataset`.
        """
        asked = str(self.output.get("datatype") or "raw")
        linear, raw = "linear" in asked, "raw" in asked or "linear" not in asked
        folder = Path(str(self.output.get("directory") or "."))
        folder.mkdir(parents=True, exist_ok=True)
        name = self.row["name"]
        plan = self.proposal.prepare()
        row = plan.row(name)
        spec = plan.spec(row)
        replaced = spec.replaced
        if any(piece is not None for piece in pieces.values()):
            from mirage_dask.lazy import replace_pieces  # with dask and xarray

            replaced = replace_pieces(plan.url, spec, pieces).replaced
        pack = open_references(spec, plan.url).pack
        variables = [variable for variable, wanted in (("raw", raw), ("linear", linear)) if wanted]

        def compute(window: Window) -> dict[str, Any]:
            values: dict[str, Any] = simulate_together(plan, row, window, variables, replaced)
            if linear:
                values["linear"] = with_quality(plan, row, window, values["linear"], replaced)
            return values

        raw_files, linear_files = [], []
        for segment in segments_of(spec.shape, exp_type=self.row["exp_type"]):
            product = RampProduct.of(plan, spec, segment)
            with ExitStack() as files:
                if raw:
                    raw_files.append(folder / uncal_name(name, segment))
                    put_raw = files.enter_context(uncal_file(raw_files[-1], product))
                if linear:
                    linear_files.append(folder / linear_name(name, segment))
                    mask = mask_plane(spec, pack)
                    put_linear = files.enter_context(linear_file(linear_files[-1], mask, product))
                windows = plan.grid(row).boxes(segment.integrations)
                for window, values in computed_pixels(compute, windows, threads=processors()):
                    if raw:
                        put_raw("SCI", window, values["raw"])
                    if linear:
                        put_linear(window, values["linear"])
        return WrittenFiles(tuple(raw_files), tuple(linear_files))
