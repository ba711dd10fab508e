"""Tables in memory, astropy's and pandas', as files by content: so a catalog is a path wherever it came from."""

from __future__ import annotations

import hashlib
import io
import sys
import warnings
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import write_atomically
from mirage_dask.io.locations import cache_directory

FILE_COLUMNS = ("filename", "lightcurve_file")
"""Columns of catalogs that name files."""
_CLASSES = (("astropy.table", "Table"), ("pandas", "DataFrame"))


def is_table(value: Any) -> bool:
    """Return whether a value is an astropy Table or QTable, or a pandas DataFrame; imports neither."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _CLASSES)
    return any(isinstance(value, kind) for kind in found if kind is not None)


def from_pandas(frame: Any) -> Any:
    """Return a DataFrame as an astropy Table: an index with a name is a column, `attrs` are its meta."""
    from astropy.table import Table

    table = Table.from_pandas(frame.reset_index() if any(frame.index.names) else frame)
    table.meta.update(frame.attrs)
    return table


def save_catalog(value: Any, kind: str, *, folder: Path | None = None) -> Path:
    """Write a table into the cache of this machine as ECSV, named by its content, and return its path.

    Parameters
    ----------
    value
        An astropy Table or QTable, or a pandas DataFrame.
    kind
        Type of the catalog; part of the name.
    folder
        Where relative names of files in it begin: those in `FILE_COLUMNS`, which are written as whole paths.

    Raises
    ------
    InputError
        If a column holds what ECSV cannot, or the cache cannot be written.
    """
    from astropy.table import Table

    buffer = io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of units; what matters is checked when the catalog is read
            table = value.copy() if isinstance(value, Table) else from_pandas(value)
            simple = (str, int, float, list)
            table.meta = {key: entry for key, entry in table.meta.items() if isinstance(entry, simple)}
            for column in FILE_COLUMNS:
                if folder is not None and column in table.colnames:
                    table[column] = [str(folder / str(name)) for name in table[column]]
            table.write(buffer, format="ascii.ecsv")
    except Exception as error:  # columns of objects: errors of many types
        raise InputError(
            f"this table cannot be written as ECSV: {' '.join(str(error).split())[:200]}; keep columns of numbers and texts."
        ) from None
    data = buffer.getvalue().encode()
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    path = cache_directory() / "catalogs" / f"{kind}_in_memory_{digest}.ecsv"
    if not path.exists():
        write_atomically(path, lambda temporary: temporary.write_bytes(data), error=InputError)
    return path


def write_ecsv(frame: Any, path: str | Path) -> None:
    """Write a DataFrame as ECSV; its `attrs` may hold `units` and `descriptions` by column.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from astropy.table import MaskedColumn, Table

    about = frame.attrs
    table = Table()
    for name, values in frame.items():
        none = values.isna()
        if values.dtype.kind == "i" and none.any():  # whole numbers that some rows do not have
            table[name] = MaskedColumn(
                values.to_numpy(values.dtype.name.lower(), na_value=0), mask=none.to_numpy()
            )
        else:
            table[name] = values.to_numpy()
    for name in table.colnames:
        if table[name].dtype.kind == "O":
            table[name] = table[name].astype(str)
        table[name].unit = about.get("units", {}).get(name)
        table[name].description = about.get("descriptions", {}).get(name)
    table.write(path, format="ascii.ecsv", overwrite=True)
