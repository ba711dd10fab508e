"""Layer `dispersed_light_curve`: the target of a grism time series, whose spectrum changes with time.

    rate(x, y, t) = S_0(x, y) + sum of c_k(t) S_k(x, y)

S_0 is the target behind the grism where nothing happens, S_k the images of the same star with the spectra w_k of the
table (`mirage_dask.scene.time_series`): they are drawn as those of any star (`dispersed`), once in blocks of `BLOCK` rows
that stay in this process, so that a read costs one multiplication and addition for each pixel and k. Any integration and
window has the bits of the whole.

NOT modelled: what `dispersed` leaves out; that the image of the star moves during the exposure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.detector.random.keys import SLOT_DISPERSED_CURVES
from mirage_dask.errors import StoreError
from mirage_dask.instruments.orientation import Span
from mirage_dask.io.caches.process_caches import CACHES
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.scene.dispersed.sources import SourceSpectra, add_stars
from mirage_dask.scene.dispersed.tables import open_configuration
from mirage_dask.scene.dispersed.traces import Segment, reaches, segments
from mirage_dask.scene.galaxies.convolution import token
from mirage_dask.scene.layers.dispersed.sources import field_of, star_halves
from mirage_dask.scene.layers.view import Floats, View
from mirage_dask.scene.placement import Bounds, counted_from, pixels_of
from mirage_dask.scene.sources import load_once
from mirage_dask.scene.time_series.means import add_sums, frame_means
from mirage_dask.scene.time_series.tables import DispersedCurves
from mirage_dask.untrusted.names import REMEDY

BLOCK = 64
"""Rows of a block."""
BLOCKS = CACHES["dispersed light curves"]


@dataclass(frozen=True, eq=False)
class DispersedCurveLayer:
    """The target as it falls on an exposure."""

    kind: ClassVar[str] = DispersedCurves.kind
    varying: ClassVar[bool] = True
    slot: ClassVar[int] = SLOT_DISPERSED_CURVES
    key: str
    """Of the table."""
    table: DispersedCurves
    psf: PsfLibrary
    bounds: Bounds
    """Of the array of the exposure."""
    segments: tuple[Segment, ...]
    weights: tuple[NDArray[np.float32], ...]
    """For each segment (K + 1, nodes)."""
    x: NDArray[np.float64]
    """(1,) place in the direct image, full-frame science pixels; nan where the target is not on the sky that is seen."""
    y: NDArray[np.float64]
    half_width: NDArray[np.int64]
    boxes: NDArray[np.float64]
    """(segments, 4, 1) around traces; nan where an order does not accept the target."""

    @classmethod
    def open(cls, key: str, view: View) -> DispersedCurveLayer:
        """Read and project the layer's table.

        Raises
        ------
        StoreError
            If the table is missing, damaged, or does not fit the grism.
        """
        table = load_once(DispersedCurves, view.tables, key)
        for _ in table.named():  # which checks it
            pass
        grism = open_configuration(view.tables, table.grism)
        found = segments(grism)
        ends = np.cumsum([one.count for one in found])
        if ends[-1] != table.weights.shape[1]:
            raise StoreError(f"The table of the target of a time series does not fit its grism; {REMEDY}.")
        weights = tuple(np.split(table.weights, ends[:-1], axis=1))
        around = field_of(grism)
        xy = pixels_of(counted_from(table.position, view.bounds, around), view.projection, around)
        x, y = np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1])
        boxes = np.full((len(found), 4, 1), np.nan)
        if np.isfinite(xy).all():
            for k, one in enumerate(found):
                boxes[k] = np.where(one.trace.accepts(x, y, grism.size), one.boxes(x, y), np.nan)
        still = SourceSpectra(tuple(w[:1] for w in weights), np.zeros(1, np.int64), np.ones(1))
        half = star_halves(still.brightest(), view.psf(""))
        return cls(key, table, view.psf(""), view.bounds, found, weights, x, y, half, boxes)

    def touches(self, x: Span, y: Span) -> bool:
        """Return whether light of the target may fall into a box."""
        near = reaches(
            self.boxes, self.half_width.astype(np.float64), x0=x[0], y0=y[0], nx=x[1] - x[0], ny=y[1] - y[0]
        )
        return bool(near.any() and self.half_width[0] > 0)

    def add(self, out: Floats, *, x0: int, y0: int, edges: NDArray[np.float64]) -> None:
        """Add the mean rate of each read; nothing beyond the array of the exposure."""
        means = frame_means(self.table.times, self.table.courses, edges).astype(np.float32)
        left, right, low, high = self.bounds
        # A window may have neighbours beyond the array, which see nothing.
        first, last = max(x0, left), min(x0 + out.shape[2], right)
        row, stop = max(y0, low), min(y0 + out.shape[1], high)
        while row < stop and first < last:
            number = (row - low) // BLOCK
            begin = low + number * BLOCK
            end = min(begin + BLOCK, stop)
            if self.touches((first, last), (row, end)):
                part = out[:, row - y0 : end - y0, first - x0 : last - x0]
                add_sums(part, self.images(number), row - begin, first - left, means)
            row = end

    @cached_property
    def digest(self) -> bytes:
        """Hash of all that the images follow from, for cache keys."""
        digest = hashlib.blake2b(f"{self.key} {self.bounds}".encode() + token(self.psf), digest_size=16)
        for column in (self.x, self.y, self.half_width):
            digest.update(column.tobytes())
        return digest.digest()

    def images(self, number: int) -> Floats:
        """Return the images S_0 … S_K in a block of rows of the exposure, (K + 1, rows, nx) e-/s."""
        left, right, low, high = self.bounds
        begin = low + number * BLOCK
        rows = min(begin + BLOCK, high) - begin

        def make() -> Floats:
            found = np.zeros((len(self.table.weights), rows, right - left), np.float32)
            for k, image in enumerate(found):
                spectra = SourceSpectra(self.weights, np.array([k]), np.ones(1))
                add_stars(
                    image, self.psf, self.segments, spectra, x=self.x, y=self.y, half_width=self.half_width,
                    pivot=self.table.pivot, boxes=self.boxes, x0=left, y0=begin,
                )  # fmt: skip
            return found

        return BLOCKS.array((self.digest, number), make)
