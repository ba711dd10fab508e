"""Truth tables in a store: `STORE/truth/<exposure>.<hash>.parquet`.

The hash is that of all a table follows from: the specification of the exposure, its catalogs, the version of the table. So a
listing says which tables hold; what a changed plan leaves behind has another name, is not read, and is removed when tables
are made. A file appears whole or not at all. Nothing else in a store depends on them.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mirage_dask.errors import InputError, StoreError
from mirage_dask.formatting import counted
from mirage_dask.instruments import grism_of
from mirage_dask.io import files
from mirage_dask.io.atomic import remove_abandoned
from mirage_dask.io.filesystems import filesystem, is_local
from mirage_dask.store.integrity import check_links
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore
from mirage_dask.truth.catalogs import catalogs_of
from mirage_dask.truth.columns import schema
from mirage_dask.untrusted.documents import MOST_TABLE_MEMORY

if TYPE_CHECKING:
    import pandas as pd

    from mirage_dask.selection import Selection

FOLDER = "truth"
VERSION, GRISM_VERSION = 1, 2
"""Raised when the same plan gives another table: of images, of what is behind a grism."""
GROUP_ROWS = 16_384
"""Rows that are read together: by their range of `id` a query finds those that it needs."""

_NAME = re.compile(r".+\.[0-9a-f]{16}\.parquet")


def file_names(plan: Plan, rows: Sequence[int]) -> list[str]:
    """Return the names of the files of exposures' tables."""
    found = []
    optics = zip(*(plan.table[name] for name in ("name", "filter", "pupil")), strict=True)
    grisms = {name for name, filter_, pupil in optics if grism_of(str(filter_), str(pupil))}
    for row, catalogs in zip(rows, catalogs_of(plan, rows), strict=True):
        version = GRISM_VERSION if plan.names[row] in grisms else VERSION
        made_of = repr((version, plan.digests[row], sorted(catalogs.items())))
        digest = hashlib.blake2b(made_of.encode(), digest_size=8).hexdigest()
        found.append(f"{plan.names[row]}.{digest}.parquet")
    return found


def write_truth(store: SimulationStore, row: int) -> int:
    """Compute the table of an exposure and write it into its store; return the number of sources.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    from mirage_dask.truth.tables import truth_table  # reading needs no kernels

    table = truth_table(store.plan, row)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=GROUP_ROWS, write_page_checksum=True)
    (name,) = file_names(store.plan, [row])
    files.write_bytes(files.join(store.url, FOLDER, name), buffer.getvalue())
    return len(table)


def missing_truth(store: SimulationStore, rows: Sequence[int]) -> list[int]:
    """Return the exposures, by row, that have no table that holds."""
    there = files.list_sizes(files.join(store.url, FOLDER))
    return [row for row, name in zip(rows, file_names(store.plan, rows), strict=True) if name not in there]


def sweep_truth(store: SimulationStore) -> None:
    """Remove tables that no exposure of the plan has any more, and what killed writers left.

    Raises
    ------
    StoreError
        If the folder is a link, which may lead out of the store, or cannot be written.
    """
    folder = files.join(store.url, FOLDER)
    if is_local(folder):
        check_links(store.url, ())
        remove_abandoned(folder)
    kept = set(file_names(store.plan, range(len(store.plan))))
    stale = [name for name in files.list_sizes(folder) if _NAME.fullmatch(name) and name not in kept]
    files.remove_many(files.join(folder, name) for name in stale)


def read_truth(
    store: SimulationStore,
    select: Selection = None,
    *,
    source: int | Sequence[int] | None = None,
    kind: str | None = None,
    order: int | Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read the truth of exposures as one table.

    Parameters
    ----------
    store
        The store.
    select
        Exposures: a condition on the columns of the exposure table, names, positions, rows or a mask; default all of the
        plan.
    source
        Only sources with this index, or one of these.
    kind
        Only those of this type of catalogs.
    order
        Only this order of grisms, or these: no images.
    columns
        Only these columns.

    Returns
    -------
    DataFrame
        `columns.COLUMNS`; its `attrs` hold their units and meanings. Only those parts of the files are read that may hold
        what is asked for.

    Raises
    ------
    InputError
        If exposures have no table yet (says how they are made), nothing is selected, or there is no such column.
    StoreError
        If a table is damaged.
    """
    wanted = check_columns(columns)
    rows = store.plan.select(select)
    missing = missing_truth(store, rows)
    if missing:
        names = ", ".join(store.plan.names[row] for row in missing[:3])
        raise InputError(
            f"No truth table for {len(missing):,} of {counted(len(rows), 'exposure')} of {store.url} ({names}"
            f"{', …' if len(missing) > 3 else ''}); make them: mirage-dask truth {store.url} --make, or "
            "open_simulation(STORE).make_truth()."
        )
    folder = files.join(store.url, FOLDER)
    paths = [files.join(folder, name) for name in file_names(store.plan, rows)]
    filters = _filters(source, kind, order)
    try:
        return as_frame(_query(paths, filters, wanted))
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise StoreError(
            f"{folder} cannot be read ({reason}); make its tables again: mirage-dask truth {store.url} --make --overwrite."
        ) from error


