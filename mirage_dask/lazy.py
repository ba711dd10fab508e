"""Exposures as lazy arrays: xarray over dask over objects that compute the window they are asked for.

`VirtualArray` has `shape`, `dtype` and `__getitem__`, and is a handle: where the plan lies, its digest, which rows.
dask pushes a slice down into `__getitem__`, so that a cut-out costs about its own size. (With dask's setting
`array.query-planning: True` the whole chunk is asked for: slower, the same values.) Whole proposals exist as stacks,
one per shape; building 12,160 exposures takes milliseconds. Chunks are the parts of tiles (see `store.tiles`),
the units of computing.

This module and `run` are the only ones that import dask.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from mirage_dask.errors import InputError
from mirage_dask.exposure import simulate as exposure
from mirage_dask.io import files
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store import pieces
from mirage_dask.store.layout import DIMENSIONS
from mirage_dask.store.plan import Plan, Stack, load_plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.tiles import TileGrid

VARIABLES: dict[str, dict[str, str]] = {
    "raw": {"units": "DN", "long_name": "raw counts"},
    "linear": {"units": "DN", "long_name": "linear ramp, before nonlinearity and digitisation"},
    "dark": {"units": "DN", "long_name": "everything that is neither light nor cosmic rays, linear"},
    "cosmic_rays": {"units": "electron", "long_name": "charge deposited by cosmic rays since the reset"},
    "seed": {"units": "electron / s", "long_name": "expected light"},
}
Replaced = tuple[tuple[str, str], ...]


def dimensions(variable: str) -> tuple[str, ...]:
    """Return a variable's dimensions within one exposure."""
    return DIMENSIONS[2:] if variable == "seed" else DIMENSIONS


def simulate(
    plan: Plan, row: int, window: Window, variable: str, replaced: Replaced = ()
) -> npt.NDArray[Any]:
    """Compute one variable in one window of one exposure: the only way from here to the kernels.

    Parameters
    ----------
    plan, row
        The exposure.
    window
        Box in its own science pixels; for `seed` only rows and columns count.
    variable
        One of `VARIABLES`.
    replaced
        Pieces given by the user in place of what the spec says (see `store.pieces`).

    Returns
    -------
    ndarray
        (integration, group, y, x), for `seed` (y, x): uint16 for `raw`, else float32.
    """
    spec = plan.spec(row)
    if replaced:
        spec = dataclasses.replace(spec, replaced=replaced)
    given = pieces.open_pieces(spec, plan.url)
    if variable in given:
        box = (window.integrations, window.groups, window.rows, window.columns)[4 - given[variable].ndim :]
        return np.asarray(given[variable][tuple(slice(*side) for side in box)], np.float32)
    references = exposure.open_references(spec, plan.url)
    values: npt.NDArray[Any] = exposure.simulate_window(
        spec, references, window, want=(variable,), replaced=given or None
    )[variable]
    return values


