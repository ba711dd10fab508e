"""The dask graph of a run, and its size without running it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import dask.array as da
import numpy as np

from mirage_dask.run.tasks import RunHandle, TileRanges, run_block, submissions


def task_array(ranges: TileRanges, per_block: int, handle: RunHandle, submission: int = 0) -> da.Array:
    """Return one submission as a dask array with a task per `per_block` tile ranges; values are `TileResult` objects."""
    name = f"{handle.run}-{submission}"
    index = da.from_array(ranges, chunks=per_block, name=f"mirage-tile-ranges-{name}")
    return da.map_blocks(
        run_block, index, handle, dtype=object, meta=np.empty(0, object), name=f"mirage-tiles-{name}"
    )


@dataclass(frozen=True)
class GraphSize:
    """What dask is given for a run."""

    tasks: int
    """In all submissions."""
    graph_bytes: int
    """Largest submission as it is pickled."""
    submissions: int


def graph_size(ranges: TileRanges, per_block: int, handle: RunHandle) -> GraphSize:
    """Measure the graph of a run without running it."""
    parts = submissions(ranges, per_block)
    graphs = [task_array(part, per_block, handle).__dask_graph__() for part in parts[:1]]
    most = max((len(pickle.dumps(graph)) for graph in graphs), default=0)
    per_part = [-(-len(part) // per_block) for part in parts]
    each = len(dict(graphs[0])) / per_part[0] if parts else 0
    return GraphSize(round(each * sum(per_part)), most, len(parts))