def computed_truth(plan: Plan, rows: Iterable[int]) -> pd.DataFrame:
    """Return the truth of exposures of a plan, computed now, as `read_truth` does."""
    from mirage_dask.truth.tables import truth_table

    return as_frame(pa.concat_tables([schema().empty_table(), *(truth_table(plan, row) for row in rows)]))


def check_columns(columns: Sequence[str] | None) -> list[str]:
    """Return the names of the columns that are wanted.

    Raises
    ------
    InputError
        If there is no such column.
    """
    names = schema().names
    if columns is None:
        return names
    wanted = [columns] if isinstance(columns, str) else list(columns)
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(
            f"Truth tables have no column {', '.join(map(repr, unknown))}; they have {', '.join(names)}."
        )
    return wanted


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table for users: units and meanings of its columns in `attrs`."""
    import pandas as pd

    # Whole numbers that only exposures behind grisms have stay whole numbers.
    frame = table.to_pandas(types_mapper={pa.int16(): pd.Int16Dtype()}.get)
    about = {field.name: field.metadata or {} for field in schema() if field.name in frame}
    frame.attrs = {
        "units": {name: m[b"unit"].decode() for name, m in about.items() if m.get(b"unit")},
        "descriptions": {name: m[b"description"].decode() for name, m in about.items()},
    }
    return frame


def _filters(
    source: int | Sequence[int] | None, kind: str | None, order: int | Sequence[int] | None
) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    for column, given, what in (
        ("id", source, "source= must be an index of a catalog"),
        ("order", order, "order= must be one"),
    ):
        if given is not None:
            try:
                wanted = [int(given)] if not hasattr(given, "__iter__") else [int(value) for value in given]
            except (TypeError, ValueError):
                raise InputError(f"{what}, or several, not {given!r}.") from None
            found.append((column, "in", wanted))
    if kind is not None:
        found.append(("kind", "==", kind))
    return found


def _query(paths: list[str], filters: list[tuple[str, str, Any]], columns: list[str]) -> pa.Table:
    """Read rows of files in their order; groups of rows that cannot hold what is asked for are not read."""
    import pyarrow.dataset as ds
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    fs, _ = filesystem(paths[0])
    dataset = ds.dataset(
        [filesystem(path)[1] for path in paths],
        schema=schema(),
        format="parquet",
        filesystem=None if is_local(paths[0]) else PyFileSystem(FSSpecHandler(fs)),
    )
    condition = pq.filters_to_expression(filters) if filters else None
    fragments = list(dataset.get_fragments())
    claimed = sum(group.total_byte_size for fragment in fragments for group in fragment.row_groups)
    if claimed > MOST_TABLE_MEMORY:
        raise InputError(
            f"These tables hold {claimed:,} bytes in all; select fewer exposures, or read the files of "
            f"{paths[0].rpartition('/')[0]} with pyarrow.dataset."
        )
    return dataset.to_table(columns=columns, filter=condition)
