"""Level-1b FITS files (`_uncal.fits`) from a store, as the stock jwst pipeline takes them.

The pipeline's own data model makes the headers, so that keywords stand where it looks for them; pixels stream into the file
a tile at a time (see `ramp_models`), so that memory does not grow with the exposure. A file appears under its name only when
it is complete; the keyword MDSPEC carries the digest of the spec, by which a later export leaves it alone. Segments are NOT
written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError
from mirage_dask.fits.headers import keyword_values
from mirage_dask.fits.ramp_files import hollow, read_headers
from mirage_dask.fits.ramp_models import write_ramp
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.plan import Plan
from mirage_dask.store.simulation import SimulationStore

Pixels = Iterable[tuple[Window, npt.NDArray[Any]]]
"""Windows and the values in them; together they cover an exposure."""


def uncal_name(exposure: str) -> str:
    """Return the file name of an exposure."""
    return f"{exposure}_uncal.fits"


def stored_pixels(store: SimulationStore, row: int) -> Pixels:
    """Return the raw ramp of an exposure from a store, in windows of at most `BAND_BYTES`, in the order of a file.

    Raises
    ------
    InputError
        If the exposure is not complete, or a tile cannot be read.
    """
    name, grid = store.plan.names[row], store.plan.grid(row)
    if (done := len(store.commits(row))) < grid.count:
        raise InputError(
            f"{name} is not complete in {store.url} ({done} of {grid.count} tiles); simulate it first."
        )
    return _read(store, name, store.raw(name), grid.bands())


def _read(store: SimulationStore, name: str, raw: Any, windows: Iterable[Window]) -> Iterator[Any]:
    for window in windows:
        box = tuple(slice(*r) for r in (window.integrations, window.groups, window.rows, window.columns))
        try:
            values = raw[box]
        except Exception as error:  # whatever zarr or a codec makes of damaged bytes
            raise InputError(
                f"{name} cannot be read from {store.url} ({' '.join(str(error).split())}); simulate it again."
            ) from error
        yield window, values


def provenance_cards(plan: Plan, spec: ExposureSpec) -> list[tuple[str, Any, str]]:
    """Return (keyword, value, comment) cards that say how the data were made."""
    versions, layers = plan.info.get("versions", {}), dict(spec.layers)
    return [
        ("MDVERSN", versions.get("mirage_dask", "unknown"), "mirage_dask version of the plan"),
        ("MDSPEC", spec.digest, "digest of the simulated exposure"),
        ("MDPLAN", plan.digest, "digest of the plan"),
        ("MDSEED", spec.random_seed, "seed of the random numbers"),
        ("MDPACK", spec.pack, "content key of the reference pack"),
        ("MDPSRC", layers.get("point_source", "NONE"), "content key of the point sources"),
        ("MDGALX", layers.get("galaxy", "NONE"), "content key of the galaxies"),
        ("BKGDRATE", float(layers.get("background", 0.0)), "[electron/s] background per pixel"),
        ("CRLIB", spec.cosmic_ray_library or "NONE", "cosmic ray library"),
        ("CRRATE", spec.cosmic_ray_rate, "[1/s] cosmic ray hits per pixel"),
        *(("MDREPL", f"{piece} {key}"[:60], "piece given by the user") for piece, key in spec.replaced[:1]),
    ]


def is_current(path: Path, spec: ExposureSpec) -> bool:
    """Say whether a file is whole and was made from this very spec."""
    try:
        headers = read_headers(path)
    except OSError:
        return False
    if headers is None or headers[0].get("MDSPEC") != spec.digest or headers[-1].get("EXTNAME") != "ASDF":
        return False
    shapes = [
        tuple(h.get(f"NAXIS{axis}") for axis in (4, 3, 2, 1)) for h in headers if h.get("EXTNAME") == "SCI"
    ]
    return shapes == [spec.shape]


def write_uncal(
    path: Path,
    raw: Pixels,
    spec: ExposureSpec,
    row: Any,
    cards: Iterable[tuple[str, Any, str]] = (),
) -> None:
    """Write one Level-1b file, whole or not at all.

    Parameters
    ----------
    path
        Where; the directory exists.
    raw
        uint16 (integration, group, y, x), window by window.
    spec
        The exposure.
    row
        Its row of the exposure table.
    cards
        (keyword, value, comment) put into the primary header besides the standard ones.

    Raises
    ------
    InputError
        If the row cannot make a header, or jwst's data models are not installed.
    StoreError
        If the file cannot be written.
    """
    arrays = {"data": hollow(spec.shape, np.uint16)}
    pixels = (("SCI", window, values) for window, values in raw)
    write_ramp(path, "Level1bModel", arrays, pixels, keyword_values(row, spec), spec, row, cards)
