"""The tiles of a run: those of the store, those of the argument, and the largest that would fit a worker.

The size of a tile is that of its largest part, the box that is computed at once (see `store.tiles`). Smaller tiles need less
memory per thread and make more files; no value depends on them. A store keeps the tiles that it was created with.
"""

from __future__ import annotations

from collections.abc import Iterable

from mirage_dask.errors import StoreError
from mirage_dask.run.estimate import thread_bytes
from mirage_dask.run.sizes import binary_size, parse_size
from mirage_dask.store.plan import Plan
from mirage_dask.store.root import StoreRoot


def tiled(plan: Plan, root: StoreRoot | None, tile_bytes: str | int | None) -> Plan:
    """Return a plan with the tiles of a run into a store.

    Parameters
    ----------
    plan
        What is to be simulated.
    root
        Root of the store, which need not exist; None when the store is not known.
    tile_bytes
        Bytes of raw data of the largest tile, or a text such as "2MiB". None takes the tiles of the store, or those of the
        plan for a new one.

    Raises
    ------
    InputError
        If `tile_bytes` is not a valid size.
    StoreError
        If the store has other tiles.
    """
    wanted = None if tile_bytes is None else parse_size(tile_bytes, "tile_bytes")
    existing = None if root is None else root.tile_bytes
    if root is not None and wanted is not None and existing is not None and wanted != existing:
        raise StoreError(
            f"{root.url} has tiles of {binary_size(existing)}, not {binary_size(wanted)}; a store keeps its tiles, which "
            "are its files. Leave tile_bytes (--tile-bytes) out to use them, or choose another place."
        )
    return plan.with_tile_bytes(existing or wanted or plan.tile_bytes)


def fitting_tile_bytes(plan: Plan, rows: Iterable[int], room: int, *, truth: bool = False) -> int | None:
    """Return the largest tile size, the plan's halved repeatedly, with which a thread stays within its memory.

    Parameters
    ----------
    plan, rows
        What is to be simulated.
    room
        Bytes that a thread may add to its process.
    truth
        Whether variables of the truth are stored too.

    Returns
    -------
    int or None
        None when even tiles of one line are too large.
    """
    examples = list({plan.grid(row): row for row in rows}.values())
    smaller = plan
    while thread_bytes(smaller, examples, truth=truth) > room:
        if smaller.tile_bytes == 1:
            return None
        smaller = smaller.with_tile_bytes(smaller.tile_bytes // 2)
    return smaller.tile_bytes


def smaller_tiles(
    plan: Plan, rows: Iterable[int], room: int, *, store_exists: bool, truth: bool = False
) -> str:
    """Return a remedy that names smaller tiles that would fit; an empty string when none would.

    Parameters
    ----------
    plan, rows
        What is to be simulated.
    room
        Bytes that a thread may add to its process.
    store_exists
        The store exists, so that its tiles are fixed.
    truth
        Whether variables of the truth are stored too.
    """
    tiles = fitting_tile_bytes(plan, rows, room, truth=truth)
    if tiles is None:
        return ""
    place = " and another place, because a store keeps its tiles" if store_exists else ""
    size = binary_size(tiles)
    return f"choose smaller tiles (tile_bytes='{size}', --tile-bytes {size}){place}"
