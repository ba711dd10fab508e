"""One exposure, or any window of it, as plain arrays: `simulate_window(spec, references, window)`.

This is where sky, detector and reference data meet, and the only function through which anything is ever computed: by a
`for` loop, in a debugger, or by any number of dask workers. It knows nothing of dask, Zarr or files of results.

People see the science frame; kernels work in the detector's own orientation. The translation happens here, once: arrays
are views, flipped where an axis is read backwards and transposed where a detector is read along y.

The pieces of an exposure and how they combine are defined in `detector/ramp.py` (light, cosmic rays) and `detector/dark.py`.
A piece that the user gives is read instead of computed; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.cosmic_rays import cosmic_ray_groups
from mirage_dask.detector.dark import dark_groups
from mirage_dask.detector.outputs import Block, Outputs
from mirage_dask.detector.pink import nodes_per_row, octave_sigma, pink_rows
from mirage_dask.detector.ramp import ramp_groups
from mirage_dask.detector.random.keys import Keys, exposure_keys
from mirage_dask.instruments.orientation import Orientation, Span
from mirage_dask.pointing import SkyProjection
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene import Galaxies, PointSources, SceneSources, project_scene, seed_window
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.variables import VARIABLES, replaceable

SIZE = 2048
"""Pixels along the side of a detector."""
BORDER = 4
"""Width of its border of reference pixels."""

STRIP = 32
"""Rows computed together. A larger strip repeats fewer rows of neighbours, a smaller one stays in a nearer cache."""

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
        bounds=(spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny),
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
        Which of `mirage_dask.variables.VARIABLES`.
    replaced
        The user's own arrays for replaceable variables, such as `seed`: of the whole exposure, in science orientation; read
        by window.

    Returns
    -------
    dict
        Arrays by name, with the dimensions, units and types that `VARIABLES` gives.

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


def _check(
    spec: ExposureSpec, window: Window, names: tuple[str, ...], given: Mapping[str, ArrayLike]
) -> None:
    unknown = [n for n in names if n not in VARIABLES] + [n for n in given if n not in replaceable()]
    if unknown:
        raise ValueError(
            f"unknown variables {unknown}: an exposure has {tuple(VARIABLES)}, of which {replaceable()} can be replaced"
        )
    if not all(0 <= low < high <= size for (low, high), size in zip(window.spans, spec.shape, strict=True)):
        raise ValueError(f"{window} leaves the exposure of shape {spec.shape} or is empty")


def _seed(
    spec: ExposureSpec,
    references: References,
    given: Mapping[str, ArrayLike],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Floats:
    """Return the scene in a box of the exposure's science pixels, behind the user's transmission if there is one, e-/s."""
    if "seed" in given:
        return np.asarray(given["seed"][slice(*rows), slice(*columns)], dtype=np.float32)
    frame, pack = _Frame(spec), references.pack
    box = _slices(frame.box(rows, columns))
    seed = seed_window(
        references.scene,
        pack.psf,
        x=slice(spec.x0 + columns[0], spec.x0 + columns[1]),
        y=slice(spec.y0 + rows[0], spec.y0 + rows[1]),
        background=spec.background,
        area=frame.science(pack.plane("area", *box)),
    )
    if "transmission" in pack.names:
        seed *= frame.science(pack.plane("transmission", *box))
    return seed


@dataclass(frozen=True)
class _Frame:
    """Science frame of an exposure <-> the detector as it is read out."""

    spec: ExposureSpec

    @property
    def orientation(self) -> Orientation:
        """How the detector is read."""
        return Orientation(self.spec.fast_axis, self.spec.slow_axis)

    def science(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn the last two axes of an array from the detector's orientation into (y, x): a view."""
        return self.orientation.science(array)

    def detector(self, array: NDArray[Any]) -> NDArray[Any]:
        """Inverse of `science`: a view."""
        return self.orientation.detector(array)

    def box(self, y: Span, x: Span) -> tuple[Span, Span]:
        """Turn a box of the exposure's science pixels into rows and columns of the detector."""
        x0, y0 = self.spec.x0, self.spec.y0
        return self.orientation.detector_box((y[0] + y0, y[1] + y0), (x[0] + x0, x[1] + x0), size=SIZE)

    def science_box(self, rows: Span, columns: Span) -> tuple[Span, Span]:
        """Inverse of `box`."""
        (y_low, y_high), (x_low, x_high) = self.orientation.science_box(rows, columns, size=SIZE)
        x0, y0 = self.spec.x0, self.spec.y0
        return (y_low - y0, y_high - y0), (x_low - x0, x_high - x0)


