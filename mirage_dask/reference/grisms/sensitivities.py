"""Sensitivity tables of grisms: one FITS file for each order.

Columns WAVELENGTH, SENSITIVITY (and ERROR, not used). What files do not say alike is put right here:

* wavelengths above `ANGSTROM` are in Angstrom, others in micron;
* comments of NIRCam's files say "(DN/s)" or "(e-/s)"; the former are multiplied by the gain. NIRISS's files say nothing and
  are e-/s: as DN/s their peak would be a throughput above 1;
* the first two and the last two samples count as 0, as in grismconf.

Samples whose neighbours are 0 too are dropped: linear interpolation between the others is the same.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import ReferenceFileError

Floats = NDArray[np.float64]

ANGSTROM = 100.0
"""A longest wavelength above is in Angstrom: no order reaches 100 micron."""
MOST_BYTES = 2**26
MOST_SAMPLES = 1_000_000
_UNIT = re.compile(r"\((DN|ADU|e-|electrons?)\s*/\s*s(ec)?\)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """One table."""

    wavelength: Floats
    """(n,) micron, ascending."""
    response: Floats
    """(n,) per erg/s/cm2/Angstrom and Angstrom, in e-/s or DN/s."""
    in_dn: bool | None
    """Whether the file says DN/s (True) or e-/s (False); None if it says neither."""


def read_sensitivity(path: Path) -> Sensitivity:
    """Read one table.

    Raises
    ------
    ReferenceFileError
        If the file is missing, too large, damaged, or its columns are not those of a sensitivity.
    """
    from astropy.io import fits

    try:
        if path.stat().st_size > MOST_BYTES:
            raise _invalid(path, f"it has more than {MOST_BYTES // 2**20} MiB")
        with warnings.catch_warnings(), fits.open(path, memmap=False) as hdus:
            warnings.simplefilter("error", category=fits.verify.VerifyWarning)
            warnings.filterwarnings("error", message=".*truncated.*")
            tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
            if not tables:
                raise _invalid(path, "it has no table")
            header, names = tables[0].header, {n.upper(): n for n in tables[0].columns.names}
            missing = {"WAVELENGTH", "SENSITIVITY"} - set(names)
            if missing:
                raise _invalid(path, f"its table has no column {' or '.join(sorted(missing))}")
            if not 5 <= header["NAXIS2"] <= MOST_SAMPLES:
                raise _invalid(path, f"its table has {header['NAXIS2']} rows instead of 5 to {MOST_SAMPLES}")
            wavelength, response = (
                np.array(tables[0].data[names[name]], np.float64) for name in ("WAVELENGTH", "SENSITIVITY")
            )
            comments = " ".join(str(c) for c in header.get("COMMENT", ()))
            said = f"{comments} ({tables[0].columns[names['SENSITIVITY']].unit})"
    except ReferenceFileError:
        raise
    except FileNotFoundError:
        raise _invalid(path, "the file does not exist") from None
    except Exception as error:  # astropy raises many types for damaged files
        raise _invalid(path, f"it cannot be read ({type(error).__name__}: {str(error)[:200]})") from error
    return _checked(path, wavelength, response, said)


def _checked(path: Path, wavelength: Floats, response: Floats, said: str) -> Sensitivity:
    if wavelength.ndim != 1 or response.shape != wavelength.shape:
        raise _invalid(path, "its columns are not numbers, one a row")
    if not (np.isfinite(wavelength).all() and np.isfinite(response).all()):
        raise _invalid(path, "some values are not finite")
    if not (wavelength[0] > 0 and (np.diff(wavelength) > 0).all()):
        raise _invalid(path, "its wavelengths are not positive and rising")
    if (response < 0).any() or not response[2:-2].any():
        raise _invalid(path, "its sensitivity is negative somewhere, or 0 everywhere")
    if wavelength[-1] > ANGSTROM:
        wavelength = wavelength / 1e4
    response[:2] = response[-2:] = 0.0
    lit = np.pad(response > 0, 1)
    kept = lit[1:-1] | lit[:-2] | lit[2:]
    unit = _UNIT.search(said)
    in_dn = None if unit is None else unit[1].upper() in ("DN", "ADU")
    return Sensitivity(np.ascontiguousarray(wavelength[kept]), np.ascontiguousarray(response[kept]), in_dn)


def _invalid(path: Path, what: str) -> ReferenceFileError:
    return ReferenceFileError(f"{path}: {what}; give the sensitivity that belongs to the configuration.")
