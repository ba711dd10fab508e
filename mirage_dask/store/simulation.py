"""A whole store: created beside its plan, written tile by tile, resumed, checked and read.

The order of writing is what makes a killed run safe: an old record goes first, then the shard is written (whole or not at
all), then its record. A tile is done when its record was made for the spec in the plan and the shard has the size that the
record says; nothing else is ever read as a result.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import zarr

from mirage_dask.errors import InputError, StoreError
from mirage_dask.io import files
from mirage_dask.io.atomic import remove_abandoned
from mirage_dask.store import layout
from mirage_dask.store.commits import Commit, checksum, commit_key
from mirage_dask.store.plan import TABLE_FILE, Plan, copy_plan, load_plan, read_table, write_table
from mirage_dask.store.tiles import TILE_BYTES

logger = logging.getLogger(__name__)

CONSOLIDATED_EXPOSURES = 1000
"""Stores of at most this many exposures get consolidated metadata; a larger document costs more to open than it saves."""

STATUS_COLUMNS = (
    "status",
    "reason",
    "tiles",
    "tiles_done",
    "raw_bytes",
    "stored_bytes",
    "digest",
    "traceback",
)


@dataclass(frozen=True)
class Damage:
    """A tile that `SimulationStore.verify` found wrong."""

    exposure: str
    tile: int
    problem: str


@dataclass(frozen=True)
class Failure:
    """Why an exposure could not be simulated."""

    exposure: str
    tile: int
    error: str
    """One line."""
    traceback: str


@dataclass(frozen=True)
class SimulationStore:
    """A store and the plan inside it; holds no open file and pickles small."""

    url: str
    plan: Plan

    @classmethod
    def open(cls, url: str | os.PathLike[str]) -> SimulationStore:
        """Open an existing store.

        Raises
        ------
        StoreError
            If there is none, or its plan is missing or damaged.
        """
        url = files.normal_url(url)
        attributes = _root_attributes(url)
        if attributes is None:
            raise StoreError(
                f"There is no simulation at {url}; check the path, or make one with mirage-dask simulate."
            )
        return cls(url, load_plan(files.join(url, "plan"), str(attributes["plan"])))

    @classmethod
    def create(
        cls,
        url: str | os.PathLike[str],
        plan: Plan,
        *,
        rows: Iterable[int] | None = None,
        update: bool = False,
    ) -> SimulationStore:
        """Create a store for a plan, or take up the one that is there.

        Parameters
        ----------
        url
            Directory, local or any fsspec URL. It may hold `plan/` already.
        plan
            Copied into the store unless it lies there.
        rows
            Exposures to make groups for; default all.
        update
            Accept a store that was made from another plan: its plan is replaced, and exposures whose spec changed count
            as not done.

        Raises
        ------
        StoreError
            If the place holds something else, or another plan and `update` is not given, or cannot be written.
        """
        url = files.normal_url(url)
        attributes = _root_attributes(url)
        inside = files.join(url, "plan")
        if attributes is None:
            others = sorted(set(files.list_sizes(url)) - {"plan"})
            if others:
                raise StoreError(
                    f"{url} exists and is not a simulation (it holds {', '.join(others[:3])}); choose another place."
                )
        elif attributes["plan"] != plan.digest and not update:
            raise StoreError(
                f"{url} holds the simulation of another plan (digest {attributes['plan']}, this one is {plan.digest}); "
                "choose another place, or update it, which simulates again what changed."
            )
        files.write_bytes(files.join(url, "zarr.json"), layout.group_metadata(_attributes(plan)))
        copied = copy_plan(plan, inside)
        store = cls(url, copied)
        chosen = list(range(len(plan)) if rows is None else rows)
        store._make_groups(chosen, fresh=attributes is None)
        if attributes is not None:
            store._sweep(chosen)
        return store

    def _sweep(self, rows: Iterable[int]) -> None:
        """Remove the partial files of killed writers."""
        if not files.is_local(self.url):
            return
        groups = [files.join(self.url, self.plan.names[row]) for row in rows]
        plan = [where for where, _, _ in os.walk(files.join(self.url, "plan"))]
        places = [self.url, *plan, *groups]
        places += [files.join(group, array) for group in groups for array in ("raw", "commit")]
        count = sum(remove_abandoned(place) for place in places)
        if count:
            logger.info("%s: removed %d partial files of killed writers", self.url, count)

    def _make_groups(self, rows: Iterable[int], *, fresh: bool) -> None:
        wanted = {row: files.join(self.url, self.plan.names[row], "raw/zarr.json") for row in rows}
        there = {} if fresh else files.read_many(wanted.values())
        documents: dict[str, bytes] = {}
        for row, url in wanted.items():
            if there.get(url) == layout.raw_metadata(self.plan.grid(row)):
                continue
            group = files.join(self.url, self.plan.names[row])
            if url in there:  # another shape: its shards would be read as something else
                files.remove(group)
            for path, document in self._documents(row).items():
                documents[files.join(group, path)] = document
        files.write_many(documents)

    def _documents(self, row: int) -> dict[str, bytes]:
        return layout.exposure_documents(self.plan.spec(row), self.plan.grid(row))

    # ------------------------------------------------------------------------------------------------ tiles

    def write_tile(self, row: int, tile: int, values: npt.NDArray[np.uint16]) -> Commit:
        """Write one tile and then its commit record.

        Parameters
        ----------
        row, tile
            Exposure by its row in the plan; number of the tile in its grid.
        values
            Raw DN of the tile, (integration, group, y, x).

        Raises
        ------
        StoreError
            If the disk is full or the store cannot be written; the tile then counts as not done.
        """
        grid, group = self.plan.grid(row), files.join(self.url, self.plan.names[row])
        if values.shape != grid.window(tile).shape or values.dtype != np.uint16:
            raise ValueError(
                f"tile {tile} of {self.plan.names[row]} must be uint16 {grid.window(tile).shape}, "
                f"not {values.dtype} {values.shape}"
            )
        record = files.join(group, "commit", commit_key(tile))
        files.remove(record)
        content = layout.encode_tile(grid, values)
        files.write_bytes(files.join(group, "raw", layout.shard_key(grid, tile)), content)
        commit = Commit.of(self.plan.digests[row], values, len(content))
        files.write_bytes(record, commit.encode())
        return commit

    def commits(self, row: int) -> dict[int, Commit]:
        """Return the records of an exposure's finished tiles: made for its spec, and the shard has its size."""
        grid, group = self.plan.grid(row), files.join(self.url, self.plan.names[row])
        shards = files.list_sizes(files.join(group, "raw"))
        present = [t for t in range(grid.count) if layout.shard_key(grid, t) in shards]
        urls = {files.join(group, "commit", commit_key(tile)): tile for tile in present}
        found: dict[int, Commit] = {}
        for url, content in files.read_many(urls).items():
            commit, tile = Commit.decode(content), urls[url]
            if (
                commit
                and commit.is_for(self.plan.digests[row])
                and shards[layout.shard_key(grid, tile)] == commit.size
            ):
                found[tile] = commit
        return found

    def survey(self, rows: Iterable[int] | None = None) -> dict[int, dict[int, Commit]]:
        """Return {row: {tile: record}} of finished tiles, read from the store itself."""
        chosen = list(range(len(self.plan)) if rows is None else rows)
        with ThreadPoolExecutor(1 if files.is_local(self.url) else 32) as pool:
            return dict(zip(chosen, pool.map(self.commits, chosen), strict=True))

    def is_done(self, row: int) -> bool:
        """Say whether all tiles of an exposure are finished."""
        return len(self.commits(row)) == self.plan.grid(row).count

    # ----------------------------------------------------------------------------------------------- reading

    def raw(self, name: str) -> Any:
        """Return the Zarr array of an exposure: uint16 (integration, group, y, x).

        Tiles that are not done read as zeros or as they were before; see `is_done`.

        Raises
        ------
        InputError
            If the store has no such exposure.
        StoreError
            If its metadata cannot be read.
        """
        self.plan.row(name)
        path = files.join(self.url, name, "raw")
        with layout.quiet():
            try:
                return zarr.open_array(path, mode="r")
            except FileNotFoundError as error:
                raise InputError(
                    f"{self.url} holds no data of {name}: it was not selected for simulation; simulate it first."
                ) from error
            except (OSError, ValueError, KeyError) as error:
                raise StoreError(
                    f"{path} cannot be opened ({error}); simulate the exposure again."
                ) from error

    def sample(
        self, rows: Iterable[int] | None = None, *, most: int | None = None
    ) -> list[tuple[int, int, Commit]]:
        """Return (row, tile, record) of finished tiles, in order.

        Parameters
        ----------
        rows
            Exposures to look at; default all.
        most
            Return at most so many, spread evenly over all of them.
        """
        done = [
            (row, tile, commit) for row, tiles in self.survey(rows).items() for tile, commit in tiles.items()
        ]
        if most is not None and most < len(done):
            done = [done[int(k)] for k in np.linspace(0, len(done) - 1, max(most, 1))]
        return done

    def verify(self, rows: Iterable[int] | None = None, *, sample: int | None = None) -> list[Damage]:
        """Read finished tiles back and compare them with the checksums in their commit records.

        It finds what happened to the files since they were written. `run.verify` computes tiles again, and so finds
        too what was computed otherwise than it would be now.

        Parameters
        ----------
        rows
            Exposures to check; default all.
        sample
            Check at most this many tiles, spread evenly over all of them.
        """
        found = [
            (row, tile, self.problem(row, tile, commit))
            for row, tile, commit in self.sample(rows, most=sample)
        ]
        return [Damage(self.plan.names[row], tile, problem) for row, tile, problem in found if problem]

    def problem(
        self, row: int, tile: int, commit: Commit | None, values: npt.NDArray[np.uint16] | None = None
    ) -> str:
        """Say what is wrong with a stored tile, or return an empty string.

        Parameters
        ----------
        commit
            Its record.
        values
            What it should hold; without, only the checksum is compared.
        """
        if commit is None:
            return "is not complete any more"
        window = self.plan.grid(row).window(tile)
        where = tuple(slice(*r) for r in (window.integrations, window.groups, window.rows, window.columns))
        try:
            stored = self.raw(self.plan.names[row])[where]
        except Exception as error:  # whatever zarr or a codec makes of damaged bytes
            return f"cannot be read: {error}"
        if checksum(stored) != commit.checksum:
            return "pixel values differ from the checksum in its commit record"
        if values is None or np.array_equal(stored, values):
            return ""
        different = np.argwhere(stored != values)
        i, g, y, x = (int(v) + s.start for v, s in zip(different[0], where, strict=True))
        return (
            f"{len(different):,} of {values.size:,} values differ from what is computed now, the first at integration "
            f"{i}, group {g}, y {y}, x {x}"
        )

    # ------------------------------------------------------------------------------------------------ status

    @property
    def table(self) -> pd.DataFrame:
        """The exposure table as merged at the end of the last run."""
        url = files.join(self.url, TABLE_FILE)
        return read_table(url) if files.exists(url) else self.plan.table

    def status(self, survey: Mapping[int, Mapping[int, Commit]] | None = None) -> pd.DataFrame:
        """Return the exposure table with what is done now.

        Columns added to those of the plan: `status` ('done', 'partial', 'failed', 'ready', 'unsupported'), `reason`,
        `tiles`, `tiles_done`, `raw_bytes`, `stored_bytes`, `digest`, `traceback`.

        Parameters
        ----------
        survey
            What `survey` returned, when the caller has it.
        """
        found = self.survey() if survey is None else survey
        old = self.table
        failed = (
            {n: (r, t, d) for n, s, r, t, d in zip(*(old[c] for c in _FAILED), strict=True) if s == "failed"}
            if "traceback" in old
            else {}
        )
        return self._merge(found, failed)

    def _merge(
        self, found: Mapping[int, Mapping[int, Commit]], failed: Mapping[str, tuple[str, str, str]]
    ) -> pd.DataFrame:
        table = self.plan.table.copy()
        columns: dict[str, list[Any]] = {c: [] for c in STATUS_COLUMNS}
        was = table["status"] if "status" in table else ["ready"] * len(table)
        why = table["reason"] if "reason" in table else [""] * len(table)
        rows = {name: row for row, name in enumerate(self.plan.names)}
        for name, status, reason in zip(table["name"], was, why, strict=True):
            row = rows.get(name)
            if row is None:
                values: tuple[Any, ...] = (status, reason, 0, 0, 0, 0, "", "")
            else:
                commits, count, trace = found.get(row, {}), self.plan.grid(row).count, ""
                status = "done" if len(commits) == count else "partial" if commits else "ready"
                if status != "done" and name in failed and failed[name][2] == self.plan.digests[row]:
                    status, (reason, trace, _) = "failed", failed[name]
                size = 2 * int(np.prod(self.plan.shape(row)))
                stored = sum(commit.size for commit in commits.values())
                values = (status, reason, count, len(commits), size, stored, self.plan.digests[row], trace)
            for column, value in zip(STATUS_COLUMNS, values, strict=True):
                columns[column].append(value)
        return table.assign(**columns)

    def finish(
        self, survey: Mapping[int, Mapping[int, Commit]], failures: Iterable[Failure] = ()
    ) -> pd.DataFrame:
        """Write the table with the final status, and the consolidated metadata of a store that is not too large.

        Parameters
        ----------
        survey
            Finished tiles of every exposure.
        failures
            Of this run; failures of earlier runs stay for exposures that are still not done.
        """
        first: dict[str, tuple[str, str, str]] = {}
        for failure in failures:
            digest = self.plan.digests[self.plan.row(failure.exposure)]
            first.setdefault(failure.exposure, (failure.error, failure.traceback, digest))
        old = self.table
        if "traceback" in old:
            for name, status, reason, trace, digest in zip(*(old[c] for c in _FAILED), strict=True):
                if status == "failed":
                    first.setdefault(name, (reason, trace, digest))
        table = self._merge(survey, first)
        write_table(files.join(self.url, TABLE_FILE), table)
        self.consolidate()
        return table

    def consolidate(self) -> None:
        """Put the metadata of all exposures into the root's document, for stores that are not too large."""
        if len(self.plan) > CONSOLIDATED_EXPOSURES:
            return
        names = [
            row for row, name in enumerate(self.plan.names) if files.exists(files.join(self.url, name, "raw"))
        ]
        nodes = {
            (self.plan.names[row] + "/" + path).removesuffix("/zarr.json"): document
            for row in names
            for path, document in self._documents(row).items()
        }
        root = layout.group_metadata(_attributes(self.plan), nodes)
        files.write_bytes(files.join(self.url, "zarr.json"), root)


