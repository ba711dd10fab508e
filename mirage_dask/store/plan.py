"""The plan: what is to be simulated, written once by the client and loaded by every worker.

A plan is a directory at any fsspec URL (its files: `store.plan_files`). It holds the whole exposure table, and the
specifications of the exposures that were prepared, in the order of their stacks: equal shapes together, within them by
detector and filter, so that neighbours share reference data. A task carries the URL, the digest and row numbers; everything
else it reads here, once per process. Row numbers hold for one plan; what lies in a store is named by exposure.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mirage_dask.errors import InputError, StoreError, nearest
from mirage_dask.formatting import counted, size
from mirage_dask.io import files
from mirage_dask.io.copying import copy_tree
from mirage_dask.io.privacy import anonymous_table, anonymous_values
from mirage_dask.representation.page import beside, page, pairs
from mirage_dask.representation.tiles import TiledShape, diagrams
from mirage_dask.spec import ExposureSpec
from mirage_dask.store import plan_files
from mirage_dask.store.integrity import check_rows, check_spec, check_table
from mirage_dask.store.plan_files import FORMAT
from mirage_dask.store.tiles import TILE_BYTES, Shape4, TileGrid, tile_grid
from mirage_dask.untrusted.documents import parsing

if TYPE_CHECKING:
    import os

    import pandas as pd

    from mirage_dask.selection import Selection

_SHAPE = ("nints", "ngroups", "ny", "nx")
PARSED_SPECS = 512
"""Specifications that a plan keeps parsed."""


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
    inputs : tuple of str
        Hash of what the spec of each row follows from; empty where it is not known.
    specs : pyarrow.Table
        Name, digest, shape, fast axis, `inputs` and the specification as JSON of each row.
    """

    def __init__(
        self, url: str, info: Mapping[str, Any], specs: pa.Table, *, table: pd.DataFrame | None = None
    ):
        self.url = url
        self.digest = str(info["digest"])
        self.tile_bytes = int(info.get("tile_bytes", TILE_BYTES))
        self.info = dict(info)
        self.specs = specs
        if table is not None:  # of a plan that is not written yet
            self.__dict__["table"] = table
        self._place = files.join(url, str(info.get("specs_file", "specs.parquet")))
        self.names: tuple[str, ...] = tuple(specs["name"].to_pylist())
        self.digests: tuple[str, ...] = tuple(specs["digest"].to_pylist())
        self.inputs: tuple[str, ...] = (
            tuple(specs["inputs"].to_pylist()) if "inputs" in specs.column_names else ("",) * len(self.names)
        )
        self._texts = specs["spec"]
        # `to_numpy` would import pandas, for half a second of each worker.
        columns = [np.array(specs[c].to_pylist(), np.int64) for c in (*_SHAPE, "fast_axis")]
        self._shapes = np.stack(columns, axis=1)
        check_rows(self.names, self.digests, self._shapes, self._place)
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._parsed: dict[int, ExposureSpec] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Plan of {counted(len(self), 'exposure')} at {self.url}>"

    def _repr_html_(self) -> str:
        facts = [
            ("raw data", size(self.raw_bytes)),
            ("made", self.info.get("created", "")),
            ("plan", self.url),
        ]
        shapes = diagrams(self.tiled_shapes(range(len(self))))
        return page(f"Plan of {counted(len(self), 'exposure')}", beside(pairs(facts), shapes))

    def tiled_shapes(self, rows: Iterable[int]) -> tuple[TiledShape, ...]:
        """Return the different shapes of exposures among rows, and how they are cut into tiles."""
        counts = Counter((self.shape(row), int(self._shapes[row, 4])) for row in rows)
        grids = {key: tile_grid(*key, self.tile_bytes) for key in counts}
        return tuple(
            TiledShape(count, key[0], grids[key].tile, grids[key].count) for key, count in counts.items()
        )

    def spec(self, row: int) -> ExposureSpec:
        """Return the specification of a row; the last few that were asked for are kept.

        Raises
        ------
        StoreError
            If it was written by another version, is damaged, or names something that is not valid.
        """
        found = self._parsed.get(row)
        if found is None:
            place = self._place
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
            if reason == "ready":
                raise InputError(
                    f"Exposure {name} is not in the plan at {self.url}, which was made for a selection without it; simulate "
                    "it first."
                )
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
        return Plan(self.url, info, self.specs, table=self.__dict__.get("table"))

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
        """The exposure table, in the order it was made; also rows that are not prepared or cannot be simulated.

        Raises
        ------
        StoreError
            If its file is missing or damaged.
        """
        table = plan_files.read_table(self.url, self.info)
        check_table(table, self.names, files.join(self.url, str(self.info["table_file"])))
        return table

    @cached_property
    def _table_rows(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.table["name"])}

    def table_row(self, name: str) -> dict[str, Any]:
        """Return the table's row of an exposure as plain Python values."""
        row = self.table.iloc[self._table_rows[name]]
        return {str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()}

    def table_value(self, name: str, column: str) -> Any:
        """Return what the table says of an exposure in one column; None if it has no such column."""
        return self.table[column].iat[self._table_rows[name]] if column in self.table else None

    @property
    def raw_bytes(self) -> int:
        """Bytes of raw data of all exposures."""
        return int(2 * self._shapes[:, :4].astype(np.int64).prod(axis=1).sum())

    def select(self, which: Selection = None) -> list[int]:
        """Return rows in stack order.

        Parameters
        ----------
        which
            What `selection.select_rows` takes: None for all, a condition on the columns of the exposure table
            ("observation == 2 and detector == 'NRCB5'"), names, positions in that table, rows of it, or a mask. A
            condition or mask leaves out what cannot be simulated; what is named must be in the plan.

        Raises
        ------
        InputError
            If it cannot be understood, or selects nothing, or what it names cannot be simulated.
        """
        if which is None:
            return list(range(len(self)))
        from mirage_dask.selection import is_condition, select_rows

        hits = self.table.iloc[select_rows(self.table, which)]
        if not is_condition(self.table, which):
            return sorted(self.row(name) for name in hits["name"])
        rows = sorted(self._rows[name] for name in hits["name"] if name in self._rows)
        if not rows:
            waiting = int((hits["status"] == "ready").sum()) if "status" in hits else 0
            raise InputError(
                "The selection holds no exposure that "
                + (f"was simulated: {waiting} are not simulated yet" if waiting else "can be simulated")
                + f" ({len(hits)} of {counted(len(self.table), 'row')} of the table selected)."
            )
        return rows


