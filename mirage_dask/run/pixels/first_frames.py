"""The extension ZEROFRAME of a raw file: computed from the plan, window by window, while the file is written.

A store holds groups, and their means do not tell the first frame. What it takes is computed beside them: one group of
one frame. A file whose first frames cannot be computed is written without them, and a warning says why: the ramp is
whole, and the pipeline needs no more.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from mirage_dask.errors import ReferenceFileError, StoreError
from mirage_dask.fits.uncal import Pixels
from mirage_dask.spec import Window
from mirage_dask.store.pieces import open_pieces
from mirage_dask.store.plan import Plan

_LOG = logging.getLogger(__name__)


def first_frames(plan: Plan, row: int, integrations: tuple[int, int] | None = None) -> Pixels | None:
    """Return the first frames of an exposure, in windows of one group in the order of a file; None if it has none.

    Parameters
    ----------
    plan, row
        The exposure.
    integrations
        Half-open range of those wanted; default all.
    """
    spec = plan.spec(row)
    if spec.nframes == 1:  # nor does it need the kernels
        return None
    from mirage_dask.exposure.first_frame import can_compute, first_frame, sends_first_frame
    from mirage_dask.exposure.references import open_references

    if not sends_first_frame(spec):
        return None
    reason = "it contains charge or a dark that is known group by group only"
    try:
        references, given = open_references(spec, plan.url), open_pieces(spec, plan.url)
        if can_compute(given):
            # Missing reference data show before the file is begun.
            first_frame(spec, references, Window((0, 1), (0, 1), (0, 1), (0, 1)), given)
            windows = (replace(box, groups=(0, 1)) for box in plan.grid(row).boxes(integrations))
            return ((window, first_frame(spec, references, window, given)[:, None]) for window in windows)
    except (ReferenceFileError, StoreError) as error:
        reason = str(error).rstrip(".")
    _LOG.warning("%s: the raw file has no extension ZEROFRAME: %s.", spec.name, reason)
    return None
