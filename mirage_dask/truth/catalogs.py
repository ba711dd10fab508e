"""The catalogs of an exposure of a plan: their types, files and magnitude systems."""

from __future__ import annotations

import os
from typing import Any

from mirage_dask.store.plan import Plan

CATALOGS = {
    "moving_point": "moving_pointsource",
    "moving_galaxy": "moving_sersic",
    "tracked_point": "moving_target_to_track",
    "tracked_galaxy": "moving_target_to_track",
}
"""Types of catalogs by the kind of their layer of light; others have the same name."""
SYSTEMS = ("abmag", "stmag", "vegamag")


def catalogs_of(plan: Plan, row: int) -> dict[str, tuple[str, str]]:
    """Return {kind of a layer: (file name, magnitude system)} of the catalogs of an exposure.

    A plan that an earlier version made does not say the systems; its magnitudes are given as AB magnitudes.
    """
    known: Any = plan.info.get("provenance", {}).get("catalogs", {})
    columns = plan.table_row(plan.names[row])
    found = {}
    for kind, _ in plan.spec(row).layers:
        path = str(columns.get(CATALOGS.get(kind, kind), "") or "")
        system = known.get(path) if isinstance(known, dict) else None
        found[kind] = os.path.basename(path), system if system in SYSTEMS else SYSTEMS[0]
    return found
