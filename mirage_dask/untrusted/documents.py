"""JSON and Parquet that others may have made: of bounded size, before anything is made of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mirage_dask.errors import StoreError
from mirage_dask.io import files

if TYPE_CHECKING:
    import pyarrow as pa

MOST_JSON = 2**26
"""Bytes of a JSON document of a store, whose largest is plan.json."""
MOST_TABLE_MEMORY = 2**33
"""Bytes that the content of a Parquet file may have in memory."""


def read_json(url: str, *, most: int = MOST_JSON) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    StoreError
        If it is too large, or not a JSON object.
    """
    content = files.read_bytes(url, most=most)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{url} is damaged: it is not valid JSON ({error}).") from error
    if not isinstance(found, dict):
        raise StoreError(f"{url} is damaged: it is not a JSON object.")
    return found


def read_parquet(content: bytes) -> pa.Table:
    """Read the content of a Parquet file, in this thread alone.

    Arrow's own threads hold the content for a moment after it is read. One that gives it back while Python ends aborts the
    process: "terminate called without an active exception" (github.com/apache/arrow/issues/34314).

    Raises
    ------
    ValueError
        If it says that it holds more than anybody's table; and what Arrow raises of damaged content.
    """
    import pyarrow.parquet as pq  # `pq.read_table` would import pandas, for half a second of each worker

    file = pq.ParquetFile(io.BytesIO(content), pre_buffer=False, page_checksum_verification=True)
    about = file.metadata
    size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
    if size > MOST_TABLE_MEMORY:
        raise ValueError(f"it says that it holds {size:,} bytes")
    return file.read(use_threads=False, use_pandas_metadata=True)


@contextmanager
def parsing(place: str) -> Iterator[None]:
    """Turn whatever a parser raises for damaged content into a `StoreError` that names the place."""
    try:
        yield
    except StoreError as error:
        if str(error).startswith(place):
            raise
        raise StoreError(f"{place}: {error}") from error
    except Exception as error:  # Arrow raises its own kinds, OSError, ValueError, KeyError and MemoryError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise StoreError(f"{place} cannot be read ({reason}); make the plan again.") from error
