"""Whether what plain zarr and xarray read of a store, beside pixels, is what its plan says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.store.commits import Commit
from mirage_dask.store.plain.arrays import DOCUMENTS, all_nodes, complete_mark, exposure_files, list_files
from mirage_dask.store.plain.marks import MARK
from mirage_dask.store.plan import Plan
from mirage_dask.untrusted.documents import read_json


def plain_problems(
    url: str, plan: Plan, attributes: Mapping[str, Any], survey: Mapping[int, Mapping[int, Commit]]
) -> list[str]:
    """Compare coordinates, attributes, metadata and marks of a store with its plan.

    Parameters
    ----------
    url, plan
        The store and its plan.
    attributes
        Those of the root's document.
    survey
        Finished tiles of the exposures that are compared.

    Returns
    -------
    list of str
        A sentence for each file that is missing or differs; the next run writes it anew.
    """
    wanted = {files.join(url, path): content for path, content in list_files(plan).items()}
    groups = [row for row in survey if files.exists(files.join(url, plan.names[row], DOCUMENTS[-1]))]
    for row in groups:
        group = files.join(url, plan.names[row])
        wanted |= {files.join(group, path): content for path, content in exposure_files(plan, row).items()}
    there = files.read_many(wanted)
    wrong = [place for place, content in wanted.items() if there.get(place) != content]
    wrong += _wrong_marks(url, plan, survey)
    if not _is_root(url, plan, attributes):
        wrong.append(files.join(url, "zarr.json"))
    return [
        f"{place} is missing or not what the plan says; simulate into the store again, which writes it anew."
        for place in wrong
    ]


def _wrong_marks(url: str, plan: Plan, survey: Mapping[int, Mapping[int, Commit]]) -> list[str]:
    """Return marks of exposures that are not complete, or that are damaged; the list of the root has what they say.

    A complete exposure without a mark is no fault: its run was killed before it set them.
    """
    places = {row: files.join(url, complete_mark(plan.names[row])) for row in survey}
    listed = files.join(url, complete_mark())
    there = files.read_many([*places.values(), listed])
    found = {row: there.get(place) for row, place in places.items()}
    wrong = [
        places[row]
        for row, content in found.items()
        if content is not None and not (content == MARK and len(survey[row]) == plan.grid(row).count)
    ]
    said = there.get(listed, bytes(len(plan)))
    if len(said) != len(plan) or any(
        said[row : row + 1] != (content or b"\0") for row, content in found.items()
    ):
        wrong.append(listed)
    return wrong


def _is_root(url: str, plan: Plan, attributes: Mapping[str, Any]) -> bool:
    """Return whether the root's document has its attributes, and of each group and array below the right metadata."""
    try:
        found = read_json(files.join(url, "zarr.json"))
        nodes = found.get("consolidated_metadata", {}).get("metadata", {})
        right = all_nodes(plan, {path.split("/")[0] for path in nodes})
        return (
            found["zarr_format"] == 3
            and found["node_type"] == "group"
            and found["attributes"] == attributes
            and all(node == json.loads(right[path]) for path, node in nodes.items())
        )
    except (OSError, StoreError, KeyError, TypeError, AttributeError):
        return False
