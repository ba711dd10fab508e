"""FITS files as one Zarr hierarchy, without a copy: a document that says which bytes of which file are which chunk.

The document is a reference file system of version 1 (https://fsspec.github.io/kerchunk/spec.html), a convention of kerchunk
that fsspec reads: a group for each file, in it an array for each image (SCI, ERR, DQ, …), in chunks of one plane. Files
of the archive and those that were exported are the same here. xarray opens a group lazily with nothing but zarr and fsspec::

    xr.open_dataset("reference://", engine="zarr", chunks={}, group="jw42424001001_01101_00001_nrcb1_uncal",
                    backend_kwargs={"storage_options": {"fo": "all.json"}})

Tables and compressed images are left out.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

from mirage_dask.errors import InputError
from mirage_dask.executed.files import exposure_files
from mirage_dask.executed.headers import Keywords
from mirage_dask.executed.images import FitsImage, read_images
from mirage_dask.io.atomic import write_atomically

THREADS = 16
_GROUP = {"zarr_format": 2}
_AXES = {2: ("y", "x"), 3: ("integration", "y", "x"), 4: ("integration", "group", "y", "x")}
_NOT_IN_NAMES = re.compile(r"[^0-9A-Za-z_.-]")
_STRUCTURE = re.compile(r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|EXTEND|BSCALE|BZERO|CHECKSUM|DATASUM")


def virtual_zarr(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Return the images of FITS files of exposures as references to their bytes, and write them as JSON.

    Parameters
    ----------
    files
        A folder, a pattern, files or URLs of uncal, rate, rateints, cal or calints files. Only their headers are read. Local
        files are named by their absolute path.
    out
        File to write; default none.

    Returns
    -------
    dict
        The document: version and refs.

    Raises
    ------
    InputError
        With every file that cannot be read, or that has the name of another; or if the document cannot be written.
    """
    paths = exposure_files(files)
    with ThreadPoolExecutor(THREADS) as pool:
        read = dict(zip(paths, pool.map(read_images, paths), strict=True))
    problems = [found for found in read.values() if isinstance(found, str)]
    names = {path: _group_name(path) for path in paths}
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    problems += [
        f"{', '.join(path for path in paths if names[path] == name)}: files of the same name; give one of them."
        for name in twice
    ]
    if problems:
        raise InputError(problems)
    refs: dict[str, Any] = {".zgroup": _text(_GROUP)}
    for path, found in read.items():
        if not isinstance(found, str):
            group = _group(path, *found)
            refs |= {f"{names[path]}/{key}": entry for key, entry in group.items()}
    document = {"version": 1, "refs": _consolidated(refs)}
    if out is not None:
        write_atomically(
            Path(out),
            lambda beside: beside.write_text(json.dumps(document), encoding="utf-8"),
            error=InputError,
            remedy="name a file in a folder that can be written",
        )
    return document


def _group_name(path: str) -> str:
    return _NOT_IN_NAMES.sub("_", path.rpartition("/")[2].removesuffix(".fits"))


def _consolidated(refs: dict[str, Any]) -> dict[str, Any]:
    """Return references with all metadata in one entry more: readers need not list what there is."""
    metadata = {
        key: json.loads(entry)
        for key, entry in refs.items()
        if key.rpartition("/")[2] in (".zgroup", ".zattrs", ".zarray")
    }
    return {".zmetadata": _text({"zarr_consolidated_format": 1, "metadata": metadata})} | refs


def _group(path: str, primary: Keywords, images: list[FitsImage]) -> dict[str, Any]:
    """Return the references of one file, relative to its group."""
    address = path if "://" in path else os.path.abspath(path)
    found: dict[str, Any] = {".zgroup": _text(_GROUP), ".zattrs": _text(_attributes(primary))}
    lengths: dict[str, int] = {}
    for image in images:
        if image.name == "ASDF" or not all(image.shape):
            continue
        axes = []
        for axis, length in zip(_axes(image), image.shape, strict=True):
            same = lengths.setdefault(axis, length) == length
            axes.append(axis if same else f"{image.name}_{axis}")
        chunks = (1,) * (len(image.shape) - 2) + image.shape[-2:]
        place = _NOT_IN_NAMES.sub("_", image.name)
        found[f"{place}/.zarray"] = _text(
            {
                "zarr_format": 2,
                "shape": image.shape,
                "chunks": chunks,
                "dtype": image.unsigned or image.stored,
                "compressor": None,
                "filters": [_shift(image)] if image.unsigned else None,
                "order": "C",
                "fill_value": None,
            }
        )
        found[f"{place}/.zattrs"] = _text({"_ARRAY_DIMENSIONS": axes} | _attributes(image.keywords))
        size = int(image.stored[-1]) * math.prod(chunks)
        places = product(*(range(length // chunk) for length, chunk in zip(image.shape, chunks, strict=True)))
        for number, at in enumerate(places):
            found[f"{place}/{'.'.join(map(str, at))}"] = [address, image.start + number * size, size]
    return _consolidated(found)


def _axes(image: FitsImage) -> tuple[str, ...]:
    """Return the names of the axes of an image, slowest first."""
    return _AXES.get(len(image.shape)) or tuple(f"{image.name}_{i}" for i in range(len(image.shape)))


def _shift(image: FitsImage) -> dict[str, Any]:
    """Return the codec that adds the half of the range which FITS takes from unsigned numbers."""
    half = 2 ** (8 * int(image.stored[-1]) - 1)
    return {
        "id": "fixedscaleoffset",
        "offset": half,
        "scale": 1,
        "astype": image.stored,
        "dtype": image.unsigned,
    }


def _attributes(keywords: Keywords) -> dict[str, Any]:
    return {key: value for key, value in keywords.items() if key and not _STRUCTURE.fullmatch(key)}


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, allow_nan=False)
