"""A ramp as a file of the jwst pipeline: headers and tables as its data model saves them, pixels stream in beside them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mirage_dask.fits.header_templates import file_parts
from mirage_dask.fits.headers import direction, keyword_values
from mirage_dask.fits.model_files import Content
from mirage_dask.fits.moving_target import at_middle, moving_keywords, moving_target_table
from mirage_dask.fits.provenance import Card, carried_keywords, carried_log, provenance_cards
from mirage_dask.fits.ramp_files import Part, RampFile, read_headers
from mirage_dask.fits.segments import Segment
from mirage_dask.fits.times import group_table, integration_table, start_time
from mirage_dask.io import files
from mirage_dask.io.atomic import replacing
from mirage_dask.scene.tracking import PointingTrack
from mirage_dask.spec import ExposureSpec, Window
from mirage_dask.store.plan import Plan

Put = Callable[[str, Window, npt.NDArray[Any]], None]
"""Puts pixels into a hollow array of a file: EXTNAME, window of the exposure, values."""


@dataclass(frozen=True)
class RampProduct:
    """What a file is about: an exposure, or a segment of one."""

    spec: ExposureSpec
    row: Mapping[str, Any]
    """The exposure's row of the exposure table."""
    cards: tuple[Card, ...] = ()
    """Put into the primary header besides the standard ones."""
    segment: Segment | None = None
    """Integrations in the file; None for all."""
    motion: PointingTrack | None = None
    """The target that the telescope follows; None for the stars."""

    @classmethod
    def of(cls, plan: Plan, spec: ExposureSpec, segment: Segment | None = None) -> RampProduct:
        """Return the product of an exposure of a plan, with cards that say how the data were made."""
        motion = PointingTrack.load(f"{plan.url}/sources", spec.track) if spec.track else None
        return cls(spec, plan.table_row(spec.name), tuple(provenance_cards(plan, spec)), segment, motion)

    @property
    def integrations(self) -> tuple[int, int]:
        """Half-open range of the integrations in the file."""
        return (0, self.spec.nints) if self.segment is None else self.segment.integrations

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(integration, group, y, x) of the ramp in the file."""
        first, stop = self.integrations
        return (stop - first, *self.spec.shape[1:])

    def keywords(self) -> dict[str, Any]:
        """Return metadata by the paths of the pipeline's data models.

        Raises
        ------
        InputError
            If the row lacks what a header needs.
        """
        own = {} if self.segment is None else self.segment.keywords
        if self.motion is None:
            return keyword_values(self.row, self.spec) | carried_keywords(self.cards) | own
        values = keyword_values(*at_middle(self.row, self.spec, self.motion))
        return values | moving_keywords(self.spec, self.motion) | carried_keywords(self.cards) | own


def is_current(path: Path, spec: ExposureSpec, segment: Segment | None = None) -> bool:
    """Return whether a file is whole and holds this exposure, or this segment of it, made from this very spec."""
    try:
        headers = read_headers(path)
    except OSError:
        return False
    if headers is None or headers[0].get("MDSPEC") != spec.digest or headers[-1].get("EXTNAME") != "ASDF":
        return False
    wanted = segment or Segment(1, 1, (0, spec.nints))
    if any(headers[0].get(keyword) != value for keyword, value in wanted.cards.items()):
        return False
    shapes = [
        tuple(h.get(f"NAXIS{axis}") for axis in (4, 3, 2, 1)) for h in headers if h.get("EXTNAME") == "SCI"
    ]
    first, stop = wanted.integrations
    return shapes == [(stop - first, *spec.shape[1:])]


@contextmanager
def ramp_file(
    path: Path,
    product: RampProduct,
    model: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    keywords: Mapping[str, Any] | None = None,
    more: Sequence[Part] = (),
) -> Iterator[Put]:
    """Write a file, whole or not at all, with the tables GROUP, INT_TIMES and, in raw files, MOVING_TARGET_POSITION.

    Parameters
    ----------
    path
        Where; the directory exists.
    product
        What the file is about.
    model
        Class of `stdatamodels.jwst.datamodels`.
    arrays
        Its arrays by attribute, `data` first: hollow ones, which the block fills.
    keywords
        Metadata besides those of the product, by the paths of the model; what its schema refuses is left out with a
        warning.
    more
        Extensions that the model does not know, between its own and its last one, ASDF.

    Raises
    ------
    InputError
        If the row cannot make a header, or jwst's data models are not installed.
    StoreError
        If the file cannot be written.
    """
    values = product.keywords() | dict(keywords or {})
    span, row = product.integrations, product.row
    start = start_time(row["start_time"], product.spec.name)
    towards = direction(row)
    tables = {
        "group": group_table(product.spec, start, *towards, span),
        "int_times": integration_table(product.spec, start, *towards, span),
    }
    if product.motion is not None and model == "Level1bModel":
        tables["moving_target"] = moving_target_table(row, product.spec, product.motion)
    log = carried_log(product.cards)
    parts, refused = file_parts(Content(path.name, model, values, product.cards, log, arrays, tables))
    for key, reason in refused.items():
        warnings.warn(
            f"{product.spec.name}: {key} = {values[key]!r} is left out of the FITS header: {reason}",
            stacklevel=4,
        )
    with (
        files.store_errors(str(path)),
        replacing(path) as temporary,
        RampFile.laid_out(temporary, (*parts[:-1], *more, parts[-1])) as file,
    ):

        def put(extension: str, window: Window, pixels: npt.NDArray[Any]) -> None:
            first, stop = (place - span[0] for place in window.integrations)
            file.write(extension, replace(window, integrations=(first, stop)), pixels)

        yield put
