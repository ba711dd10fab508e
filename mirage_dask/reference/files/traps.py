"""Files of the pipeline's former persistence step: TRAPPARS, TRAPDENSITY and PERSAT.

TRAPPARS is a table with one row for each family of traps. TRAPDENSITY, traps of each pixel, and PERSAT, the level at which
traps see a full pixel, are images of the full frame. Traps and levels are in DN, for the step subtracted what traps release
from ramps in DN (jwst 1.16 `persistence/persistence.py`), which also took undefined densities, and those of pixels that are
flagged DO_NOT_USE, for 0, and undefined levels for 1e7.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.reference.files.quality import flag
from mirage_dask.reference.files.reading import broken, read_image

TYPES = ("trappars", "trapdensity", "persat")
"""Types of files, as CRDS calls them."""
COLUMNS = ("capture0", "capture1", "capture2", "decay_param")
"""Of TRAPPARS."""
NEVER_FULL = 1e7
"""DN of a pixel whose level is undefined."""
_MOST_FAMILIES = 16


@dataclass(frozen=True)
class Family:
    """Coefficients of a family of traps, as in a row of TRAPPARS."""

    capture0: float
    capture1: float
    capture2: float
    decay: float


def read_trap_families(path: Path) -> tuple[Family, ...]:
    """Read a file TRAPPARS: the first table with the columns of `COLUMNS`, in any case.

    Raises
    ------
    ReferenceFileError
        If it cannot be read, has no such table, or values that are not finite.
    """
    from astropy.io import fits

    remedy = f"give a file TRAPPARS, a table with {', '.join(COLUMNS)}"
    try:
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            warnings.simplefilter("error", category=fits.verify.VerifyWarning)
            tables = [hdu.data for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and hdu.data is not None]
            found = [
                {name.lower(): np.atleast_1d(np.asarray(data[name], float)) for name in data.names}
                for data in tables
                if set(COLUMNS) <= {name.lower() for name in data.names}
            ]
    except FileNotFoundError:
        broken(Path(path), "the file does not exist", remedy=remedy)
    except Exception as error:
        broken(Path(path), f"it cannot be read ({type(error).__name__})", remedy=remedy)
    if not found:
        broken(Path(path), f"it has no table with the columns {', '.join(COLUMNS)}", remedy=remedy)
    rows = np.stack([found[0][name].ravel() for name in COLUMNS], axis=1)
    if not 1 <= len(rows) <= _MOST_FAMILIES or not np.isfinite(rows).all():
        broken(
            Path(path),
            f"its table needs 1 to {_MOST_FAMILIES} rows of finite numbers, and has {len(rows)}",
            remedy=remedy,
        )
    return tuple(Family(*row) for row in rows.tolist())


def read_trap_density(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the traps of each pixel of a full frame of this shape, DN, (ny, nx), science orientation.

    Raises
    ------
    ReferenceFileError
        If the file cannot be read or has another shape.
    """
    values, quality = _image(path, shape)
    return np.where(
        np.isfinite(values) & (values > 0) & ~(quality & flag("DO_NOT_USE")).astype(bool), values, 0.0
    )


def read_persistence_level(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the level at which traps see a full pixel, DN above bias, (ny, nx), science orientation.

    Raises
    ------
    ReferenceFileError
        If the file cannot be read or has another shape.
    """
    values, _ = _image(path, shape)
    return np.where(np.isfinite(values) & (values > 0), values, NEVER_FULL)


def _image(path: Path, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    image = read_image(path)
    if image.values.shape != shape:
        ny, nx = image.values.shape
        broken(
            Path(path),
            f"its image of {nx} x {ny} pixels is not the {shape[1]} x {shape[0]} of the full frame",
        )
    quality = image.quality if image.quality is not None else np.zeros(shape, np.uint32)
    return image.values.astype(np.float64), quality
