"""The root of a store: which plan it was made from, and how large its tiles are. A run reads it once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.store import layout
from mirage_dask.store.plain.arrays import LISTED
from mirage_dask.store.plan import Plan
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
            return cls(url, None, None)
        except OSError as error:
            raise StoreError(
                f"{url} cannot be read: {error.strerror or error}; check path and permissions."
            ) from error
        try:
            mine = json.loads(content)["attributes"]["mirage_dask"]
            if mine["format"] != layout.FORMAT:
                raise StoreError(
                    f"{url} has store format {mine['format']}, this version reads {layout.FORMAT}; simulate into another "
                    "place, or use the version of mirage_dask that made it."
                )
            return cls(url, str(mine["plan"]), int(mine.get("tile_bytes", TILE_BYTES)))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{url} is a Zarr store, but not a simulation of mirage_dask; choose another place."
            ) from error


def write_root(url: str, plan: Plan, nodes: dict[str, bytes] | None = None) -> None:
    """Write the root of a store.

    Parameters
    ----------
    url
        The store.
    plan
        What it is made from.
    nodes
        Metadata documents of its groups and arrays by path, to be consolidated; none by default.
    """
    mine = {
        "format": layout.FORMAT,
        "plan": plan.digest,
        "exposures": len(plan),
        "tile_bytes": plan.tile_bytes,
    }
    files.write_bytes(
        files.join(url, "zarr.json"),
        layout.group_metadata({"mirage_dask": mine, "coordinates": " ".join(LISTED)}, nodes),
    )
