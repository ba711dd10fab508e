"""The xarray engine 'mirage_dask': exposures of a store, opened with `xarray.open_dataset` and `xarray.open_datatree`.

Variables are indexed lazily by xarray: what a chain of selections leaves is read or computed when the values are needed.
`chunks={}` gives dask arrays whose chunks are tiles.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

import mirage_dask.accessor  # noqa: F401 - registers it
from mirage_dask.errors import InputError
from mirage_dask.io import files
from mirage_dask.lazy import stored_arrays
from mirage_dask.store.plain.description import attributes, coordinates, sky_coordinate
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.variables import VARIABLES


class _LazyBackendArray(BackendArray):
    """An array with `__getitem__` for basic indices, as xarray's lazy indexing takes it."""

    def __init__(self, array: Any):
        self.array, self.shape, self.dtype = array, tuple(array.shape), np.dtype(array.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self.array.__getitem__
        )


class MirageDaskEntrypoint(BackendEntrypoint):
    """xarray engine 'mirage_dask': one exposure of a store, or a tree of them; xarray's groups are exposures.

    ``xarray.open_dataset(STORE, engine="mirage_dask", exposure=NAME)`` reads `raw` from the store, if the exposure is
    complete there, and computes everything else from the plan in the store when it is asked for. An exposure that is not
    complete has a computed `raw`, with the same values; the attribute `raw_from` says which.
    """

    description = "JWST exposures simulated by mirage_dask"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "exposure", "group")
    supports_groups = True

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        exposure: str | None = None,
        group: str | None = None,
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
        group
            The same, in the words of xarray; with or without a leading slash.

        Raises
        ------
        InputError
            If the exposure is not named or unknown, or `exposure` and `group` differ.
        StoreError
            If the store cannot be opened.
        """
        store = SimulationStore.open(os.fspath(filename_or_obj))
        return _open(store, _name(store, exposure, group), drop_variables)

    def open_datatree(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        observation: int | str | None = None,
        group: str | None = None,
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
        group
            Root name of one exposure, which becomes the root of the tree.

        Raises
        ------
        InputError
            If the observation is not named or has no exposure that can be simulated.
        """
        groups = self.open_groups_as_dict(
            filename_or_obj, drop_variables=drop_variables, observation=observation, group=group
        )
        return xr.DataTree.from_dict(groups)

    def open_groups_as_dict(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        observation: int | str | None = None,
        group: str | None = None,
    ) -> dict[str, xr.Dataset]:
        """Open the exposures of one observation as a dictionary of datasets; parameters and errors as `open_datatree`.

        Returns
        -------
        dict
            '/NAME' -> dataset of the exposure; '/' with `group`.
        """
        store = SimulationStore.open(os.fspath(filename_or_obj))
        if group is not None and group.strip("/"):
            return {"/": _open(store, _name(store, None, group), drop_variables)}
        return {f"/{name}": _open(store, name, drop_variables) for name in _names_of(store, observation)}

    def guess_can_open(self, filename_or_obj: Any) -> bool:  # noqa: ARG002
        """Return False: a store is opened by this engine only when it is named."""
        return False


def _name(store: SimulationStore, exposure: str | None, group: str | None) -> str:
    """Return the exposure that is asked for."""
    asked = {name for name in (exposure, group and group.strip("/")) if name}
    if len(asked) == 1:
        return asked.pop()
    if asked:
        raise InputError(
            f"group={group!r} and exposure={exposure!r} are two exposures; leave one of them out."
        )
    there = files.list_sizes(store.url)
    held = [name for name in store.plan.names if name in there] or list(store.plan.names)
    if len(held) == 1:
        return held[0]
    raise InputError(
        f"{store.url} holds {len(held)} exposures; say which with exposure=NAME, for example {', '.join(held[:2])}."
    )


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


def _open(store: SimulationStore, name: str, drop: str | Iterable[str] | None) -> xr.Dataset:
    plan, row = store.plan, store.plan.row(name)
    spec, grid = plan.spec(row), plan.grid(row)
    dropped = {drop} if isinstance(drop, str) else set(drop or ())
    arrays, raw_from = stored_arrays(store, row)
    data: dict[str, xr.Variable] = {}
    for key, array in arrays.items():
        if key in dropped:
            continue
        variable = VARIABLES[key]
        part = dict(zip(variable.dimensions, variable.select(grid.part), strict=True))
        lazy = indexing.LazilyIndexedArray(_LazyBackendArray(array))
        data[key] = xr.Variable(
            variable.dimensions,
            lazy,
            variable.attributes,
            encoding={"preferred_chunks": part, **variable.encoding},
        )
    coords = coordinates(spec) | sky_coordinate(plan, spec)
    coords = {k: v for k, v in coords.items() if k not in dropped}
    return xr.Dataset(data, coords=coords, attrs={**attributes(plan, spec), "raw_from": raw_from})