def mask_plane(spec: ExposureSpec, pack: ReferencePack) -> NDArray[np.uint32]:
    """Return the standard data-quality flags of the pixels of an exposure, (y, x)."""
    frame = _Frame(spec)
    rows, columns = frame.box((0, spec.ny), (0, spec.nx))
    return np.array(frame.science(pack.plane("mask", slice(*rows), slice(*columns))))


def saturation_level(spec: ExposureSpec, pack: ReferencePack, window: Window) -> Floats:
    """Return the linear signal above which the calibration pipeline would call a pixel saturated.

    It is f(saturation - superbias), with f the linearity correction, and the full well where f does not hold so far.

    Parameters
    ----------
    spec, pack
        The exposure and its references.
    window
        Only rows and columns count.

    Returns
    -------
    ndarray
        DN, (y, x); infinite when saturation is not simulated.
    """
    frame = _Frame(spec)
    box = _slices(frame.box(window.rows, window.columns))
    if "saturation" not in spec.effects:
        return np.full(window.shape[2:], np.inf, np.float32)
    measured = pack.plane("saturation", *box) - (
        pack.plane("superbias", *box) if "bias" in spec.effects else 0
    )
    full_well = pack.plane("full_well", *box)
    linear = measured
    if "nonlinearity" in spec.effects:
        linear = np.zeros_like(measured)
        for coefficient in pack.plane("linearity", *box)[::-1]:
            linear = linear * measured + coefficient
    return frame.science(np.where((linear > 0) & (linear <= full_well), linear, full_well))


def _slices(box: tuple[Span, Span]) -> tuple[slice, slice]:
    return slice(*box[0]), slice(*box[1])


@dataclass(frozen=True)
class _Box:
    """A block of columns in a strip of rows, and the neighbours that exist around it, in detector orientation."""

    block: Block
    rows: tuple[int, int]
    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows[1] - self.rows[0], self.block.stop - self.block.start


