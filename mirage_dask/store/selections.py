"""A store that is made in selections: its plan holds the exposures of them all.

A plan holds the specifications of the exposures that were asked for. One that goes into a store of another selection takes
over what it lacks from the plan there, so that nothing in the store is forgotten (`extended`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.store.plan import Plan, load_plan, stack_order
from mirage_dask.store.plan_files import plan_digest
from mirage_dask.store.root import StoreRoot
from mirage_dask.store.tiles import TILE_BYTES

if TYPE_CHECKING:
    import pandas as pd


def stored_plan(root: StoreRoot) -> Plan | None:
    """Return the plan in a store; None where there is no store, or its plan is damaged and will be written again."""
    if root.plan is None:
        return None
    try:
        return load_plan(files.join(root.url, "plan"), root.plan)
    except StoreError:
        return None


def extended(plan: Plan, root: StoreRoot) -> Plan:
    """Return a plan with the exposures that a store was made for and the plan does not prepare.

    An exposure is taken over from the plan in the store if its row of the table is the same in both. It exists only in this
    process until `copy_plan` writes it.

    Parameters
    ----------
    plan
        What is to be simulated, in the tiles of the store.
    root
        Root of the store, which need not exist.

    Raises
    ------
    StoreError
        If the table of the plan cannot be read.
    """
    old = stored_plan(root)
    if old is None or old.digest == plan.digest:
        return plan
    others = [name for name in old.names if name not in set(plan.names)]
    same = _same_rows(old.table, plan.table, others) if others else set()
    return _joined(plan, old, [row for row, name in enumerate(old.names) if name in same])


def _joined(plan: Plan, other: Plan, rows: Iterable[int]) -> Plan:
    """Return a plan with exposures of another one; it exists only in this process until `copy_plan` writes it.

    Parameters
    ----------
    plan
        What it begins with; its tiles stay.
    other
        A plan of the same table, whose sources and packs are where the plan will be written.
    rows
        Rows of the other plan; none of them is an exposure of the first one.
    """
    taken = other.specs.take(pa.array(list(rows), pa.int64()))
    if not len(taken):
        return plan
    if "inputs" not in taken.column_names:
        taken = taken.append_column("inputs", pa.array([""] * len(taken), pa.string()))
    specs = pa.concat_tables([plan.specs, taken.select(plan.specs.column_names)])
    whole = Plan(plan.url, plan.info, specs)
    order = sorted(range(len(whole)), key=lambda row: stack_order(whole.spec(row)))
    specs = specs.take(pa.array(order, pa.int64())).combine_chunks()
    digest = plan_digest(specs["digest"].to_pylist(), plan.table)
    used = [one.info.get("provenance", {}).get("references", []) for one in (plan, other)]
    references = list({json.dumps(use, sort_keys=True): use for uses in used for use in uses}.values())
    systems = [one.info.get("provenance", {}).get("catalogs", {}) for one in (other, plan)]
    info = {
        **plan.info,
        "digest": digest,
        "content": digest,
        "tile_bytes": TILE_BYTES,
        "exposures": len(specs),
        "seeds": sorted({*plan.info.get("seeds", []), *other.info.get("seeds", [])}),
        "provenance": {
            **plan.info.get("provenance", {}),
            "references": references,
            "catalogs": {**systems[0], **systems[1]},
        },
    }
    return Plan(plan.url, info, specs, table=plan.table).with_tile_bytes(plan.tile_bytes)


def _same_rows(old: pd.DataFrame, new: pd.DataFrame, names: list[str]) -> set[str]:
    """Return those of the exposures whose rows are equal in two tables, in the columns that both have."""
    columns = [column for column in new.columns if column in old.columns]
    rows = [t.loc[t["name"].isin(names) & (t["status"] == "ready"), columns].astype(str) for t in (old, new)]
    both = rows[0].merge(rows[1], on=columns) if "name" in columns else rows[0].iloc[:0]
    return set(both["name"])
