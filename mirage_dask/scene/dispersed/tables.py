"""What an exposure behind a grism is made of, as tables of the plan: sources with their spectra.

A table of sources names that of the direct image of the same filter, the configuration of the grism and the light of spectra
at its nodes (`spectra.save_weights`). The spectrum of a source is a sum of rows of the latter:

    light of a source = sum_k amounts_k row_k          sources that are listed
                      = flux row_0                     others: flux is the electrons/s of the direct image

so that sources with one spectrum share a row, and the magnitudes of a source in several filters are its amounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mirage_dask.errors import StoreError
from mirage_dask.reference.grisms import configuration
from mirage_dask.reference.grisms.configuration import GrismConfiguration
from mirage_dask.scene.dispersed import spectra
from mirage_dask.scene.sources import Galaxies, PointSources, SourceTable
from mirage_dask.untrusted.names import REMEDY, is_valid

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DispersedSources(SourceTable):
    """Sources of one table and their spectra behind a grism."""

    source_kind: ClassVar[str]
    source: str
    """Content key of the table of sources."""
    grism: str
    """Content key of the configuration."""
    weights: str
    """Content key of the light at its nodes."""
    pivot: float
    """Wavelength of the PSFs, micron."""
    index: NDArray[np.int64]
    """(m,) catalog indices of the sources that are listed, rising."""
    rows: NDArray[np.int64]
    """(m, k) rows of the light at nodes."""
    amounts: Floats
    """(m, k)"""

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield (kind, key) of the tables that this one names.

        Raises
        ------
        StoreError
            If the table cannot be true: paths are made of its names.
        """
        names = all(is_valid("digest", name) for name in (self.source, self.grism, self.weights))
        shapes = self.rows.ndim == 2 and self.rows.shape == self.amounts.shape and len(self.rows) == len(self)
        if not (names and shapes and np.isfinite(self.pivot) and self.pivot > 0):
            raise StoreError(f"The table of the dispersed sources of an exposure is not valid; {REMEDY}.")
        yield self.source_kind, self.source
        yield configuration.KIND, self.grism
        yield spectra.KIND, self.weights

    def of(self, index: NDArray[np.int64], flux: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return rows and amounts, (n, k) each, of sources.

        Parameters
        ----------
        index
            (n,) catalog indices.
        flux
            (n,) e-/s in the direct image.
        """
        if not len(self):
            return np.zeros((index.size, 1), np.int64), flux[:, None]
        at = np.minimum(np.searchsorted(self.index, index), len(self) - 1)
        listed = self.index[at] == index
        rows, amounts = self.rows[at], self.amounts[at]
        rows[~listed], amounts[~listed] = 0, 0.0
        amounts[~listed, 0] = flux[~listed]
        return rows, amounts


@dataclass(frozen=True, eq=False)
class DispersedStars(DispersedSources):
    """Stars."""

    kind: ClassVar[str] = "dispersed_star"
    source_kind: ClassVar[str] = PointSources.kind


@dataclass(frozen=True, eq=False)
class DispersedGalaxies(DispersedSources):
    """Galaxies."""

    kind: ClassVar[str] = "dispersed_galaxy"
    source_kind: ClassVar[str] = Galaxies.kind


@dataclass(frozen=True, eq=False)
class DispersedImages(DispersedSources):
    """Sources that are images; all of them are listed."""

    kind: ClassVar[str] = "dispersed_image"
    source_kind: ClassVar[str] = "extended"  # `image_tables.Extended`, a module that reads this one


TABLES: dict[str, type[DispersedSources]] = {
    table.source_kind: table for table in (DispersedStars, DispersedGalaxies, DispersedImages)
}
"""By the kind of the sources."""


def names_of(kind: str, arrays: dict[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    """Yield (kind, key) of the tables that a table of dispersed sources names; none of another kind.

    Raises
    ------
    StoreError
        If a name is not a key.
    """
    for table in TABLES.values():
        if table.kind == kind:
            columns: dict[str, Any] = {k: v if v.ndim else v.item() for k, v in arrays.items()}
            yield from table(**columns).named()


@lru_cache(maxsize=4)
def open_configuration(url: str, key: str) -> GrismConfiguration:
    """Read a configuration of a plan; the last few stay in this process."""
    return GrismConfiguration.load(url, key)