def stack_order(spec: ExposureSpec) -> tuple[Any, ...]:
    """Return the key by which the exposures of a plan are sorted: equal shapes together, then detector and filter."""
    return (*spec.shape, abs(spec.fast_axis), spec.detector, spec.filter, spec.pupil, spec.name)


def save_plan(
    url: str | os.PathLike[str],
    table: pd.DataFrame,
    specs: Iterable[ExposureSpec],
    *,
    settings: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
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
    inputs
        {exposure: hash of what its spec follows from}, by which a later run tells that the spec is still valid.

    Raises
    ------
    InputError
        If names repeat or are missing in the table.
    StoreError
        If the directory cannot be written.
    """
    url, table = files.normal_url(url), anonymous_table(table)
    ordered = sorted(specs, key=stack_order)
    names = [spec.name for spec in ordered]
    listed = list(table["name"])
    problems = [f"Exposure name {name!r} occurs more than once." for name in sorted(_repeated(listed))]
    problems += [f"Exposure {name!r} has more than one spec." for name in sorted(_repeated(names))]
    problems += [
        f"Exposure {name!r} has a spec but no row in the table." for name in sorted(set(names) - set(listed))
    ]
    if problems:
        raise InputError(problems)
    # As a reader will find the table: a column may come back with another type.
    table = plan_files.decode_table(plan_files.encode_table(table), f"{url}, exposure table")
    digest = plan_files.plan_digest([spec.digest for spec in ordered], table)
    info = {
        "format": FORMAT,
        "digest": digest,
        "content": digest,
        "tile_bytes": TILE_BYTES,
        "exposures": len(ordered),
        "seeds": sorted({spec.random_seed for spec in ordered}),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": plan_files.software_versions(),
        "settings": anonymous_values(settings or {}),
        "provenance": anonymous_values({"references": [], **(provenance or {})}),
    }
    columns: dict[str, Any] = {
        "name": pa.array(names, pa.string()),
        "digest": pa.array([spec.digest for spec in ordered], pa.string()),
        **{c: pa.array([getattr(spec, c) for spec in ordered], pa.int64()) for c in _SHAPE},
        "fast_axis": pa.array([abs(spec.fast_axis) for spec in ordered], pa.int64()),
        "spec": pa.array([json.dumps(spec.to_dict()) for spec in ordered], pa.large_string()),
        "inputs": pa.array([(inputs or {}).get(name, "") for name in names], pa.string()),
    }
    plan_files.write_plan(url, info, pa.table(columns), table)
    return load_plan(url, digest)


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
    for attempt in (1, 2, 3):
        try:
            return _load(url, digest or str(plan_files.read_info(url)["digest"]))
        except StoreError:
            if digest or attempt == 3:
                raise
            # Unless it is damaged, it was replaced twice while it was read.
    raise AssertionError("unreachable")


@lru_cache(maxsize=8)
def _load(url: str, digest: str) -> Plan:
    info = plan_files.read_info(url, digest)
    return Plan(url, info, plan_files.read_specs(url, info))


def copy_plan(plan: Plan, url: str | os.PathLike[str]) -> Plan:
    """Copy a plan with its sources, packs and pieces to another place; files are linked where possible.

    Raises
    ------
    StoreError
        If the target cannot be written.
    """
    url = files.normal_url(url)
    if url != plan.url:
        for folder in plan_files.DATA_FOLDERS:
            copy_tree(files.join(plan.url, folder), files.join(url, folder))
    plan_files.write_plan(url, plan.info, plan.specs, plan.table)
    return load_plan(url, plan.digest)
