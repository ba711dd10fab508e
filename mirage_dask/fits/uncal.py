"""Level-1b FITS files (`_uncal.fits`) from a store, as the stock jwst pipeline takes them.

The pipeline's own data model makes the headers, so that keywords are where it looks for them; pixels stream into the file
window by window (see `ramp_models`), so that memory does not grow with the exposure. A file appears under its name only when
it is complete; the keyword MDSPEC carries the digest of the spec, by which a later export leaves it alone. A large exposure
is several files (see `segments`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError, StoreError
from mirage_dask.fits.ramp_files import hollow
from mirage_dask.fits.ramp_models import Put, RampProduct, ramp_file
from mirage_dask.fits.segments import Segment, file_name
from mirage_dask.formatting import counted
from mirage_dask.spec import Window
from mirage_dask.store.simulation import SimulationStore

Pixels = Iterable[tuple[Window, npt.NDArray[Any]]]
"""Windows of an exposure and the values in them; together they cover what goes into a file."""


def uncal_name(exposure: str, segment: Segment | None = None) -> str:
    """Return the name of the raw file of an exposure, or of a segment of it."""
    return file_name(exposure, "uncal", segment)


def stored_pixels(store: SimulationStore, row: int, integrations: tuple[int, int] | None = None) -> Pixels:
    """Return the raw ramp of an exposure from a store, in windows of at most `BAND_BYTES`, in the order of a file.

    Parameters
    ----------
    integrations
        Half-open range of those wanted; default all.

    Raises
    ------
    InputError
        If the exposure is not complete, or a tile cannot be read.
    """
    name, grid = store.plan.names[row], store.plan.grid(row)
    if (done := len(store.commits(row))) < grid.count:
        raise InputError(
            f"{name} is not complete in {store.url} ({done} of {counted(grid.count, 'tile')}); simulate it first."
        )
    try:
        raw = store.raw(name)
    except StoreError as error:  # of this exposure only: the others can be exported
        raise InputError(f"{name} cannot be read: {error}") from error
    return _read(store, name, raw, grid.bands(integrations))


def _read(store: SimulationStore, name: str, raw: Any, windows: Iterable[Window]) -> Iterator[Any]:
    for window in windows:
        box = tuple(slice(*r) for r in (window.integrations, window.groups, window.rows, window.columns))
        try:
            values = raw[box]
        except Exception as error:  # zarr and codecs raise many kinds for damaged bytes
            raise InputError(
                f"{name} cannot be read from {store.url} ({' '.join(str(error).split())}); simulate it again."
            ) from error
        yield window, values


@contextmanager
def uncal_file(path: Path, product: RampProduct, *, first_frames: bool = False) -> Iterator[Put]:
    """Write a Level-1b file, whole or not at all; the block puts uint16 (integration, group, y, x) into SCI.

    Parameters
    ----------
    path
        Where; the directory exists.
    product
        The exposure or segment; errors are those of `ramp_file`.
    first_frames
        Whether there is an extension ZEROFRAME: uint16 (integration, 1, y, x) of the first frame of each integration.
    """
    arrays, sent = {"data": hollow(product.shape, np.uint16)}, {}
    if first_frames:
        integrations, _, *image = product.shape
        arrays["zeroframe"], sent = (
            hollow((integrations, *image), np.uint16),
            {"meta.exposure.zero_frame": True},
        )
    with ramp_file(path, product, "Level1bModel", arrays, sent) as put:
        yield put


def write_uncal(path: Path, raw: Pixels, product: RampProduct, first_frames: Pixels | None = None) -> None:
    """Write a Level-1b file from windows, as `uncal_file` does.

    Parameters
    ----------
    path, product
        As for `uncal_file`.
    raw
        uint16 (integration, group, y, x), window by window.
    first_frames
        uint16 (integration, 1, y, x) of the first frame of each integration, window by window: the extension ZEROFRAME.
        None: there is no such extension.
    """
    with uncal_file(path, product, first_frames=first_frames is not None) as put:
        for window, values in raw:
            put("SCI", window, values)
        for window, values in first_frames or ():
            put("ZEROFRAME", window, values)