_FAILED = ("name", "status", "reason", "traceback", "digest")


def _attributes(plan: Plan) -> dict[str, Any]:
    mine = {
        "format": layout.FORMAT,
        "plan": plan.digest,
        "exposures": len(plan),
        "tile_bytes": plan.tile_bytes,
    }
    return {"mirage_dask": mine}


def plan_of_store(url: str) -> str | None:
    """Return the digest of the plan that a store was made from; None when there is no store.

    Raises
    ------
    StoreError
        If it is a Zarr store of something else, or cannot be read.
    """
    attributes = _root_attributes(files.normal_url(url))
    return None if attributes is None else str(attributes["plan"])


def tile_bytes_of_store(url: str) -> int | None:
    """Return the size of the tiles of a store; None when there is no store.

    Raises
    ------
    StoreError
        If it is a Zarr store of something else, or cannot be read.
    """
    attributes = _root_attributes(files.normal_url(url))
    return None if attributes is None else int(attributes.get("tile_bytes", TILE_BYTES))


def _root_attributes(url: str) -> dict[str, Any] | None:
    """Return what the root says about its plan; None when there is no store."""
    try:
        content = files.read_bytes(files.join(url, "zarr.json"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(
            f"{url} cannot be read: {error.strerror or error}; check path and permissions."
        ) from error
    try:
        mine: dict[str, Any] = json.loads(content)["attributes"]["mirage_dask"]
        if mine["format"] != layout.FORMAT:
            raise StoreError(f"{url} has store format {mine['format']}, this version reads {layout.FORMAT}.")
        mine["plan"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{url} is a Zarr store, but no simulation of mirage_dask; choose another place."
        ) from error
    return mine