class _Ramp:
    """The ramps of one window, computed box by box in detector orientation.

    Boxes are so small that all groups of one stay in the processor's second cache from one kernel to the next.
    """

    def __init__(
        self,
        spec: ExposureSpec,
        references: References,
        window: Window,
        names: list[str],
        given: Mapping[str, ArrayLike],
    ):
        self.spec = spec
        self.pack = references.pack
        self.given = given
        self.frame = _Frame(spec)
        self.on = frozenset(spec.effects)
        self.keys: Keys = exposure_keys(
            spec.seed, spec.program, observation=spec.observation, visit=spec.visit, exposure=spec.exposure,
            tile=spec.tile, dither=spec.dither, detector=spec.detector,
        )  # fmt: skip
        self.integrations = window.integrations
        self.first, self.groups = window.groups
        self.rows, self.columns = self.frame.box(window.rows, window.columns)
        self.array_rows, self.array_columns = self.frame.box((0, spec.ny), (0, spec.nx))
        first, stop = self.array_columns
        self.outputs = Outputs(first, stop - first, spec.amplifiers)
        self.result = {n: np.empty(window.shape, np.uint16 if n == "raw" else np.float32) for n in names}
        # The same memory seen in detector orientation.
        self.target = {name: self.frame.detector(array) for name, array in self.result.items()}
        self.needs_light = bool({"raw", "linear"} & set(names))
        self.needs_dark = self.needs_light or "dark" in names
        self.needs_cosmic = self.needs_light or "cosmic_rays" in names
        self.planes = self._planes()
        self.light = self._light(references) if self.needs_light else np.empty((0, 0), np.float32)

    def compute(self) -> dict[str, NDArray[Any]]:
        """Fill and return the results."""
        boxes = list(self._boxes())
        for index, integration in enumerate(range(*self.integrations)):
            pink = self._pink(integration) if self.needs_dark and "dark" not in self.given else None
            for box in boxes:
                self._compute_box(index, integration, box, pink)
        return self.result

    def _boxes(self) -> Iterator[_Box]:
        """Yield the boxes of the window."""
        for low in range(*self.rows, STRIP):
            high = min(low + STRIP, self.rows[1])
            for block in self.outputs.blocks(*self.columns):
                yield _Box(
                    block,
                    (low, high),
                    top=int(low > self.array_rows[0]),
                    bottom=int(high < self.array_rows[1]),
                    left=int(block.start > self.array_columns[0]),
                    right=int(block.stop < self.array_columns[1]),
                )

    def _halo(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the rows and columns of the window with the neighbours that exist."""
        rows = max(self.rows[0] - 1, self.array_rows[0]), min(self.rows[1] + 1, self.array_rows[1])
        columns = (
            max(self.columns[0] - 1, self.array_columns[0]),
            min(self.columns[1] + 1, self.array_columns[1]),
        )
        return rows, columns

    def _light(self, references: References) -> Floats:
        """Return scene x response of the window and its neighbours, e-/s."""
        box = self._halo()
        scene = _seed(self.spec, references, self.given, *self.frame.science_box(*box))
        response = (
            self.pack.plane("response", *_slices(box)) if "flat" in self.on else _sensitive(*_slices(box))
        )
        return np.multiply(self.frame.detector(scene), response, dtype=np.float32, order="C")

    def _planes(self) -> dict[str, NDArray[Any]]:
        """Read the reference planes of the window, or what stands for them when an effect is off."""
        pack, on = self.pack, self.on
        box = slice(*self.rows), slice(*self.columns)
        active = _sensitive(*box)

        def plane(name: str, effect: str) -> Floats:
            return pack.plane(name, *box) if effect in on else np.zeros(active.shape, np.float32)

        planes: dict[str, NDArray[Any]] = {}
        if self.needs_dark:
            planes["bias"] = plane("superbias", "bias")
            planes["sigma"] = plane("read_noise", "read_noise")
            planes["rate"] = plane("dark_rate", "dark_current")
            gain = (
                pack.plane("inverse_gain", *box)
                if "gain_map" in on
                else np.float32(1 / pack.meta["mean_gain"])
            )
            planes["inverse_gain"] = gain * active
        if self.needs_light:
            curved = "nonlinearity" in on
            planes["linearity"] = (
                pack.plane("linearity", *box) if curved else np.zeros((0, *active.shape), np.float32)
            )
            # A polynomial holds up to the full well only: without saturation it is still not followed beyond.
            limited = "saturation" in on or curved
            planes["full_well"] = (
                pack.plane("full_well", *box) if limited else np.full(active.shape, 1e9, np.float32)
            )
        return planes

    def _pink(self, integration: int) -> Floats:
        """Return the 1/f noise of the window's rows: (group, row, output, node), DN."""
        spec, width = self.spec, self.outputs.width
        rows, height = self.rows[1] - self.rows[0], self.array_rows[1] - self.array_rows[0]
        stripes = np.zeros((self.groups, rows, spec.amplifiers, nodes_per_row(width)), np.float32)
        if "pink_noise" in self.on:
            common, own = (
                np.float32(
                    octave_sigma(
                        self.pack.meta[name] / self.pack.meta["mean_gain"], columns=width, rows=height
                    )
                )
                for name in ("pink_noise", "output_pink_noise")
            )
            first = (self.columns[0] - self.outputs.first) // width
            last = (self.columns[1] - 1 - self.outputs.first) // width
            part = np.zeros((self.groups, rows, last + 1 - first, stripes.shape[3]), np.float32)
            pink_rows(
                *_words(self.keys.pink), integration, self.first, self.groups, spec.nframes, spec.groupgap,
                self.rows[0] - self.array_rows[0], rows, height, first, last + 1 - first, common, own, part,
            )  # fmt: skip
            stripes[:, :, first : last + 1] = part
        return stripes

    def _compute_box(self, index: int, integration: int, box: _Box, pink: Floats | None) -> None:
        """Compute one box of one integration into the results."""
        row, column = box.rows[0] - self.rows[0], box.block.start - self.columns[0]
        at = np.s_[index, :, row : row + box.shape[0], column : column + box.shape[1]]
        wanted = np.s_[self.first :]
        cosmic = self._cosmic(integration, box)
        if "cosmic_rays" in self.target:
            own = np.s_[:, box.top : box.top + box.shape[0], box.left : box.left + box.shape[1]]
            self.target["cosmic_rays"][at] = cosmic[own][wanted] if len(cosmic) else 0
        if not self.needs_dark:
            return
        dark = self._dark(integration, box, pink)
        if "dark" in self.target:
            self.target["dark"][at] = dark[wanted]
        if not self.needs_light:
            return
        linear = np.empty(dark.shape if "linear" in self.target else (0, 0, 0), np.float32)
        raw = np.empty(dark.shape if "raw" in self.target else (0, 0, 0), np.uint16)
        spec, planes, (halo_rows, halo_columns) = self.spec, self.planes, self._halo()
        ramp_groups(
            *_words(self.keys.pixel), integration, self.first, box.block.start, box.rows[0],
            box.left, box.right, box.top, box.bottom, spec.nframes, spec.groupgap, np.float32(spec.tframe),
            "poisson" in self.on, row, column,
            self.light, box.rows[0] - box.top - halo_rows[0], box.block.start - box.left - halo_columns[0],
            cosmic, dark, self._ipc(), planes["inverse_gain"], planes["bias"], planes["linearity"],
            planes["full_well"], linear, raw,
        )  # fmt: skip
        for name, values in (("linear", linear), ("raw", raw)):
            if name in self.target:
                self.target[name][at] = values[wanted]

    def _dark(self, integration: int, box: _Box, pink: Floats | None) -> Floats:
        """Return the dark ramp of a box, (groups from the start, rows, columns), DN."""
        if pink is None:
            return self._given("dark", integration, box, halo=False)
        spec, planes, block = self.spec, self.planes, box.block
        dark = np.empty((self.groups, *box.shape), np.float32)
        ktc = self.pack.meta["ktc_noise"] if "ktc_noise" in self.on else 0.0
        dark_groups(
            *_words(self.keys.pixel), integration, self.first, block.start, box.rows[0], spec.nframes, spec.groupgap,
            np.float32(spec.tframe), True, box.rows[0] - self.rows[0], block.start - self.columns[0],
            planes["rate"], planes["bias"], planes["sigma"], planes["inverse_gain"], np.float32(ktc), pink, block.output,
            block.edges, block.nodes, dark,
        )  # fmt: skip
        if "reference_pixels" not in self.on:
            quiet = _sensitive(slice(*box.rows), slice(block.start, block.stop)) == 0
            at = np.s_[
                box.rows[0] - self.rows[0] : box.rows[1] - self.rows[0],
                block.start - self.columns[0] : block.stop - self.columns[0],
            ]
            dark[:, quiet] = planes["bias"][at][quiet]
        return dark

    def _cosmic(self, integration: int, box: _Box) -> Floats:
        """Return the charge of cosmic rays in a box and its neighbours, e-; of length 0 when there is none."""
        none = np.empty((0, 0, 0), np.float32)
        if not self.needs_cosmic:
            return none
        if "cosmic_rays" in self.given:
            return self._given("cosmic_rays", integration, box, halo=True)
        spec = self.spec
        if "cosmic_rays" not in self.on or not spec.cosmic_ray_library or spec.cosmic_ray_rate <= 0:
            return none
        stamps = self.pack.cosmic_rays(spec.cosmic_ray_library)
        rows, columns = box.shape
        charge = np.empty(
            (self.groups, rows + box.top + box.bottom, columns + box.left + box.right), np.float32
        )
        hit = cosmic_ray_groups(
            *_words(self.keys.cosmic), integration, box.block.start - box.left, box.rows[0] - box.top, spec.nframes,
            spec.groupgap, SIZE, BORDER, np.float32(spec.cosmic_ray_rate * spec.tframe),
            stamps.start, stamps.dy, stamps.dx, stamps.electrons, charge,
        )  # fmt: skip
        return charge if hit else none

    def _given(self, name: str, integration: int, box: _Box, *, halo: bool) -> Floats:
        """Read the user's piece for a box, with its neighbours or without: (groups from the start, rows, columns)."""
        top, bottom, left, right = (box.top, box.bottom, box.left, box.right) if halo else (0, 0, 0, 0)
        rows = box.rows[0] - top, box.rows[1] + bottom
        columns = box.block.start - left, box.block.stop + right
        window = _slices(self.frame.science_box(rows, columns))
        values = np.asarray(self.given[name][integration, 0 : self.groups, *window], np.float32)
        return np.ascontiguousarray(self.frame.detector(values))

    def _ipc(self) -> Floats:
        """Return the coupling (centre, horizontal, vertical, corner)."""
        if "ipc" not in self.on:
            return np.array([1, 0, 0, 0], np.float32)
        k = np.asarray(self.pack.meta["ipc"])
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
