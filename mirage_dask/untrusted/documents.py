"""JSON, YAML and Parquet that others may have made: of bounded size, before anything is made of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from mirage_dask.errors import StoreError
from mirage_dask.io import files

MOST_JSON = 2**26
"""Bytes of a JSON document of a store, whose largest is plan.json."""
MOST_TABLE_MEMORY = 2**33
"""Bytes that the content of a Parquet file may have in memory."""
MOST_NODES = 200_000
"""Values of a YAML document, aliases counted as often as they are used."""


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


def check_parquet(content: bytes) -> None:
    """Refuse the content of a Parquet file that says that it holds more than anybody's table.

    Raises
    ------
    ValueError
        If it does.
    """
    import pyarrow.parquet as pq

    about = pq.read_metadata(io.BytesIO(content))
    size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
    if size > MOST_TABLE_MEMORY:
        raise ValueError(f"it says that it holds {size:,} bytes")


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


def load_yaml(content: bytes, loader: Any) -> Any:
    """Read a YAML document whose aliases do not multiply it beyond `MOST_NODES` values.

    A few lines of aliases of aliases stand for billions of values, which nothing can walk through.

    Parameters
    ----------
    content
        The document.
    loader
        Class of the loader, a safe one.

    Raises
    ------
    yaml.YAMLError
        If it is not valid YAML, or too large.
    """
    reading = loader(content)
    try:
        node = reading.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MOST_NODES:
            raise yaml.constructor.ConstructorError(
                None, None, f"its aliases stand for more than {MOST_NODES:,} values", node.start_mark
            )
        return reading.construct_document(node)
    finally:
        reading.dispose()


def _count(node: Any, counted: dict[int, int]) -> int:
    """Return the number of values that a node stands for, aliases counted as often as they are used."""
    known = counted.get(id(node))
    if known is not None:
        return known
    counted[id(node)] = MOST_NODES + 1  # found again inside itself: without end
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    total = 1 + sum(_count(child, counted) for child in children)
    counted[id(node)] = total
    return total
