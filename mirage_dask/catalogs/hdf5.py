"""HDF5 files of Mirage's kind: one dataset for each source, named by its index, two rows of numbers and their units.

Files are strangers' data: links, values in other files and more numbers than can be meant are refused. h5py is the extra
`spectra`; it is imported by the functions that need it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from astropy import units as u

from mirage_dask.errors import InputError
from mirage_dask.io.atomic import replacing

Floats = npt.NDArray[np.float64]
Found = TypeVar("Found")

MOST_POINTS = 10_000_000
"""Of a dataset: 80 MB for each of its rows."""
MOST_DATASETS = 1_000_000
INDEX = re.compile(r"[0-9]{1,19}")
"""The index of a source as the name of its dataset."""


def read_datasets(
    path: str | os.PathLike[str], read: Callable[[Floats, Mapping[str, Any]], Found], *, what: str, rows: str
) -> dict[int, Found]:
    """Read the datasets of a file.

    Parameters
    ----------
    path
        The file.
    read
        Makes of the values, (2, n), and the attributes of a dataset what is returned; what it raises is told of the dataset.
    what, rows
        For messages: what a dataset is, and its two rows: 'spectra', 'wavelengths and fluxes'.

    Returns
    -------
    dict
        {index of the source: what `read` returns}, in the order of the indices.

    Raises
    ------
    InputError
        With every problem: a file that is not HDF5 or cut off, names that are no indices, datasets of another shape, and
        what `read` raises.
    """
    h5py, place = import_h5py(what), Path(path)
    found: dict[int, Found] = {}
    problems: list[str] = []
    if not place.is_file():
        raise InputError(f"{place}: the file does not exist; check the path.")
    try:
        with h5py.File(place, "r") as file:
            if len(file) > MOST_DATASETS:
                raise InputError(
                    f"{place}: {len(file):,} datasets; {MOST_DATASETS:,} are the most that are read."
                )
            for name in file:
                try:
                    index = _index(name, found)
                    data = _dataset(file, name, h5py, rows)
                    found[index] = read(np.asarray(data[...], dtype=np.float64), dict(data.attrs))
                except InputError as error:
                    problems += [f"{place}: dataset {name!r}: {text}" for text in error.problems]
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{place}: not a valid HDF5 file, or one that is cut off ({_reason(error)}); copy or write it again."
        ) from None
    if not found and not problems:
        problems.append(f"{place}: no {what}; write one dataset for each source, named by its index.")
    if problems:
        raise InputError(problems)
    return dict(sorted(found.items()))


def write_datasets(
    path: str | os.PathLike[str],
    datasets: Mapping[int, tuple[Floats, Mapping[str, str | float]]],
    *,
    what: str,
) -> Path:
    """Write (values, attributes) by the index of the source into a file; return its path.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    datasets
        In the order of the indices.
    what
        For messages: what a dataset is.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    h5py, place = import_h5py(what), Path(path)
    try:
        with replacing(place) as temporary, h5py.File(temporary, "w") as file:
            for index, (values, attributes) in sorted(datasets.items()):
                data = file.create_dataset(str(index), data=values, compression="gzip", compression_opts=9)
                data.attrs.update(attributes)
    except OSError as error:
        raise InputError(f"{place}: the file cannot be written: {error.strerror or error}.") from None
    return place


def is_index(value: Any) -> bool:
    """Return whether a value can be the index of a source."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= int(value) < 2**63


def named_unit(text: Any, known: Mapping[str, Any], attribute: str) -> Any:
    """Return the unit that an attribute names: one of `known` by its name in Mirage, or what astropy understands.

    Raises
    ------
    InputError
        If it is neither.
    """
    word = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    if word.strip().lower() in known:
        return known[word.strip().lower()]
    try:
        return u.Unit(word[:100])
    except (ValueError, TypeError):
        raise InputError(
            f"{attribute} {word[:40]!r} is not a known unit; write {', '.join(known)}, or one of astropy."
        ) from None


def numbered_problem(what: str, name: str, values: Floats, bad: npt.NDArray[np.bool_], remedy: str) -> str:
    """Return a sentence about the bad ones among values: the first one with its number, and how many more there are."""
    first, more = int(np.flatnonzero(bad)[0]), int(bad.sum()) - 1
    others = f" and {more} more" if more else ""
    return f"{what}: {name} {first} ({values[first]:g}){others} {remedy}."


def import_h5py(what: str) -> Any:
    """Return the module h5py; raise `InputError` where it is not installed."""
    try:
        import h5py
    except ImportError:
        raise InputError(f"Files of {what} need h5py: pip install 'mirage_dask[spectra]'.") from None
    return h5py


def _dataset(file: Any, name: str, h5py: Any, rows: str) -> Any:
    # A link may lead into another file, and a dataset may have its values in one.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InputError("is a link; copy the values into the file.")
    data = file[name]
    if (
        not isinstance(data, h5py.Dataset)
        or data.ndim != 2
        or data.shape[0] != 2
        or data.dtype.kind not in "fiu"
    ):
        raise InputError(f"is not an array of numbers of shape (2, n): {rows}.")
    if data.external or data.is_virtual:
        raise InputError("has its values in another file; copy them into this one.")
    if data.shape[1] > MOST_POINTS:
        raise InputError(f"has {data.shape[1]:,} points; {MOST_POINTS:,} are the most that are read.")
    return data


def _index(name: str, found: Mapping[int, Any]) -> int:
    if not INDEX.fullmatch(name) or not int(name) < 2**63:
        raise InputError("is not the index of a source; name it by a whole number of 0 or more.")
    if int(name) in found:
        raise InputError("is the index of another dataset, too; keep one.")
    return int(name)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120].rstrip(".")