@dataclasses.dataclass(frozen=True)
class VirtualArray:
    """One variable of one exposure, or of a stack of exposures, computed when it is indexed.

    Takes integers, slices with steps and an ellipsis. With `stop` None it is the exposure in row `start`, dimensions as
    `dimensions(variable)`; otherwise rows start to stop are stacked along a leading axis.
    """

    plan_url: str
    plan_digest: str
    variable: str
    start: int
    stop: int | None = None
    replaced: Replaced = ()

    @property
    def plan(self) -> Plan:
        """The plan, loaded once per process."""
        return load_plan(self.plan_url, self.plan_digest)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        one = self.plan.shape(self.start)
        one_variable = one[4 - len(dimensions(self.variable)) :]
        return one_variable if self.stop is None else (self.stop - self.start, *one_variable)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint16 for `raw`, else float32."""
        return np.dtype(np.uint16 if self.variable == "raw" else np.float32)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that computing all of it would take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # not the cached shape

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("mirage_dask.VirtualArray", *dataclasses.astuple(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        spans, local = _spans(key, self.shape)
        empty = any(low == high for low, high in spans)
        boxes = [(0, 1)] * (4 - len(dimensions(self.variable))) + spans[0 if self.stop is None else 1 :]
        if empty:
            block = np.empty([high - low for low, high in spans], self.dtype)
        else:
            window = Window(*boxes)
            if self.stop is None:
                block = simulate(self.plan, self.start, window, self.variable, self.replaced)
            else:
                wanted = np.arange(*spans[0])[local[0]]
                block = np.stack(
                    [
                        simulate(self.plan, self.start + int(e), window, self.variable, self.replaced)
                        for e in np.atleast_1d(wanted)
                    ]
                )
                local = (slice(None) if wanted.ndim else 0, *local[1:])
        return block[local]


def _spans(key: Any, shape: tuple[int, ...]) -> tuple[list[tuple[int, int]], tuple[Any, ...]]:
    """Split basic indices into the box to compute and the indices that take the answer out of the box.

    Raises
    ------
    IndexError
        For an index out of range, too many indices, or one that is neither integer, slice nor ellipsis.
    """
    key = key if isinstance(key, tuple) else (key,)
    if sum(k is Ellipsis for k in key) > 1 or len(key) - (Ellipsis in key) > len(shape):
        raise IndexError(f"too many indices for an array of {len(shape)} dimensions: {key}")
    at = key.index(Ellipsis) if Ellipsis in key else len(key)
    missing = (slice(None),) * (len(shape) - len(key) + (Ellipsis in key))
    key = (*key[:at], *missing, *key[at + 1 :])
    spans: list[tuple[int, int]] = []
    local: list[Any] = []
    for k, n in zip(key, shape, strict=True):
        if isinstance(k, slice):
            steps = range(*k.indices(n))
            low, high = (min(steps[0], steps[-1]), max(steps[0], steps[-1]) + 1) if steps else (0, 0)
            spans.append((low, high))
            local.append(slice(None) if steps.step == 1 else slice(None, None, steps.step))
        elif isinstance(k, int | np.integer) and not isinstance(k, bool | np.bool_):
            if not -n <= k < n:
                raise IndexError(f"index {k} is out of range for an axis of length {n}")
            spans.append((int(k) % n, int(k) % n + 1))
            local.append(0)
        else:
            raise IndexError(f"a virtual array takes integers, slices and an ellipsis, not {k!r}")
    return spans, tuple(local)


def as_dask(array: VirtualArray, grid: TileGrid) -> da.Array:
    """Wrap a virtual array as a dask array whose chunks are the parts of tiles."""
    chunks = grid.chunks[4 - len(dimensions(array.variable)) :]
    if array.stop is not None:
        chunks = ((1,) * (array.stop - array.start), *chunks)
    return da.from_array(
        array,
        chunks=chunks,
        asarray=False,  # keep the object: slices are pushed down into it
        inline_array=True,  # one layer, no separate task that holds the object
        meta=np.empty((0,) * array.ndim, array.dtype),
    )


# ------------------------------------------------------------------------------------------------- stacks


def stack_dataset(plan: Plan, stack: Stack) -> xr.Dataset:
    """Return all exposures of one shape as a lazy dataset over (exposure, integration, group, y, x).

    Coordinates along `exposure`: the root name, and detector, filter, pupil, observation of the exposure table.
    """
    data = {
        variable: (
            ("exposure", *dimensions(variable)),
            as_dask(VirtualArray(plan.url, plan.digest, variable, stack.start, stack.stop), stack.grid),
            attributes,
        )
        for variable, attributes in VARIABLES.items()
    }
    names = list(plan.names[stack.start : stack.stop])
    table = plan.table.set_index("name").loc[names]
    along = {
        column: ("exposure", table[column].to_numpy())
        for column in ("observation", "detector", "filter", "pupil")
        if column in table
    }
    return xr.Dataset(data, coords={"exposure": np.array(names, dtype=object), **along})


def stacks(plan: Plan) -> tuple[xr.Dataset, ...]:
    """Return the whole proposal as lazy stacks, one per shape, sorted by detector and filter."""
    return tuple(stack_dataset(plan, stack) for stack in plan.stacks)


# ----------------------------------------------------------------------------------------------- one exposure


def coordinates(spec: ExposureSpec) -> dict[str, Any]:
    """Return the coordinates of an exposure, with units.

    `integration`, `group`: numbers from 1. `y`, `x`: 0-based full-frame science pixels. `group_time` (group): seconds from
    the start of the integration to the end of the group's last frame.
    """
    ends = (np.arange(spec.ngroups) * spec.frames_per_group + spec.nframes) * spec.tframe
    return {
        "integration": ("integration", np.arange(1, spec.nints + 1), {"long_name": "integration number"}),
        "group": ("group", np.arange(1, spec.ngroups + 1), {"long_name": "group number"}),
        "group_time": ("group", ends, {"units": "s", "long_name": "end of group since start of integration"}),
        "y": ("y", spec.y0 + np.arange(spec.ny), {"units": "pixel", "long_name": "full-frame science row"}),
        "x": (
            "x",
            spec.x0 + np.arange(spec.nx),
            {"units": "pixel", "long_name": "full-frame science column"},
        ),
    }


def attributes(plan: Plan, spec: ExposureSpec) -> dict[str, Any]:
    """Return what a FITS header needs: the exposure's row of the table, and where the values come from."""
    row = {k: v for k, v in plan.table_row(spec.name).items() if isinstance(v, str | int | float)}
    return {**row, "spec_digest": spec.digest, "plan_digest": plan.digest, "random_seed": spec.seed}


