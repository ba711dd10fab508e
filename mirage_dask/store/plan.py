"""The plan: what is to be simulated, written once by the client and loaded by every worker.

A plan is a directory at any fsspec URL:

    plan.json          format, digest, seed, size of tiles, settings, provenance, software versions, checksums of the two
                       tables and of itself; written last, so that a directory without it is not a plan
    specs.parquet      one row per exposure that can be simulated: name, digest, shape, and the `ExposureSpec` as JSON
    exposures.parquet  the exposure table, also with the rows that cannot be simulated
    sources/ packs/ planes/ pieces/   what the specs name by content key (written by others)

Specs are in the order of their stacks: equal shapes together, within them by detector and filter, so that neighbours
share reference data. A task carries the URL, the digest and row numbers; everything else it reads here, once per process.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mirage_dask.errors import InputError, StoreError, nearest
from mirage_dask.io import files
from mirage_dask.io.privacy import anonymous_table, anonymous_values
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.integrity import (
    check_rows,
    check_seal,
    check_spec,
    check_table,
    content_digest,
    read_stated,
    sealed,
)
from mirage_dask.store.tiles import TILE_BYTES, Shape4, TileGrid, tile_grid
from mirage_dask.untrusted.documents import check_parquet, parsing, read_json

if TYPE_CHECKING:
    import os

FORMAT = 2
PLAN_FILE, SPECS_FILE, TABLE_FILE = "plan.json", "specs.parquet", "exposures.parquet"
_SHAPE = ("nints", "ngroups", "ny", "nx")
PARSED_SPECS = 512
"""Specifications that a plan keeps parsed."""
_PACKAGES = ("mirage_dask", "numpy", "numba", "scipy", "dask", "zarr", "pysiaf")


@dataclass(frozen=True)
class Stack:
    """Consecutive rows of a plan whose exposures have one shape and one fast axis."""

    start: int
    stop: int
    shape: Shape4
    """(integration, group, y, x) of each exposure."""
    fast_axis: int
    """1 or 2: |FASTAXIS|."""
    tile_bytes: int = TILE_BYTES
    """Of the plan."""

    @property
    def grid(self) -> TileGrid:
        """The tiles of each exposure."""
        return tile_grid(self.shape, self.fast_axis, self.tile_bytes)

    def __len__(self) -> int:
        return self.stop - self.start


class Plan:
    """A plan as loaded: cheap to hold, parses a spec only when it is asked for.

    Attributes
    ----------
    url : str
        Where it is.
    digest : str
        Hash of all specs, the table and the size of tiles, 32 hex digits.
    tile_bytes : int
        Largest tile, bytes of raw data (see `store.tiles`).
    info : dict
        Content of plan.json.
    names : tuple of str
        Root names in stack order; the index is the *row* by which tasks name an exposure.
    digests : tuple of str
        `ExposureSpec.digest` of each row.
    """

    def __init__(self, url: str, info: Mapping[str, Any], specs: pa.Table):
        self.url = url
        self.digest = str(info["digest"])
        self.tile_bytes = int(info.get("tile_bytes", TILE_BYTES))
        self.info = dict(info)
        self._specs = specs
        self.names: tuple[str, ...] = tuple(specs["name"].to_pylist())
        self.digests: tuple[str, ...] = tuple(specs["digest"].to_pylist())
        self._texts = specs["spec"]
        self._shapes = np.stack(
            [specs[c].to_numpy() for c in (*_SHAPE, "fast_axis")] or [np.empty(0)], axis=1
        )
        check_rows(self.names, self.digests, self._shapes, files.join(url, SPECS_FILE))
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._parsed: dict[int, ExposureSpec] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Plan of {len(self)} exposures at {self.url}>"

    def spec(self, row: int) -> ExposureSpec:
        """Return the specification of a row; the last few that were asked for are kept.

        Raises
        ------
        StoreError
            If it was written by another version, is damaged, or names something that is not valid.
        """
        found = self._parsed.get(row)
        if found is None:
            place = files.join(self.url, SPECS_FILE)
            with parsing(place):
                found = ExposureSpec.from_dict(json.loads(self._texts[row].as_py()))
            check_spec(found, self.names[row], self.digests[row], self.shape(row), place)
            if len(self._parsed) >= PARSED_SPECS:
                self._parsed.clear()
            self._parsed[row] = found
        return found

    def row(self, name: str) -> int:
        """Return the row of an exposure.

        Raises
        ------
        InputError
            If the plan does not hold it; gives the reason when the table does, else the nearest names.
        """
        if name in self._rows:
            return self._rows[name]
        table = self.table
        known = table[table["name"] == name]
        if len(known):
            reason = str(known.iloc[0].get("reason") or known.iloc[0].get("status") or "not planned")
            raise InputError(f"Exposure {name} cannot be simulated: {reason}.")
        raise InputError(f"The plan at {self.url} has no exposure {name!r}{nearest(name, self.names) or '.'}")

    def shape(self, row: int) -> Shape4:
        """Return (integration, group, y, x) of a row without parsing its spec."""
        i, g, y, x, _ = (int(n) for n in self._shapes[row])
        return i, g, y, x

    def grid(self, row: int) -> TileGrid:
        """Return the tiles of a row without parsing its spec."""
        return tile_grid(self.shape(row), int(self._shapes[row, 4]), self.tile_bytes)

    def with_tile_bytes(self, tile_bytes: int) -> Plan:
        """Return the same plan cut into other tiles: another digest, for another store; the same values.

        It exists only in this process until `copy_plan` writes it.

        Parameters
        ----------
        tile_bytes
            Largest tile, bytes of raw data.
        """
        if tile_bytes == self.tile_bytes:
            return self
        content = str(self.info.get("content", self.digest))
        # The usual size leaves the digest as it is: stores that know no size are of that one.
        tiled = hashlib.blake2b(f"{content} {tile_bytes}".encode(), digest_size=16).hexdigest()
        digest = content if tile_bytes == TILE_BYTES else tiled
        info = {**self.info, "digest": digest, "content": content, "tile_bytes": tile_bytes}
        return Plan(self.url, info, self._specs)

    @cached_property
    def stacks(self) -> tuple[Stack, ...]:
        """Runs of rows of equal shape and fast axis."""
        if not len(self):
            return ()
        borders = np.flatnonzero((np.diff(self._shapes, axis=0) != 0).any(axis=1)) + 1
        edges = [0, *borders.tolist(), len(self)]
        return tuple(
            Stack(a, b, self.shape(a), int(self._shapes[a, 4]), self.tile_bytes) for a, b in pairwise(edges)
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """The exposure table, in the order it was made; also rows that cannot be simulated."""
        place = files.join(self.url, TABLE_FILE)
        table = parse_table(read_stated(self.info, self.url, TABLE_FILE), place)
        check_table(table, self.names, place)
        return table

    @cached_property
    def _table_rows(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.table["name"])}

    def table_row(self, name: str) -> dict[str, Any]:
        """Return the table's row of an exposure as plain Python values."""
        row = self.table.iloc[self._table_rows[name]]
        return {str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()}

    @property
    def raw_bytes(self) -> int:
        """Bytes of raw data of all exposures."""
        return int(2 * self._shapes[:, :4].astype(np.int64).prod(axis=1).sum())

    def select(self, which: str | Iterable[str] | None = None) -> list[int]:
        """Return rows in stack order.

        Parameters
        ----------
        which
            None for all, a pandas query over the exposure table ("observation == 2 and detector == 'NRCB5'"), or names.

        Raises
        ------
        InputError
            If the query cannot be evaluated, or selects nothing, or a name is unknown.
        """
        if which is None:
            return list(range(len(self)))
        if not isinstance(which, str):
            return sorted({self.row(name) for name in which})
        try:
            hits = self.table.query(which)["name"]
        except Exception as error:
            raise InputError(
                f"The selection {which!r} cannot be used: {error}. It is a pandas query over the columns "
                f"{', '.join(map(str, self.table.columns))}."
            ) from error
        rows = sorted(self._rows[name] for name in hits if name in self._rows)
        if not rows:
            raise InputError(
                f"The selection {which!r} holds no exposure that can be simulated"
                f" ({len(hits)} of {len(self.table)} rows of the table match)."
            )
        return rows


