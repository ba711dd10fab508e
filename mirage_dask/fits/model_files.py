"""What the pipeline's data model saves: it makes headers, tables and the ASDF extension of a file.

The model is the judge of every file: what its schema refuses is left out, and `header_templates` keeps nothing but what the
model has written. Importing it takes a second and each file 0.2 s, so that it is asked once for each kind of file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mirage_dask.errors import InputError
from mirage_dask.fits.ramp_files import Hollow, Part

if TYPE_CHECKING:
    from mirage_dask.fits.provenance import Card

NOT_INSTALLED = "Writing files for the pipeline needs the package stdatamodels; install it with: pip install stdatamodels."


@dataclass(frozen=True)
class Content:
    """What is in a file beside its pixels."""

    name: str
    """Of the file."""
    model: str
    """Class of `stdatamodels.jwst.datamodels`."""
    values: Mapping[str, Any]
    """Metadata by the paths of the model."""
    cards: tuple[Card, ...]
    """Put into the primary header besides the standard ones."""
    log: Mapping[str, list[str]]
    """The model's `cal_logs`."""
    arrays: Mapping[str, npt.NDArray[Any]]
    """Hollow ones by attribute of the model, `data` first."""
    tables: Mapping[str, npt.NDArray[np.void]]
    """By attribute of the model."""

    def called(self, date: str) -> Content:
        """Return it with the values that the model adds when it saves: the file's name and the time, UTC."""
        return replace(self, values={**self.values, "meta.filename": self.name, "meta.date": date})


@dataclass(frozen=True)
class ModelFile:
    """What a model has made of a content."""

    parts: tuple[Part, ...]
    """The HDUs of the file."""
    refused: Mapping[str, str]
    """Reasons by path of the values that the schema refuses; they are left out."""
    date: str
    """When, UTC, as it stands in the file."""
    schema: Mapping[str, Any]
    """Of the model."""


def model_file(content: Content) -> ModelFile:
    """Return a file as the pipeline's data model would save it.

    Parameters
    ----------
    content
        What goes into the file.

    Raises
    ------
    InputError
        If the data models are not installed.
    """
    try:
        from stdatamodels import fits_support
        from stdatamodels.jwst import datamodels
    except ImportError as error:
        raise InputError(NOT_INSTALLED) from error
    from mirage_dask.untrusted.arrays import quiet

    data, *_ = content.arrays.values()
    others = {name: array for name, array in content.arrays.items() if array is not data}
    refused = {}
    # Models change the process's filters of warnings, as `quiet` does: one thread at a time.
    with quiet(), getattr(datamodels, content.model)(data, strict_validation=True, **others) as made:
        for key, value in content.values.items():
            try:
                made[key] = value
            except Exception as error:  # a value that its schema refuses
                refused[key] = (str(error).strip() or type(error).__name__).splitlines()[0]
        for name, table in content.tables.items():
            made[name] = table
        if content.log:
            made.cal_logs = dict(content.log)
        made.extra_fits = {"PRIMARY": {"header": [list(card) for card in content.cards]}}
        made.on_save(content.name)
        hdus = fits_support.to_fits(made.instance, made.schema)
        hdus.verify("exception")
        hdus.update_extend()
        return ModelFile(tuple(map(_part, hdus)), refused, made.meta.date, made.schema)


def _part(hdu: Any) -> Part:
    from astropy.io import fits

    name = hdu.name or "PRIMARY"
    if hdu.is_image and isinstance(hdu.data, Hollow):
        hdu.update_header()
        return Part(name, hdu.header.tostring().encode("ascii"), array=hdu.data)
    if isinstance(hdu, fits.PrimaryHDU):
        return Part(name, hdu.header.tostring().encode("ascii"))
    written = io.BytesIO()
    first = fits.PrimaryHDU()
    fits.HDUList([first, hdu]).writeto(written)
    header = hdu.header.tostring().encode("ascii")
    start = len(first.header.tostring()) + len(header)
    return Part(name, header, written.getvalue()[start : start + hdu.size])
