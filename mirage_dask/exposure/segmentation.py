"""The segmentation map of an exposure: in each pixel the source that gives most light there, where it is above a threshold.

    segmentation = id of the brightest source where its light x transmission >= threshold; 0 elsewhere        (y, x)

The light is that of the seed, e-/s in a pixel, of the source alone. The threshold is `ExposureSpec.segmentation_threshold`,
by default Mirage's 0.031 DN/s. Overlapping sources: the brightest in the pixel wins, of equal ones the lower index. (In
Mirage the last one of a catalog does, galaxies only where no star is, and the indices of moving sources are added.)
"""

from __future__ import annotations

import logging
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mirage_dask.exposure.frame import Frame, as_slices
from mirage_dask.exposure.references import References
from mirage_dask.formatting import counted
from mirage_dask.scene.truth.segmentation import LARGEST_ID, find_brightest, indices_of
from mirage_dask.spec import SEGMENTATION_THRESHOLD, ExposureSpec

_LOG = logging.getLogger(__name__)


def segmentation_window(
    spec: ExposureSpec, references: References, rows: tuple[int, int], columns: tuple[int, int]
) -> NDArray[np.int32]:
    """Return the segmentation map in a box of the exposure's science pixels.

    Catalogs that share indices, and indices that are 0 or beyond int32, are a warning in the log.

    Parameters
    ----------
    rows, columns
        Science y and x of the exposure, half-open.

    Returns
    -------
    int32 (y, x), catalog indices; 0 where no source reaches the threshold.
    """
    pack = references.pack
    frame = Frame(spec, pack.array)
    threshold = np.float32(
        spec.segmentation_threshold or SEGMENTATION_THRESHOLD * float(pack.meta.get("mean_gain", 1.0))
    )
    layers = (*references.light.static, *references.light.varying)
    for note in _notes(references):
        _say(spec.name, note)
    transmission = None
    if "transmission" in pack.names:
        transmission = frame.science(pack.plane("transmission", *as_slices(frame.box(rows, columns))))
    found = find_brightest(
        layers,
        x=slice(spec.x0 + columns[0], spec.x0 + columns[1]),
        y=slice(spec.y0 + rows[0], spec.y0 + rows[1]),
        level=float(threshold),
        seconds=spec.integration_start(spec.nints - 1) + spec.frames_per_integration * spec.tframe,
    )
    seen = found.light if transmission is None else found.light * np.minimum(transmission, np.float32(1))
    return np.where(seen >= threshold, found.index, np.int32(0))


@lru_cache(maxsize=8)
def _notes(references: References) -> tuple[str, ...]:
    indices = indices_of((*references.light.static, *references.light.varying))
    notes = []
    for (a, first), (b, second) in combinations(indices.items(), 2):
        both = np.intersect1d(first, second)
        if both.size:
            notes.append(
                f"the catalogs of the types {a} and {b} share indices of sources ({', '.join(map(str, both[:3]))}"
                f"{', …' if both.size > 3 else ''}; {both.size:,} in all), which mean both in the segmentation map; "
                "number the sources of all catalogs differently (column index)."
            )
    for kind, own in indices.items():
        wrong = own[(own < 1) | (own > LARGEST_ID)]
        if wrong.size:
            notes.append(
                f"the segmentation map lacks {counted(wrong.size, 'source')} of the catalog of type {kind}, such as "
                f"{wrong[0]}; number sources from 1 to {LARGEST_ID} (column index)."
            )
    return tuple(notes)


@lru_cache(maxsize=4096)
def _say(name: str, note: str) -> None:
    """Write a warning, once in this process."""
    _LOG.warning("%s: %s", name, note)
