"""Zarr arrays as images of the sky: version 3, known codecs, chunks of bounded size, a WCS in the attributes.

The WCS stands in the attributes as keywords of FITS in capitals, as in the stores of this program, or below one key `header`
or `wcs`: CTYPE1, CRVAL1, CRPIX1 (pixels from 1), CD1_1 or PC1_1 and CDELT1, …, BUNIT.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirage_dask.errors import InputError, StoreError
from mirage_dask.untrusted.arrays import open_array

MOST_CHUNK = 2**28
"""Bytes of a chunk, which is unpacked as a whole."""


def open_zarr(path: Path) -> tuple[Any, Any]:
    """Return (array, FITS header) of a Zarr array.

    Raises
    ------
    InputError
        If the folder is not an array of version 3, its codecs are not known, or its chunks are too large.
    """
    from astropy.io import fits

    if not (path / "zarr.json").is_file():
        old = (
            " (version 2 is not read: write it with zarr.create_array)" if (path / ".zarray").exists() else ""
        )
        raise InputError(
            f"{path}: there is no Zarr array of version 3 in this folder{old}; give the folder of the array."
        )
    try:
        array = open_array(str(path))
    except (StoreError, OSError) as error:
        why = str(error).removesuffix("; simulate the exposure again.")
        raise InputError(f"{why.rstrip('.')}; write the image again with zarr.create_array.") from None
    size = int(np.prod([min(c, 2**40) for c in array.chunks], dtype=object)) * array.dtype.itemsize
    if size > MOST_CHUNK:
        raise InputError(
            f"{path}: its chunks are {size / 1e6:,.0f} MB, which would be unpacked for every part; write it in chunks of "
            "1024 x 1024 pixels."
        )
    header = fits.Header()
    for cards in (array.attrs, array.attrs.get("header"), array.attrs.get("wcs")):
        for name, value in list(cards.items())[:1000] if isinstance(cards, Mapping) else ():
            plain = isinstance(value, str | int | float) and not (
                isinstance(value, float) and not np.isfinite(value)
            )
            if (
                plain
                and isinstance(name, str)
                and name.isascii()
                and len(name) <= 8
                and len(str(value)) <= 68
            ):
                try:
                    header[name.upper()] = value
                except ValueError:
                    continue  # not a keyword of FITS: a remark of somebody's
    return array, header
