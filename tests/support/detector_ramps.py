"""Ramps of every detector for the closure table: simulated with the built-in maps, without plans and stores.

A strip of rows at the edge of the detector, with its reference pixels, dark but for spots that saturate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.effects import EFFECTS, changed_parameters, default_effects, switched_effects
from mirage_dask.exposure.references import References
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import frame_time, get_detector
from mirage_dask.reference.builtin.detector_maps import DetectorMaps
from mirage_dask.reference.builtin.fits_files import write_file
from mirage_dask.reference.builtin.rules import Recipe
from mirage_dask.reference.files.quality import FLAGS
from mirage_dask.reference.packs.planes import PlaneMaker
from mirage_dask.spec import ExposureSpec, Window
from support.small_plans import make_spec
from support.table_packs import TablePack

KINDS = ("mask", "gain", "readnoise", "superbias", "saturation", "linearity", "dark")
HITS = 4.3 * 18e-4**2
"""Cosmic rays per pixel and second: 4.3 per cm2 in flight (Rauscher & Fixsen 2025), in pixels of 18 micron."""
SPOT_RATES = (20.0, 60.0, 150.0, 400.0, 1500.0)
"""e-/s of spots of 3 x 3 pixels: from faint to saturated in the first groups."""


Parameter = tuple[str, str, float | str]


class FilePack(TablePack):
    """A reference pack made of files; what is not in them is that of the instrument tables."""

    def __init__(self, name: str, files: dict[str, Path]):
        super().__init__(name)
        self.maker = PlaneMaker(get_detector(name), files)
        self.meta = {**self.meta, "mean_gain": self.maker.mean_gain}


class Hits:
    """A library of cosmic rays: single pixels and short tracks of 5,000 e-."""

    start = np.array([0, 1, 4], np.int32)
    dy = np.array([0, 0, 0, 1], np.int8)
    dx = np.array([0, 0, 1, 1], np.int8)
    electrons = np.array([5000, 2500, 1500, 1000], np.float32)


@dataclass(frozen=True, eq=False)
class DetectorRamp:
    """A simulated ramp of one detector, with what is true of it."""

    spec: ExposureSpec
    files: dict[str, Path]
    raw: NDArray[np.uint16]
    """(1, group, y, x), DN."""
    linear: NDArray[np.float32]
    """(group, y, x), DN."""
    flags: NDArray[np.uint8]
    """(group, y, x): SATURATED and JUMP_DET of the truth."""
    charge: dict[str, NDArray[np.float32]]
    """(group, y, x) of each effect that adds charge and is on, electrons."""
    mask: NDArray[np.uint32]
    gain: float

    def until(self, groups: int) -> DetectorRamp:
        """Return the ramp of the first groups."""
        groups = min(groups, self.spec.ngroups)
        return replace(
            self,
            spec=replace(self.spec, ngroups=groups),
            raw=self.raw[:, :groups],
            linear=self.linear[:groups],
            flags=self.flags[:groups],
            charge={name: values[:groups] for name, values in self.charge.items()},
        )

    @property
    def good(self) -> NDArray[np.bool_]:
        """Pixels that only noise is in: neither masked nor near light, particles or what else adds charge."""
        lit = spots(self.spec) > 0
        for name, values in self.charge.items():
            if name != "cosmic_rays":
                lit |= values[-1] > 1.0
        lit |= ((self.flags & FLAGS["JUMP_DET"]) > 0).any(axis=0)
        near = np.zeros_like(lit)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                near |= np.roll(lit, (dy, dx), (0, 1))
        return ~near & (self.mask == 0)


def spots(spec: ExposureSpec) -> NDArray[np.float32]:
    """Return the light of an exposure, (y, x), e-/s: spots on one part in 8 of the strip, far from each other."""
    seed = np.zeros((spec.ny, spec.nx), np.float32)
    along = seed if spec.nx >= spec.ny else seed.T
    for number, place in enumerate(range(64, along.shape[1] - 8, 48)):
        row = 12 + 16 * (number % max((along.shape[0] - 24) // 16, 1))
        along[row : row + 3, place : place + 3] = SPOT_RATES[number % len(SPOT_RATES)]
    return seed


def make_ramp(
    name: str,
    folder: Path,
    *,
    rows: int,
    groups: int,
    also_on: Collection[str] = (),
    off: Collection[str] = (),
    parameters: tuple[Parameter, ...] = (),
    inputs: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
    seed: NDArray[np.float32] | None = None,
) -> DetectorRamp:
    """Simulate a dark RAPID ramp of a detector.

    Parameters
    ----------
    name
        Of the detector.
    folder
        For its reference files.
    rows
        Of the strip, which begins at the first row or column of the science frame.
    groups
        Of the ramp.
    also_on
        Effects that are switched on besides those that are on by default.
    off
        Effects that are switched off.
    parameters
        (effect, name, value) of those that are not at their default.
    inputs
        Tables of effects, as of `References`.
    seed
        Light, e-/s; default `spots`.
    """
    detector = get_detector(name)
    maps, files = DetectorMaps(detector), {}
    pattern = {"NIRCAM": "RAPID", "NIRISS": "NISRAPID", "FGS": "FGSRAPID"}[detector.instrument]
    for kind in KINDS:
        subarray, readpatt = ("FULL", pattern) if kind == "dark" else ("", "")
        recipe = Recipe(kind, detector.instrument, detector.fits_name, subarray=subarray, readpatt=readpatt)
        files[kind] = folder / f"{name}_{kind}.fits"
        write_file(files[kind], recipe=recipe, maps=maps)
    along_x = abs(detector.fast_axis) == 1
    nx, ny = (2048, rows) if along_x else (rows, 2048)
    tframe = frame_time(detector.instrument, 2048, 2048, 4)  # of a full frame, of which this is a strip
    declared = {effect.name for effect in EFFECTS}
    spec = make_spec(
        detector=name, nints=1, ngroups=groups, nframes=1, groupgap=0, tframe=tframe, x0=0, y0=0, nx=nx, ny=ny,
        fast_axis=detector.fast_axis, slow_axis=detector.slow_axis, amplifiers=4, layers=(), random_seed=2026,
        cosmic_ray_library="FLIGHT", cosmic_ray_rate=HITS,
        switched=switched_effects((default_effects() - set(off)) | (frozenset(also_on) & declared)),
        parameters=changed_parameters(parameters),
    )  # fmt: skip
    pack = FilePack(name, files)
    pack.cosmic_rays = lambda library: Hits
    references = References(pack, inputs=inputs or {})
    adding = [e.name for e in EFFECTS if e.stage == "charge"]
    window, given = Window.whole(spec), {"seed": spots(spec) if seed is None else seed}
    found = simulate_window(
        spec, references, window, want=("raw", "linear", "groupdq", *adding), replaced=given
    )
    mask = pack.maker.mask()[0 : spec.ny, 0 : spec.nx]
    return DetectorRamp(
        spec, files, found["raw"], found["linear"][0], found["groupdq"][0], {n: found[n][0] for n in adding}, mask,
        float(pack.meta["mean_gain"]),
    )  # fmt: skip


def metadata(spec: ExposureSpec) -> dict[str, Any]:
    """Return what the pipeline's steps read of a header, by the paths of its data models."""
    detector = get_detector(spec.detector)
    prefix = {"NIRCAM": "NRC", "NIRISS": "NIS", "FGS": "FGS"}[detector.instrument]
    return {
        "meta.telescope": "JWST",
        "meta.instrument.name": detector.instrument,
        "meta.instrument.detector": detector.fits_name,
        "meta.instrument.channel": detector.channel or None,
        "meta.instrument.module": detector.module or None,
        "meta.instrument.filter": "CLEAR" if prefix == "NIS" else "F200W" if prefix == "NRC" else None,
        "meta.instrument.pupil": "F200W" if prefix == "NIS" else "CLEAR" if prefix == "NRC" else None,
        "meta.observation.date": "2026-03-04",
        "meta.observation.time": "05:06:07.000",
        "meta.exposure.type": f"{prefix}_IMAGE",
        "meta.exposure.readpatt": {"NRC": "RAPID", "NIS": "NISRAPID", "FGS": "FGSRAPID"}[prefix],
        "meta.exposure.nints": 1,
        "meta.exposure.integration_start": 1,
        "meta.exposure.integration_end": 1,
        "meta.exposure.ngroups": spec.ngroups,
        "meta.exposure.nframes": 1,
        "meta.exposure.groupgap": 0,
        "meta.exposure.frame_divisor": 1,
        "meta.exposure.noutputs": 4,
        "meta.exposure.frame_time": spec.tframe,
        "meta.exposure.group_time": spec.tframe,
        "meta.exposure.integration_time": spec.tframe * spec.ngroups,
        "meta.exposure.exposure_time": spec.tframe * spec.ngroups,
        "meta.exposure.drop_frames1": 0,
        "meta.subarray.name": "SUBGRISM64",
        "meta.subarray.xstart": spec.x0 + 1,
        "meta.subarray.ystart": spec.y0 + 1,
        "meta.subarray.xsize": spec.nx,
        "meta.subarray.ysize": spec.ny,
        "meta.subarray.fastaxis": spec.fast_axis,
        "meta.subarray.slowaxis": spec.slow_axis,
    }


def write_raw(path: Path, ramp: DetectorRamp, *, start: float = 0.0) -> None:
    """Write the raw ramp as the pipeline takes it, begun `start` seconds after an arbitrary time."""
    from stdatamodels.jwst.datamodels import Level1bModel

    with Level1bModel(ramp.raw) as model:
        for key, value in metadata(ramp.spec).items():
            if value is not None:
                model[key] = value
        model.meta.exposure.start_time = 61_000.0 + start / 86_400  # MJD
        model.save(str(path))


def counted(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> tuple[float, float]:
    """Return what part of what is true was found, and what part of what was found is true; NaN of nothing."""
    both = float((found & true).sum())
    return both / true.sum() if true.any() else np.nan, both / found.sum() if found.any() else np.nan


def beside(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return flags of pixels and of their eight neighbours."""
    near = flags.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= np.roll(flags, (dy, dx), (-2, -1))
    return near
