"""Variables of an exposure as a FITS file (`_truth.fits`): an image extension for each, named after it in capitals.

The pixels are those of the raw file of the same name, (integration, group, y, x) or (y, x); BUNIT says in what unit. The
primary header says which exposure and segment it is, and how the data were made. No part of the pipeline reads such a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy.typing as npt

from mirage_dask.fits.cards import card, header
from mirage_dask.fits.ramp_files import Part, RampFile, hollow, image_part, read_headers
from mirage_dask.fits.ramp_models import RampProduct
from mirage_dask.fits.segments import Segment, file_name
from mirage_dask.io import files
from mirage_dask.io.atomic import replacing
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.variables import Variable

TruthPixels = Iterable[tuple[str, Window, npt.NDArray]]
"""(variable, window of the exposure, values with the dimensions of the variable)."""


def truth_name(exposure: str, segment: Segment | None = None) -> str:
    """Return the name of the file of an exposure, or of a segment of it."""
    return file_name(exposure, "truth", segment)


def write_truth(path: Path, variables: Sequence[Variable], pixels: TruthPixels, product: RampProduct) -> None:
    """Write the file of an exposure or segment, whole or not at all.

    Parameters
    ----------
    path
        Where; the directory exists.
    variables
        What is in it, in order.
    pixels
        Together they cover the variables.
    product
        The exposure or segment.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    spec, first = product.spec, product.integrations[0]
    about = {
        "FILENAME": path.name,
        "TELESCOP": "JWST",
        "INSTRUME": str(product.row["instrument"]).upper(),
        "DETECTOR": spec.detector,
        "FILTER": spec.filter,
        "PUPIL": spec.pupil,
        **(product.segment.cards if product.segment else {}),
    }
    cards = [
        card("SIMPLE", True, "conforms to FITS standard"),
        card("BITPIX", 8),
        card("NAXIS", 0),
        card("EXTEND", True),
    ]
    cards += [card(keyword, value) for keyword, value in about.items() if value not in (None, "")]
    cards += [card(*entry) for entry in product.cards]
    parts = [Part("PRIMARY", header(cards))]
    known = {variable.name: variable for variable in variables}
    for variable in variables:
        array = hollow(variable.select(product.shape), variable.dtype)
        parts.append(
            image_part(variable.name.upper(), array, "" if variable.units == "1" else variable.units)
        )
    with (
        files.store_errors(str(path)),
        replacing(path) as temporary,
        RampFile.laid_out(temporary, parts) as file,
    ):
        for name, window, values in pixels:
            place = replace(
                window, integrations=(window.integrations[0] - first, window.integrations[1] - first)
            )
            if known[name].dimensions == ("y", "x"):
                place, values = replace(place, integrations=(0, 1), groups=(0, 1)), values[None, None]
            file.write(name.upper(), place, values)


def is_truth_current(path: Path, variables: Sequence[Variable], spec: ExposureSpec, segment: Segment) -> bool:
    """Return whether a file is whole and holds these variables of this exposure, or segment of it, made from this spec."""
    try:
        headers = read_headers(path)
    except OSError:
        return False
    if headers is None or headers[0].get("MDSPEC") != spec.digest:
        return False
    if any(headers[0].get(keyword) != value for keyword, value in segment.cards.items()):
        return False
    first, stop = segment.integrations
    shape = (stop - first, *spec.shape[1:])
    wanted = [(v.name.upper(), v.select(shape)) for v in variables]
    found = [
        (h["EXTNAME"], tuple(h[f"NAXIS{axis}"] for axis in range(h["NAXIS"], 0, -1))) for h in headers[1:]
    ]
    return found == wanted
