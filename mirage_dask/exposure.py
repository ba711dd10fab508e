"""One exposure, or any window of it, as plain arrays: `simulate_window(spec, references, window)`.

This is where sky, detector and reference data meet, and the only function through which anything is ever computed: by a
`for` loop, in a debugger, or by any number of dask workers. It knows nothing of dask, Zarr or files of results.

People see the science frame; kernels work in the detector's own orientation. The translation happens here, once: arrays
are flipped views where an axis is read backwards.

The pieces of an exposure and how they combine are defined in `detector/ramp.py` (light, cosmic rays) and `detector/dark.py`.
A piece that the user gives is read instead of computed; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector import nonlinearity
from mirage_dask.detector.cosmic_rays import cosmic_ray_groups
from mirage_dask.detector.dark import dark_groups
from mirage_dask.detector.keys import Keys, exposure_keys
from mirage_dask.detector.outputs import Block, Outputs
from mirage_dask.detector.pink import nodes_per_row, octave_sigma, pink_rows
from mirage_dask.detector.ramp import ramp_groups
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.pack import ReferencePack
from mirage_dask.scene import Galaxies, PointSources, SceneSources, project_scene, seed_window
from mirage_dask.spec import ExposureSpec, Window

PIECES = ("seed", "dark", "cosmic_rays")
"""Variables that the user may replace."""
VARIABLES = (*PIECES, "linear", "raw")
"""Variables of an exposure: seed (y, x) e-/s; dark DN, cosmic_rays e-, linear DN, raw DN as (integration, group, y, x)."""

SIZE = 2048
"""Pixels along the side of a detector."""
BORDER = 4
"""Width of its border of reference pixels."""

Floats = NDArray[np.float32]


class ArrayLike(Protocol):
    """What a replaced piece must offer: slices give numpy arrays (numpy and Zarr arrays do)."""

    def __getitem__(self, key: Any) -> Any:
        """Return a window."""


@dataclass(frozen=True, eq=False)
class References:
    """What an exposure needs besides its spec, opened."""

    pack: ReferencePack
    scene: SceneSources


@lru_cache(maxsize=8)
def open_references(spec: ExposureSpec, plan_url: str) -> References:
    """Open the reference pack and the sources of an exposure; the last few stay open in this process.

    Parameters
    ----------
    spec
        The exposure.
    plan_url
        Directory of the plan that names them: packs and planes at its root, source tables in `sources`.

    Raises
    ------
    ReferenceFileError, StoreError
        If something the plan names is missing or damaged.
    """
    pack = ReferencePack.open(plan_url, spec.pack)
    tables = f"{plan_url}/sources"
    scene = project_scene(
        _load_points(tables, spec.point_sources) if spec.point_sources else None,
        _load_galaxies(tables, spec.galaxies) if spec.galaxies else None,
        SkyProjection.of(spec.attitude, pack.distortion),
        psf=pack.psf,
        bounds=(spec.x0, spec.y0, spec.nx, spec.ny),
    )
    return References(pack, scene)


@lru_cache(maxsize=8)
def _load_points(url: str, key: str) -> PointSources:
    return PointSources.load(url, key)


@lru_cache(maxsize=8)
def _load_galaxies(url: str, key: str) -> Galaxies:
    return Galaxies.load(url, key)


def simulate_window(
    spec: ExposureSpec,
    references: References,
    window: Window,
    *,
    want: Iterable[str] = ("raw",),
    replaced: Mapping[str, ArrayLike] | None = None,
) -> dict[str, NDArray[Any]]:
    """Compute variables of an exposure in a window; every value is the one the whole exposure has there.

    Parameters
    ----------
    spec
        The exposure.
    references
        Its reference data and sources, see `open_references`.
    window
        Where, in the exposure's own science pixels.
    want
        Which of `VARIABLES`.
    replaced
        The user's own seed (y, x), dark or cosmic_rays (integration, group, y, x) of the whole exposure, in science
        orientation; read by window.

    Returns
    -------
    dict
        Arrays by name: seed float32 (y, x) [e-/s]; dark, linear [DN] and cosmic_rays [e-] float32, raw uint16 [DN], each
        (integration, group, y, x).

    Raises
    ------
    ValueError
        If `want` or `replaced` name something else, or the window leaves the exposure.
    """
    names = tuple(want)
    given = dict(replaced or {})
    _check(spec, window, names, given)
    out: dict[str, NDArray[Any]] = {}
    if "seed" in names:
        out["seed"] = _seed(spec, references, given, window.rows, window.columns)
    ramps = [name for name in names if name != "seed"]
    if ramps:
        out.update(_Ramp(spec, references, window, ramps, given).compute())
    return {name: out[name] for name in names}


def _check(spec: ExposureSpec, window: Window, names: tuple[str, ...], given: Mapping[str, ArrayLike]) -> None:
    unknown = [n for n in names if n not in VARIABLES] + [n for n in given if n not in PIECES]
    if unknown:
        raise ValueError(f"unknown variables {unknown}: an exposure has {VARIABLES}, of which {PIECES} can be replaced")
    spans = (window.integrations, window.groups, window.rows, window.columns)
    if not all(0 <= low < high <= size for (low, high), size in zip(spans, spec.shape, strict=True)):
        raise ValueError(f"{window} leaves the exposure of shape {spec.shape} or is empty")


def _seed(
    spec: ExposureSpec,
    references: References,
    given: Mapping[str, ArrayLike],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Floats:
    """Return the scene in a box of the exposure's science pixels, e-/s."""
    if "seed" in given:
        return np.asarray(given["seed"][slice(*rows), slice(*columns)], dtype=np.float32)
    frame = _Frame(spec)
    area = frame.science(references.pack.plane("area", *frame.slices(rows, columns)))
    return seed_window(
        references.scene,
        references.pack.psf,
        x=slice(spec.x0 + columns[0], spec.x0 + columns[1]),
        y=slice(spec.y0 + rows[0], spec.y0 + rows[1]),
        background=spec.background,
        area=area,
    )


