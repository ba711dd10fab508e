"""What format a catalog has, and its cells: plain text here, the formats of tables by astropy.

The format is found by the first bytes of the file, never by trying readers until one succeeds: that is how a column is
taken for another one. Files are strangers' data. They are bounded in size; no format that can hold Python objects is read;
VOTables that refer to other files or declare entities are refused.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import InputError, nearest
from mirage_dask.io.astropy_tables import from_pandas
from mirage_dask.scene.catalogs.regular import parse_regular
from mirage_dask.scene.catalogs.table import CatalogTable, Comment, repeated
from mirage_dask.scene.catalogs.text import decode, split_text

LARGEST = 2**31
"""Bytes of a catalog: 20 million sources."""
MOST_ALIASES = 1000
"""References inside the head of an ECSV file; astropy writes a few for each column of coordinates."""

_REFUSED = {
    b"\x1f\x8b": "a gzip file; unpack it",
    b"BZh": "a bzip2 file; unpack it",
    b"\xfd7zXZ": "an xz file; unpack it",
    b"PK\x03\x04": "a zip file (or an Excel sheet, or .npz); write the table as CSV or ECSV",
    b"\x89HDF": "an HDF5 file; write the table with astropy as table.write('stars.ecsv')",
    b"\x93NUMPY": "a NumPy file; write the table with astropy as table.write('stars.ecsv')",
    b"#ASDF": "an ASDF file; write the table with astropy as table.write('stars.ecsv')",
}
"""First bytes of files that are not read, what they are and what to do."""
_DOCUMENTS = (b"<", b"{", b"[")
"""First characters of HTML, XML and JSON."""
_IPAC_TYPES = {"int", "long", "float", "double", "real", "char", "date"}
_META = re.compile(r"mag|unit|sys|frame|equinox", re.IGNORECASE)
"""Keys of a table's meta that may say what its units are."""


def read_table(path: Path, *, careful: bool = False) -> CatalogTable:
    """Return the cells of a catalog.

    Parameters
    ----------
    path
        The file.
    careful
        Read text line by line, so that messages can show cells as they are written.

    Raises
    ------
    InputError
        If the file does not exist, cannot be read, has a format that is not read or is not valid in its format.
    """
    data = _read_bytes(path)
    for first, what in _REFUSED.items():
        if data.startswith(first):
            raise InputError(f"{path}: {what}.")
    head = data[:4096].lstrip()
    if data.startswith(b"SIMPLE  ="):
        return _by_astropy(path, "FITS", _fits, data)
    if data.startswith(b"PAR1"):
        return _by_astropy(path, "Parquet", _parquet, data)
    if re.search(rb"<(?:\w+:)?VOTABLE\b", head):
        return _by_astropy(path, "VOTable", _votable, data)
    if not careful and not head.startswith((b"# %ECSV", b"|", b"\\", *_DOCUMENTS)):
        table = parse_regular(path, data)
        if table is not None:
            return table
    text = decode(path, data)
    if text.startswith("# %ECSV"):
        return _by_astropy(path, "ECSV", _ecsv, text)
    if _is_ipac(text):
        return _by_astropy(path, "IPAC", _ipac, text)
    if head.startswith(_DOCUMENTS):
        raise InputError(
            f"{path}: HTML, XML or JSON is not a format of catalogs; write the table with astropy as "
            "table.write('stars.ecsv')."
        )
    return split_text(path, text)


def read_ecsv(path: Path) -> Any:
    """Return an ECSV file that is no catalog as an astropy QTable or Table.

    Raises
    ------
    InputError
        If it does not exist, cannot be read or is not valid.
    """
    try:
        return _quietly(_ecsv, decode(path, _read_bytes(path)), "ECSV")
    except InputError as error:
        raise InputError(
            [text if text.startswith(str(path)) else f"{path}: {text}" for text in error.problems]
        ) from None


def _read_bytes(path: Path) -> bytes:
    if not path.exists():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(
            f"{path}: the catalog does not exist{nearest(path.name, beside) or '; check the path.'}"
        )
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from None
    if len(data) > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST >> 30} GB; keep the sources near the field.")
    return data


