"""Whether a plan is whole and harmless: its files have the checksums that plan.json states, and names are names.

plan.json ends with a checksum of itself, and names the two tables, by hashes of their content; specs have the digests that
the first of them lists. So no flipped bit is taken for a setting. Names are checked before a path is made of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.io.tables import is_whole, load_table
from mirage_dask.reference.packs.pack import damaged_files, remove_damaged
from mirage_dask.scene.partition import part_keys, part_kind
from mirage_dask.spec import ExposureSpec
from mirage_dask.store.pieces import check_pieces, damaged_ramps
from mirage_dask.untrusted.names import REMEDY, check_names, is_valid

if TYPE_CHECKING:
    import pandas as pd

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
    places = ["plan", "truth", *(f"{name}{part}" for name in names for part in ("", "/raw", "/commit"))]
    for place in places:
        path = files.join(url, place)
        if os.path.islink(path):
            raise StoreError(f"{path} is a symbolic link, which may lead out of the store; remove it.")


def content_problems(url: str, specs: Iterable[ExposureSpec]) -> list[str]:
    """Compare everything that values depend on with its name, which is a hash of it: packs, planes, tables, pieces.

    Parameters
    ----------
    url
        The plan.
    specs
        Exposures whose references are compared.

    Returns
    -------
    list of str
        A sentence for each file that is missing or damaged.
    """
    from mirage_dask.scene.tracking import PointingTrack

    packs: dict[str, None] = {}
    tables: dict[tuple[str, str], None] = {}
    problems: dict[str, None] = {}
    for spec in specs:
        packs[spec.pack] = None
        tables |= dict.fromkeys(layer for layer in spec.layers if is_valid("digest", layer[1]))
        tables |= {(f"input/{effect}", key): None for effect, key in spec.inputs}
        tables |= {(PointingTrack.kind, spec.track): None} if spec.track else {}
        problems |= dict.fromkeys(check_pieces(spec, url) if spec.replaced else [])
    for key in packs:
        damaged = damaged_files(url, key, by_name=True)
        problems |= {
            f"{files.join(url, name)} does not have the content that its name says.": None for name in damaged
        }
    for kind, key in tables:
        problems |= dict.fromkeys(_table_problems(files.join(url, "sources"), kind, key))
    return list(problems)


def _table_problems(url: str, kind: str, key: str) -> Iterator[str]:
    """Yield a sentence for a table, and for each of those that it names, that is missing or damaged."""
    from mirage_dask.scene.image_tables import named_tables  # a worker that writes tiles does without

    try:
        table = load_table(url, key, kind=kind)
        for part in part_keys(table):
            load_table(url, part, kind=part_kind(kind))
        for below in named_tables(kind, table):
            yield from _table_problems(url, *below)
    except StoreError as error:
        yield str(error)


def remove_damaged_content(url: str, *, copied_from: str | None = None) -> list[str]:
    """Remove what is damaged among the packs, planes, tables and descriptions of darks of a plan on a local disk.

    Parameters
    ----------
    url
        The plan.
    copied_from
        The plan in the cache that it is a copy of, if it is one; see `remove_damaged`.

    Returns
    -------
    list of str
        What was removed or is missing, relative to the plan: planning, or copying a plan, makes it again.
    """
    if not files.is_local(url):
        return []
    gone = remove_damaged(url, copied_from=copied_from)
    tables = [
        f"sources/{name}" for name in files.list_sizes(files.join(url, "sources")) if name.endswith(".npz")
    ]
    bad = [name for name in tables if not is_whole(files.join(url, name))] + damaged_ramps(url)
    for name in bad:
        files.remove(files.join(url, name))
    return gone + bad


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
