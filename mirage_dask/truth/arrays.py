"""Variables of exposures that are stored on request: Zarr arrays `STORE/truth/<exposure>.<hash>.<variable>`.

The hash is that of the specification of the exposure and the version of the arrays, so that a listing says what holds. An
array is written under another name and moved when it is complete; what is not there is computed by whoever asks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy.typing as npt

from mirage_dask.errors import StoreError
from mirage_dask.exposure.contributions.variables import variable_of
from mirage_dask.io import files
from mirage_dask.io.atomic import partial_name
from mirage_dask.spec import Window
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.untrusted.arrays import open_array

FOLDER = "truth"
VERSION = 1
"""Raised when the same specification gives other values of a variable that exists on request."""
_NAME = re.compile(r".+\.[0-9a-f]{16}\.[a-z_0-9]+")


def array_name(plan: Plan, row: int, variable: str) -> str:
    """Return the name of the array of a variable of an exposure."""
    made_of = repr((VERSION, plan.digests[row], variable))
    digest = hashlib.blake2b(made_of.encode(), digest_size=8).hexdigest()
    return f"{plan.names[row]}.{digest}.{variable}"


def write_array(
    store: SimulationStore, row: int, variable: str, parts: Iterable[tuple[Window, npt.NDArray[Any]]]
) -> None:
    """Write a variable of an exposure into its store.

    Parameters
    ----------
    parts
        Windows of the exposure and the values in them, with the dimensions of the variable; together they cover it.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    plan, known = store.plan, variable_of(variable)
    name = array_name(plan, row, variable)
    folder = files.join(store.url, FOLDER)
    incoming = files.join(folder, partial_name(name))
    with files.store_errors(incoming):
        array = zarr.create_array(
            incoming,
            shape=known.select(plan.shape(row)),
            chunks=known.select(plan.grid(row).part),
            dtype=known.dtype,
            fill_value=0,
            compressors=[ZstdCodec(level=0), Crc32cCodec()],
            dimension_names=known.dimensions,
            attributes=known.attributes,
            config={"write_empty_chunks": True},
        )
        for window, values in parts:
            array[tuple(slice(*span) for span in known.select(window.spans))] = values
    files.move(incoming, files.join(folder, name))


def windows_of(plan: Plan, row: int, variable: str) -> Iterator[Window]:
    """Yield the windows in which a variable is computed: parts of tiles; each pixel once where it is an image."""
    grid, image = plan.grid(row), variable_of(variable).dimensions == ("y", "x")
    for tile in range(grid.count):
        for window in grid.parts(tile):
            if not image or window.integrations[0] == window.groups[0] == 0:
                yield window


def missing_arrays(
    store: SimulationStore, rows: Sequence[int], variables: Sequence[str]
) -> list[tuple[int, int]]:
    """Return (row, number of the variable) of the arrays that a store does not have."""
    there = files.list_sizes(files.join(store.url, FOLDER))
    return [
        (row, number)
        for row in rows
        for number, variable in enumerate(variables)
        if array_name(store.plan, row, variable) not in there
    ]


def stored_array(store: SimulationStore, row: int, variable: str) -> Any | None:
    """Open a variable of an exposure as it is stored; None where it is not.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    known, plan = variable_of(variable), store.plan
    url = files.join(store.url, FOLDER, array_name(plan, row, variable))
    try:
        array = open_array(url, shape=known.select(plan.shape(row)), dtype=known.dtype)
    except FileNotFoundError:
        return None
    if array.nchunks_initialized != array.nchunks:  # a chunk that is not there would read as zeros
        raise StoreError(
            f"{url} has lost {array.nchunks - array.nchunks_initialized} of its {array.nchunks} chunks; remove it, and make "
            f"it again: open_simulation(STORE).make_truth(variables={variable!r})."
        )
    return array


def sweep_arrays(store: SimulationStore, variables: Iterable[str]) -> None:
    """Remove arrays of these variables that no exposure of the plan has any more."""
    names, folder = set(variables), files.join(store.url, FOLDER)
    kept = {array_name(store.plan, row, name) for row in range(len(store.plan)) for name in names}
    for name in files.list_sizes(folder):
        if _NAME.fullmatch(name) and name.rpartition(".")[2] in names and name not in kept:
            files.remove(files.join(folder, name))