@dataclass(frozen=True)
class _Frame:
    """Science frame of an exposure <-> the detector as it is read out."""

    spec: ExposureSpec

    @property
    def steps(self) -> tuple[int, int]:
        """Steps along (y, x) that turn one orientation into the other."""
        return (-1 if self.spec.slow_axis < 0 else 1), (-1 if self.spec.fast_axis < 0 else 1)

    def science(self, array: NDArray[Any]) -> NDArray[Any]:
        """Flip the last two axes between the orientations: a view."""
        sy, sx = self.steps
        return array[..., ::sy, ::sx]

    def span(self, low: int, high: int, *, axis: int) -> tuple[int, int]:
        """Turn a span of science pixels of the exposure, axis 0 = y or 1 = x, into pixels of the detector."""
        start = (self.spec.y0, self.spec.x0)[axis]
        low, high = start + low, start + high
        return (SIZE - high, SIZE - low) if self.steps[axis] < 0 else (low, high)

    def slices(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[slice, slice]:
        """Turn a box of science pixels into slices of the detector."""
        return slice(*self.span(*rows, axis=0)), slice(*self.span(*columns, axis=1))


class _Ramp:
    """The ramps of one window, computed block by block in detector orientation."""

    def __init__(
        self,
        spec: ExposureSpec,
        references: References,
        window: Window,
        names: list[str],
        given: Mapping[str, ArrayLike],
    ):
        self.spec = spec
        self.references = references
        self.window = window
        self.given = given
        self.frame = _Frame(spec)
        self.on = frozenset(spec.effects)
        self.keys: Keys = exposure_keys(
            spec.seed, spec.program, observation=spec.observation, visit=spec.visit, exposure=spec.exposure,
            tile=spec.tile, dither=spec.dither, detector=spec.detector,
        )  # fmt: skip
        self.groups = window.groups[1]
        self.first = window.groups[0]
        self.rows = self.frame.span(*window.rows, axis=0)
        self.columns = self.frame.span(*window.columns, axis=1)
        self.array_rows = self.frame.span(0, spec.ny, axis=0)
        self.array_columns = self.frame.span(0, spec.nx, axis=1)
        self.result = {
            name: np.empty(window.shape, np.uint16 if name == "raw" else np.float32) for name in names
        }
        # The same memory seen in detector orientation.
        self.target = {name: self.frame.science(array) for name, array in self.result.items()}
        self.needs_light = bool({"raw", "linear"} & set(names))
        self.needs_dark = self.needs_light or "dark" in names
        self.needs_cosmic = self.needs_light or "cosmic_rays" in names

    def compute(self) -> dict[str, NDArray[Any]]:
        """Fill and return the results."""
        light = self._light() if self.needs_light else None
        outputs = Outputs(
            self.array_columns[0], self.array_columns[1] - self.array_columns[0], self.spec.amplifiers
        )
        blocks = list(outputs.blocks(*self.columns))
        planes = [self._planes(block) for block in blocks]
        for index, integration in enumerate(range(*self.window.integrations)):
            stripes = self._stripes(integration, blocks, outputs) if self.needs_dark else None
            for block, plane in zip(blocks, planes, strict=True):
                self._block(index, integration, block, plane, light, stripes)
        return self.result

    def _halo(self) -> tuple[int, int, int, int]:
        """Return how many rows and columns of neighbours exist: (top, bottom, left, right), each 0 or 1."""
        return (
            int(self.rows[0] > self.array_rows[0]),
            int(self.rows[1] < self.array_rows[1]),
            int(self.columns[0] > self.array_columns[0]),
            int(self.columns[1] < self.array_columns[1]),
        )

    def _science_box(self, top: int, bottom: int, left: int, right: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the window, grown by a halo in detector orientation, as a box of science pixels."""
        sy, sx = self.frame.steps
        before, after = (top, bottom) if sy > 0 else (bottom, top)
        low, high = (left, right) if sx > 0 else (right, left)
        rows, columns = self.window.rows, self.window.columns
        return (rows[0] - before, rows[1] + after), (columns[0] - low, columns[1] + high)

    def _light(self) -> Floats:
        """Return scene x response with its halo, e-/s, detector orientation."""
        rows, columns = self._science_box(*self._halo())
        scene = self.frame.science(_seed(self.spec, self.references, self.given, rows, columns))
        box = self.frame.slices(rows, columns)
        if "flat" in self.on:
            return np.multiply(scene, self.references.pack.plane("response", *box), dtype=np.float32)
        return np.multiply(scene, _sensitive(*box), dtype=np.float32)

    def _planes(self, block: Block) -> dict[str, NDArray[Any]]:
        """Read the reference planes of a block, or what stands for them when an effect is off."""
        pack, on = self.references.pack, self.on
        box = slice(*self.rows), slice(block.start, block.stop)
        shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
        active = _sensitive(*box)
        zero = np.zeros(shape, np.float32)

        def plane(name: str, effect: str) -> Floats:
            return pack.plane(name, *box) if effect in on else zero

        planes: dict[str, NDArray[Any]] = {"bias": plane("superbias", "bias")}
        if self.needs_dark:
            planes["sigma"] = plane("read_noise", "read_noise")
            planes["rate"] = plane("dark_rate", "dark_current")
        if self.needs_dark or self.needs_light:
            gain = np.float32(1 / pack.meta["mean_gain"])
            planes["inverse_gain"] = (
                pack.plane("inverse_gain", *box) * active if "gain_map" in on else gain * active
            )
        if self.needs_light:
            orders = 0
            if "nonlinearity" in on:
                coefficients = pack.plane("linearity", *box)
                orders = nonlinearity.COEFFICIENTS
                planes["linearity"] = np.zeros((shape[0], orders, shape[1]), np.float32)
                planes["linearity"][:, : len(coefficients)] = coefficients.transpose(1, 0, 2)
            else:
                planes["linearity"] = np.zeros((shape[0], 0, shape[1]), np.float32)
            # A polynomial holds up to the full well only: without saturation it is still not followed beyond.
            limited = "saturation" in on or orders
            planes["full_well"] = pack.plane("full_well", *box) if limited else np.full(shape, 1e9, np.float32)
        return planes

    def _stripes(self, integration: int, blocks: list[Block], outputs: Outputs) -> Floats:
        """Return the 1/f noise of the window's rows: (group, row, output from the first block's on, node), DN."""
        spec, meta = self.spec, self.references.pack.meta
        first, last = blocks[0].output, blocks[-1].output
        rows = self.rows[1] - self.rows[0]
        stripes = np.zeros((self.groups, rows, last - first + 1, nodes_per_row(outputs.width)), np.float32)
        if "pink_noise" in self.on and "dark" not in self.given:
            size = {"columns": outputs.width, "rows": self.array_rows[1] - self.array_rows[0]}
            gain = meta["mean_gain"]
            pink_rows(
                *_words(self.keys.pink), integration, self.first, self.groups, spec.nframes, spec.groupgap,
                self.rows[0] - self.array_rows[0], rows, size["rows"], first, last - first + 1,
                np.float32(octave_sigma(meta["pink_noise"] / gain, **size)),
                np.float32(octave_sigma(meta["output_pink_noise"] / gain, **size)),
                stripes,
            )  # fmt: skip
        return stripes

    def _block(
        self,
        index: int,
        integration: int,
        block: Block,
        planes: Mapping[str, NDArray[Any]],
        light: Floats | None,
        stripes: Floats | None,
    ) -> None:
        """Compute one block of one integration into the results."""
        top, bottom, left, right = self._block_halo(block)
        dark = self._dark(integration, block, planes, stripes)
        cosmic = self._cosmic(integration, block)
        at = np.s_[index, :, :, block.start - self.columns[0] : block.stop - self.columns[0]]
        wanted = np.s_[self.first :]
        if "dark" in self.target and dark is not None:
            self.target["dark"][at] = dark[wanted]
        if "cosmic_rays" in self.target:
            own = np.s_[:, top : top + self.rows[1] - self.rows[0], left : left + block.stop - block.start]
            self.target["cosmic_rays"][at] = cosmic[own][wanted] if len(cosmic) else 0
        if light is None or dark is None:
            return
        linear = np.empty(dark.shape if "linear" in self.target else (0, 0, 0), np.float32)
        raw = np.empty(dark.shape if "raw" in self.target else (0, 0, 0), np.uint16)
        spec = self.spec
        # The light array has the window's halo; the block takes its own columns and neighbours out of it.
        start = block.start - left - (self.columns[0] - self._halo()[2])
        seen = np.ascontiguousarray(light[:, start : start + (block.stop - block.start) + left + right])
        ramp_groups(
            *_words(self.keys.pixel), integration, self.first, block.start, self.rows[0], left, right, top, bottom,
            spec.nframes, spec.groupgap, np.float32(spec.tframe), "poisson" in self.on, seen, cosmic, dark,
            self._ipc(), planes["inverse_gain"], planes["bias"], planes["linearity"], planes["full_well"], linear, raw,
        )  # fmt: skip
        for name, values in (("linear", linear), ("raw", raw)):
            if name in self.target:
                self.target[name][at] = values[wanted]

    def _block_halo(self, block: Block) -> tuple[int, int, int, int]:
        top, bottom, left, right = self._halo()
        return (
            top,
            bottom,
            left if block.start == self.columns[0] else 1,
            right if block.stop == self.columns[1] else 1,
        )

    def _dark(
        self, integration: int, block: Block, planes: Mapping[str, NDArray[Any]], stripes: Floats | None
    ) -> Floats | None:
        """Return the dark ramp of a block, (groups from the start, rows, columns), DN."""
        if not self.needs_dark or stripes is None:
            return None
        spec = self.spec
        shape = (self.groups, self.rows[1] - self.rows[0], block.stop - block.start)
        if "dark" in self.given:
            return self._given("dark", integration, block, (0, 0, 0, 0))
        dark = np.empty(shape, np.float32)
        pink = np.ascontiguousarray(stripes[:, :, block.output - self._first_output()])
        ktc = self.references.pack.meta["ktc_noise"] if "ktc_noise" in self.on else 0.0
        dark_groups(
            *_words(self.keys.pixel), integration, self.first, block.start, self.rows[0], spec.nframes, spec.groupgap,
            np.float32(spec.tframe), True, planes["rate"], planes["bias"], planes["sigma"], planes["inverse_gain"],
            np.float32(ktc), pink, block.edges, block.nodes, dark,
        )  # fmt: skip
        if "reference_pixels" not in self.on:
            quiet = _sensitive(slice(*self.rows), slice(block.start, block.stop)) == 0
            dark[:, quiet] = planes["bias"][quiet]
        return dark

    def _first_output(self) -> int:
        width = (self.array_columns[1] - self.array_columns[0]) // self.spec.amplifiers
        return (self.columns[0] - self.array_columns[0]) // width

    def _cosmic(self, integration: int, block: Block) -> Floats:
        """Return the charge of cosmic rays in a block with its halo, e-; of length 0 when there is none."""
        none = np.empty((0, 0, 0), np.float32)
        if not self.needs_cosmic:
            return none
        halo = self._block_halo(block)
        if "cosmic_rays" in self.given:
            return self._given("cosmic_rays", integration, block, halo)
        spec = self.spec
        if "cosmic_rays" not in self.on or not spec.cosmic_ray_library or spec.cosmic_ray_rate <= 0:
            return none
        top, bottom, left, right = halo
        stamps = self.references.pack.cosmic_rays(spec.cosmic_ray_library)
        charge = np.empty(
            (self.groups, self.rows[1] - self.rows[0] + top + bottom, block.stop - block.start + left + right),
            np.float32,
        )
        hit = cosmic_ray_groups(
            *_words(self.keys.cosmic), integration, block.start - left, self.rows[0] - top, spec.nframes,
            spec.groupgap, SIZE, BORDER, np.float32(spec.cosmic_ray_rate * spec.tframe),
            stamps.start, stamps.dy, stamps.dx, stamps.electrons, charge,
        )  # fmt: skip
        return charge if hit else none

    def _given(self, name: str, integration: int, block: Block, halo: tuple[int, int, int, int]) -> Floats:
        """Read the user's piece for a block with a halo, (groups from the start, rows, columns)."""
        top, bottom, left, right = halo
        rows = self._science_span(self.rows[0] - top, self.rows[1] + bottom, axis=0)
        columns = self._science_span(block.start - left, block.stop + right, axis=1)
        values = np.asarray(
            self.given[name][integration, 0 : self.groups, slice(*rows), slice(*columns)], np.float32
        )
        return np.ascontiguousarray(self.frame.science(values))

    def _science_span(self, low: int, high: int, *, axis: int) -> tuple[int, int]:
        """Inverse of `_Frame.span`."""
        start = (self.spec.y0, self.spec.x0)[axis]
        if self.frame.steps[axis] < 0:
            low, high = SIZE - high, SIZE - low
        return low - start, high - start

    def _ipc(self) -> Floats:
        """Return the coupling (centre, horizontal, vertical, corner)."""
        if "ipc" not in self.on:
            return np.array([1, 0, 0, 0], np.float32)
        k = np.asarray(self.references.pack.meta["ipc"])
        horizontal, vertical = (k[1, 0] + k[1, 2]) / 2, (k[0, 1] + k[2, 1]) / 2
        corner = (k[0, 0] + k[0, 2] + k[2, 0] + k[2, 2]) / 4
        return np.array([k[1, 1], horizontal, vertical, corner], np.float32)


def _words(key: tuple[int, int]) -> tuple[np.uint32, np.uint32]:
    return np.uint32(key[0]), np.uint32(key[1])


def _active_rows(rows: slice) -> Floats:
    """Return 1 for rows (or columns) of the detector that see light, 0 for reference pixels."""
    index = np.arange(rows.start, rows.stop)
    return ((index >= BORDER) & (index < SIZE - BORDER)).astype(np.float32)


def _sensitive(rows: slice, columns: slice) -> Floats:
    """Return 1 for pixels that see light, 0 for reference pixels."""
    return np.outer(_active_rows(rows), _active_rows(columns))
