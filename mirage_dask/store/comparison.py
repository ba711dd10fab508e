"""A plan compared with a store before a run: which tiles are done, which are missing, what is simulated again and why.

Whether a tile is done follows from its commit record (see `simulation`). Why one is simulated again follows from the plan in
the store: the fields in which its spec differs from the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from mirage_dask.formatting import counted
from mirage_dask.io import files
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.commits import Commit
from mirage_dask.store.plan import Plan
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.selections import stored_plan
from mirage_dask.store.simulation import SimulationStore

FIELD_LABELS = {
    "cosmic_ray_library": "cosmic rays",
    "cosmic_ray_rate": "cosmic rays",
    "point_source": "point sources",
    "galaxy": "galaxies",
    **dict.fromkeys(("switched", "parameters"), "effects"),
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
    selected: bool = True
    """Whether the run simulates them; otherwise they only count as not done any more."""

    def __str__(self) -> str:
        return (
            f"observation {self.observation}: {counted(len(self.exposures), 'exposure')} "
            f"({counted(self.tiles, 'tile')}) again{'' if self.selected else ', when they are selected'}: "
            f"{', '.join(self.what)} changed"
        )


@dataclass(frozen=True)
class StoreComparison:
    """How a plan compares with a store: what is done, and what a run will simulate."""

    store_url: str
    exists: bool
    """Whether there is a store."""
    differs: bool
    """Whether the store contains exposures that were made for another spec, or that the plan does not know."""
    exposures: Mapping[str, int]
    """How many are done, partial (some tiles are done), changed (made for another spec), new."""
    tiles_done: int
    tiles_left: int
    tiles_of_others: int
    """Tiles in the store of exposures that were made for another spec."""
    raw_bytes_left: int
    changes: tuple[Change, ...]
    dropped: int
    """Exposures in the store that the new plan does not contain; their data stay, but are no longer part of the store."""

    @property
    def lines(self) -> list[str]:
        """The comparison in words, one sentence each; empty for a store that does not exist yet."""
        if not (self.tiles_done or self.changes or self.dropped):
            return []
        others = f" and {self.tiles_of_others:,} of another plan" if self.tiles_of_others else ""
        found = [
            f"in the store: {self.tiles_done:,} of {counted(self.tiles_done + self.tiles_left, 'tile')}{others}; "
            + ", ".join(f"{counted(n, 'exposure')} {state}" for state, n in self.exposures.items() if n)
        ]
        found += [str(change) for change in self.changes]
        if self.dropped:
            found.append(
                f"{counted(self.dropped, 'exposure')} of the store are not in this plan and stay as they are"
            )
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines)


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
    url = root.url
    chosen = list(range(len(plan)) if rows is None else rows)
    finished: Finished = (
        SimulationStore(url, plan).survey() if root.exists else {row: {} for row in range(len(plan))}
    )
    old = stored_plan(root)
    stale = {} if old is None or old.digest == plan.digest else _stale(url, old, plan, finished)
    left = {row: plan.grid(row).count - len(finished[row]) for row in range(len(plan))}
    counts = dict.fromkeys(STATES, 0)
    for row in chosen:
        done = "partial" if finished[row] else "new"
        counts["done" if not left[row] else "changed" if plan.names[row] in stale else done] += 1
    again: dict[tuple[int, tuple[str, ...], bool], list[int]] = {}
    selected = {plan.names[row] for row in chosen}
    for name in stale.keys() & set(plan.names):
        assert old is not None
        spec = plan.spec(plan.row(name))
        what = _difference(old.spec(old.row(name)), spec)
        again.setdefault((spec.observation, what, name in selected), []).append(plan.row(name))
    dropped = stale.keys() - set(plan.names)
    comparison = StoreComparison(
        store_url=url,
        exists=root.exists,
        differs=bool(stale),
        exposures=counts,
        tiles_done=sum(len(finished[row]) for row in chosen),
        tiles_left=sum(left[row] for row in chosen),
        tiles_of_others=sum(stale[name] for name in stale.keys() & selected),
        raw_bytes_left=sum(raw_bytes(plan, row, finished[row]) for row in chosen),
        changes=tuple(
            Change(
                observation,
                tuple(plan.names[r] for r in sorted(found)),
                sum(left[r] for r in found),
                what,
                now,
            )
            for (observation, what, now), found in sorted(
                again.items(), key=lambda item: (item[0][0], not item[0][2], item[0][1])
            )
        ),
        dropped=len(dropped),
    )
    return comparison, finished


def _stale(url: str, old: Plan, new: Plan, finished: Finished) -> dict[str, int]:
    """Return {exposure: tiles} of exposures in a store whose data are of the old plan and not of the new one."""
    known = dict(zip(new.names, range(len(new)), strict=True))
    found: dict[str, int] = {}
    for name, digest in zip(old.names, old.digests, strict=True):
        row = known.get(name)
        if row is None or (new.digests[row] != digest and len(finished[row]) < new.grid(row).count):
            entries = files.list_sizes(files.join(url, name, "raw"))
            if tiles := sum(entry.startswith("c.") for entry in entries):
                found[name] = tiles
    return found


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


def _difference(old: ExposureSpec, new: ExposureSpec) -> tuple[str, ...]:
    """Return labels of the fields that differ between two specs; 'the version's values' when only the code changed."""
    changed = [f.name for f in fields(ExposureSpec) if getattr(old, f.name) != getattr(new, f.name)]
    if "layers" in changed:  # name the kinds instead, first
        changed.remove("layers")
        changed = sorted({kind for kind, _ in set(old.layers) ^ set(new.layers)}) + changed
    words = [FIELD_LABELS.get(name, name.replace("_", " ")) for name in changed]
    return tuple(dict.fromkeys(words)) or ("the version's values",)
