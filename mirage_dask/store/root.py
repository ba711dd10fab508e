"""The root of a store: which plan it was made from, and how large its tiles are. A run reads it once.

What is true stands in the plan inside the store; the root's zarr.json is for those who read the store with plain zarr. Where
it is missing or damaged, it is written again by the next run, and nothing else needs it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.store import layout
from mirage_dask.store.plain.arrays import LISTED
from mirage_dask.store.plan import Plan
from mirage_dask.store.plan_files import read_info
from mirage_dask.store.tiles import TILE_BYTES


@dataclass(frozen=True)
class StoreRoot:
    """What the root of a store says, or that there is no store."""

    url: str
    """Where the store is, or will be."""
    plan: str | None
    """Digest of the plan that the store was made from; None when there is no store."""
    tile_bytes: int | None
    """Size of its tiles, bytes of raw data; None when there is no store."""
    document: bytes | None = None
    """Its zarr.json; None when there is none, or it is damaged."""

    @property
    def exists(self) -> bool:
        """Whether there is a store."""
        return self.plan is not None

    @classmethod
    def read(cls, url: str | os.PathLike[str]) -> StoreRoot:
        """Read the root of a store, which need not exist.

        Parameters
        ----------
        url
            Directory, local or any fsspec URL.

        Raises
        ------
        StoreError
            If it is a Zarr store of something else, or cannot be read.
        """
        url = files.normal_url(url)
        try:
            content = files.read_bytes(files.join(url, "zarr.json"))
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        except OSError as error:
            raise StoreError(
                f"{url} cannot be read: {error.strerror or error}; check path and permissions."
            ) from error
        mine = _attributes(url, content)
        info: dict[str, Any] = {}
        # A plan alone is not a store yet: it may have been put there before the first run.
        if mine or set(files.list_sizes(url)) - {"plan"}:
            with suppress(StoreError):
                info = read_info(files.join(url, "plan"))
        if not (mine or info):
            if content:
                raise StoreError(
                    f"{files.join(url, 'zarr.json')} is damaged, and there is no plan beside it from which it could be "
                    "written again; choose another place."
                )
            return cls(url, None, None)
        digest = str(info.get("digest") or mine["plan"])
        tile_bytes = int((info or mine).get("tile_bytes", TILE_BYTES))
        return cls(url, digest, tile_bytes, content if mine else None)

    def check_place(self) -> None:
        """Raise StoreError if there is no store yet, and something else is in its place."""
        others = [] if self.exists else sorted(set(files.list_sizes(self.url)) - {"plan"})
        if others:
            raise StoreError(
                f"{self.url} exists and is not a simulation (it holds {', '.join(others[:3])}); choose another place."
            )


def _attributes(url: str, content: bytes) -> dict[str, Any]:
    """Return what this package has written into a root's zarr.json; empty when that is missing or damaged.

    Raises
    ------
    StoreError
        If it is the root of something else, or of another version.
    """
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    try:
        mine: dict[str, Any] = document["attributes"]["mirage_dask"]
        number, _ = mine["format"], mine["plan"]
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"{url} is a Zarr store, but not a simulation of mirage_dask; choose another place."
        ) from error
    if number != layout.FORMAT:
        raise StoreError(
            f"{url} has store format {number}, this version reads {layout.FORMAT}; simulate into another "
            "place, or use the version of mirage_dask that made it."
        )
    return mine


def root_document(plan: Plan, nodes: dict[str, bytes] | None = None) -> bytes:
    """Return the zarr.json of a store's root.

    Parameters
    ----------
    plan
        What the store is made from.
    nodes
        Metadata documents of its groups and arrays by path, to be consolidated; none by default.
    """
    return layout.group_metadata(root_attributes(plan), nodes)


def root_attributes(plan: Plan) -> dict[str, Any]:
    """Return the attributes of the root of a store that is made from a plan."""
    mine = {
        "format": layout.FORMAT,
        "plan": plan.digest,
        "exposures": len(plan),
        "tile_bytes": plan.tile_bytes,
    }
    return {"mirage_dask": mine, "coordinates": " ".join(LISTED)}


def write_root(url: str, document: bytes) -> None:
    """Write the zarr.json of a store's root, unless it is there already."""
    place = files.join(url, "zarr.json")
    if files.read_many([place]).get(place) != document:
        files.write_bytes(place, document)
