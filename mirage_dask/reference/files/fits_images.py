"""Write reference files: headers like those of CRDS files, compressed images.

Images are stored as scaled integers with Rice tile compression, which every FITS reader supports: a noisy 2048 x 2048 map
takes about 3 MB and 0.1 s, a tenth of the time of gzip. The step between two values is well below the scatter of
the map; the stored values are exact by definition, because the simulation and the pipeline both read the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from mirage_dask.reference.files.quality import definitions

USEAFTER = "1900-01-01T00:00:00"
AUTHOR = "mirage_dask"
_ROWS_PER_TILE = 32


def image_hdu(
    name: str, values: NDArray[np.floating], *, step: float, zero: float = 0.0
) -> fits.CompImageHDU:
    """Return a compressed extension with `values` rounded to `zero` plus multiples of `step`.

    Parameters
    ----------
    values
        Finite numbers, shape (..., ny, nx).
    step
        A power of two makes the stored values exact in binary.
    """
    counts = np.rint((values - zero) / step)
    limit = np.abs(counts).max()
    kind = np.int16 if limit < 2**15 else np.int32
    if limit >= 2**31:
        raise ValueError(f"{name}: values up to {np.abs(values).max()} do not fit steps of {step}")
    tile = (1,) * (values.ndim - 2) + (min(_ROWS_PER_TILE, values.shape[-2]), values.shape[-1])
    hdu = fits.CompImageHDU(counts.astype(kind), name=name, compression_type="RICE_1", tile_shape=tile)
    hdu.header["BSCALE"] = step
    hdu.header["BZERO"] = zero
    return hdu


def quality_hdus(flags: NDArray[np.uint32]) -> list[Any]:
    """Return the extensions DQ and DQ_DEF, with standard bits."""
    tile = (min(_ROWS_PER_TILE, flags.shape[0]), flags.shape[1])
    return [
        fits.CompImageHDU(flags.astype(np.uint32), name="DQ", compression_type="RICE_1", tile_shape=tile),
        fits.BinTableHDU(definitions(), name="DQ_DEF"),
    ]


def primary_hdu(
    *,
    kind: str,
    model: str,
    instrument: str,
    detector: str | None,
    description: str,
    cards: Mapping[str, Any] | None = None,
) -> fits.PrimaryHDU:
    """Return the primary HDU with the keywords that CRDS and the pipeline's data models require.

    Parameters
    ----------
    kind
        Reference type, 'GAIN'.
    model
        Name of the pipeline's data model, 'GainModel'.
    instrument
        'NIRCAM', 'NIRISS' or 'FGS'.
    detector
        FITS name of the detector; None for a file of the whole instrument.
    cards
        Further keywords.
    """
    hdu = fits.PrimaryHDU()
    header = hdu.header
    header["TELESCOP"] = "JWST"
    header["INSTRUME"] = instrument
    if detector is not None:
        header["DETECTOR"] = detector
    header["REFTYPE"] = kind.upper()
    header["AUTHOR"] = AUTHOR
    header["PEDIGREE"] = "DUMMY"  # the observatory's word for invented values
    header["DESCRIP"] = description
    header["USEAFTER"] = USEAFTER
    header["DATAMODL"] = model
    for key, value in (cards or {}).items():
        header[key] = value
    return hdu


def subarray_cards(name: str, x0: int, y0: int, nx: int, ny: int, *, fast: int, slow: int) -> dict[str, Any]:
    """Return the keywords with the position of an image in the detector (0-based arguments, 1-based keywords)."""
    return {
        "SUBARRAY": name,
        "SUBSTRT1": x0 + 1,
        "SUBSTRT2": y0 + 1,
        "SUBSIZE1": nx,
        "SUBSIZE2": ny,
        "FASTAXIS": fast,
        "SLOWAXIS": slow,
    }


def write_fits(path: Path, hdus: Sequence[Any]) -> None:
    """Write HDUs to a file, without a date, so that equal data give equal bytes."""
    fits.HDUList(list(hdus)).writeto(path, overwrite=True)
