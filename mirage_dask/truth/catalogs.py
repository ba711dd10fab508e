"""The catalogs of an exposure of a plan: their types, files and magnitude systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mirage_dask.settings import CATALOG_TYPES
from mirage_dask.store.plan import Plan

CATALOGS = {
    "moving_point": "moving_pointsource",
    "moving_galaxy": "moving_sersic",
    "tracked_point": "moving_target_to_track",
    "tracked_galaxy": "moving_target_to_track",
    "tracked_extended": "moving_target_to_track",
    "light_curve": "tso_imaging_catalog",
    "dispersed_star": "point_source",
    "dispersed_galaxy": "galaxy",
    "dispersed_image": "extended",
    "dispersed_light_curve": "tso_grism_catalog",
    "soss": "point_source",
    "soss_light_curve": "tso_grism_catalog",
}
"""Types of catalogs by the kind of their layer of light; others have the same name."""
SYSTEMS = ("abmag", "stmag", "vegamag")


def catalogs_of(plan: Plan, rows: Sequence[int]) -> list[dict[str, tuple[str, str]]]:
    """Return {type: (file name, magnitude system)} of the catalogs of exposures.

    A plan that an earlier version made does not say the systems; its magnitudes are given as AB magnitudes.

    Parameters
    ----------
    plan, rows
        The exposures.
    """
    known: Any = plan.info.get("provenance", {}).get("catalogs", {})
    systems = known if isinstance(known, dict) else {}
    types = [name for name in CATALOG_TYPES if name in plan.table]
    named = {}
    for name, *paths in plan.table[["name", *types]].itertuples(index=False, name=None):
        named[name] = {kind: str(path) for kind, path in zip(types, paths, strict=True) if path}
    return [
        {
            kind: (os.path.basename(path), systems[path] if systems.get(path) in SYSTEMS else SYSTEMS[0])
            for kind, path in named[plan.names[row]].items()
        }
        for row in rows
    ]