def parse_table(content: bytes, place: str) -> pd.DataFrame:
    """Return the exposure table in the content of a Parquet file.

    Raises
    ------
    StoreError
        If it is damaged; names the place.
    """
    with parsing(place):
        check_parquet(content)
        return pd.read_parquet(io.BytesIO(content), page_checksum_verification=True)


def table_bytes(table: pd.DataFrame) -> bytes:
    """Return an exposure table as the content of a Parquet file."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, write_page_checksum=True)
    return buffer.getvalue()


def _stack_order(spec: ExposureSpec) -> tuple[Any, ...]:
    return (*spec.shape, abs(spec.fast_axis), spec.detector, spec.filter, spec.pupil, spec.name)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _table_digest(table: pd.DataFrame) -> bytes:
    hashes = pd.util.hash_pandas_object(table.astype(dict.fromkeys(table.columns, str)), index=False)
    return hashes.to_numpy().astype("<u8").tobytes() + ",".join(map(str, table.columns)).encode()


def save_plan(
    url: str | os.PathLike[str],
    table: pd.DataFrame,
    specs: Iterable[ExposureSpec],
    *,
    settings: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Plan:
    """Write a plan and return it as loaded.

    Parameters
    ----------
    url
        Directory, local or any fsspec URL. It may hold sources and packs already; a plan in it is replaced.
    table
        Exposure table with a column `name`; may have rows without a spec.
    specs
        One per exposure to simulate, in any order; each name must be in the table once.
    settings, provenance
        Kept in plan.json (JSON-able): the user's settings; where every reference came from. They and the table are
        written without home directory, user name and passwords (`io.privacy`).

    Raises
    ------
    InputError
        If names repeat or are missing in the table.
    StoreError
        If the directory cannot be written.
    """
    url, table = files.normal_url(url), anonymous_table(table)
    ordered = sorted(specs, key=_stack_order)
    names = [spec.name for spec in ordered]
    listed = list(table["name"])
    problems = [f"Exposure name {name!r} occurs more than once." for name in sorted(_repeated(listed))]
    problems += [f"Exposure {name!r} has more than one spec." for name in sorted(_repeated(names))]
    problems += [
        f"Exposure {name!r} has a spec but no row in the table." for name in sorted(set(names) - set(listed))
    ]
    if problems:
        raise InputError(problems)
    digest = hashlib.blake2b(f"{FORMAT}".encode(), digest_size=16)
    for spec in ordered:
        digest.update(bytes.fromhex(spec.digest))
    digest.update(_table_digest(table))
    info = {
        "format": FORMAT,
        "digest": digest.hexdigest(),
        "content": digest.hexdigest(),
        "tile_bytes": TILE_BYTES,
        "exposures": len(ordered),
        "seeds": sorted({spec.random_seed for spec in ordered}),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "settings": anonymous_values(settings or {}),
        "provenance": anonymous_values({"references": [], **(provenance or {})}),
    }
    columns: dict[str, Any] = {
        "name": pa.array(names, pa.string()),
        "digest": pa.array([spec.digest for spec in ordered], pa.string()),
        **{c: pa.array([getattr(spec, c) for spec in ordered], pa.int64()) for c in _SHAPE},
        "fast_axis": pa.array([abs(spec.fast_axis) for spec in ordered], pa.int64()),
        "spec": pa.array([json.dumps(spec.to_dict()) for spec in ordered], pa.large_string()),
    }
    arrow = pa.table(columns)
    buffer = io.BytesIO()
    pq.write_table(arrow, buffer, compression="zstd")
    contents = {SPECS_FILE: buffer.getvalue(), TABLE_FILE: table_bytes(table)}
    info["files"] = {name: content_digest(content) for name, content in contents.items()}
    files.remove(files.join(url, PLAN_FILE))
    for name, content in contents.items():
        files.write_bytes(files.join(url, name), content, fixed=True)
    files.write_bytes(files.join(url, PLAN_FILE), sealed(info))
    return load_plan(url, str(info["digest"]))


def _repeated(names: list[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]


def load_plan(url: str | os.PathLike[str], digest: str | None = None) -> Plan:
    """Load a plan; the same (url, digest) is read once per process.

    Parameters
    ----------
    url
        The plan directory.
    digest
        What the caller's handle was made for; None takes what is there.

    Raises
    ------
    StoreError
        If there is no plan, it is of another version, damaged, or not the one of the digest.
    """
    url = files.normal_url(url)
    if digest is None:
        digest = str(_read_info(url)["digest"])
    return _load(url, digest)


def _read_info(url: str) -> dict[str, Any]:
    try:
        info = read_json(files.join(url, PLAN_FILE))
        number = info["format"], info["digest"]
    except FileNotFoundError as error:
        raise StoreError(
            f"There is no plan at {url} (no {PLAN_FILE}); check the path, and that every worker sees that file system."
        ) from error
    except KeyError as error:
        raise StoreError(
            f"{files.join(url, PLAN_FILE)} is damaged ({error} is missing); make the plan again."
        ) from error
    if number[0] != FORMAT:
        raise StoreError(
            f"The plan at {url} has format {number[0]}, this version reads {FORMAT}; use the version of mirage_dask that "
            f"made it, or make the plan again."
        )
    check_seal(info, files.join(url, PLAN_FILE))
    return info


@lru_cache(maxsize=8)
def _load(url: str, digest: str) -> Plan:
    info = _read_info(url)
    if info["digest"] != digest:
        raise StoreError(
            f"The plan at {url} is not the one this object was made from (digest {info['digest']}, expected {digest}); "
            "open the proposal or the store again."
        )
    content = read_stated(info, url, SPECS_FILE)
    with parsing(files.join(url, SPECS_FILE)):
        check_parquet(content)
        return Plan(url, info, pq.read_table(io.BytesIO(content)))


def copy_plan(plan: Plan, url: str | os.PathLike[str]) -> Plan:
    """Copy a plan with its sources, packs and pieces to another place; files are linked where possible.

    Raises
    ------
    StoreError
        If the target cannot be written.
    """
    url = files.normal_url(url)
    if url != plan.url:
        for name in (PLAN_FILE, SPECS_FILE, TABLE_FILE):
            files.remove(files.join(url, name))
        files.copy_tree(plan.url, url, leave_out=PLAN_FILE)
    if url != plan.url or _read_info(url)["digest"] != plan.digest:  # the same plan in other tiles
        files.write_bytes(files.join(url, PLAN_FILE), sealed(plan.info))
    return load_plan(url, plan.digest)
