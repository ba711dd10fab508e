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
import platform
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mirage_dask.errors import StoreError
from mirage_dask.io import files
from mirage_dask.store.integrity import AGAIN, check_seal, sealed
from mirage_dask.untrusted.documents import parsing, read_json, read_parquet

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 3
PLAN_FILE = "plan.json"
TABLE_FILE = "exposures.parquet"
"""The exposure table of a store, with the status of each exposure; in a plan, the end of its name."""
DATA_FOLDERS = ("sources", "packs", "planes", "pieces")

_ENDS = {"specs": "specs.parquet", "table": TABLE_FILE}
"""Ends of the names of the tables."""
_NAME = re.compile(r"[0-9a-f]{32}\.(specs|exposures)\.parquet")
_OWN_FILE = re.compile(r"([0-9a-f]{32}\.)?(plan\.json|(specs|exposures)\.parquet)")
_PACKAGES = ("mirage_dask", "numpy", "numba", "scipy", "dask", "zarr", "pysiaf")


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
        info = _read(url, PLAN_FILE)
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
            return _read(url, f"{digest}.plan.json")
    raise problem or StoreError(
        f"The plan at {url} is not the one this object was made from (digest {found}, expected {digest}); "
        "open the proposal or the store again."
    )


def _read(url: str, name: str) -> dict[str, Any]:
    info = read_json(files.join(url, name))
    number, versions = info.get("format"), info.get("versions")
    if number != FORMAT:
        by = versions.get("mirage_dask", "unknown") if isinstance(versions, dict) else "unknown"
        raise StoreError(
            f"The plan at {url} has format {number}, this version reads {FORMAT}; use the version of mirage_dask that "
            f"made it ({by}) or make the plan again."
        )
    check_seal(info, files.join(url, name))
    for kind in _ENDS:
        file_name(url, info, kind)
    return info


def file_name(url: str, info: Mapping[str, Any], kind: str) -> str:
    """Return the name of the file of 'specs' or of the 'table' of a plan.

    Raises
    ------
    StoreError
        If it is not a name that this module gives.
    """
    name = info.get(f"{kind}_file")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.endswith(f".{_ENDS[kind]}"):
        raise StoreError(f"{files.join(url, PLAN_FILE)}: {kind}_file is not a valid file name; {AGAIN}.")
    return name


def read_specs(url: str, info: Mapping[str, Any]) -> pa.Table:
    """Return the specifications of a plan, as `encode_specs` wrote them.

    Raises
    ------
    StoreError
        If their file is missing or damaged.
    """
    name = file_name(url, info, "specs")
    with parsing(files.join(url, name)):
        content = _read_checked(url, name)
        return read_parquet(content)


def read_table(url: str, info: Mapping[str, Any]) -> pd.DataFrame:
    """Return the exposure table of a plan.

    Raises
    ------
    StoreError
        If its file is missing or damaged.
    """
    name = file_name(url, info, "table")
    with parsing(files.join(url, name)):
        content = _read_checked(url, name)
    return decode_table(content, files.join(url, name))


def _read_checked(url: str, name: str) -> bytes:
    """Return the content of a table's file, compared with the hash in its name."""
    try:
        content = files.read_bytes(files.join(url, name))
    except OSError as error:
        raise StoreError(f"it is missing or unreadable: {error.strerror or error}") from error
    if not name.startswith(_hash(content)):
        raise StoreError("it is damaged: its content is not what was written")
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
    names = {kind: f"{_hash(content)}.{_ENDS[kind]}" for kind, content in tables.items()}
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
    document = sealed({**info, **{f"{kind}_file": name for kind, name in names.items()}})
    for name in (f"{info['digest']}.plan.json", PLAN_FILE):
        files.write_bytes(files.join(url, name), document, durable=True)
    kept = {PLAN_FILE, f"{info['digest']}.plan.json", *names.values()}
    if before:
        kept |= {f"{before['digest']}.plan.json", *(file_name(url, before, kind) for kind in _ENDS)}
    for name in files.list_sizes(url):
        if _OWN_FILE.fullmatch(name) and name not in kept:
            files.remove(files.join(url, name))


def _is_whole(url: str, name: str) -> bool:
    try:
        _read_checked(url, name)
    except StoreError:
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
    import pandas as pd

    hashes = pd.util.hash_pandas_object(table.astype(dict.fromkeys(table.columns, str)), index=False)
    return bytes(hashes.to_numpy().astype("<u8").tobytes())


def encode_specs(specs: pa.Table) -> bytes:
    """Return the specifications as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(specs, buffer, compression="zstd")
    return buffer.getvalue()


def encode_table(table: pd.DataFrame) -> bytes:
    """Return an exposure table as Parquet."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, write_page_checksum=True)
    return buffer.getvalue()


def decode_table(content: bytes, place: str) -> pd.DataFrame:
    """Inverse of `encode_table`.

    Raises
    ------
    StoreError
        If the content is damaged; names the place.
    """
    with parsing(place):
        return read_parquet(content).to_pandas(use_threads=False)


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter to values."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
