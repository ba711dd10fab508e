"""Packs of subarrays: the planes of a pack cut to the pixels that an exposure reads.

Nothing outside the box of an exposure is ever asked of its planes: the neighbours that an effect needs are clipped to the
box (`exposure.chain`), and the edge pixel stands in beyond it. So the cut pack gives the same values as the whole one, and a
store of one 64 x 64 subarray has 3 MB of planes instead of 240. PSFs and cosmic rays have no pixels of a detector:
they stay whole.
"""

from __future__ import annotations

from mirage_dask.instruments.orientation import Span
from mirage_dask.reference.packs.pack import ReferencePack, save_pack
from mirage_dask.reference.packs.plane_store import open_store
from mirage_dask.reference.packs.planes import PLANE_INPUTS


def cut_pack(url: str, key: str, rows: Span, columns: Span) -> str:
    """Make the pack of a box of the detector, beside the pack that it is cut from.

    Parameters
    ----------
    url
        Directory that holds the pack, a path or any fsspec URL.
    key
        The pack.
    rows, columns
        Full-frame detector pixels, half-open.

    Returns
    -------
    str
        Key of the cut pack; `key` itself where all planes lie in the box.

    Raises
    ------
    ReferenceFileError
        If there is no such pack, or it is damaged.
    StoreError
        If the directory cannot be written.
    """
    pack, store = ReferencePack.open(url, key), open_store(url)
    planes = {}
    for name, entry in pack.entries.items():
        planes[name] = entry
        if name not in PLANE_INPUTS:
            continue
        (row, column), (ny, nx) = pack.origin(name), pack.shape(name)[-2:]
        # A plane from a file of a subarray may cover less than the box; what it lacks is told when it is read.
        low, high = max(rows[0], row), min(rows[1], row + ny)
        left, right = max(columns[0], column), min(columns[1], column + nx)
        if (low, high, left, right) != (row, row + ny, column, column + nx) and low < high and left < right:
            values = pack.plane(name, slice(low, high), slice(left, right))
            planes[name] = store.put(values, origin=(low, left))
    return key if planes == pack.entries else save_pack(store, planes, pack.meta, pack.files, pack.context)
