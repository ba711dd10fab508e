"""The files of a plan: written so that a reader finds the old plan or the new one, at any moment and after any kill.

    plan.json                   format, digest, seeds, size of tiles, settings, provenance, software versions, names of the
                                two files below; a directory without it is not a plan
    <digest>.plan.json          the same, for those who hold the digest of a plan that was replaced meanwhile
    <hash>.specs.parquet        one row per exposure that was prepared: name, digest, shape, `inputs` (hash of what the
                                specification follows from), and the `ExposureSpec` as JSON
    <hash>.exposures.parquet    the exposure table, also with the rows that were not prepared or cannot be simulated
    sources/ packs/ planes/ pieces/   what the specs name by content key (written by others)

The two tables are named by a hash of their content and never change. A plan is replaced by writing its tables and then
plan.json, in one step; nothing is written when the same plan is there already. The files of the plan before stay for readers
that have just opened it. Everything is flushed to the disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mirage_dask.errors import StoreError
from mirage_dask.io import files

FORMAT = 2
PLAN_FILE = "plan.json"
TABLE_FILE = "exposures.parquet"
"""The exposure table of a store, with the status of each exposure; in a plan, the end of its name."""
DATA_FOLDERS = ("sources", "packs", "planes", "pieces")

_USUAL_NAMES = {"specs": "specs.parquet", "table": TABLE_FILE}
"""Names of the tables in plans of earlier versions."""
_NAME = re.compile(r"[0-9a-f]{32}\.(specs|exposures)\.parquet")
_OWN_FILE = re.compile(r"([0-9a-f]{32}\.)?(plan\.json|(specs|exposures)\.parquet)")
_PACKAGES = ("mirage_dask", "numpy", "numba", "scipy", "dask", "zarr", "pysiaf")
REMEDY = "give the same mirage-dask simulate command again, which writes it anew and keeps what is done"


def damaged(url: str, kind: str, error: object) -> StoreError:
    """Return the error that a file of a plan is missing or damaged; `kind` is 'plan', 'specs' or 'table'."""
    what = {"plan": PLAN_FILE, **_USUAL_NAMES}[kind]
    return StoreError(f"{files.join(url, what)} is damaged or missing ({error}); {REMEDY}.")


def read_info(url: str, digest: str | None = None) -> dict[str, Any]:
    """Return the content of plan.json, or of the plan of that digest.

    Raises
    ------
    StoreError
        If there is no plan, it is of another version or damaged, or the directory has none of that digest.
    """
    problem: StoreError | None = None
    found = ""
    try:
        info = _parsed(url, files.read_bytes(files.join(url, PLAN_FILE)))
        if digest in (None, info["digest"]):
            return info
        found = info["digest"]
    except (FileNotFoundError, NotADirectoryError):
        problem = StoreError(
            f"There is no plan at {url} (no {PLAN_FILE}); check the path, and that every worker sees that file system."
        )
    except OSError as error:
        problem = StoreError(f"{files.join(url, PLAN_FILE)} cannot be read: {error.strerror or error}.")
    except StoreError as error:
        problem = error
    if digest is not None and re.fullmatch("[0-9a-f]+", digest):
        with suppress(OSError, StoreError):
            return _parsed(url, files.read_bytes(files.join(url, f"{digest}.plan.json")))
    raise problem or StoreError(
        f"The plan at {url} is not the one this object was made from (digest {found}, expected {digest}); "
        "open the proposal or the store again."
    )


def _parsed(url: str, content: bytes) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json.loads(content)
        number, _ = info["format"], info["digest"]
        for kind in _USUAL_NAMES:
            file_name(info, kind)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(url, "plan", error) from error
    if number != FORMAT:
        raise StoreError(
            f"The plan at {url} has format {number}, this version reads {FORMAT}; use the version of mirage_dask that "
            f"made it ({info.get('versions', {}).get('mirage_dask', 'unknown')}) or make the plan again."
        )
    return info


def file_name(info: Mapping[str, Any], kind: str) -> str:
    """Return the name of the file of 'specs' or of the 'table' of a plan.

    Raises
    ------
    ValueError
        If it is not a name that this module gives.
    """
    name = str(info.get(f"{kind}_file", _USUAL_NAMES[kind]))
    if name != _USUAL_NAMES[kind] and not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid file name")
    return name


def read_checked(url: str, name: str) -> bytes:
    """Return the content of a table's file, compared with the hash in its name.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If its content is another.
    """
    content = files.read_bytes(files.join(url, name))
    if _NAME.fullmatch(name) and not name.startswith(_hash(content)):
        raise ValueError("its content is not what was written")
    return content


def write_plan(url: str, info: Mapping[str, Any], specs: pa.Table, table: pd.DataFrame) -> None:
    """Write a plan in place of the one that is there; nothing is written where the same one is whole.

    Parameters
    ----------
    url
        The directory of the plan, as `files.normal_url` gives it.
    info
        Content of plan.json, without the names of the tables.
    specs, table
        The tables.

    Raises
    ------
    StoreError
        If the directory cannot be written.
    """
    tables = {"specs": encode_specs(specs), "table": encode_table(table)}
    names = {kind: f"{_hash(content)}.{_USUAL_NAMES[kind]}" for kind, content in tables.items()}
    before: dict[str, Any] = {}
    with suppress(StoreError):
        before = read_info(url)
    same = before.get("digest") == info["digest"] and all(
        before.get(f"{kind}_file") == name for kind, name in names.items()
    )
    for kind, name in names.items():
        if not (same and _is_whole(url, name)):
            files.write_bytes(files.join(url, name), tables[kind], durable=True)
    if same:
        return
    document = json.dumps(
        {**info, **{f"{kind}_file": name for kind, name in names.items()}}, indent=1
    ).encode()
    for name in (f"{info['digest']}.plan.json", PLAN_FILE):
        files.write_bytes(files.join(url, name), document, durable=True)
    kept = {PLAN_FILE, f"{info['digest']}.plan.json", *names.values()}
    if before:
        kept |= {f"{before['digest']}.plan.json", *(file_name(before, kind) for kind in _USUAL_NAMES)}
    for name in files.list_sizes(url):
        if _OWN_FILE.fullmatch(name) and name not in kept:
            files.remove(files.join(url, name))


def _is_whole(url: str, name: str) -> bool:
    try:
        read_checked(url, name)
    except (OSError, ValueError):
        return False
    return True


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def plan_digest(digests: Iterable[str], table: pd.DataFrame) -> str:
    """Return the digest of a plan, 32 hex digits: of the digests of its specs, in their order, and of the table."""
    digest = hashlib.blake2b(f"{FORMAT}".encode(), digest_size=16)
    for spec in digests:
        digest.update(bytes.fromhex(spec))
    digest.update(table_hashes(table) + ",".join(map(str, table.columns)).encode())
    return digest.hexdigest()


def table_hashes(table: pd.DataFrame) -> bytes:
    """Return a hash of each row of a table, 8 bytes each."""
    hashes = pd.util.hash_pandas_object(table.astype(dict.fromkeys(table.columns, str)), index=False)
    return bytes(hashes.to_numpy().astype("<u8").tobytes())


def encode_specs(specs: pa.Table) -> bytes:
    """Return the specifications as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(specs, buffer, compression="zstd")
    return buffer.getvalue()


def decode_specs(content: bytes) -> pa.Table:
    """Inverse of `encode_specs`; raises ValueError or OSError for anything else."""
    return pq.read_table(io.BytesIO(content))


def encode_table(table: pd.DataFrame) -> bytes:
    """Return an exposure table as Parquet."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def decode_table(content: bytes) -> pd.DataFrame:
    """Inverse of `encode_table`; raises ValueError or OSError for anything else."""
    return pd.read_parquet(io.BytesIO(content))


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter to values."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
