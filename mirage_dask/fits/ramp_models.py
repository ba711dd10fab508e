"""A ramp as a file of the jwst pipeline: its data model makes headers and tables, pixels stream in beside it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mirage_dask.errors import InputError
from mirage_dask.fits.ramp_files import RampFile
from mirage_dask.fits.times import group_table, integration_table, start_time
from mirage_dask.io import files
from mirage_dask.io.atomic import replacing
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.layout import quiet

Card = tuple[str, Any, str]
"""FITS keyword, value, comment."""


def write_ramp(
    path: Path,
    model: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    pixels: Iterable[tuple[str, Window, npt.NDArray[Any]]],
    values: Mapping[str, Any],
    spec: ExposureSpec,
    row: Mapping[str, Any],
    cards: Iterable[Card] = (),
) -> None:
    """Write a file, whole or not at all, with the tables GROUP and INT_TIMES.

    Parameters
    ----------
    path
        Where; the directory exists.
    model
        Class of `stdatamodels.jwst.datamodels`.
    arrays
        Its arrays by attribute, `data` first; hollow ones are filled from `pixels`.
    pixels
        (extension, window, values) of the hollow arrays.
    values
        Metadata by the paths of the model; what its schema refuses is left out with a warning.
    spec, row
        The exposure and its row of the exposure table.
    cards
        Put into the primary header besides.

    Raises
    ------
    InputError
        If the row cannot make a header, or jwst's data models are not installed.
    StoreError
        If the file cannot be written.
    """
    with files.store_errors(str(path)), replacing(path) as temporary:
        hdus = _hdus(path, model, arrays, values, spec, row, cards)
        with RampFile.laid_out(temporary, hdus) as file:
            for extension, window, part in pixels:
                file.write(extension, window, part)


def _hdus(
    path: Path,
    model: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    values: Mapping[str, Any],
    spec: ExposureSpec,
    row: Mapping[str, Any],
    cards: Iterable[Card],
) -> Any:
    """Return the HDUs of a file as the data model would save them, hollow arrays and all."""
    try:
        from stdatamodels import fits_support
        from stdatamodels.jwst import datamodels
    except ImportError as error:
        raise InputError(
            "Writing files for the pipeline needs the package stdatamodels; install it with: pip install stdatamodels."
        ) from error
    start = start_time(row["start_time"], spec.name)
    towards = float(row["ra_ref"]), float(row["dec_ref"])
    data, *_ = arrays.values()
    others = {name: array for name, array in arrays.items() if array is not data}
    refused = {}
    # Models change the process's filters of warnings, as `quiet` does: one thread at a time.
    with quiet(), getattr(datamodels, model)(data, strict_validation=True, **others) as made:
        for key, value in values.items():
            try:
                made[key] = value
            except Exception as error:  # what its schema says of a value that it refuses
                refused[key] = (str(error).strip() or type(error).__name__).splitlines()[0]
        made.group = group_table(spec, start, *towards)
        made.int_times = integration_table(spec, start, *towards)
        made.extra_fits = {"PRIMARY": {"header": [list(card) for card in cards]}}
        made.on_save(str(path))
        hdus = fits_support.to_fits(made.instance, made.schema)
    for key, reason in refused.items():
        warnings.warn(
            f"{spec.name}: {key} = {values[key]!r} is left out of the FITS header: {reason}", stacklevel=3
        )
    return hdus
