"""ASDF files as images of the sky: `data` with a `wcs` of gwcs, at the top or under `roman` or `meta`, not compressed.

Blocks are mapped into memory, so that a part of an image costs that part. Blocks that are compressed would be unpacked as a
whole and are refused; arrays in other files are not followed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.errors import InputError


@contextmanager
def open_asdf(path: Path) -> Iterator[tuple[Any, Callable[[Any, Any], tuple[Any, Any]], str]]:
    """Open an image; yield (array of which parts are read, function from pixels to ICRS degrees, unit).

    Raises
    ------
    InputError
        If the file is damaged, or has no such image.
    """
    import asdf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions of schemas
        try:
            file = asdf.open(path, lazy_load=True, memmap=True, ignore_unrecognized_tag=True)
        except Exception as error:  # of the YAML, the schemas and the blocks
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"{path}: not a valid ASDF file ({why}); get it again.") from None
        with file:
            found = _image(path, file)
            yield found


def _image(path: Path, file: Any) -> tuple[Any, Callable[[Any, Any], tuple[Any, Any]], str]:
    roots = [root for root in (file.tree, file.tree.get("roman")) if isinstance(root, Mapping)]
    for root in roots:
        values, meta = root.get("data"), root.get("meta")
        wcs = root.get("wcs") or (meta.get("wcs") if isinstance(meta, Mapping) else None)
        if values is None or wcs is None or not hasattr(wcs, "pixel_to_world"):
            continue
        unit = getattr(values, "unit", None)
        values = getattr(values, "value", values) if unit is not None else values
        try:
            compressed = file.get_array_compression(values)
        except Exception:  # inline in the YAML, in another file, or not an array
            raise InputError(
                f"{path}: its array data is not a block of this file; write it with asdf."
            ) from None
        if compressed:
            raise InputError(
                f"{path}: its array data is compressed ({compressed}); write it without compression."
            )

        def to_sky(x: Any, y: Any, wcs: Any = wcs) -> tuple[Any, Any]:
            found = wcs.pixel_to_world(x, y).icrs
            return np.asarray(found.ra.deg), np.asarray(found.dec.deg)

        named = unit or root.get("unit") or (meta.get("unit") if isinstance(meta, Mapping) else "") or ""
        return values, to_sky, str(named)
    raise InputError(f"{path}: it has no array data with a wcs of gwcs; write {{'data': array, 'wcs': wcs}}.")
