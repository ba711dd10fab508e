"""Whether a plan is whole and harmless: its files have the checksums that plan.json states, and names are names.

plan.json ends with a checksum of itself, and names the two tables, by hashes of their content; specs have the digests that
the first of them lists. So no flipped bit is taken for a setting. Names are checked before a path is made of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.spec import ExposureSpec
from mirage_dask.untrusted.names import REMEDY, check_names

CHECKSUM = "checksum"
"""Member of plan.json: of all others."""
AGAIN = "give the same command again, which writes it anew and keeps what is done"


def sealed(info: Mapping[str, Any]) -> bytes:
    """Return the content of plan.json: what it says, and the checksum of that."""
    said = json.loads(json.dumps({k: v for k, v in info.items() if k != CHECKSUM}))
    return json.dumps({**said, CHECKSUM: _digest(said)}, indent=1).encode()


def check_seal(info: Mapping[str, Any], place: str) -> None:
    """Refuse the content of a plan.json whose checksum is wrong, or whose members are not what they must be.

    Raises
    ------
    StoreError
        Names the file.
    """
    said = {k: v for k, v in info.items() if k != CHECKSUM}
    if info.get(CHECKSUM) != _digest(said):
        raise StoreError(f"{place} is damaged: it does not have its checksum; {AGAIN}.")
    check_names("digest", [info.get("digest"), info.get("content")], f"{place}, digest and content")
    provenance = said.get("provenance")
    uses = provenance.get("references") if isinstance(provenance, dict) else None
    whole = (
        all(isinstance(said.get(name), dict) for name in ("settings", "versions"))
        and all(isinstance(value, str) for value in said["versions"].values())
        and isinstance(uses, list)
        and all(isinstance(use, dict) and {"type", "source", "context"} <= set(use) for use in uses)
        and all(isinstance(value, str) for use in uses for value in use.values())
        and type(said.get("tile_bytes")) is int
        and said["tile_bytes"] > 0
    )
    if not whole:
        raise StoreError(f"{place} is not a valid plan: {REMEDY}.")


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_rows(names: Sequence[str], digests: Sequence[str], shapes: npt.NDArray[Any], place: str) -> None:
    """Refuse the list of specs of a plan whose names, digests or shapes are not valid.

    Parameters
    ----------
    names, digests, shapes
        Of each row; the last, (integrations, groups, ny, nx, fast axis).
    place
        The file.

    Raises
    ------
    StoreError
        Names file and column.
    """
    check_names("exposure name", names, f"{place}, column name")
    check_names("digest", digests, f"{place}, column digest")
    if len(set(names)) < len(names):
        raise StoreError(f"{place}, column name: an exposure is listed twice; {REMEDY}.")
    if len(names) and (int(np.min(shapes)) < 1 or int(np.max(shapes[:, 4])) > 2):
        raise StoreError(f"{place}: a shape or a fast axis is not valid; {REMEDY}.")


def check_spec(spec: ExposureSpec, name: str, digest: str, shape: Sequence[int], place: str) -> None:
    """Refuse a spec that is not the one that the plan lists.

    Raises
    ------
    StoreError
        Names the file and the exposure.
    """
    listed = (spec.name, spec.digest, tuple(spec.shape)) == (name, digest, tuple(shape))
    if not listed:
        raise StoreError(
            f"{place}: the specification of {name} has another name, shape or digest than its row; {REMEDY}."
        )


def check_links(url: str, names: Iterable[str]) -> None:
    """Refuse to write where a symbolic link inside a store leads out of it.

    Parameters
    ----------
    url
        Local directory of the store, which may be a link itself.
    names
        Exposures that will be written.

    Raises
    ------
    StoreError
        Names the link.
    """
    places = ["plan", *(f"{name}{part}" for name in names for part in ("", "/raw", "/commit"))]
    for place in places:
        path = files.join(url, place)
        if os.path.islink(path):
            raise StoreError(f"{path} is a symbolic link, which may lead out of the store; remove it.")


def check_table(table: pd.DataFrame, names: Iterable[str], place: str) -> None:
    """Refuse an exposure table whose names are not valid, or which lacks exposures of its plan.

    Raises
    ------
    StoreError
        Names file and column.
    """
    if "name" not in table:
        raise StoreError(f"{place} has no column name; {AGAIN}.")
    check_names("exposure name", table["name"], f"{place}, column name")
    if missing := sorted(set(names) - set(table["name"])):
        raise StoreError(f"{place} lacks {', '.join(missing[:3])}; {AGAIN}.")