def exposure_dataset(
    plan: Plan,
    name: str,
    *,
    seed: Any = None,
    dark: Any = None,
    cosmic_rays: Any = None,
) -> xr.Dataset:
    """Return one exposure as a lazy dataset over (integration, group, y, x).

    Parameters
    ----------
    plan
        The plan that holds it.
    name
        Root name.
    seed, dark, cosmic_rays
        Arrays to take instead of the computed pieces: e-/s (y, x); DN and e- (integration, group, y, x), in science
        orientation; numpy, dask, Zarr or xarray. A Zarr array is referenced where it lies, anything else is written to
        Zarr in the plan's directory, dask arrays chunk by chunk on their scheduler. `linear` and `raw` are then made
        from them.

    Raises
    ------
    InputError
        If the plan has no such exposure or an array does not fit.
    StoreError
        If the plan's directory cannot be written.
    """
    row = plan.row(name)
    given = {"seed": seed, "dark": dark, "cosmic_rays": cosmic_rays}
    spec = replace_pieces(plan.url, plan.spec(row), {k: v for k, v in given.items() if v is not None})
    # An array that stands in the plan's own spec is no part of the handle: the shorter the better.
    replaced = spec.replaced if spec.replaced != plan.spec(row).replaced else ()
    grid = plan.grid(row)
    data = {
        variable: (
            dimensions(variable),
            as_dask(VirtualArray(plan.url, plan.digest, variable, row, replaced=replaced), grid),
            described,
        )
        for variable, described in VARIABLES.items()
    }
    return xr.Dataset(data, coords=coordinates(spec), attrs=attributes(plan, spec))


def replace_pieces(plan_url: str, spec: ExposureSpec, given: Mapping[str, Any]) -> ExposureSpec:
    """Store a user's arrays beside a plan and return the spec that uses them.

    Parameters
    ----------
    plan_url
        Plan directory.
    spec
        The exposure; pieces that it replaces already stay unless given again.
    given
        piece ('seed', 'dark', 'cosmic_rays') -> array, see `exposure_dataset`.

    Raises
    ------
    InputError
        If a piece is unknown or an array has other dimensions.
    """
    arrays = {piece: _plain(piece, array) for piece, array in given.items() if piece in pieces.PIECES}
    problems = [
        f"{piece!r} cannot be replaced; pieces are {', '.join(pieces.PIECES)}."
        for piece in sorted(set(given) - set(arrays))
    ]
    problems += [
        found
        for p, a in arrays.items()
        if (found := pieces.check_piece(spec, p, a.shape, a.dtype)) is not None
    ]
    if problems:
        raise InputError(problems)
    keys = dict(spec.replaced)
    for piece, array in arrays.items():
        key = pieces.reference_piece(array) if isinstance(array, zarr.Array) else None
        if key is None and isinstance(array, da.Array):
            key = _write_dask(plan_url, spec, piece, array)
        keys[piece] = pieces.write_piece(plan_url, spec, piece, array) if key is None else key
    return dataclasses.replace(spec, replaced=tuple(sorted(keys.items())))


def _plain(piece: str, array: Any) -> Any:
    """Take an array out of xarray, in the order of the piece's dimensions."""
    if isinstance(array, xr.DataArray):
        wanted = pieces.piece_dimensions(piece)
        if set(array.dims) != set(wanted):
            raise InputError(
                f"{piece} must have the dimensions {', '.join(wanted)}, not {', '.join(map(str, array.dims))}."
            )
        return array.transpose(*wanted).data
    return array if hasattr(array, "dtype") and hasattr(array, "shape") else np.asarray(array)


def _write_dask(plan_url: str, spec: ExposureSpec, piece: str, array: da.Array) -> str:
    """Write a dask array chunk by chunk, where its chunks are computed, and return the key."""
    url, _ = pieces.new_piece(plan_url, spec, piece)
    array = array.rechunk(pieces.piece_chunks(spec, piece))
    ones = tuple((1,) * len(sizes) for sizes in array.chunks)
    written = da.map_blocks(
        _write_block, array, url, dtype=np.uint8, chunks=ones, meta=np.empty((0,) * array.ndim, "u1")
    )
    written.sum().compute()
    return pieces.keep_piece(plan_url, url)


def _write_block(block: npt.NDArray[Any], url: str, block_info: Any = None) -> npt.NDArray[np.uint8]:
    where = tuple(slice(*side) for side in block_info[0]["array-location"])
    with files.store_errors(url):
        zarr.open_array(url, mode="r+")[where] = np.asarray(block, np.float32)
    return np.ones((1,) * block.ndim, np.uint8)


