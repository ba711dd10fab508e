"""A plan compared with a store before a run: which tiles are done, which are missing, what is simulated again and why.

Whether a tile is done follows from its commit record (see `simulation`). Why one is simulated again follows from the plan in
the store: the fields in which its spec differs from the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.commits import Commit
from mirage_dask.store.plan import Plan, load_plan
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.simulation import SimulationStore

FIELD_LABELS = {
    "cosmic_ray_library": "cosmic rays",
    "cosmic_ray_rate": "cosmic rays",
    "point_source": "point sources",
    "galaxy": "galaxies",
    "switched": "effects",
    "inputs": "inputs of effects",
    "random_seed": "random seed",
    "attitude": "pointing",
    "pack": "reference data",
    "replaced": "replaced pieces",
    "nints": "integrations",
    "ngroups": "groups",
    **dict.fromkeys(("nframes", "groupgap", "tframe"), "readout pattern"),
    **dict.fromkeys(("x0", "y0", "nx", "ny", "amplifiers"), "subarray"),
}
"""Labels of fields of `ExposureSpec` and of kinds of layers in messages, where they differ from the name."""

STATES = ("done", "partial", "changed", "new")


@dataclass(frozen=True)
class Change:
    """Exposures of one observation that are simulated again, for one reason."""

    observation: int
    exposures: tuple[str, ...]
    tiles: int
    what: tuple[str, ...]
    """What differs from the plan in the store."""

    def __str__(self) -> str:
        return (
            f"observation {self.observation}: {_number(len(self.exposures), 'exposure')} "
            f"({_number(self.tiles, 'tile')}) again: {', '.join(self.what)} changed"
        )


@dataclass(frozen=True)
class StoreComparison:
    """How a plan compares with a store: what is done, and what a run will simulate."""

    store_url: str
    exists: bool
    """Whether there is a store."""
    differs: bool
    """Whether the store was made from another plan."""
    exposures: Mapping[str, int]
    """How many are done, partial (some tiles are done), changed (made for another spec), new."""
    tiles_done: int
    tiles_left: int
    raw_bytes_left: int
    changes: tuple[Change, ...]
    dropped: int
    """Exposures in the store that the new plan does not contain; their data stay, but are no longer part of the store."""

    @property
    def lines(self) -> list[str]:
        """The comparison in words, one sentence each; empty for a store that does not exist yet."""
        if not (self.tiles_done or self.changes or self.dropped):
            return []
        found = [
            f"in the store: {self.tiles_done:,} of {_number(self.tiles_done + self.tiles_left, 'tile')}; "
            + ", ".join(f"{_number(n, 'exposure')} {state}" for state, n in self.exposures.items() if n)
        ]
        found += [str(change) for change in self.changes]
        if self.dropped:
            found.append(
                f"{_number(self.dropped, 'exposure')} of the store are not in this plan and stay as they are"
            )
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


Finished = dict[int, dict[int, Commit]]


def compare(
    plan: Plan, root: StoreRoot, rows: Iterable[int] | None = None
) -> tuple[StoreComparison, Finished]:
    """Compare a plan with a store; nothing is written.

    Parameters
    ----------
    plan
        What is to be simulated.
    root
        Root of the store, which need not exist.
    rows
        Exposures to simulate; default all of the plan.

    Returns
    -------
    comparison, finished
        The second is {row: {tile: record}} of all exposures of the plan, as `SimulationStore.survey` gives it.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    url, digest = root.url, root.plan
    chosen = list(range(len(plan)) if rows is None else rows)
    finished: Finished = (
        {row: {} for row in range(len(plan))} if digest is None else SimulationStore(url, plan).survey()
    )
    old = _old_plan(url, digest) if digest not in (None, plan.digest) else None
    before = {} if old is None else dict(zip(old.names, range(len(old)), strict=True))
    counts = dict.fromkeys(STATES, 0)
    again: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    left = {row: plan.grid(row).count - len(finished[row]) for row in chosen}
    for row in chosen:
        was = before.get(plan.names[row])
        if not left[row]:
            state = "done"
        elif (
            old is not None
            and was is not None
            and old.digests[was] != plan.digests[row]
            and _has_data(url, old, was)
        ):
            state = "changed"
            spec = plan.spec(row)
            again.setdefault((spec.observation, _difference(old.spec(was), spec)), []).append(row)
        else:
            state = "partial" if finished[row] else "new"
        counts[state] += 1
    comparison = StoreComparison(
        store_url=url,
        exists=digest is not None,
        differs=digest not in (None, plan.digest),
        exposures=counts,
        tiles_done=sum(len(finished[row]) for row in chosen),
        tiles_left=sum(left.values()),
        raw_bytes_left=sum(raw_bytes(plan, row, finished[row]) for row in chosen),
        changes=tuple(
            Change(observation, tuple(plan.names[r] for r in found), sum(left[r] for r in found), what)
            for (observation, what), found in sorted(again.items())
        ),
        dropped=len(set(before) - set(plan.names)),
    )
    return comparison, finished


def raw_bytes(plan: Plan, row: int, finished: Iterable[int]) -> int:
    """Return the bytes of raw data of an exposure's tiles that are not finished."""
    grid = plan.grid(row)
    done = sum(int(np.prod(grid.window(tile).shape)) for tile in finished)
    return 2 * (int(np.prod(grid.shape)) - done)


def replaced_bytes(plan: Plan, store_url: str, rows: Iterable[int], finished: Finished) -> int:
    """Return the bytes of shards that a run will replace, and so free; 0 where free space is not known."""
    if not files.is_local(files.normal_url(store_url)):
        return 0
    total = 0
    for row in rows:
        if len(finished[row]) < plan.grid(row).count:
            sizes = files.list_sizes(files.join(files.normal_url(store_url), plan.names[row], "raw"))
            shards = sum(size for name, size in sizes.items() if name.startswith("c."))
            total += shards - sum(commit.size for commit in finished[row].values())
    return total


def _old_plan(url: str, digest: str | None) -> Plan | None:
    try:
        return load_plan(files.join(url, "plan"), digest)
    except StoreError:  # the store was being updated when it was left
        return None


def _has_data(url: str, old: Plan, row: int) -> bool:
    return any(name.startswith("c.") for name in files.list_sizes(files.join(url, old.names[row], "raw")))


def _difference(old: ExposureSpec, new: ExposureSpec) -> tuple[str, ...]:
    """Return labels of the fields that differ between two specs; 'the version's values' when only the code changed."""
    changed = [f.name for f in fields(ExposureSpec) if getattr(old, f.name) != getattr(new, f.name)]
    if "layers" in changed:  # name the kinds instead, first
        changed.remove("layers")
        changed = sorted({kind for kind, _ in set(old.layers) ^ set(new.layers)}) + changed
    words = [FIELD_LABELS.get(name, name.replace("_", " ")) for name in changed]
    return tuple(dict.fromkeys(words)) or ("the version's values",)
