"""Exposures as dask arrays and xarray datasets over virtual arrays.

Chunks are the parts of tiles (see `store.tiles`), the units of computing, so that a reduction over a whole exposure
needs the memory of a few parts. Integers and slices are handed down to the virtual array: a `TiledArray` keeps what is
selected of it, and `raw[0][:, 900:1000]` computes that window only. (With dask's setting `array.query-planning: True`,
arrays are plain ones of dask, which may ask for whole tiles: slower, the same values.)

Whole proposals are stacks, one per shape; building one of 12,160 exposures takes milliseconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr

from mirage_dask.errors import InputError
from mirage_dask.exposure.contributions.variables import check_truth, variable_of
from mirage_dask.io import files
from mirage_dask.io.indexing import LazySelection
from mirage_dask.spec import ExposureSpec
from mirage_dask.store import pieces
from mirage_dask.store.plain.description import attributes, coordinates, sky_coordinate
from mirage_dask.store.plan import Plan, Stack
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.store.tiles import TileGrid
from mirage_dask.truth.arrays import stored_array
from mirage_dask.untrusted.arrays import open_array
from mirage_dask.variables import VARIABLES, replaceable
from mirage_dask.virtual import Replaced, VirtualArray

Chunks = tuple[tuple[int, ...], ...]


class _EqualToArray(type):
    """A class that compares equal to `dask.array.Array`.

    xarray refuses to compute or write datasets whose variables are of chunked arrays of several types, and compares types:
    one with `raw` and a mean of it would be refused, although both are arrays of dask.
    """

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is da.Array

    def __hash__(cls) -> int:
        return type.__hash__(da.Array)


class TiledArray(da.Array, metaclass=_EqualToArray):
    """A dask array that is a selection of an array-like; integers and slices make a smaller selection, not another task.

    dask joins one slicing with the task that makes a chunk, but not a second one. Everything else (lists, arithmetic,
    reductions) gives plain dask arrays. Made by `tiled`.
    """

    _selection: LazySelection
    _tiles: Chunks
    _selection_name: str
    """Its name as the selection. Assignment changes an array of dask in place, and gives it another name."""

    @classmethod
    def of(cls, plain: da.Array, selection: LazySelection, tiles: Chunks) -> TiledArray:
        """Attach to a plain dask array the selection that it stands for."""
        array = cls(plain.dask, plain.name, plain.chunks, meta=plain._meta)
        array._selection, array._tiles, array._selection_name = selection, tiles, plain.name
        return array

    @property
    def is_selection(self) -> bool:
        """Whether nothing was assigned to it."""
        return bool(self.name == self._selection_name)

    def __getitem__(self, index: Any) -> da.Array:
        if self.is_selection:
            try:
                selection = self._selection.select(index)
            except IndexError:
                pass  # dask knows more kinds of indices, and says what is wrong with the others
            else:
                return self if selection == self._selection else tiled(selection, self._tiles)
        return super().__getitem__(index)

    def copy(self) -> da.Array:
        """Return a copy, whose values can be assigned to without changing this one."""
        plain = super().copy()
        return TiledArray.of(plain, self._selection, self._tiles) if self.is_selection else plain

    def __copy__(self) -> da.Array:
        return self.copy()

    def __reduce__(self) -> Any:
        return (tiled, (self._selection, self._tiles)) if self.is_selection else super().__reduce__()


def tiled(selection: LazySelection, tiles: Chunks) -> da.Array:
    """Return a selection as a dask array whose chunks are what it holds of each tile.

    Parameters
    ----------
    selection
        What is selected of an array-like.
    tiles
        Sizes of the tiles along each axis of the array-like.
    """
    plain = da.from_array(
        selection,
        chunks=tuple(
            _chunks(axis, sizes)
            for axis, sizes in zip(selection.axes, tiles, strict=True)
            if isinstance(axis, range)
        ),
        asarray=False,  # keep the object: it is indexed chunk by chunk
        inline_array=True,  # one layer, no separate task that holds the object
        meta=np.empty((0,) * selection.ndim, selection.dtype),
    )
    if hasattr(plain, "expr"):  # array.query-planning
        return plain
    return TiledArray.of(plain, selection, tiles)


def _chunks(axis: range, tiles: Sequence[int]) -> tuple[int, ...]:
    """Return how many of the indices of an axis are in each tile, without the tiles that have none."""
    if axis == range(sum(tiles)):
        return tuple(tiles)
    if not axis:
        return (0,)
    tile = np.searchsorted(np.cumsum(tiles), np.asarray(axis), side="right")
    edges = np.flatnonzero(np.diff(tile)) + 1
    return tuple(np.diff(edges, prepend=0, append=len(axis)).tolist())


def as_dask(array: VirtualArray, grid: TileGrid) -> da.Array:
    """Return a virtual array as a dask array whose chunks are parts of tiles; in a stack, those of one exposure."""
    tiles = array.kind.select(grid.chunks)
    if array.stop is not None:
        tiles = ((1,) * (array.stop - array.start), *tiles)
    return tiled(LazySelection.whole(array), tiles)


# ------------------------------------------------------------------------------------------------- stacks


def stack_dataset(plan: Plan, stack: Stack) -> xr.Dataset:
    """Return all exposures of one shape as a lazy dataset over (exposure, integration, group, y, x).

    Coordinates along `exposure`: the root name, and detector, filter, pupil, observation of the exposure table.
    """
    data = {
        name: (
            ("exposure", *variable.dimensions),
            as_dask(VirtualArray(plan.url, plan.digest, name, stack.start, stack.stop), stack.grid),
            variable.attributes,
            variable.encoding,
        )
        for name, variable in VARIABLES.items()
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


def exposure_arrays(
    plan: Plan, row: int, replaced: Replaced = (), truth: str | Iterable[str] = ()
) -> dict[str, VirtualArray]:
    """Return every variable of one exposure as a virtual array.

    Parameters
    ----------
    plan, row
        The exposure.
    replaced
        Arrays given by the user in place of what the spec says.
    truth
        Names of variables that exist on request (`exposure.contributions.variables`).

    Raises
    ------
    InputError
        If there is none of such a name.
    """
    names = dict.fromkeys((*VARIABLES, *check_truth(truth)))
    return {name: VirtualArray(plan.url, plan.digest, name, row, replaced=replaced) for name in names}


def stored_arrays(
    store: SimulationStore, row: int, truth: str | Iterable[str] = ()
) -> tuple[dict[str, Any], str]:
    """Return every variable of one exposure of a store as an array-like, and where `raw` comes from.

    Parameters
    ----------
    store
        The store.
    row
        The exposure in its plan.
    truth
        Names of variables that exist on request, as for `exposure_arrays`.

    Returns
    -------
    arrays
        `raw` is the Zarr array, if the exposure is complete there, and so are those of `truth` that are stored; everything
        else is virtual.
    raw_from
        'store' or 'computed'.
    """
    arrays: dict[str, Any] = dict(exposure_arrays(store.plan, row, truth=truth))
    stored = {name: stored_array(store, row, name) for name in check_truth(truth)}
    arrays |= {name: array for name, array in stored.items() if array is not None}
    if not store.is_done(row):
        return arrays, "computed"
    return {**arrays, "raw": store.raw(store.plan.names[row])}, "store"


def _dataset(plan: Plan, spec: ExposureSpec, grid: TileGrid, arrays: Mapping[str, Any]) -> xr.Dataset:
    data = {
        variable.name: (
            variable.dimensions,
            tiled(LazySelection.whole(array), variable.select(grid.chunks)),
            variable.attributes,
            variable.encoding,
        )
        for variable, array in ((variable_of(name), array) for name, array in arrays.items())
    }
    coords = coordinates(spec) | sky_coordinate(plan, spec)
    return xr.Dataset(data, coords=coords, attrs=attributes(plan, spec))


def exposure_dataset(plan: Plan, name: str, truth: str | Iterable[str] = (), **replaced: Any) -> xr.Dataset:
    """Return one exposure as a lazy dataset over (integration, group, y, x).

    Parameters
    ----------
    plan
        The plan that holds it.
    name
        Root name.
    truth
        Names of variables that exist on request, as for `exposure_arrays`.
    **replaced
        Arrays to take instead of computed ones, by the name of a replaceable variable: `seed` (y, x) in e-/s; `dark` in DN
        and `cosmic_rays` in e- (integration, group, y, x); None leaves a variable as it is. In science orientation; numpy,
        dask, Zarr or xarray. A Zarr array is referenced where it is, anything else is written to Zarr in the plan's
        directory, dask arrays chunk by chunk on their scheduler. `linear` and `raw` are then made from them.

    Raises
    ------
    InputError
        If the plan has no such exposure, a variable cannot be replaced or an array does not fit.
    StoreError
        If the plan's directory cannot be written.
    """
    row = plan.row(name)
    own = plan.spec(row)
    spec = replace_pieces(plan.url, own, replaced)
    # What the plan's own spec says already is not part of the handle: the shorter the better.
    handle = spec.replaced if spec.replaced != own.replaced else ()
    return _dataset(plan, spec, plan.grid(row), exposure_arrays(plan, row, handle, truth))


def stored_dataset(store: SimulationStore, name: str, truth: str | Iterable[str] = ()) -> xr.Dataset:
    """Return one exposure of a store as a lazy dataset over (integration, group, y, x).

    Parameters
    ----------
    store
        The store.
    name
        Root name.
    truth
        Names of variables that exist on request: read where they are stored, else computed.

    Returns
    -------
    Dataset
        `raw` is read from the store if the exposure is complete there; everything else is computed from the plan in the
        store. The attribute `raw_from` is 'store' or 'computed'.

    Raises
    ------
    InputError
        If the plan has no such exposure.
    """
    plan, row = store.plan, store.plan.row(name)
    arrays, raw_from = stored_arrays(store, row, truth)
    return _dataset(plan, plan.spec(row), plan.grid(row), arrays).assign_attrs(raw_from=raw_from)


def exposure_behind(data: xr.Dataset) -> VirtualArray | None:
    """Return an array whose values compute one of the variables of a dataset: it says of which plan and row they are.

    None where there is none left: of a dataset that is in memory, or whose values were computed from others.
    """
    for variable in data.variables.values():
        selection = getattr(variable.data, "_selection", None) if variable.chunks is not None else None
        array = selection.array if isinstance(selection, LazySelection) else None
        if isinstance(array, VirtualArray) and array.stop is None:
            return array
    return None


# ------------------------------------------------------------------------------------------- arrays of the user


def replace_pieces(plan_url: str, spec: ExposureSpec, given: Mapping[str, Any]) -> ExposureSpec:
    """Store a user's arrays beside a plan and return the spec that uses them.

    Parameters
    ----------
    plan_url
        Plan directory.
    spec
        The exposure; pieces that it replaces already stay unless given again.
    given
        Name of a replaceable variable -> array, or None for none; see `exposure_dataset`.

    Raises
    ------
    InputError
        If a variable is unknown or cannot be replaced, or an array has other dimensions.
    """
    possible = replaceable()
    problems = [
        f"{name!r} cannot be replaced; the variables that can be are {', '.join(possible)}."
        for name in sorted(set(given) - set(possible))
    ]
    arrays = {n: _plain(n, array) for n, array in given.items() if n in possible and array is not None}
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
        wanted = VARIABLES[piece].dimensions
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
        open_array(url, mode="r+")[where] = np.asarray(block, np.float32)
    return np.ones((1,) * block.ndim, np.uint8)