# ------------------------------------------------------------------------------------------- xarray engine


class _LazyBackendArray(BackendArray):
    """What xarray's lazy indexing asks: any array with `__getitem__` for basic indices."""

    def __init__(self, array: Any):
        self.array, self.shape, self.dtype = array, tuple(array.shape), np.dtype(array.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self.array.__getitem__
        )


class MirageDaskEntrypoint(BackendEntrypoint):
    """xarray engine 'mirage_dask': one exposure of a store, or a tree of them.

    ``xarray.open_dataset(STORE, engine="mirage_dask", exposure=NAME)`` reads `raw` from the store, if the exposure is
    complete there, and computes everything else from the plan in the store when it is asked for; ``chunks={}`` gives dask
    arrays whose chunks are parts of tiles. An exposure that is not complete has a computed `raw`, with the same values; the
    attribute `raw_from` says which.
    """

    description = "JWST exposures simulated by mirage_dask"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "exposure")
    supports_groups = False

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        exposure: str | None = None,
    ) -> xr.Dataset:
        """Open one exposure lazily.

        Parameters
        ----------
        filename_or_obj
            The store.
        drop_variables
            Names to leave out.
        exposure
            Root name; may be left out when the store holds one exposure.

        Raises
        ------
        InputError
            If the exposure is not named or unknown.
        StoreError
            If the store cannot be opened.
        """
        store = SimulationStore.open(os.fspath(filename_or_obj))
        if exposure is None:
            if len(store.plan) != 1:
                raise InputError(
                    f"{store.url} holds {len(store.plan)} exposures; say which with exposure=NAME, for example "
                    f"{', '.join(store.plan.names[:2])}."
                )
            exposure = store.plan.names[0]
        return _stored_exposure(store, exposure, drop_variables)

    def open_datatree(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        observation: int | str | None = None,
    ) -> xr.DataTree:
        """Open the exposures of one observation as a tree, a node per exposure.

        Parameters
        ----------
        filename_or_obj
            The store.
        drop_variables
            Names to leave out.
        observation
            Number of the observation; may be left out when the store holds one.

        Raises
        ------
        InputError
            If the observation is not named or has no exposure that can be simulated.
        """
        store = SimulationStore.open(os.fspath(filename_or_obj))
        return xr.DataTree.from_dict(
            {name: _stored_exposure(store, name, drop_variables) for name in _names_of(store, observation)}
        )

    def guess_can_open(self, filename_or_obj: Any) -> bool:  # noqa: ARG002
        """Return False: a store is opened by this engine only when it is named."""
        return False


def _names_of(store: SimulationStore, observation: int | str | None) -> list[str]:
    table = store.plan.table
    numbers = table.loc[table["name"].isin(store.plan.names), "observation"].astype(int)
    known = sorted(set(numbers))
    if observation is None:
        if len(known) != 1:
            raise InputError(
                f"{store.url} holds the observations {_listed(known)}; say which with observation=NUMBER."
            )
        observation = known[0]
    if int(observation) not in known:
        raise InputError(
            f"{store.url} has no observation {observation} that can be simulated; it has {_listed(known)}."
        )
    return list(table.loc[numbers.index[numbers == int(observation)], "name"])


def _listed(numbers: list[int], most: int = 12) -> str:
    return ", ".join(map(str, numbers[:most])) + (f" … ({len(numbers)})" if len(numbers) > most else "")


def _stored_exposure(store: SimulationStore, name: str, drop: str | Iterable[str] | None) -> xr.Dataset:
    plan, row = store.plan, store.plan.row(name)
    spec, grid = plan.spec(row), plan.grid(row)
    dropped = {drop} if isinstance(drop, str) else set(drop or ())
    done = store.is_done(row)
    data: dict[str, xr.Variable] = {}
    for variable, described in VARIABLES.items():
        if variable in dropped:
            continue
        stored = variable == "raw" and done
        array = store.raw(name) if stored else VirtualArray(plan.url, plan.digest, variable, row)
        preferred = dict(zip(DIMENSIONS, grid.part, strict=True))
        encoding = {"preferred_chunks": {d: preferred[d] for d in dimensions(variable)}}
        lazy = indexing.LazilyIndexedArray(_LazyBackendArray(array))
        data[variable] = xr.Variable(dimensions(variable), lazy, described, encoding)
    described_by = {**attributes(plan, spec), "raw_from": "store" if done else "computed"}
    coords = {k: v for k, v in coordinates(spec).items() if k not in dropped}
    return xr.Dataset(data, coords=coords, attrs=described_by)