def _by_astropy(path: Path, name: str, read: Callable[[Any], Any], data: Any) -> CatalogTable:
    """Return a table that astropy reads; whatever it raises becomes one sentence."""
    try:
        table = _quietly(read, data, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units and of the standard; what matters is checked below
        return from_astropy(path, table)


def _quietly(read: Callable[[Any], Any], data: Any, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(data)
        except InputError:
            raise
        except Exception as error:  # readers raise errors of many types
            why = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"not a valid {name} file: {why[:200]}.") from None


def _fits(data: bytes) -> Any:
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(io.BytesIO(data), memmap=False) as hdus:
        tables = [i for i, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
        if len(tables) != 1:
            raise InputError(
                f"a FITS file with {len(tables)} tables; a catalog is a FITS file with one, or a text file."
            )
        return Table.read(hdus, hdu=tables[0])


def _parquet(data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from astropy.table import Table

    from mirage_dask.untrusted.documents import read_parquet  # which imports fsspec

    if b"table_meta_yaml" in (pq.read_schema(pa.BufferReader(data)).metadata or {}):
        return Table.read(io.BytesIO(data), format="parquet")
    return from_pandas(read_parquet(data).to_pandas(use_threads=False))


def _votable(data: bytes) -> Any:
    from astropy.table import Table

    if b"<!DOCTYPE" in data[:65536] or b"<!ENTITY" in data[:65536]:
        raise InputError("a VOTable that declares entities is not read; write it again with astropy.")
    if re.search(rb"<(?:\w+:)?STREAM\b[^<>]*\bhref\s*=", data):
        raise InputError("a VOTable that keeps its data in another file; write it again with astropy.")
    return Table.read(io.BytesIO(data), format="votable")


def _ecsv(text: str) -> Any:
    from astropy.table import Table

    head = "\n".join(line for line in text.splitlines()[:100_000] if line.startswith("#"))
    if len(re.findall(r"(?<!\w)\*\w+", head)) > MOST_ALIASES or "<<:" in head:
        raise InputError("the head of this ECSV file refers to itself; write it again with astropy.")
    return Table.read(text.splitlines(), format="ascii.ecsv")


def _is_ipac(text: str) -> bool:
    """Return whether the first lines between bars are names and types, as in IPAC tables."""
    every = (found[0] for found in re.finditer(r"[^\r\n]+", text))
    lines = (line for line in every if line.strip() and not line.startswith("\\"))
    names, types = next(lines, ""), next(lines, "")
    words = {word.strip() for word in types.split("|")}
    return names.startswith("|") and types.startswith("|") and bool(words & _IPAC_TYPES)


def _ipac(text: str) -> Any:
    from astropy.table import Table

    return Table.read(text.splitlines(), format="ascii.ipac")


def from_astropy(path: Path, table: Any) -> CatalogTable:
    """Return the cells of an astropy Table or QTable, its units and comments; sky coordinates as degrees (ICRS).

    Raises
    ------
    InputError
        If there are no rows, or coordinates cannot be converted.
    """
    from astropy.coordinates import SkyCoord

    names, columns, units = list(table.colnames), {}, {}
    problems: list[str] = []
    if twice := repeated(names):
        raise InputError(f"{path}: column {', '.join(map(repr, twice))} is repeated; rename one.")
    if len(table) == 0:
        raise InputError(f"{path}: no sources; remove the catalog if there are none.")
    coordinates = []
    for name in names:
        column = table[name]
        if isinstance(column, SkyCoord):
            coordinates.append(name)
            continue
        if getattr(column, "unit", None) is not None:
            units[name.casefold()] = column.unit
        columns[name.casefold()] = _cells(column)
    folded = {name.casefold() for name in names}
    if coordinates:
        if len(coordinates) > 1 or folded & {"x_or_ra", "y_or_dec"}:
            given = [*coordinates, *(n for n in names if n.casefold() in ("x_or_ra", "y_or_dec"))]
            problems.append(f"{path}: the columns {', '.join(given)} all are positions; keep one.")
        try:
            sky = table[coordinates[0]].icrs
        except Exception as error:  # a frame of an observer
            raise InputError(
                f"{path}: column {coordinates[0]!r} cannot be converted to ICRS: {error}."
            ) from None
        columns.setdefault("x_or_ra", np.asarray(sky.ra.deg, dtype=np.float64))
        columns.setdefault("y_or_dec", np.asarray(sky.dec.deg, dtype=np.float64))
    return CatalogTable(
        path,
        [name for name in names if name not in coordinates],
        columns,
        np.arange(1, len(table) + 1, dtype=np.int64),
        list(_comments(table.meta)),
        counted="row",
        units=units,
        coordinates=tuple(coordinates),
        problems=problems,
    )


def _cells(column: Any) -> NDArray[Any]:
    """Return a column as numbers, NaN where it is masked, or as texts, '' where it is masked."""
    values = (
        np.asarray(getattr(column, "value", column))
        if not hasattr(column, "isot")
        else np.asarray(column.isot)
    )
    mask = np.asarray(getattr(column, "mask", False))
    if values.ndim != 1:
        return np.array([f"an array of shape {values.shape[1:]}"] * len(values), dtype=object)
    if values.dtype.kind == "f":
        return np.where(mask, np.nan, values.astype(np.float64))
    if values.dtype.kind in "iu" and not mask.any():
        return values
    texts = np.array([_text(value) for value in values.tolist()], dtype=object)
    texts[np.broadcast_to(mask, texts.shape)] = ""
    return texts


def _text(value: Any) -> str:
    return (
        ""
        if value is None
        else value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else str(value).strip()
    )


def _comments(meta: Any) -> Any:
    """Yield the comments of a table, and what else its meta may say of units."""
    for key, value in dict(meta).items():
        if str(key).casefold() in ("comments", "comment"):
            for text in (
                [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
            ):
                yield Comment("meta", str(text).strip().lstrip("#").strip())
        elif str(key).casefold() in ("epoch", "ref_epoch") and isinstance(value, str | int | float):
            yield Comment("meta", f"epoch: {value}")
        elif isinstance(value, str) and _META.search(str(key)) and len(value) <= 80:
            yield Comment("meta", f"{key}: {value}")
