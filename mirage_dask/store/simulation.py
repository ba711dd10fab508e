"""A whole store: created beside its plan, written tile by tile, resumed, checked and read.

The order of writing makes a killed run safe: an old record is removed first, then the shard is written (whole or not at
all), then its record. A tile is done when its record was made for the spec in the plan and the shard has the size that the
record states; nothing else counts as a result.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError, MirageDaskError, StoreError
from mirage_dask.formatting import counted
from mirage_dask.io import files
from mirage_dask.io.atomic import remove_abandoned
from mirage_dask.store import layout
from mirage_dask.store.commits import Commit, TileMismatch, checksum, commit_key, compare_tile
from mirage_dask.store.integrity import check_links, remove_damaged_content
from mirage_dask.store.plain.arrays import DOCUMENTS, all_nodes, exposure_files, write_list
from mirage_dask.store.plain.marks import mark_complete
from mirage_dask.store.plan import Plan, copy_plan, load_plan
from mirage_dask.store.plan_files import TABLE_FILE, decode_table, encode_table
from mirage_dask.store.root import StoreRoot, root_document, write_root
from mirage_dask.store.status import Failure, status_table
from mirage_dask.untrusted.arrays import open_array

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

Values = npt.NDArray[np.uint16]

CONSOLIDATED_EXPOSURES = 100
"""Stores of at most this many exposures get consolidated metadata of all; a larger document (7 kB each) costs more to open
than it saves. Each exposure has its own in any case."""


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
        root = StoreRoot.read(url)
        if root.plan is None:
            raise StoreError(
                f"There is no simulation at {root.url}; check the path, or make one with mirage-dask simulate."
            )
        inside = files.join(root.url, "plan")
        try:
            return cls(root.url, load_plan(inside))
        except StoreError:  # plan.json may be damaged, and not the document of that digest
            return cls(root.url, load_plan(inside, root.plan))

    @classmethod
    def create(
        cls,
        url: str | os.PathLike[str],
        plan: Plan,
        *,
        rows: Iterable[int] | None = None,
        update: bool = False,
        root: StoreRoot | None = None,
    ) -> SimulationStore:
        """Create a store for a plan, or open the one that exists.

        Parameters
        ----------
        url
            Directory, local or any fsspec URL. It may hold `plan/` already.
        plan
            Copied into the store unless it is there already.
        rows
            Exposures to make groups for; default all.
        update
            Accept a store that was made from another plan: its plan is replaced, and exposures whose spec changed count
            as not done.
        root
            What `StoreRoot.read` returned, when the caller has it.

        Raises
        ------
        StoreError
            If the place holds something else, or another plan and `update` is not given, or cannot be written.
        """
        url = files.normal_url(url)
        root = StoreRoot.read(url) if root is None else root
        inside = files.join(url, "plan")
        if not root.exists:  # another process may have made the store since the root was read
            root = StoreRoot.read(url) if set(files.list_sizes(url)) - {"plan"} else root
        root.check_place()
        if root.exists and root.plan != plan.digest and not update:
            raise StoreError(
                f"{url} holds the simulation of another plan (digest {root.plan}, this one is {plan.digest}); "
                "choose another place, or update it, which simulates again what changed."
            )
        if (
            root.exists
            and inside != plan.url
            and (gone := remove_damaged_content(inside, copied_from=plan.url))
        ):
            many = counted(len(gone), "damaged file")
            logger.warning("%s: %s of the plan replaced: %s", url, many, ", ".join(gone[:3]))
        copied = copy_plan(plan, inside)
        store = cls(url, copied)
        chosen = list(range(len(plan)) if rows is None else rows)
        write_list(url, copied, new=not root.exists)
        store._make_groups(chosen, fresh=not root.exists)
        store.consolidate()
        if root.exists:
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
            logger.info("%s: removed %s of killed writers", self.url, counted(count, "partial file"))

    def _make_groups(self, rows: Iterable[int], *, fresh: bool) -> None:
        """Write the small files of exposures where they are missing, damaged or of another shape.

        On an object store, which has checksums of its own, the three documents of an exposure speak for its other files.
        """
        rows = list(rows)
        local = files.is_local(self.url)
        if local and not fresh:
            check_links(self.url, [self.plan.names[row] for row in rows])
        small = {row: exposure_files(self.plan, row) for row in rows}
        paths = {row: list(contents) if local else list(DOCUMENTS) for row, contents in small.items()}
        groups = {row: files.join(self.url, self.plan.names[row]) for row in rows}
        asked = [files.join(groups[row], path) for row in rows for path in paths[row]]
        there = {} if fresh else files.read_many(asked)
        changed: dict[str, bytes] = {}
        for row, contents in small.items():
            found = {path: there.get(files.join(groups[row], path), b"") for path in paths[row]}
            if all(found[path] == contents[path] for path in found):
                continue
            if layout.is_other_array(found["raw/zarr.json"], contents["raw/zarr.json"]):
                files.remove(groups[row])  # its shards would be read as something else
                found = {}
            changed |= {
                files.join(groups[row], path): content
                for path, content in contents.items()
                if found.get(path) != content
            }
        files.write_many(changed)

    # ------------------------------------------------------------------------------------------------ tiles

    def write_tile(self, row: int, tile: int, values: Values | Callable[[], Iterable[Values]]) -> Commit:
        """Write one tile and then its commit record.

        Parameters
        ----------
        row, tile
            Exposure by its row in the plan; number of the tile in its grid.
        values
            Raw DN of the tile, uint16 (integration, group, y, x); or a function that returns the values of its parts (see
            `TileGrid.parts`), one after the other, so that only one is in memory. It may be called more than once.

        Raises
        ------
        ValueError
            If the values have another type or shape.
        StoreError
            If the disk is full or the store cannot be written; the tile then counts as not done.
        """
        grid, group = self.plan.grid(row), files.join(self.url, self.plan.names[row])
        crc = 0

        def parts() -> Iterator[Values]:
            nonlocal crc
            crc = 0
            window = grid.window(tile)
            given = [values] if isinstance(values, np.ndarray) else values()
            shapes = [window.shape] if isinstance(values, np.ndarray) else [w.shape for w in grid.parts(tile)]
            for part, shape in zip(given, shapes, strict=True):
                if part.shape != shape or part.dtype != np.uint16:
                    raise ValueError(
                        f"tile {tile} of {self.plan.names[row]} must be uint16 {shape}, not {part.dtype} {part.shape}"
                    )
                crc = checksum(part, crc)
                yield part

        record = files.join(group, "commit", commit_key(tile))
        found = Commit.decode(files.read_many([record]).get(record, b""))
        # A record for this spec stays: its shard is replaced in one step by the same bytes. Another worker may have written
        # both since this one began; they would not be done if this one removed the record and was then killed.
        if not (found and found.is_for(self.plan.digests[row])):
            files.remove_file(record)
        shard = files.join(group, "raw", layout.shard_key(grid, tile))
        # The shard first: after a power failure, a record without its shard would say that zeros are pixels.
        try:
            size = files.write_stream(shard, lambda: layout.encode_parts(grid, parts()), durable=True)
        except Exception:
            files.remove_file(record)
            raise
        commit = Commit.of(self.plan.digests[row], crc, size)
        files.write_bytes(record, commit.encode(), durable=True)
        return commit

    def commits(self, row: int, tiles: Iterable[int] | None = None) -> dict[int, Commit]:
        """Return the records of an exposure's finished tiles: made for its spec, and the shard has its size.

        Parameters
        ----------
        tiles
            Only these; default all.
        """
        grid, group = self.plan.grid(row), files.join(self.url, self.plan.names[row])
        shards = files.list_sizes(files.join(group, "raw"))
        sizes = {
            tile: shards[key]
            for tile in (range(grid.count) if tiles is None else tiles)
            if (key := layout.shard_key(grid, tile)) in shards
        }
        urls = {files.join(group, "commit", commit_key(tile)): tile for tile in sizes}
        found: dict[int, Commit] = {}
        for url, content in files.read_many(urls).items():
            commit, tile = Commit.decode(content), urls[url]
            if commit and commit.is_for(self.plan.digests[row]) and commit.size == sizes[tile]:
                found[tile] = commit
        return found

    def survey(self, rows: Iterable[int] | None = None) -> dict[int, dict[int, Commit]]:
        """Return {row: {tile: record}} of finished tiles, read from the store itself."""
        chosen = list(range(len(self.plan)) if rows is None else rows)
        with ThreadPoolExecutor(1 if files.is_local(self.url) else 32) as pool:
            return dict(zip(chosen, pool.map(self.commits, chosen), strict=True))

    def is_done(self, row: int) -> bool:
        """Return whether all tiles of an exposure are finished."""
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
        grid = self.plan.grid(self.plan.row(name))
        path = files.join(self.url, name, "raw")
        try:
            return open_array(path, document=layout.raw_metadata(grid))
        except FileNotFoundError as error:
            if any(key.startswith("c.") for key in files.list_sizes(path)):
                raise StoreError(
                    f"{path} has lost its metadata (zarr.json); simulate into the store again, which writes them anew."
                ) from error
            raise InputError(
                f"{self.url} has no data of {name}: it was not selected for simulation; simulate it first."
            ) from error
        except OSError as error:
            raise StoreError(f"{path} cannot be opened ({error}); simulate the exposure again.") from error

    def sample(
        self,
        rows: Iterable[int] | None = None,
        *,
        most: int | None = None,
        survey: Mapping[int, Mapping[int, Commit]] | None = None,
    ) -> list[tuple[int, int, Commit]]:
        """Return (row, tile, record) of finished tiles, in order.

        Parameters
        ----------
        rows
            Exposures to look at; default all.
        most
            Return at most so many, spread evenly over all of them.
        survey
            What `survey` returned for these rows, when the caller has it.
        """
        found = self.survey(rows) if survey is None else survey
        done = [(row, tile, commit) for row, tiles in found.items() for tile, commit in tiles.items()]
        if most is not None and most < len(done):
            done = [done[int(k)] for k in np.linspace(0, len(done) - 1, max(most, 1))]
        return done

    def verify(self, rows: Iterable[int] | None = None, *, sample: int | None = None) -> list[TileMismatch]:
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
            TileMismatch(self.plan.names[row], tile, self.check_tile(row, tile, commit))
            for row, tile, commit in self.sample(rows, most=sample)
        ]
        return [mismatch for mismatch in found if mismatch.problem]

    def check_tile(
        self, row: int, tile: int, commit: Commit | None, expected: Iterable[Values] | None = None
    ) -> str:
        """Return what is wrong with a stored tile, or an empty string.

        Parameters
        ----------
        commit
            Its record; None when there is none.
        expected
            Values of each of its parts; without them only the checksum is compared.
        """
        if commit is None:
            return "is not complete any more"
        try:
            raw = self.raw(self.plan.names[row])
        except MirageDaskError as error:
            return f"cannot be read: {error}"
        return compare_tile(raw, self.plan.grid(row), tile, commit, expected)

    # ------------------------------------------------------------------------------------------------ status

    @property
    def table(self) -> pd.DataFrame:
        """The exposure table as merged at the end of the last run; that of the plan where it is missing or damaged."""
        place = files.join(self.url, TABLE_FILE)
        try:
            return decode_table(files.read_bytes(place), place)
        except FileNotFoundError:
            pass
        except (OSError, StoreError) as error:
            logger.warning(
                "%s; the reasons of failed exposures are lost, and the next run writes it again.", error
            )
        return self.plan.table

    def status(self, survey: Mapping[int, Mapping[int, Commit]] | None = None) -> pd.DataFrame:
        """Return the exposure table with what is done now, in the columns `status.STATUS_COLUMNS`.

        Parameters
        ----------
        survey
            What `survey` returned, when the caller has it.
        """
        return status_table(self.plan, self.survey() if survey is None else survey, self.table)

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
        table = status_table(self.plan, survey, self.table, failures)
        place, content = files.join(self.url, TABLE_FILE), encode_table(table)
        if files.read_many([place]).get(place) != content:
            files.write_bytes(place, content)
        mark_complete(self.url, self.plan, survey)
        self.consolidate()
        return table

    def consolidate(self) -> None:
        """Write the root's document, with the metadata of all exposures where they are not too many."""
        nodes = None
        if len(self.plan) <= CONSOLIDATED_EXPOSURES:
            nodes = all_nodes(self.plan, files.list_sizes(self.url))
        write_root(self.url, root_document(self.plan, nodes))
