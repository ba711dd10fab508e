"""The size of a simulation before it runs."""

from __future__ import annotations

import os
import textwrap
import time
from dataclasses import dataclass

from mirage_dask.formatting import counted, duration, size
from mirage_dask.instruments import TABLE_CONTEXT, get_detector, get_instrument
from mirage_dask.io.progress import Progress
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.sources import BUILTIN
from mirage_dask.representation.page import beside, page, pairs
from mirage_dask.representation.tiles import TiledShape, diagrams
from mirage_dask.run.estimate import estimate_run, measure_once, start_seconds
from mirage_dask.run.executors.graph import graph_size
from mirage_dask.run.executors.local import processors
from mirage_dask.run.tasks import RunHandle, missing_tile_ranges
from mirage_dask.run.tiling import tiled
from mirage_dask.selection import Selection
from mirage_dask.store.comparison import compare
from mirage_dask.store.plan import Plan
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.selections import extended


@dataclass(frozen=True, repr=False)
class PlanSummary:
    """The size of a simulation before it runs."""

    exposures: int
    """Detector exposures that will be simulated."""
    unsupported: int
    """Rows of the table that cannot be simulated; the column `reason` has the cause."""
    statuses: dict[str, int]
    """Number of rows by status; with a store, by how much of them it contains: done, partial, changed, new."""
    tiles: int
    """Units of computing and writing."""
    tile_bytes: int
    """Largest tile, bytes of raw data."""
    tiles_left: int
    """Tiles that are not in the store yet."""
    tasks: int
    """Tasks for dask; a task simulates a few tiles."""
    graph_bytes: int
    """Measured size of the graph that is sent to the scheduler; the largest one where a run is submitted in parts."""
    submissions: int
    """Number of parts in which it is submitted: one, unless it has too many tasks for a scheduler."""
    raw_bytes: int
    stored_bytes: int
    """Expected size of the store."""
    free_bytes: int | None
    """Free space there; None when it is not known, or no store was named."""
    memory: int
    """Most memory of a process with one thread, bytes."""
    thread_memory: int
    """Part of it that each further thread adds."""
    cpu_seconds: float
    """For the tiles left and for the start of the workers, on this machine if `measured_tiles` is not 0."""
    measured_tiles: int
    """Number of tiles that were computed to measure the cost of one."""
    workers: int
    """Number of workers, of one thread each, for `seconds`."""
    prepare_seconds: float
    """What preparing catalogs and references took just now; the run that follows here finds them prepared."""
    start_seconds: float
    """Until the first tile of a run: processes start, kernels load or are compiled, references open."""
    seconds: float
    """Wall time of a run with this number of workers, if each has a core: the start and the tiles."""
    changes: tuple[str, ...]
    """What a run into the store keeps, what it simulates again, and why."""
    references: dict[str, str]
    """Source of each type of reference data."""
    url: str
    """Place of the plan."""
    zero_points: tuple[str, ...] = ()
    """Where the flux of 1 DN/s comes from: the table of this package, or the names of PHOTOM files."""
    catalogs: tuple[str, ...] = ()
    """How many sources of each catalog of the proposal fall on how many detector exposures."""
    measured_earlier: bool = False
    """Whether the cost of a tile was measured by an earlier call, on this machine."""
    shapes: tuple[TiledShape, ...] = ()
    """Shapes of the exposures, and how they are cut into tiles."""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Names and values for people."""
        sources: dict[str, list[str]] = {}
        for kind, source in self.references.items():
            sources.setdefault(source, []).append(kind)
        references = [textwrap.fill(f"{s}: {', '.join(kinds)}", 88) for s, kinds in sorted(sources.items())]
        left_out = f", {self.unsupported:,} more cannot be simulated" if self.unsupported else ""
        parts = f", in {self.submissions:,} submissions" if self.submissions > 1 else ""
        left = f", {self.tiles_left:,} to simulate" if self.tiles_left != self.tiles else ""
        free = "" if self.free_bytes is None else f"; {size(self.free_bytes)} free"
        how = (
            f"measured on {counted(self.measured_tiles, 'tile')} here"
            f"{' earlier' if self.measured_earlier else ''}"
            if self.measured_tiles
            else "not measured on this machine"
        )
        return [
            ("exposures", f"{self.exposures:,}{left_out}"),
            *([("store", "\n".join(self.changes))] if self.changes else []),
            ("tiles", f"{self.tiles:,} of at most {size(self.tile_bytes)}{left}"),
            ("tasks", f"{self.tasks:,}, a graph of {size(self.graph_bytes)}{parts}"),
            ("raw data", f"{size(self.raw_bytes)}, about {size(self.stored_bytes)} in the store{free}"),
            (
                "memory",
                f"at most {size(self.memory)} in a process of one thread, {size(self.thread_memory)} for each other",
            ),
            ("CPU time", f"about {duration(self.cpu_seconds)}, {how}"),
            (
                "time",
                f"about {duration(self.seconds)} with {counted(self.workers, 'worker')} on a core each, "
                f"{duration(self.start_seconds)} of it to start",
            ),
            ("prepared", f"in {duration(self.prepare_seconds)}, which a run on this machine saves"),
            *([("catalogs", "\n".join(self.catalogs))] if self.catalogs else []),
            ("references", "\n".join(references)),
            *([("zero points", "\n".join(self.zero_points))] if self.zero_points else []),
            ("plan", self.url),
        ]

    def _repr_html_(self) -> str:
        return page(
            f"Plan of {counted(self.exposures, 'exposure')}", beside(pairs(self.lines), diagrams(self.shapes))
        )

    def __repr__(self) -> str:
        more = f" ({self.unsupported} more cannot be simulated)" if self.unsupported else ""
        sources = ", ".join(sorted(set(self.references.values()))) or "none"
        catalogs = "".join(f"; {line}" for line in self.catalogs)
        many = counted(self.exposures, "exposure")
        return (
            f"<Plan of {many}{more} in {counted(self.tiles, 'tile')}: {self.raw_bytes / 1e9:,.2f} GB raw, about "
            f"{self.stored_bytes / 1e9:,.2f} GB in the store, at most {self.memory / 1e6:,.0f} MB in a process of one "
            f"thread, about {self.cpu_seconds:,.0f} CPU seconds; references: {sources}{catalogs}>"
        )


def summarise(
    plan: Plan,
    out: str | os.PathLike[str] | None,
    *,
    unsupported: int,
    select: Selection = None,
    workers: int | None = None,
    tile_bytes: str | int | None = None,
    measure: bool = True,
    progress: Progress | None = None,
    began: float | None = None,
) -> PlanSummary:
    """Return the size of the run of a plan.

    Parameters
    ----------
    plan
        What is to be simulated.
    out
        The store, if it is known.
    unsupported
        Rows of the exposure table that cannot be simulated.
    select, workers, tile_bytes, measure, progress
        As for `Proposal.plan`.
    began
        Time (`time.monotonic`) at which preparing the plan began; default now.

    Raises
    ------
    InputError
        If the selection or the size of tiles cannot be used.
    StoreError
        If something other than a simulation exists at `out`, or its tiles have another size.
    """
    prepared = 0.0 if began is None else time.monotonic() - began
    root = None if out is None else StoreRoot.read(out)
    plan = tiled(plan, root, tile_bytes)
    names = [plan.names[row] for row in plan.select(select)]
    if root is not None:
        plan = extended(plan, root)
    rows = sorted(plan.row(name) for name in names)
    comparison, finished = (None, {}) if root is None else compare(plan, root, rows)
    count = workers or processors()
    ranges, per_block = missing_tile_ranges(plan, rows, finished, threads=count)
    graph = graph_size(ranges, per_block, RunHandle(str(out or plan.url), plan.digest, time.time_ns()))
    measured = None
    if measure and len(ranges):
        if progress is not None:
            progress("measuring a tile", 0, 1)
        measured = measure_once(plan, ranges["row"].tolist())
    size = estimate_run(
        plan,
        rows,
        finished=finished,
        measured=measured,
        store_url=None if root is None else root.url,
    )
    start = start_seconds(measured) if size.tiles_left else 0.0
    cpu = size.cpu_seconds + count * start
    statuses = {"ready": len(rows)} if comparison is None else dict(comparison.exposures)
    sources: dict[str, str] = {}
    for use in plan.info["provenance"]["references"]:
        sources.setdefault(use["type"], use["source"])
    return PlanSummary(
        exposures=size.exposures,
        unsupported=unsupported,
        statuses={**statuses, "unsupported": unsupported},
        tiles=size.tiles,
        tile_bytes=plan.tile_bytes,
        tiles_left=size.tiles_left,
        tasks=graph.tasks,
        graph_bytes=graph.graph_bytes,
        submissions=graph.submissions,
        raw_bytes=size.raw_bytes,
        stored_bytes=size.stored_bytes,
        free_bytes=size.free_bytes,
        memory=size.peak_bytes,
        thread_memory=size.thread_bytes,
        cpu_seconds=cpu,
        measured_tiles=0 if measured is None else measured.tiles,
        measured_earlier=measured is not None and measured.earlier,
        workers=count,
        prepare_seconds=prepared,
        start_seconds=start,
        seconds=cpu / count,
        changes=() if comparison is None else tuple(comparison.lines),
        references=dict(sorted(sources.items())),
        url=plan.url,
        zero_points=zero_point_sources(plan),
        shapes=plan.tiled_shapes(rows),
    )


def zero_point_sources(plan: Plan) -> tuple[str, ...]:
    """Return where the flux of 1 DN/s comes from: one line for the table of this package, one for each source of files."""
    files: dict[str, set[str]] = {}
    packs: dict[str, str] = {}
    for use in plan.info["provenance"]["references"]:
        packs.setdefault(use["pack"], use["selection"])
    for use in plan.info["provenance"]["references"]:
        if use["type"] == "photom" and use["source"] != BUILTIN and _has_zero_point(plan, use["pack"]):
            origin = " ".join(word for word in (use["source"], use["context"]) if word)
            files.setdefault(origin, set()).add(use["file"])
            packs.pop(use["pack"], None)
    instruments = {get_detector(selection.split()[0]).instrument for selection in packs.values()}
    flight = [f"NIRCam as the PHOTOM of {TABLE_CONTEXT}"] if "NIRCAM" in instruments else []
    ground = " and ".join(get_instrument(name).label for name in sorted(instruments - {"NIRCAM"}))
    parts = [*flight, *([f"{ground} before flight"] if ground else [])]
    lines = [f"built-in table: {', '.join(parts)}"] if parts else []
    lines += [f"{origin}: {', '.join(sorted(names))}" for origin, names in sorted(files.items())]
    return tuple(textwrap.fill(line, 88) for line in lines)


def _has_zero_point(plan: Plan, pack: str) -> bool:
    return ReferencePack.open(plan.url, pack).meta.get("photfnu") is not None
